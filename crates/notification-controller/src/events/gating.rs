//! Which class of provider gets which event, beyond what the Alert selects.
//!
//! Commit statuses live from the per-interval success events that would flood a chat, and comments need a change
//! request to go to. The tests are made on the event before its metadata is merged.

use sluice_api::meta::{Event, EventSeverity};
use sluice_api::notification::ProviderType;

use super::cleanup::{annotation_value, controller_value};

/// The classes of provider types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderClass {
    /// Sets a status on a commit.
    GitStatus,
    /// Gets every event as it is.
    Generic,
    /// Comments on a change request.
    ChangeRequest,
    /// All others.
    Other,
}

impl ProviderClass {
    /// The class of a Provider's `spec.type`.
    pub fn of(provider_type: &ProviderType) -> Self {
        use ProviderType as T;
        match provider_type {
            T::GitHub | T::GitLab | T::Gitea | T::BitbucketServer | T::Bitbucket | T::AzureDevOps => Self::GitStatus,
            T::Generic | T::GenericHmac => Self::Generic,
            T::GitHubPullRequestComment | T::GitLabMergeRequestComment | T::GiteaPullRequestComment => {
                Self::ChangeRequest
            }
            _ => Self::Other,
        }
    }
}

/// What becomes of an event for one provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Deliver it.
    Pass,
    /// Not meant for this provider; nobody needs to know.
    Skip,
    /// Lacks what this provider works with; worth one log entry per event.
    Drop,
}

/// Decides for one event and one class.
pub fn gate(class: ProviderClass, event: &Event) -> Gate {
    let is_update = controller_value(event, "commit_status") == Some("update");
    let has = |key| annotation_value(event, key).is_some_and(|value| !value.is_empty());
    let is_error = event.severity == EventSeverity::Error;
    let (is_skipped, is_passed) = match class {
        ProviderClass::Generic => (false, true),
        ProviderClass::Other => (is_update, true),
        ProviderClass::GitStatus => (false, has("commit") || is_update || is_error),
        ProviderClass::ChangeRequest => (is_update, has("change_request")),
    };
    match (is_skipped, is_passed) {
        (true, _) => Gate::Skip,
        (false, true) => Gate::Pass,
        (false, false) => Gate::Drop,
    }
}

#[cfg(test)]
mod tests;
