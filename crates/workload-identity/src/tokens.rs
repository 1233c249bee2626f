//! Tokens of service accounts, as the API server makes them.
//!
//! Deliberately without a cache of their own.

use std::path::Path;

use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount as KubeServiceAccount;
use kube::Api;
use kube::api::PostParams;
use sluice_cloud_identity::environment::MAX_FILE_BYTES;
use sluice_cloud_identity::{AccessToken, Files, Port, PortError, ServiceAccountTokens, jwt_subject};
use sluice_http_client::Secret;

/// The life of a token that is exchanged at once, in seconds: the shortest that the API server grants.
const EXCHANGED_SECONDS: i64 = 600;

/// Where Kubernetes puts a pod's token.
const TOKEN_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// There is no token of Kubernetes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The controller does not run as a service account.
    #[error("failed to read service account token file {TOKEN_FILE}")]
    OwnFile(#[source] std::io::Error),
    /// The controller's token does not say whose it is.
    #[error("the token in {TOKEN_FILE} is not one of a service account")]
    OwnAccount,
    /// The API server gave none.
    #[error("failed to create kubernetes token for service account '{account}'")]
    Request {
        /// Namespace and name.
        account: String,
        /// Why.
        #[source]
        source: PortError,
    },
}

/// The service account that the controller runs as.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OwnAccount {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl OwnAccount {
    /// As the pod's token says.
    pub(crate) fn of_files(files: &dyn Files) -> Result<Self, TokenError> {
        let token = files.read(Path::new(TOKEN_FILE), MAX_FILE_BYTES).map_err(TokenError::OwnFile)?;
        let subject = std::str::from_utf8(&token).ok().and_then(|token| jwt_subject(token.trim()));
        subject.as_deref().and_then(Self::of_subject).ok_or(TokenError::OwnAccount)
    }

    fn of_subject(subject: &str) -> Option<Self> {
        let (namespace, name) = subject.strip_prefix("system:serviceaccount:")?.split_once(':')?;
        let fine = !namespace.is_empty() && !name.is_empty() && !name.contains(':');
        fine.then(|| Self { namespace: namespace.to_owned(), name: name.to_owned() })
    }
}

/// Asks for a token of `seconds`, or of the API server's own choice.
pub(crate) async fn request(
    api: &Api<KubeServiceAccount>,
    name: &str,
    audiences: &[String],
    seconds: Option<i64>,
) -> Result<AccessToken, PortError> {
    let spec =
        TokenRequestSpec { audiences: audiences.to_vec(), expiration_seconds: seconds, ..TokenRequestSpec::default() };
    let request = TokenRequest { spec, ..TokenRequest::default() };
    let answer = api.create_token_request(name, &PostParams::default(), &request).await?;
    let status = answer.status.filter(|status| !status.token.is_empty());
    let status = status.ok_or("the API server gave no token")?;
    let expires_at: Timestamp = status.expiration_timestamp.0;
    Ok(AccessToken { token: Secret::new(status.token), expires_at })
}

/// Tokens of one service account, for clouds.
pub(crate) struct Tokens {
    pub(crate) api: Api<KubeServiceAccount>,
    pub(crate) name: String,
}

impl ServiceAccountTokens for Tokens {
    fn service_account_token<'a>(&'a self, audiences: &'a [String]) -> Port<'a, Secret<String>> {
        Box::pin(async move { Ok(request(&self.api, &self.name, audiences, Some(EXCHANGED_SECONDS)).await?.token) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct File(&'static str);

    impl Files for File {
        fn read(&self, path: &Path, _: usize) -> std::io::Result<Vec<u8>> {
            if path == Path::new(TOKEN_FILE) { Ok(self.0.into()) } else { Err(std::io::ErrorKind::NotFound.into()) }
        }
    }

    #[test]
    fn the_controller_is_whom_its_token_names() {
        // The claims are {"sub":"system:serviceaccount:flux-system:kustomize-controller"}.
        let own = "e30.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6Zmx1eC1zeXN0ZW06a3VzdG9taXplLWNvbnRyb2xsZXIifQ.c2ln\n";
        let expected = OwnAccount { namespace: "flux-system".into(), name: "kustomize-controller".into() };
        assert_eq!(OwnAccount::of_files(&File(own)).unwrap(), expected);
        for subject in
            ["system:node:a", "system:serviceaccount:a", "system:serviceaccount:a:", "system:serviceaccount:a:b:c"]
        {
            assert_eq!(OwnAccount::of_subject(subject), None, "{subject}");
        }
        assert_eq!(
            OwnAccount::of_files(&File("no token")).unwrap_err().to_string(),
            "the token in /var/run/secrets/kubernetes.io/serviceaccount/token is not one of a service account"
        );
    }
}
