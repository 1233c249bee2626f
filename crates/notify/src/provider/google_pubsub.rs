//! `googlepubsub`: the event as JSON to a topic, through the REST API. The token comes from the Secret's credentials or from workload identity.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use sluice_cloud_identity::Transport;
use sluice_cloud_identity::gcp::{SCOPES, ServiceAccountKey};
use sluice_http_client::{Secret, Url};

use super::post_json::{bearer, request_to};
use super::{Context, Notifier, Plan, PrepareError, RenderError};
use crate::config::ProviderConfig;
use crate::event_text::go_json;
use crate::notification::Notification;

const API: &str = "https://pubsub.googleapis.com/v1";

/// A topic, and a token to publish to it.
pub(super) struct PubSub {
    url: Url,
    token: Secret<String>,
}

impl PubSub {
    pub(super) async fn prepare(config: &ProviderConfig, context: &Context<'_>) -> Result<Self, PrepareError> {
        let url = topic_url(config)?;
        let token = match config.token() {
            Some(json) => {
                let used = |error| PrepareError::UseCredentials(Box::new(error));
                let key = ServiceAccountKey::from_json(json.as_bytes()).map_err(used)?;
                let transport = Transport::new(&config.exchange_http()).map_err(PrepareError::SetUp)?;
                key.token(&transport, &SCOPES, jiff::Timestamp::now()).await.map_err(used)?
            }
            None => context.identity()?.gcp_token().await.map_err(|error| PrepareError::GetToken(Box::new(error)))?,
        };
        Ok(Self { url, token: token.token })
    }

    #[cfg(test)]
    pub(super) fn with_token(config: &ProviderConfig, token: &str) -> Result<Self, RenderError> {
        Ok(Self { url: topic_url(config)?, token: Secret::new(token.to_owned()) })
    }
}

impl Notifier for PubSub {
    fn plan(&self, notification: &Notification, config: &ProviderConfig) -> Result<Plan, RenderError> {
        let attributes: BTreeMap<&str, &str> =
            config.headers.iter().map(|(name, value)| (name.as_str(), value.expose().as_str())).collect();
        let mut message = json!({"data": STANDARD.encode(go_json(&notification.event)?)});
        if !attributes.is_empty() {
            message["attributes"] = json!(attributes);
        }
        let mut out = request_to(self.url.clone(), &json!({"messages": [message]}))?;
        bearer(&mut out.headers, self.token.expose())?;
        Ok(out.into())
    }
}

fn topic_url(config: &ProviderConfig) -> Result<Url, RenderError> {
    let (project, topic) = (config.address.expose(), &config.channel);
    for (name, what) in [(project, "GCP project ID"), (topic, "GCP Pub/Sub topic ID")] {
        if name.is_empty() {
            return Err(RenderError::setting(format!("{what} cannot be empty")));
        }
        // The name becomes part of a path: it must not become more than one segment.
        let fine = |c: char| c.is_ascii_alphanumeric() || "-_.~+%:".contains(c);
        if !name.chars().all(fine) || name.starts_with('.') {
            return Err(RenderError::setting(format!("invalid {what}")));
        }
    }
    let project = project.replace('%', "%25");
    let topic = topic.replace('%', "%25");
    Url::parse(&format!("{API}/projects/{project}/topics/{topic}:publish")).map_err(|_| RenderError::ParseAddress)
}
