//! Why a Kustomization has nowhere to be applied, in the words that are shown on it.
//!
//! Deliberately without anything that a kubeconfig holds but names and addresses: a parser's own words may quote a token.

use sluice_cloud_identity::{AddressError, IdentityError};
use sluice_workload_identity::{AccountError, TokenError};

/// There is no client. In an event, `failed to build kube client: ` stands before it.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// `spec.kubeConfig` is empty.
    #[error("exactly one of spec.kubeConfig.configMapRef or spec.kubeConfig.secretRef must be specified")]
    NoReference,
    /// The name of the service account cannot be part of a request.
    #[error("the user '{0}' cannot be impersonated: its name cannot be sent")]
    User(String),
    /// The Secret cannot be read.
    #[error("unable to read KubeConfig secret '{secret}' error")]
    ReadSecret {
        /// Namespace and name.
        secret: String,
        /// Why.
        #[source]
        source: ReadError,
    },
    /// The Secret has no kubeconfig where it should.
    #[error("KubeConfig secret '{secret}' does not contain a '{key}' key with a kubeconfig")]
    NoKey {
        /// Namespace and name.
        secret: String,
        /// The key.
        key: String,
    },
    /// The kubeconfig is not one, or has something that is refused.
    #[error("invalid kubeconfig in secret '{secret}'")]
    Kubeconfig {
        /// Namespace and name.
        secret: String,
        /// Why.
        #[source]
        source: KubeconfigError,
    },
    /// The `ConfigMap` cannot be read.
    #[error("failed to get configmap {config_map}")]
    ReadConfigMap {
        /// Namespace and name.
        config_map: String,
        /// Why.
        #[source]
        source: ReadError,
    },
    /// The `ConfigMap` names a cloud that is none.
    #[error("provider '{0}' not implemented")]
    Provider(String),
    /// It cannot be said in whose name the other cluster is reached.
    #[error("failed to get access token for cluster")]
    Account(#[source] AccountError),
    /// The cloud does not give access.
    #[error(transparent)]
    Cloud(#[from] Box<IdentityError>),
    /// Kubernetes gave no token.
    #[error("failed to get access token for cluster")]
    Token(#[source] TokenError),
    /// The other cluster's address is not one.
    #[error("failed to parse cluster address")]
    Address(#[source] AddressError),
    /// There is a configuration and no client can be made of it.
    #[error("failed to set up the connection: {0}")]
    Connect(&'static str),
}

/// An object that a Kustomization names cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is none.
    #[error("{plural} \"{name}\" not found")]
    NotFound {
        /// The kind as in paths.
        plural: &'static str,
        /// The name.
        name: String,
    },
    /// The API server said so.
    #[error("{0}")]
    Refused(String),
    /// There was no answer.
    #[error(transparent)]
    Request(kube::Error),
}

impl ReadError {
    /// Takes the client's error; of a refusal the server's own words.
    pub(super) fn of(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Refused(status.message),
            other => Self::Request(other),
        }
    }
}

/// Whether a service account exists could not be learnt.
#[derive(Debug, thiserror::Error)]
#[error("failed to get service account '{account}'")]
pub struct AccountUnknown {
    /// Namespace and name.
    pub account: String,
    /// Why.
    #[source]
    pub source: kube::Error,
}

/// A kubeconfig that is not one, or has something that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KubeconfigError {
    /// It is larger than any.
    #[error("it has more than {limit} bytes")]
    TooLarge {
        /// The bound.
        limit: usize,
    },
    /// It is no YAML.
    #[error("it is not YAML{}", line.map(|line| format!(", line {line}")).unwrap_or_default())]
    Yaml {
        /// Where, if that is known.
        line: Option<u32>,
    },
    /// It has no content.
    #[error("it is empty")]
    Empty,
    /// A field is of another type than a kubeconfig's.
    #[error("field '{0}' is not what a kubeconfig has there")]
    Field(String),
    /// It does not say which context to use.
    #[error("it has no current-context")]
    NoContext,
    /// It refers to something that it does not have.
    #[error("{what} '{name}' does not exist")]
    Missing {
        /// `context`, `cluster` or `user`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// It does not say where the cluster is.
    #[error("cluster '{0}' has no server")]
    NoServer(String),
    /// The server or the proxy is not a place.
    #[error("{field} '{address}' {problem}")]
    Address {
        /// The field.
        field: &'static str,
        /// The address, without what may be a secret.
        address: String,
        /// What is wrong.
        problem: AddressProblem,
    },
    /// Credentials come from a program, which would have to be started.
    #[error(
        "user '{0}' has an exec credential plugin, which is never run: this controller starts no programs, whatever \
         --insecure-kubeconfig-exec says; use a token or client certificate, or spec.kubeConfig.configMapRef"
    )]
    Exec(String),
    /// Two ways to log in.
    #[error("user '{0}' has both a token and a username and password, only one is allowed")]
    TwoLogins(String),
    /// Half a client certificate.
    #[error("user '{0}' must have client-certificate-data and client-key-data, or neither")]
    HalfCertificate(String),
    /// Text that should be base64 is not.
    #[error("field '{0}' is not base64")]
    Base64(&'static str),
    /// Text that should be PEM is not.
    #[error("field '{0}' has no PEM certificate")]
    NoCertificate(&'static str),
    /// A token or a password that no header can carry.
    #[error("user '{0}' has a token, username or password with control characters")]
    Unsendable(String),
}

/// What is wrong with an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressProblem {
    /// It does not parse.
    #[error("is not a URL")]
    NotUrl,
    /// Its scheme is another.
    #[error("must use one of the schemes {0}")]
    Scheme(&'static str),
    /// It has parts that are no place: user, query or fragment.
    #[error("must have no user, query or fragment")]
    Parts,
}
