//! `azureeventhub`: the event as JSON to a hub, by Event Hubs' own HTTPS interface, which delivers it to the same consumers as AMQP does.
//!
//! The right to send is a shared access signature made of a connection string, a token of the Secret, or a token of workload identity.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use sluice_cloud_identity::azure::scope;
use sluice_http_client::header::CONTENT_TYPE;
use sluice_http_client::{HeaderValue, Method, Secret, Url};
use url::form_urlencoded::byte_serialize;

use super::post_json::set_header;
use super::{Context, Notifier, Plan, PrepareError, RenderError};
use crate::config::ProviderConfig;
use crate::event_text::go_json;
use crate::notification::Notification;
use crate::request::OutboundRequest;

/// How long a signature is good, in seconds; it is used at once, and clocks differ.
const SIGNATURE_SECONDS: i64 = 15 * 60;

/// What the interface asks to be called.
const CONTENT: &str = "application/atom+xml;type=entry;charset=utf-8";

/// A hub, and the right to send to it.
pub(super) struct EventHub {
    messages: Url,
    right: Right,
}

enum Right {
    /// A key of the namespace or the hub.
    Key { name: String, key: Secret<String> },
    /// A token of Entra.
    Token(Secret<String>),
}

/// Whether an address is a connection string with a key rather than a hub's name.
pub(crate) fn is_sas(address: &str) -> bool {
    address.contains("SharedAccessKey")
}

impl EventHub {
    pub(super) async fn prepare(config: &ProviderConfig, context: &Context<'_>) -> Result<Self, PrepareError> {
        if let Some(hub) = Self::with_key(config)? {
            return Ok(hub);
        }
        let identity = context.identity()?;
        let authority = identity.platform.environment.get("AZURE_AUTHORITY_HOST").unwrap_or_default();
        let messages = hub_url(config, namespace_suffix(authority))?;
        let token = match &config.token {
            Some(token) if !token.expose().is_empty() => token.clone(),
            _ => {
                let token = identity.azure_token(scope::EVENT_HUBS).await;
                token.map_err(|error| PrepareError::GetToken(Box::new(error)))?.token
            }
        };
        Ok(Self { messages, right: Right::Token(token) })
    }

    /// The hub of a connection string; `None` for a hub by name. Checks what contradicts itself in both cases.
    pub(super) fn with_key(config: &ProviderConfig) -> Result<Option<Self>, RenderError> {
        let address = config.address.expose();
        let (has_token, has_account) = (config.token().is_some(), config.service_account.is_some());
        if address.is_empty() {
            return Err(RenderError::setting("Azure Event Hub address cannot be empty"));
        }
        if !is_sas(address) {
            return if has_token && has_account {
                Err(RenderError::setting("the token and spec.serviceAccountName cannot be set at the same time"))
            } else {
                Ok(None)
            };
        }
        if has_token || has_account {
            return Err(RenderError::setting(
                "a SAS connection string excludes both a token and spec.serviceAccountName",
            ));
        }
        parse_connection_string(address).map(Some)
    }

    /// The hub of a name, with a token.
    #[cfg(test)]
    pub(super) fn with_token(config: &ProviderConfig, authority: &str, token: &str) -> Result<Self, RenderError> {
        let messages = hub_url(config, namespace_suffix(authority))?;
        Ok(Self { messages, right: Right::Token(Secret::new(token.to_owned())) })
    }
}

impl Notifier for EventHub {
    fn plan(&self, notification: &Notification, _: &ProviderConfig) -> Result<Plan, RenderError> {
        let body = go_json(&notification.event)?;
        let mut out = OutboundRequest { body, ..OutboundRequest::new(Method::POST, self.messages.clone()) };
        out.headers.insert(CONTENT_TYPE, HeaderValue::from_static(CONTENT));
        let authorization = match &self.right {
            Right::Token(token) => format!("Bearer {}", token.expose()),
            Right::Key { name, key } => {
                let expiry = notification.now.as_second().saturating_add(SIGNATURE_SECONDS);
                signature(&self.messages, name, key.expose(), expiry)
            }
        };
        set_header(&mut out.headers, "Authorization", &authorization)?;
        Ok(out.into())
    }
}

/// A shared access signature for the hub of this URL, good until `expiry` (seconds from 1970).
fn signature(messages: &Url, name: &str, key: &str, expiry: i64) -> String {
    let hub = messages.path().trim_end_matches("/messages");
    let resource = format!("https://{}{hub}", messages.host_str().unwrap_or_default()).to_lowercase();
    let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let resource = encode(&resource);
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(format!("{resource}\n{expiry}").as_bytes());
    let signature = encode(&STANDARD.encode(mac.finalize().into_bytes()));
    format!("SharedAccessSignature sr={resource}&sig={signature}&se={expiry}&skn={}", encode(name))
}

fn parse_connection_string(text: &str) -> Result<EventHub, RenderError> {
    let field = |wanted: &str| {
        let pairs = text.split(';').filter_map(|part| part.split_once('='));
        let found = pairs.into_iter().find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    };
    let missing = |name: &str| RenderError::setting(format!("the SAS connection string has no {name}"));
    let endpoint = field("Endpoint").ok_or_else(|| missing("Endpoint"))?;
    let key_name = field("SharedAccessKeyName").ok_or_else(|| missing("SharedAccessKeyName"))?;
    let key = field("SharedAccessKey").ok_or_else(|| missing("SharedAccessKey"))?;
    let hub = field("EntityPath").ok_or_else(|| missing("EntityPath"))?;
    let host = Url::parse(endpoint).ok().and_then(|url| url.host_str().map(str::to_owned));
    let host = host.ok_or_else(|| RenderError::setting("the SAS connection string has an invalid Endpoint"))?;
    let right = Right::Key { name: key_name.to_owned(), key: Secret::new(key.to_owned()) };
    Ok(EventHub { messages: messages_url(&host, hub)?, right })
}

fn hub_url(config: &ProviderConfig, suffix: &str) -> Result<Url, RenderError> {
    let namespace = &config.channel;
    if namespace.is_empty() {
        return Err(RenderError::setting("Azure Event Hub namespace (channel) cannot be empty"));
    }
    let host = if namespace.contains(".servicebus.") { namespace.clone() } else { format!("{namespace}{suffix}") };
    messages_url(&host, config.address.expose())
}

fn messages_url(host: &str, hub: &str) -> Result<Url, RenderError> {
    let fine = |text: &str, more: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
    // Both become part of a URL to which the token is sent: neither may say more than it is.
    if !fine(host, "-.") || !fine(hub, "-._/") || hub.contains("..") {
        return Err(RenderError::setting("invalid name of an Azure Event Hub or its namespace"));
    }
    Url::parse(&format!("https://{host}/{hub}/messages")).map_err(|_| RenderError::ParseAddress)
}

/// Where the namespaces of a cloud are, by the host of its authority.
fn namespace_suffix(authority: &str) -> &'static str {
    if authority.contains(".chinacloudapi.cn") || authority.contains(".partner.microsoftonline.cn") {
        ".servicebus.chinacloudapi.cn"
    } else if authority.contains(".microsoftonline.us") {
        ".servicebus.usgovcloudapi.net"
    } else {
        ".servicebus.windows.net"
    }
}
