use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::azure_event_hub::EventHub;
use super::super::google_pubsub::PubSub;
use super::*;

fn plan(notifier: &dyn Notifier, config: &ProviderConfig, event: &Event) -> OutboundRequest {
    let mut requests = walk(notifier.plan(&notification(event.clone()), config).unwrap());
    assert_eq!(requests.len(), 1);
    requests.remove(0)
}

/// The bytes that the generic provider sends for it.
fn event_json(event: &Event) -> Vec<u8> {
    render(event, &config(Kind::Generic)).unwrap().body
}

#[test]
fn pubsub_gets_the_event_with_the_headers_as_attributes() {
    let config = ProviderConfig { address: secret("proj"), channel: "top".to_owned(), ..config(Kind::GooglePubSub) };
    let attributed = ProviderConfig { headers: [("env".to_owned(), secret("prod"))].into(), ..config.clone() };
    for (config, event, attributes) in [(&config, event(), None), (&attributed, error(), Some(json!({"env": "prod"})))]
    {
        let pubsub = PubSub::with_token(config, "ya29").unwrap();
        let mut message = json!({"data": STANDARD.encode(event_json(&event))});
        if let Some(attributes) = attributes {
            message["attributes"] = attributes;
        }
        let line = "POST https://pubsub.googleapis.com/v1/projects/proj/topics/top:publish";
        let wanted = expected(line, &[("authorization", "Bearer ya29")], json!({"messages": [message]}));
        assert_eq!(shown(&plan(&pubsub, config, &event)), wanted);
    }
}

#[test]
fn pubsub_needs_a_project_and_a_topic_that_are_one_segment_each() {
    let made = |project: &str, topic: &str| {
        let config =
            ProviderConfig { address: secret(project), channel: topic.to_owned(), ..config(Kind::GooglePubSub) };
        PubSub::with_token(&config, "t").err().map(|error| error.to_string())
    };
    assert_eq!(made("p", "t"), None);
    assert_eq!(made("example.com:p", "t"), None);
    assert_eq!(made("", "t").as_deref(), Some("GCP project ID cannot be empty"));
    assert_eq!(made("p", "").as_deref(), Some("GCP Pub/Sub topic ID cannot be empty"));
    for bad in ["a/b", "..", "a?b", "a#b", "a b"] {
        assert_eq!(made(bad, "t").as_deref(), Some("invalid GCP project ID"));
        assert_eq!(made("p", bad).as_deref(), Some("invalid GCP Pub/Sub topic ID"));
    }
}

#[test]
fn an_event_hub_by_name_is_found_in_its_cloud() {
    let hub = |channel: &str| ProviderConfig {
        address: secret("hub"),
        channel: channel.to_owned(),
        ..config(Kind::AzureEventHub)
    };
    for (channel, authority, host) in [
        ("ns", "", "ns.servicebus.windows.net"),
        ("ns", "https://login.microsoftonline.com/", "ns.servicebus.windows.net"),
        ("ns", "https://login.chinacloudapi.cn/", "ns.servicebus.chinacloudapi.cn"),
        ("ns", "https://login.microsoftonline.us/", "ns.servicebus.usgovcloudapi.net"),
        ("ns.servicebus.example", "https://login.chinacloudapi.cn/", "ns.servicebus.example"),
    ] {
        let config = hub(channel);
        for event in [event(), error()] {
            let notifier = EventHub::with_token(&config, authority, "jwt").unwrap();
            let headers =
                [("authorization", "Bearer jwt"), ("content-type", "application/atom+xml;type=entry;charset=utf-8")];
            let body = serde_json::from_slice(&event_json(&event)).unwrap();
            let wanted = expected(&format!("POST https://{host}/hub/messages"), &headers, body);
            assert_eq!(shown(&plan(&notifier, &config, &event)), wanted);
        }
    }
    for bad in ["", "ns/x", "ns@evil.example", "ns?x", "ns:1"] {
        assert!(EventHub::with_token(&hub(bad), "", "jwt").is_err(), "{bad:?}");
    }
}

#[test]
fn a_connection_string_signs_for_its_hub() {
    let address =
        "Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=c2VjcmV0;EntityPath=Hub";
    let config = ProviderConfig { address: secret(address), ..config(Kind::AzureEventHub) };
    let notifier = EventHub::with_key(&config).unwrap().unwrap();
    let request = plan(&notifier, &config, &event());
    assert_eq!(request.url.as_str(), "https://ns.servicebus.windows.net/Hub/messages");
    // The HMAC is over these two lines, with the key's text as it stands; checked by the definition of HMAC.
    let resource = "https%3A%2F%2Fns.servicebus.windows.net%2Fhub";
    let expiry = 1_767_323_046 + 900;
    let mac = hex::decode(hmac_by_hand(b"c2VjcmV0", format!("{resource}\n{expiry}").as_bytes())).unwrap();
    let signature: String = url::form_urlencoded::byte_serialize(STANDARD.encode(mac).as_bytes()).collect();
    let wanted = format!("SharedAccessSignature sr={resource}&sig={signature}&se={expiry}&skn=Root");
    assert_eq!(headers_of(&request)["authorization"], wanted);
}

#[test]
fn event_hub_settings_that_contradict_each_other_are_refused() {
    let sas = "Endpoint=sb://ns/;SharedAccessKeyName=n;SharedAccessKey=hunter2;EntityPath=h";
    let refused = |address: &str, token: Option<&str>, account: Option<&str>| {
        let config = ProviderConfig {
            address: secret(address),
            token: token.map(secret),
            service_account: account.map(str::to_owned),
            ..config(Kind::AzureEventHub)
        };
        EventHub::with_key(&config).err().map(|error| error.to_string())
    };
    assert_eq!(refused(sas, None, None), None);
    assert_eq!(refused("hub", Some("t"), None), None);
    assert_eq!(refused("hub", None, Some("sa")), None);
    for (address, token, account) in [
        ("", None, None),
        (sas, Some("t"), None),
        (sas, None, Some("sa")),
        ("hub", Some("t"), Some("sa")),
        ("Endpoint=sb://ns/;SharedAccessKeyName=n;SharedAccessKey=hunter2", None, None),
        ("Endpoint=sb://ns/;SharedAccessKey=hunter2;EntityPath=h", None, None),
        ("SharedAccessKeyName=n;SharedAccessKey=hunter2;EntityPath=h", None, None),
        ("Endpoint=x;SharedAccessKeyName=n;SharedAccessKey=hunter2;EntityPath=h", None, None),
        ("Endpoint=sb://ns/;SharedAccessKeyName=n;SharedAccessKey=hunter2;EntityPath=../x", None, None),
    ] {
        let error = refused(address, token, account).unwrap();
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn nats_gets_the_event_itself() {
    let config = ProviderConfig { address: secret("nats://h"), channel: "flux".to_owned(), ..config(Kind::Nats) };
    let planned = |config: &ProviderConfig| {
        let plan = super::super::nats::render(&notification(event()), config)?;
        let Plan::Nats(publication) = plan else { panic!("not NATS") };
        Ok::<_, RenderError>(publication.size())
    };
    assert_eq!(planned(&config).unwrap(), event_json(&event()).len());
    for (address, channel, text) in [
        ("", "flux", "NATS server (address) cannot be empty"),
        ("nats://h", "", "NATS subject (channel) cannot be empty"),
        ("http://h", "flux", "invalid NATS server address"),
        ("nats://h", "a b", "invalid NATS subject"),
    ] {
        let config = ProviderConfig { address: secret(address), channel: channel.to_owned(), ..config.clone() };
        assert_eq!(planned(&config).unwrap_err().to_string(), text);
    }
}
