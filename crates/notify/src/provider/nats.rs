//! `nats`: the event as JSON to a subject. The protocol is in `crate::nats`.

use super::{Plan, RenderError};
use crate::config::ProviderConfig;
use crate::event_text::go_json;
use crate::nats::{Login, Publication, Server};
use crate::notification::Notification;

pub(super) fn render(notification: &Notification, config: &ProviderConfig) -> Result<Plan, RenderError> {
    let address = config.address.expose();
    if address.is_empty() {
        return Err(RenderError::setting("NATS server (address) cannot be empty"));
    }
    if config.channel.is_empty() {
        return Err(RenderError::setting("NATS subject (channel) cannot be empty"));
    }
    let invalid = |error: crate::NatsError| RenderError::setting(error.to_string());
    let servers = Server::parse_list(address).map_err(invalid)?;
    let login = Login::choose(config).map_err(invalid)?;
    let payload = go_json(&notification.event)?;
    let publication = Publication::new(servers, login, &config.channel, payload).map_err(invalid)?;
    Ok(Plan::Nats(publication))
}
