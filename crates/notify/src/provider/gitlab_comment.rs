//! `gitlabmergerequestcomment`: a comment that is kept up to date. Not there yet.

use super::{Context, Notifier, Plan, PrepareError, RenderError};
use crate::config::ProviderConfig;
use crate::notification::Notification;

pub(super) struct Comment;

impl Comment {
    #[expect(clippy::unused_async, reason = "what comes here asks the forge")]
    pub(super) async fn prepare(config: &ProviderConfig, _: &Context<'_>) -> Result<Self, PrepareError> {
        Err(PrepareError::SelectType(config.kind.provider_type().to_string()))
    }
}

impl Notifier for Comment {
    fn plan(&self, _: &Notification, config: &ProviderConfig) -> Result<Plan, RenderError> {
        Err(RenderError::setting(format!("provider type '{}' is not supported yet", config.kind.provider_type())))
    }
}
