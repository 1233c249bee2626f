//! The provider types, and what sets them apart beyond what they render: who uses a proxy, who uses TLS material.
//!
//! No rendering and no gating: the latter is the controller's.

use sluice_api::notification::ProviderType;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $type:ident,)+) => {
        /// A provider type that this version knows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind {
            $($(#[$doc])* $kind,)+
        }

        impl Kind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            /// The kind for a Provider's `spec.type`; `None` for a type that is not known.
            pub fn of(provider_type: &ProviderType) -> Option<Self> {
                match provider_type {
                    $(ProviderType::$type => Some(Self::$kind),)+
                    ProviderType::Other(_) => None,
                }
            }

            /// The type as it stands in `spec.type`.
            pub fn provider_type(self) -> ProviderType {
                match self {
                    $(Self::$kind => ProviderType::$type,)+
                }
            }
        }
    };
}

kinds! {
    /// `generic`: the event as JSON.
    Generic = Generic,
    /// `generic-hmac`: as `generic`, with a signature over the body.
    GenericHmac = GenericHmac,
    /// `slack`: an incoming webhook or `chat.postMessage`.
    Slack = Slack,
    /// `discord`: a webhook in the form of Slack's.
    Discord = Discord,
    /// `rocket`: Rocket.Chat's incoming webhook.
    Rocket = Rocket,
    /// `msteams`: Microsoft Teams, by card.
    MsTeams = MsTeams,
    /// `googlechat`: a card to a space's webhook.
    GoogleChat = GoogleChat,
    /// `webex`: a message to a room.
    Webex = Webex,
    /// `telegram`: a bot's message.
    Telegram = Telegram,
    /// `lark`: a card to a bot's webhook.
    Lark = Lark,
    /// `matrix`: a message to a room.
    Matrix = Matrix,
    /// `zoom`: a chat bot's message.
    Zoom = Zoom,
    /// `zulip`: a message to a stream's topic.
    Zulip = Zulip,
    /// `alertmanager`: an alert.
    Alertmanager = Alertmanager,
    /// `grafana`: an annotation.
    Grafana = Grafana,
    /// `opsgenie`: an alert.
    Opsgenie = Opsgenie,
    /// `pagerduty`: an alert and a change event.
    PagerDuty = PagerDuty,
    /// `datadog`: an event.
    Datadog = Datadog,
    /// `incident.io`: an alert event.
    IncidentIo = IncidentIo,
    /// `sentry`: an error or a transaction.
    Sentry = Sentry,
    /// `otel`: a span by OTLP.
    Otel = Otel,
    /// `nats`: a message to a subject.
    Nats = Nats,
    /// `googlepubsub`: a message to a topic.
    GooglePubSub = GooglePubSub,
    /// `azureeventhub`: an event to a hub.
    AzureEventHub = AzureEventHub,
    /// `github`: a commit status.
    GitHub = GitHub,
    /// `gitlab`: a commit status.
    GitLab = GitLab,
    /// `gitea`: a commit status.
    Gitea = Gitea,
    /// `bitbucket`: a build status of Bitbucket Cloud.
    Bitbucket = Bitbucket,
    /// `bitbucketserver`: a build status of Bitbucket Server or Data Center.
    BitbucketServer = BitbucketServer,
    /// `azuredevops`: a commit status.
    AzureDevOps = AzureDevOps,
    /// `githubdispatch`: a repository dispatch event.
    GitHubDispatch = GitHubDispatch,
    /// `githubpullrequestcomment`: a comment that is kept up to date.
    GitHubPullRequestComment = GitHubPullRequestComment,
    /// `gitlabmergerequestcomment`: the same at GitLab.
    GitLabMergeRequestComment = GitLabMergeRequestComment,
    /// `giteapullrequestcomment`: the same at Gitea.
    GiteaPullRequestComment = GiteaPullRequestComment,
}

impl Kind {
    /// Whether it sets a status on a commit.
    pub fn is_git_status(self) -> bool {
        use Kind as K;
        matches!(self, K::GitHub | K::GitLab | K::Gitea | K::Bitbucket | K::BitbucketServer | K::AzureDevOps)
    }

    /// Whether the requests of a delivery use the Provider's proxy. The others go the environment's way.
    pub(crate) fn uses_proxy(self) -> bool {
        use Kind as K;
        match self {
            K::Generic
            | K::GenericHmac
            | K::Slack
            | K::Discord
            | K::Rocket
            | K::MsTeams
            | K::GoogleChat
            | K::Webex
            | K::Telegram
            | K::Zoom
            | K::Zulip
            | K::Grafana
            | K::Alertmanager
            | K::Opsgenie
            | K::PagerDuty
            | K::Datadog
            | K::IncidentIo
            | K::Otel
            | K::Gitea
            | K::GiteaPullRequestComment => true,
            K::Lark
            | K::Matrix
            | K::Sentry
            | K::Nats
            | K::GooglePubSub
            | K::AzureEventHub
            | K::GitHub
            | K::GitHubDispatch
            | K::GitHubPullRequestComment
            | K::GitLab
            | K::GitLabMergeRequestComment
            | K::Bitbucket
            | K::BitbucketServer
            | K::AzureDevOps => false,
        }
    }

    /// Whether the requests of a delivery use the TLS material.
    pub(crate) fn uses_tls(self) -> bool {
        use Kind as K;
        !matches!(
            self,
            K::Discord | K::GoogleChat | K::Telegram | K::Lark | K::Nats | K::GooglePubSub | K::AzureEventHub
        )
    }

    /// Whether a delivery that failed is told to the Alert. What these two send is lost silently in the reference, whose
    /// libraries send in the background.
    pub fn reports_failures(self) -> bool {
        !matches!(self, Self::Sentry | Self::Otel)
    }
}
