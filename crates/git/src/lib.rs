//! Git over HTTP(S): which commit a reference is, an incremental fetch of just that commit into a bare mirror, and a walk of its tree.
//!
//! libgit2 keeps the objects: it indexes packs, checks hashes and reads trees. The network is ours and small: protocol version 2 (and 0,
//! for old servers) on our HTTP client, so that time, bytes, proxies, certificates and redirects are under our limits. Asking for a
//! commit by its hash instead of through libgit2's remotes also means: no listing of all references on each fetch, no history, no global
//! transport registry and no `unsafe`.
//!
//! Deliberately not here: SSH, submodules, signature checks, work trees, writing to remotes, and packing of what is walked.

mod advertisement;
mod auth;
mod fetch;
mod mirror;
mod object_id;
mod pkt_line;
mod reference;
mod remote;
mod resolve;
mod store;
mod tree;

pub use auth::{Auth, AuthError, Credentials, Tls, auth_from_secret};
pub use mirror::{Commit, FetchError, Fetched, Mirror, Transfer};
pub use object_id::{ObjectId, ObjectIdError};
pub use pkt_line::ProtocolError;
pub use reference::{Reference, ReferenceError, ReferenceSpec};
pub use remote::{Limits, Remote, RemoteConfig, RemoteError};
pub use resolve::{RemoteRef, ResolveError, Resolved, Target, resolve};
pub use sluice_semver_range::Range as SemverRange;
pub use store::StoreError;
pub use tree::{Entry, EntryKind, Tree, Visit, VisitError, WalkError, WalkLimits};
