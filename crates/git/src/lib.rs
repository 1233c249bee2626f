//! Git over HTTP(S) and SSH: which commit a reference is, an incremental fetch of just that commit into a bare mirror, with its
//! submodules, and a walk of its tree.
//!
//! libgit2 keeps the objects: it indexes packs, checks hashes and reads trees. The network is ours and small: protocol version 2 (and 0,
//! for old servers) on our HTTP client or an SSH library, so that time, bytes, proxies, certificates, host keys and redirects are under
//! our limits. Asking for a
//! commit by its hash instead of through libgit2's remotes also means: no listing of all references on each fetch, no history, no global
//! transport registry and no `unsafe`.
//!
//! Deliberately not here: signature checks (only what they need), work trees, writing to remotes, and packing of what is walked.

mod advertisement;
mod auth;
mod error;
mod fetch;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod mirror;
mod object;
mod object_id;
mod pack_scan;
mod pack_stream;
mod pkt_line;
mod pool;
mod recursion;
mod reference;
mod remote;
mod resolve;
mod signed;
mod sparse;
mod ssh;
mod store;
mod submodule;
mod transport;
mod tree;

// Only for its feature `static`: libgit2 would otherwise take the zlib of the machine, which a minimal image does not have.
use libz_sys as _;

pub use auth::{Auth, AuthError, Credentials, Tls, auth_from_secret};
pub use error::RemoteError;
pub use mirror::{Commit, FetchError, Fetched, Mirror, Transfer};
pub use object_id::{ObjectId, ObjectIdError};
pub use pkt_line::ProtocolError;
pub use pool::ClientPool;
pub use recursion::Submodules;
pub use reference::{Reference, ReferenceError, ReferenceSpec};
pub use remote::{Limits, Remote, RemoteConfig};
pub use resolve::{RemoteRef, ResolveError, Resolved, Target, resolve};
pub use signed::{SignedObject, SignedTag};
pub use sluice_semver_range::Range as SemverRange;
pub use sparse::SparsePaths;
pub use ssh::{HostKeyError, IdentityError, KnownHosts, KnownHostsError, SshAlgorithms, SshAuth, SshAuthError};
pub use store::StoreError;
pub use submodule::SubmoduleError;
pub use transport::SshError;
pub use tree::{Entry, EntryKind, Tree, Visit, VisitError, WalkError, WalkLimits};
