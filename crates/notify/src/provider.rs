//! One module per provider type, each a pure function from event and settings to what is to be sent.
//!
//! Nothing here sends an event, and nothing here decides whether an event should be sent; only `prepare` may ask somebody.
//!
//! # How to add a type
//!
//! 1. `kind.rs`: a line in `kinds!`; say there whether it uses the Provider's proxy and TLS material.
//! 2. `provider/<type>.rs`, whose first line says what it sends. One of three shapes:
//!    - **One request.** `pub(super) fn render(&Notification, &ProviderConfig) -> Result<OutboundRequest, RenderError>`, and in [`prepare`]
//!      `Kind::Chat => one(chat::render)`. `post_json::request(config, &body)` makes a JSON POST to the address, `post_json::set_header` adds
//!      headers (always as sensitive).
//!    - **Several requests, none at all, or read-then-write.** The same function with `Result<Step, RenderError>` and `steps(chat::render)`.
//!      [`Step::in_order`] sends one after the other, [`Step::Done`] nothing; [`Step::ask`] gives the answer to a closure that says what
//!      follows:
//!      ```ignore
//!      Ok(Step::ask(list_request, move |answer| {
//!          let found: Vec<Status> = decode("list of statuses", &answer)?;
//!          Ok(if is_duplicate(&found, &wanted) { Step::Done } else { Step::last(create_request) })
//!      }))
//!      ```
//!      An answer reaches the closure only if the request's `Acceptance` takes it: 2xx, or with `Success2xxOr(NOT_FOUND)` that too.
//!    - **Look-ups first** (tokens, the own user, a version). A struct that implements `Notifier` and holds what was found, made by
//!      `pub(super) async fn prepare(&ProviderConfig, &Context) -> Result<Self, PrepareError>`; in [`prepare`]
//!      `Kind::Forge => Box::new(forge::Forge::prepare(&config, context).await?)`. [`Context::ask`] sends a look-up,
//!      [`Context::identity`] is who we are to a cloud or to GitHub (`ProviderConfig::needs_identity` says who gets one).
//!      Keep the request and the reading of its answer pure functions of their own.
//! 3. Errors: what is wrong with the settings is [`RenderError::Setting`] and the like, told as "failed to dispatch"; what is wrong with the
//!    event is [`RenderError::Event`], told as "failed to send". No text repeats an address, a token or a header's value.
//! 4. Git types: `crate::git` has the commit, the states, descriptions, ids and addresses.
//! 5. Tests in `provider/tests/<type>.rs`: a table of events to exact requests (walk a [`Step`] with `request()` and `answered()`), and what
//!    it refuses. `tests/secrets.rs` runs over [`Kind::ALL`] and so finds a new type by itself.

mod alertmanager;
pub(crate) mod azure_event_hub;
mod datadog;
mod discord;
mod generic;
mod google_chat;
mod google_pubsub;
mod grafana;
mod incident_io;
mod lark;
mod matrix;
mod msteams;
mod nats;
mod opsgenie;
mod otel;
mod pagerduty;
mod post_json;
mod rocket;
mod sentry;
mod slack;
mod telegram;
mod webex;
mod zoom;
mod zulip;

mod azure_devops;
mod bitbucket;
mod bitbucket_server;
mod gitea;
mod gitea_comment;
mod github;
mod github_comment;
mod github_dispatch;
mod gitlab;
mod gitlab_comment;

use std::borrow::Cow;

use sluice_cloud_identity::{GitHubAppError, Identity, IdentityError};
use sluice_http_client::{HttpClient, RetryPolicy};
use thiserror::Error;

use crate::config::ProviderConfig;
use crate::git::EventError;
use crate::kind::Kind;
use crate::mask::Masks;
use crate::nats::Publication;
use crate::notification::Notification;
use crate::request::{Answer, OutboundRequest};
use crate::send::{self, Delivery, SendError};
use crate::step::Step;

/// Why an event could not be turned into a request. No message repeats an address, a token or a header's value.
#[derive(Debug, Error)]
pub enum RenderError {
    /// The address is not an absolute http or https URL.
    #[error("invalid address: not an absolute http or https URL")]
    ParseAddress,
    /// No token for a type that signs with it.
    #[error("HMAC key is empty")]
    EmptyHmacKey,
    /// A setting that this type cannot work with, in its own words.
    #[error("{0}")]
    Setting(Cow<'static, str>),
    /// A header cannot be sent as it is.
    #[error("header '{name}' has a name or a value that HTTP does not allow")]
    BuildHeader {
        /// The header's name as configured.
        name: String,
    },
    /// The body could not be written.
    #[error("failed to encode the message")]
    EncodeBody(#[source] serde_json::Error),
    /// The settings are fine, and the event lacks what this type needs.
    #[error(transparent)]
    Event(#[from] EventError),
}

impl RenderError {
    /// A setting that cannot be worked with.
    pub(crate) fn setting(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Setting(text.into())
    }
}

/// Why a provider could not be prepared. No message repeats a secret.
#[derive(Debug, Error)]
pub enum PrepareError {
    /// The type is known, and not implemented.
    #[error("provider type '{0}' is not supported yet")]
    SelectType(String),
    /// The settings cannot be worked with.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// The caller gave no identity for a type that needs one.
    #[error("there is no identity to get credentials with")]
    FindIdentity,
    /// The cloud gives no token.
    #[error("failed to get an access token")]
    GetToken(#[source] Box<IdentityError>),
    /// Google gives no token for the credentials in the Secret.
    #[error("failed to get an access token for the credentials of the secret")]
    UseCredentials(#[source] Box<sluice_cloud_identity::gcp::GcpError>),
    /// There is no way out to who gives tokens.
    #[error("failed to set up the HTTP client")]
    SetUp(#[source] sluice_http_client::ConfigError),
    /// GitHub gives no token for the App.
    #[error("failed to get a token of the GitHub App")]
    GetAppToken(#[source] Box<GitHubAppError>),
    /// A look-up failed.
    #[error("failed to look up {what}")]
    LookUp {
        /// What was wanted, for example "the authenticated user".
        what: &'static str,
        /// Why it was not had.
        #[source]
        source: Box<SendError>,
    },
}

/// What preparation may use.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The client of the delivery; see [`send::Clients`].
    pub client: &'a HttpClient,
    /// Who we are to a cloud and to GitHub, for configs that need it.
    pub identity: Option<Identity<'a>>,
    /// How look-ups are repeated.
    pub retry: &'a RetryPolicy,
}

impl<'a> Context<'a> {
    /// Who we are.
    ///
    /// # Errors
    /// [`PrepareError::FindIdentity`] when the caller did not say.
    pub fn identity(&self) -> Result<Identity<'a>, PrepareError> {
        self.identity.ok_or(PrepareError::FindIdentity)
    }

    /// Sends a look-up of `what` and returns the accepted answer.
    ///
    /// # Errors
    /// [`PrepareError::LookUp`].
    pub async fn ask(&self, what: &'static str, request: OutboundRequest) -> Result<Answer, PrepareError> {
        let answer = send::ask(self.client, request, self.retry).await;
        answer.map_err(|source| PrepareError::LookUp { what, source: Box::new(source) })
    }
}

/// What is to be sent for one event.
#[derive(Debug)]
pub(crate) enum Plan {
    /// HTTP requests, or nothing.
    Http(Step),
    /// A message to a subject of NATS.
    Nats(Publication),
}

impl From<Step> for Plan {
    fn from(step: Step) -> Self {
        Self::Http(step)
    }
}

impl From<OutboundRequest> for Plan {
    fn from(request: OutboundRequest) -> Self {
        Self::Http(Step::last(request))
    }
}

/// A provider whose look-ups are done. Pure: the same notification gives the same plan.
pub(crate) trait Notifier: Send + Sync {
    /// What to send for `notification`. `config` is the one that it was prepared with.
    ///
    /// # Errors
    /// Settings or an event that the type cannot work with.
    fn plan(&self, notification: &Notification, config: &ProviderConfig) -> Result<Plan, RenderError>;
}

/// A notifier that is nothing but a function.
struct Pure<T>(fn(&Notification, &ProviderConfig) -> Result<T, RenderError>);

impl<T: Into<Plan>> Notifier for Pure<T> {
    fn plan(&self, notification: &Notification, config: &ProviderConfig) -> Result<Plan, RenderError> {
        (self.0)(notification, config).map(Into::into)
    }
}

type Render<T> = fn(&Notification, &ProviderConfig) -> Result<T, RenderError>;

fn one(render: Render<OutboundRequest>) -> Box<dyn Notifier> {
    Box::new(Pure(render))
}

fn steps(render: Render<Step>) -> Box<dyn Notifier> {
    Box::new(Pure(render))
}

/// A provider that is ready for events.
pub struct Prepared {
    config: ProviderConfig,
    client: HttpClient,
    notifier: Box<dyn Notifier>,
}

impl Prepared {
    /// What to send for a notification, ready to be sent.
    ///
    /// # Errors
    /// Settings or an event that the type cannot work with; [`RenderError::Event`] says which of the two.
    pub fn deliver(&self, notification: &Notification) -> Result<Delivery, RenderError> {
        let plan = self.notifier.plan(notification, &self.config)?;
        let Self { client, config, .. } = self;
        Ok(Delivery { client: client.clone(), plan, timeout: config.timeout, masks: Masks::of(config) })
    }
}

/// Does what a type must do before its first event: most have nothing to do, some ask for tokens or for who they are. The caller bounds the
/// time.
///
/// # Errors
/// See [`PrepareError`].
pub async fn prepare(config: ProviderConfig, context: &Context<'_>) -> Result<Prepared, PrepareError> {
    let notifier: Box<dyn Notifier> = match config.kind {
        Kind::Generic => one(generic::render),
        Kind::GenericHmac => one(generic::render_signed),
        Kind::Slack => one(slack::render),
        Kind::Discord => one(discord::render),
        Kind::Rocket => one(rocket::render),
        Kind::MsTeams => one(msteams::render),
        Kind::GoogleChat => one(google_chat::render),
        Kind::Webex => one(webex::render),
        Kind::Telegram => one(telegram::render),
        Kind::Lark => one(lark::render),
        Kind::Matrix => one(matrix::render),
        Kind::Zoom => one(zoom::render),
        Kind::Zulip => one(zulip::render),
        Kind::Alertmanager => one(alertmanager::render),
        Kind::Grafana => one(grafana::render),
        Kind::Opsgenie => one(opsgenie::render),
        Kind::Datadog => one(datadog::render),
        Kind::Sentry => one(sentry::render),
        Kind::PagerDuty => steps(pagerduty::render),
        Kind::IncidentIo => steps(incident_io::render),
        Kind::Otel => steps(otel::render),
        Kind::Nats => Box::new(Pure(nats::render)),
        Kind::GooglePubSub => Box::new(google_pubsub::PubSub::prepare(&config, context).await?),
        Kind::AzureEventHub => Box::new(azure_event_hub::EventHub::prepare(&config, context).await?),
        Kind::GitHub => Box::new(github::GitHub::prepare(&config, context).await?),
        Kind::GitHubDispatch => Box::new(github_dispatch::Dispatch::prepare(&config, context).await?),
        Kind::GitHubPullRequestComment => Box::new(github_comment::Comment::prepare(&config, context).await?),
        Kind::GitLab => Box::new(gitlab::GitLab::prepare(&config, context).await?),
        Kind::GitLabMergeRequestComment => Box::new(gitlab_comment::Comment::prepare(&config, context).await?),
        Kind::Gitea => Box::new(gitea::Gitea::prepare(&config, context).await?),
        Kind::GiteaPullRequestComment => Box::new(gitea_comment::Comment::prepare(&config, context).await?),
        Kind::Bitbucket => Box::new(bitbucket::Bitbucket::prepare(&config, context).await?),
        Kind::BitbucketServer => Box::new(bitbucket_server::BitbucketServer::prepare(&config, context).await?),
        Kind::AzureDevOps => Box::new(azure_devops::AzureDevOps::prepare(&config, context).await?),
    };
    Ok(Prepared { client: context.client.clone(), config, notifier })
}

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod tests;
