//! The types of senders: one small module each, and the one table of how each is let in.
//!
//! A module is a pure function of headers, body and token. Deliberately not here: reading the Secret, and the public keys that the two
//! types with signed tokens need; those are fetched by [`super::admit`].

pub(super) mod acr;
pub(super) mod bitbucket;
pub(super) mod cdevents;
pub(super) mod dockerhub;
pub(super) mod gcr;
pub(super) mod generic;
pub(super) mod generic_hmac;
pub(super) mod generic_oidc;
pub(super) mod github;
pub(super) mod gitlab;
pub(super) mod harbor;
pub(super) mod nexus;
pub(super) mod quay;

use std::borrow::Cow;

use http::HeaderMap;
use sluice_api::notification::ReceiverType;

use super::auth::AuthError;

/// A request, and what the Receiver has to say about it.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    /// The request's headers.
    pub(super) headers: &'a HeaderMap,
    /// The request's body, as sent.
    pub(super) body: &'a [u8],
    /// The Secret's token, as stored.
    pub(super) token: &'a [u8],
    /// The events that the Receiver wants; all if there are none.
    pub(super) events: &'a [String],
}

/// The payload that filters see, or why the request is refused.
pub(super) type Checked<'a> = Result<Cow<'a, [u8]>, AuthError>;

/// How a type's requests are let in.
pub(super) enum Way {
    /// By what headers, body and token say.
    Plain(for<'a> fn(&Call<'a>) -> Checked<'a>),
    /// By a token that Google signed.
    Google,
    /// By a token that one of the Receiver's issuers signed.
    Issuer,
}

/// The way of a type; `None` for one that this version does not know.
pub(super) fn way(type_: &ReceiverType) -> Option<Way> {
    Some(match type_ {
        ReceiverType::Generic => Way::Plain(generic::check),
        ReceiverType::GenericHmac => Way::Plain(generic_hmac::check),
        ReceiverType::GenericOidc => Way::Issuer,
        ReceiverType::GitHub => Way::Plain(github::check),
        ReceiverType::GitLab => Way::Plain(gitlab::check),
        ReceiverType::Bitbucket => Way::Plain(bitbucket::check),
        ReceiverType::Harbor => Way::Plain(harbor::check),
        ReceiverType::DockerHub => Way::Plain(dockerhub::check),
        ReceiverType::Quay => Way::Plain(quay::check),
        ReceiverType::Gcr => Way::Google,
        ReceiverType::Nexus => Way::Plain(nexus::check),
        ReceiverType::Acr => Way::Plain(acr::check),
        ReceiverType::CdEvents => Way::Plain(cdevents::check),
        ReceiverType::Other(_) => return None,
    })
}
