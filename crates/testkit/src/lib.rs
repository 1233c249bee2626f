//! Real servers and builders for tests: a Kubernetes control plane, Git over HTTP, message sinks, the controllers as processes.
//!
//! Deliberately no fakes of what can be had for real, and nothing that a shipped binary links.

pub mod alertmanager;
pub mod azure;
pub mod control_plane;
pub mod controller;
pub mod files;
pub mod front;
pub mod git;
pub mod nats;
pub mod proxy;
pub mod registry;
pub mod s3;
pub mod sink;
pub mod ssh;
pub mod supervise;
pub mod tools;
pub mod wait;
pub mod workspace;

pub use control_plane::ControlPlane;
pub use controller::Controller;
pub use sink::Sink;
pub use wait::wait_until;
