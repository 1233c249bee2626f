//! What several tests of this crate share.

use std::time::Duration;

use sluice_git::{Auth, FetchError, Fetched, Limits, Mirror, Reference, ReferenceSpec, Remote, RemoteConfig, Tls};
use sluice_http_client::{Proxy, Url};

pub(crate) fn config(url: &Url) -> RemoteConfig {
    RemoteConfig {
        url: url.clone(),
        auth: Auth::None,
        tls: Tls::default(),
        proxy: Proxy::Direct,
        timeout: Duration::from_secs(20),
        limits: Limits::default(),
    }
}

pub(crate) async fn fetch(mirror: &Mirror, remote: &Remote, spec: &ReferenceSpec<'_>) -> Result<Fetched, FetchError> {
    let resolved = remote.resolve(&Reference::from_spec(spec).unwrap()).await?;
    mirror.fetch(remote, &resolved).await
}

pub(crate) fn main_branch() -> ReferenceSpec<'static> {
    ReferenceSpec { branch: Some("main"), ..ReferenceSpec::default() }
}

/// An error with its causes, as a condition's message has it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
