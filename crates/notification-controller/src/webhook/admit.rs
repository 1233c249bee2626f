//! Letting a request in: what is read and fetched for it, and the checks in their order.
//!
//! What can be checked without asking anybody comes first, so that a caller without a chance causes no request of ours beyond the read
//! of the Secret. Deliberately no status codes.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use jiff::Timestamp;
use serde_json::Value;
use sluice_api::notification::Receiver;
use sluice_notify::SecretData;
use thiserror::Error;

use super::auth::{AuthError, authenticate, bearer, push_payload};
use super::evaluations::Evaluations;
use super::issuers::{FetchError, Issuer, Issuers};
use super::jwt::{Expectation, JwtError, Token};
use super::programs::Program;
use super::types::{Way, gcr, generic_oidc, way};
use crate::cluster::Secrets;
use crate::receiver::{ClaimsError, TokenError, ValidateError, token};

/// What a request that was let in has to say.
#[derive(Debug, PartialEq)]
pub(super) struct Admitted {
    /// What filters see as the request's body.
    pub(super) payload: Bytes,
    /// The claims of the sender's token, for the type generic-oidc.
    pub(super) claims: Option<Value>,
}

/// Why a request was not let in.
#[derive(Debug, Error)]
pub(super) enum AdmitError {
    #[error("the receiver names no secret")]
    NameSecret,
    #[error(transparent)]
    ReadToken(#[from] TokenError),
    #[error(transparent)]
    Authenticate(#[from] AuthError),
    #[error("invalid bearer token")]
    Token(#[from] JwtError),
    #[error("failed to get the keys of the issuer '{issuer}'")]
    FetchKeys {
        issuer: String,
        #[source]
        source: Arc<FetchError>,
    },
    #[error("the receiver's oidcProviders cannot be used")]
    Compile(#[source] ValidateError),
    #[error(transparent)]
    Claims(#[from] ClaimsError),
    #[error("the check of the claims was abandoned")]
    Abandon,
}

/// What letting in needs beside the request.
pub(super) struct Gatekeeper<'a> {
    pub(super) secrets: &'a dyn Secrets,
    pub(super) issuers: &'a Issuers,
    pub(super) evaluations: &'a Evaluations,
    pub(super) now: Timestamp,
}

impl Gatekeeper<'_> {
    /// Checks a request to a Receiver whose expressions are `program`.
    pub(super) async fn admit(
        &self,
        receiver: &Receiver,
        program: &Arc<Program>,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Admitted, AdmitError> {
        let payload = match way(&receiver.spec.type_) {
            Some(Way::Issuer) => {
                let claims = Some(self.issued(receiver, program, headers).await?);
                return Ok(Admitted { payload: body.clone(), claims });
            }
            Some(Way::Google) => self.pushed(&self.secret(receiver).await?.1, headers, body).await?,
            Some(Way::Plain(_)) | None => {
                let (token, _) = self.secret(receiver).await?;
                match authenticate(&receiver.spec, &token, headers, body)? {
                    std::borrow::Cow::Borrowed(same) => body.slice_ref(same),
                    std::borrow::Cow::Owned(other) => other.into(),
                }
            }
        };
        Ok(Admitted { payload, claims: None })
    }

    /// The token, and the Secret that it is from.
    async fn secret(&self, receiver: &Receiver) -> Result<(Vec<u8>, SecretData), AdmitError> {
        let namespace = receiver.metadata.namespace.as_deref().unwrap_or_default();
        let secret = receiver.spec.secret_ref.as_ref().ok_or(AdmitError::NameSecret)?;
        let read = self.secrets.read(namespace, &secret.name).await;
        let data = read.as_ref().ok().cloned().unwrap_or_default();
        Ok((token(namespace, &secret.name, read)?, data))
    }

    async fn pushed(&self, secret: &SecretData, headers: &HeaderMap, body: &Bytes) -> Result<Bytes, AdmitError> {
        let expected = gcr::expected(secret)?;
        let token = Token::parse(bearer(headers)?)?;
        token.check_time(self.now)?;
        gcr::check_claims(token.unchecked_claims(), expected)?;
        let keys = self.issuers.keys(&Issuer::Google, token.key_id()).await;
        let keys = keys.map_err(|source| AdmitError::FetchKeys { issuer: "accounts.google.com".to_owned(), source })?;
        token.check_signature(&keys.keys, &keys.algorithms)?;
        Ok(push_payload(body)?.into())
    }

    /// The claims of a token of one of the Receiver's issuers.
    async fn issued(
        &self,
        receiver: &Receiver,
        program: &Arc<Program>,
        headers: &HeaderMap,
    ) -> Result<Value, AdmitError> {
        let token = Token::parse(bearer(headers)?)?;
        let (index, provider) = generic_oidc::provider(&receiver.spec.oidc_providers, token.unchecked_claims())?;
        let issuer = &provider.issuer_url;
        token.check_claims(Expectation { issuer, audience: provider.audience(), now: self.now })?;
        let keys = self.issuers.keys(&Issuer::Discovered(issuer.clone()), token.key_id()).await;
        let keys = keys.map_err(|source| AdmitError::FetchKeys { issuer: issuer.clone(), source })?;
        token.check_signature(&keys.keys, &keys.algorithms)?;
        let claims = token.into_claims();
        let program = Arc::clone(program);
        let checking = self.evaluations.run(move || {
            let rules = program.rules.as_ref().map_err(|error| AdmitError::Compile(error.clone()))?;
            rules.get(index).ok_or(AdmitError::Abandon)?.check(&claims)?;
            Ok(claims)
        });
        checking.await.unwrap_or(Err(AdmitError::Abandon))
    }
}

#[cfg(test)]
mod tests;
