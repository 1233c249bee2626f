//! Over all types: what is secret shows nowhere but in what is sent.

use std::error::Error;

use super::*;
use crate::secret::SecretData;

const CANARY: &str = "hunter2canary";

/// Settings full of secrets, with addresses that a type accepts and such that it does not.
fn configs(kind: Kind) -> Vec<ProviderConfig> {
    let good = match kind {
        Kind::Nats => format!("nats://u:{CANARY}@127.0.0.1:1"),
        Kind::Sentry => format!("http://{CANARY}:{CANARY}@127.0.0.1:1/42"),
        Kind::GooglePubSub => "project".to_owned(),
        Kind::AzureEventHub => {
            format!("Endpoint=sb://ns/;SharedAccessKeyName=n;SharedAccessKey={CANARY};EntityPath=h")
        }
        Kind::AzureDevOps => format!("http://u:{CANARY}@127.0.0.1:1/org/proj/_git/repo"),
        Kind::BitbucketServer => format!("http://u:{CANARY}@127.0.0.1:1/scm/p/r.git"),
        kind if kind.is_git_status() => format!("http://u:{CANARY}@127.0.0.1:1/o/r"),
        _ => format!("http://u:{CANARY}@127.0.0.1:1/{CANARY}?key={CANARY}"),
    };
    let app = [("githubAppPrivateKey", CANARY), ("githubAppID", "1"), ("githubAppInstallationID", "2")];
    let full = ProviderConfig {
        address: secret(&good),
        channel: "a/b".to_owned(),
        username: "user".to_owned(),
        token: Some(secret(CANARY)),
        password: Some(secret(CANARY)),
        headers: [("X-Key".to_owned(), secret(CANARY))].into(),
        github_app: app.into_iter().collect::<SecretData>(),
        creds: Some(secret(CANARY)),
        nkey: Some(secret(CANARY)),
        proxy: Some(sluice_http_client::Secret::new(format!("http://u:{CANARY}@127.0.0.1:1").parse().unwrap())),
        ..config(kind)
    };
    let mut all = vec![
        ProviderConfig { address: secret(CANARY), ..full.clone() },
        ProviderConfig { address: secret(&format!("{CANARY}://x y")), ..full.clone() },
        ProviderConfig { token: Some(secret(&format!("{CANARY}\n"))), ..full.clone() },
        ProviderConfig { token: None, password: None, ..full.clone() },
        ProviderConfig { headers: [("bad name".to_owned(), secret(CANARY))].into(), ..full.clone() },
        ProviderConfig { headers: [("X".to_owned(), secret(&format!("{CANARY}\0")))].into(), ..full.clone() },
        ProviderConfig { creds: None, ..full.clone() },
        ProviderConfig { creds: None, nkey: None, ..full.clone() },
    ];
    all.push(full);
    all
}

fn chain(error: &dyn Error) -> String {
    let texts = std::iter::successors(Some(error), |&error| error.source()).map(ToString::to_string);
    texts.collect::<Vec<_>>().join(": ")
}

/// Everything that a config's way can show: errors of preparing, rendering and sending, and all that prints itself.
async fn told(client: &HttpClient, config: &ProviderConfig) -> Vec<String> {
    let context = Context { client, identity: None, retry: &RetryPolicy::NEVER };
    let mut told = vec![format!("{config:?} {context:?}")];
    let prepared = match prepare(config.clone(), &context).await {
        Ok(prepared) => prepared,
        Err(error) => {
            told.push(chain(&error));
            told.push(format!("{error:?}"));
            return told;
        }
    };
    for event in [event(), error(), progressing()] {
        match prepared.deliver(&notification(event)) {
            Ok(delivery) => {
                told.push(format!("{delivery:?}"));
                let masks = delivery.masks().clone();
                // Telegram's address is the real one: it must not be called from a test.
                let is_local = !matches!(config.kind, Kind::Telegram | Kind::GooglePubSub | Kind::AzureEventHub);
                if is_local && let Err(error) = delivery.send(&RetryPolicy::NEVER, config.timeout).await {
                    told.push(masks.apply(&chain(&error)));
                }
            }
            Err(error) => told.push(chain(&error)),
        }
    }
    told
}

#[tokio::test]
async fn no_secret_shows_in_an_error_or_in_what_prints_itself() {
    let client = direct_client();
    for kind in Kind::ALL.iter().copied() {
        for config in configs(kind) {
            for text in told(&client, &config).await {
                assert!(!text.contains(CANARY), "{kind:?}: {text}");
            }
        }
    }
}

#[test]
fn every_secret_is_masked_in_a_text_that_quotes_it() {
    for kind in Kind::ALL.iter().copied() {
        for config in configs(kind) {
            let masks = Masks::of(&config);
            let quoted = format!("you said {CANARY} and {}", config.address.expose());
            assert!(!masks.apply(&quoted).contains(CANARY), "{kind:?}");
        }
    }
}
