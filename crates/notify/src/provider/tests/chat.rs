use super::*;

fn at(kind: Kind, address: &str) -> ProviderConfig {
    ProviderConfig { address: secret(address), ..config(kind) }
}

#[test]
fn discord_and_rocket_get_the_message_of_slack_with_their_own_differences() {
    let attachment = |color: &str, reason_error: bool| {
        let fields = json!([
            {"title": "revision", "value": "main@sha1:abc", "short": false},
            {"title": "summary", "value": "prod", "short": false},
        ]);
        json!([{
            "fallback": "",
            "color": color,
            "author_name": "gitrepository/web.apps",
            "text": "stored artifact\nin two lines",
            "mrkdwn_in": ["text"],
            "fields": if reason_error { json!([]) } else { fields },
        }])
    };
    let payload = |channel: &str, username: &str, attachments: Value| {
        json!({
            "channel": channel, "username": username, "icon_url": "", "icon_emoji": "", "attachments": attachments,
        })
    };
    let named = |kind| ProviderConfig {
        channel: "ops".to_owned(),
        username: "bot".to_owned(),
        token: Some(secret("not used")),
        ..config(kind)
    };
    let (discord, rocket) = ("POST https://chat.example/hook/1/slack", "POST https://chat.example/hook/1");
    for (config, event, line, body) in [
        (config(Kind::Discord), event(), discord, payload("", "source-controller", attachment("good", false))),
        (named(Kind::Discord), error(), discord, payload("", "bot", attachment("danger", true))),
        (config(Kind::Rocket), event(), rocket, payload("", "", attachment("#0076D7", false))),
        (named(Kind::Rocket), error(), rocket, payload("ops", "bot", attachment("#FF0000", true))),
    ] {
        assert_eq!(shown(&render(&event, &config).unwrap()), expected(line, &[], body));
    }
}

#[test]
fn discord_finds_the_side_door_that_speaks_slack() {
    for (address, url) in [
        ("https://discord.com/api/webhooks/1/x", "https://discord.com/api/webhooks/1/x/slack"),
        ("https://discord.com/api/webhooks/1/x/", "https://discord.com/api/webhooks/1/x/slack"),
        ("https://discord.com//api/webhooks/1/x", "https://discord.com/api/webhooks/1/x/slack"),
        ("https://discord.com/api/webhooks/1/x/slack", "https://discord.com/api/webhooks/1/x/slack"),
        ("https://discord.com/x/slack?wait=1", "https://discord.com/x/slack/slack?wait=1"),
        ("https://discord.com", "https://discord.com/slack"),
    ] {
        assert_eq!(render(&event(), &at(Kind::Discord, address)).unwrap().url.as_str(), url, "{address}");
    }
}

#[test]
fn teams_gets_an_adaptive_card_whose_facts_begin_with_the_summary() {
    let message = json!({"type": "TextBlock", "text": "stored artifact\nin two lines", "wrap": true});
    let mut red = message.clone();
    red["color"] = json!("attention");
    let facts = json!([{"title": "summary", "value": "prod"}, {"title": "revision", "value": "main@sha1:abc"}]);
    for (event, message, facts) in
        [(event(), message, json!({"type": "FactSet", "facts": facts})), (error(), red, json!({"type": "FactSet"}))]
    {
        let title = json!({
            "type": "TextBlock", "text": "gitrepository/web.apps", "size": "large", "weight": "bolder", "wrap": true,
        });
        let content = json!({
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "msteams": {"width": "Full"},
            "body": [{"type": "Container", "items": [title, message, facts]}],
        });
        let attachment = json!({"contentType": "application/vnd.microsoft.card.adaptive", "content": content});
        let body = json!({"type": "message", "attachments": [attachment]});
        let config = at(Kind::MsTeams, "https://prod.logic.azure.com:443/workflows/1");
        let line = "POST https://prod.logic.azure.com/workflows/1";
        assert_eq!(shown(&render(&event, &config).unwrap()), expected(line, &[], body));
    }
}

#[test]
fn teams_connectors_get_their_old_card() {
    let address = "https://acme.webhook.office.com:443/webhookb2/1";
    let body = |color: &str, facts: Value| {
        json!({
            "@type": "MessageCard",
            "@context": "http://schema.org/extensions",
            "themeColor": color,
            "summary": "gitrepository/web.apps",
            "sections": [{
                "activityTitle": "stored artifact\nin two lines",
                "activitySubtitle": "gitrepository/web.apps",
                "facts": facts,
            }],
        })
    };
    let facts = json!([{"name": "revision", "value": "main@sha1:abc"}, {"name": "summary", "value": "prod"}]);
    let config = at(Kind::MsTeams, address);
    assert_eq!(body_of(&render(&event(), &config).unwrap()), body("0076D7", facts));
    assert_eq!(body_of(&render(&error(), &config).unwrap()), body("FF0000", json!([])));
    let elsewhere = at(Kind::MsTeams, "https://webhook.office.com.evil.example/x");
    assert_eq!(body_of(&render(&event(), &elsewhere).unwrap())["type"], "message");
}

#[test]
fn google_chat_gets_a_card_with_the_metadata_in_a_section_of_its_own() {
    let card = |text: &str, more: Option<Value>| {
        let header = json!({
            "title": "gitrepository/web.apps", "subtitle": "source-controller", "imageUrl": null, "imageStyle": null,
        });
        let message = json!({"textParagraph": {"text": text}, "keyValue": null});
        let sections: Vec<Value> = [json!({"header": "", "widgets": [message]})].into_iter().chain(more).collect();
        json!({"cards": [{"header": header, "sections": sections}]})
    };
    let widget = |key: &str, value: &str| {
        let key_value = json!({
            "topLabel": key, "content": value, "contentMultiline": false, "bottomLabel": null, "icon": null,
        });
        json!({"textParagraph": null, "keyValue": key_value})
    };
    let metadata = json!({"header": "", "widgets": [widget("revision", "main@sha1:abc"), widget("summary", "prod")]});
    let line = "POST https://chat.example/hook/1";
    for (event, body) in [
        (event(), card("stored artifact\nin two lines", Some(metadata))),
        (error(), card("<font color=\"#ff0000\">stored artifact\nin two lines</font>", None)),
    ] {
        assert_eq!(shown(&render(&event, &config(Kind::GoogleChat)).unwrap()), expected(line, &[], body));
    }
}

#[test]
fn webex_gets_markdown_and_always_a_bearer() {
    let line = "POST https://chat.example/hook/1";
    let text = "✅ **gitrepository/web.apps**\nstored artifact\nin two lines\n>**revision**: main@sha1:abc\n>**summary**: prod\n";
    let config = ProviderConfig { channel: "room".to_owned(), token: Some(secret("t")), ..config(Kind::Webex) };
    let headers = [("authorization", "Bearer t")];
    let body = json!({"roomId": "room", "markdown": text});
    assert_eq!(shown(&render(&event(), &config).unwrap()), expected(line, &headers, body));

    let bare = super::config(Kind::Webex);
    let body = json!({"markdown": "💣 **gitrepository/web.apps**\nstored artifact\nin two lines\n"});
    assert_eq!(shown(&render(&error(), &bare).unwrap()), expected(line, &[("authorization", "Bearer")], body));
}

#[test]
fn telegram_gets_escaped_markdown_in_a_chat_or_a_thread() {
    let config = ProviderConfig {
        channel: "-100123:45:6".to_owned(),
        token: Some(secret("12:abc")),
        address: secret("ignored"),
        ..config(Kind::Telegram)
    };
    let line = "POST https://api.telegram.org/bot12:abc/sendMessage";
    let text = "*💫 gitrepository/web/apps*\nstored artifact\nin two lines\n\\- *revision*: main@sha1:abc\n\\- *summary*: prod\n";
    let body = json!({
        "chat_id": "-100123", "message_thread_id": "45:6", "parse_mode": "MarkdownV2", "text": text,
    });
    assert_eq!(shown(&render(&event(), &config).unwrap()), expected(line, &[], body));

    let config = ProviderConfig { channel: "@ops".to_owned(), ..config };
    let special = r"\.-_[]()~>`#+=|{}!*,:";
    let event = Event { message: special.to_owned(), ..error() };
    let escaped = r"\\\.\-\_\[\]\(\)\~\>\`\#\+\=\|\{\}\!\*,:";
    let body = json!({
        "chat_id": "@ops", "parse_mode": "MarkdownV2", "text": format!("*🚨 gitrepository/web/apps*\n{escaped}\n"),
    });
    assert_eq!(shown(&render(&event, &config).unwrap()), expected(line, &[], body));

    let no_token = ProviderConfig { token: None, ..config.clone() };
    let no_channel = ProviderConfig { channel: String::new(), ..config };
    assert_eq!(refusal(&event, &no_token), "empty Telegram token");
    assert_eq!(refusal(&event, &no_channel), "empty Telegram channel");
}

#[test]
fn lark_gets_an_interactive_card() {
    let card = |title: &str, template: &str, content: &str| {
        let card = json!({
            "config": {"wide_screen_mode": true},
            "header": {"title": {"tag": "plain_text", "content": title}, "template": template},
            "elements": [{"tag": "div", "text": {"tag": "lark_md", "content": content}}],
        });
        json!({"msg_type": "interactive", "card": card})
    };
    let line = "POST https://chat.example/hook/1";
    let info = "**stored artifact\nin two lines**\n\nrevision: main@sha1:abc\nsummary: prod\n";
    for (event, body) in [
        (event(), card("💫 gitrepository/web.apps", "turquoise", info)),
        (error(), card("🚨 gitrepository/web.apps", "red", "**stored artifact\nin two lines**\n\n")),
    ] {
        assert_eq!(shown(&render(&event, &config(Kind::Lark)).unwrap()), expected(line, &[], body));
    }
}

#[test]
fn matrix_gets_the_same_transaction_for_the_same_event() {
    let config = ProviderConfig {
        address: secret("https://matrix.example"),
        channel: "!room:matrix.example".to_owned(),
        token: Some(secret("t")),
        ..config(Kind::Matrix)
    };
    let request = render(&event(), &config).unwrap();
    let (line, headers, body) = shown(&request);
    let transaction = line
        .strip_prefix("PUT https://matrix.example/_matrix/client/r0/rooms/!room:matrix.example/send/m.room.message/")
        .unwrap();
    // SHA-1 over the bytes that the generic provider sends.
    let generic = render(&event(), &super::config(Kind::Generic)).unwrap().body;
    assert_eq!(transaction, hex::encode(<sha1::Sha1 as sha1::Digest>::digest(generic)));
    assert_eq!(headers, map(&[("authorization", "Bearer t"), ("content-type", "application/json")]));
    let text = "💫 gitrepository/web.apps\nstored artifact\nin two lines\n- revision: main@sha1:abc\n- summary: prod\n";
    assert_eq!(body, json!({"body": text, "msgtype": "m.text"}));
    assert_eq!(render(&event(), &config).unwrap(), request);
    let other = render(&error(), &config).unwrap();
    assert_ne!(other.url, request.url);
    assert_eq!(body_of(&other)["body"], "🚨 gitrepository/web.apps\nstored artifact\nin two lines\n");
}

#[test]
fn zoom_is_asked_for_the_full_format_and_gets_the_bare_token() {
    let head = |severity: &str| json!({"text": "gitrepository/web.apps", "sub_head": {"text": severity}});
    let message = json!({"type": "message", "text": "stored artifact\nin two lines"});
    let items = json!([{"key": "revision", "value": "main@sha1:abc"}, {"key": "summary", "value": "prod"}]);
    let fields = json!({"type": "fields", "items": items});
    let zoom = |address: &str| ProviderConfig { token: Some(secret("raw")), ..at(Kind::Zoom, address) };
    for (address, event, line, content) in [
        ("https://z/w", event(), "https://z/w?format=full", json!({"head": head("info"), "body": [message, fields]})),
        (
            "https://z/w?format=&a=1",
            error(),
            "https://z/w?a=1&format=full",
            json!({"head": head("error"), "body": [message]}),
        ),
        (
            "https://z/w?format=message",
            error(),
            "https://z/w?format=message",
            json!({"head": head("error"), "body": [message]}),
        ),
    ] {
        let headers = [("authorization", "raw")];
        let wanted = expected(&format!("POST {line}"), &headers, json!({"content": content}));
        assert_eq!(shown(&render(&event, &zoom(address)).unwrap()), wanted);
    }
    assert_eq!(refusal(&event(), &config(Kind::Zoom)), "empty Zoom token");
}

#[test]
fn zulip_gets_a_form_with_markdown_for_a_topic() {
    let config = ProviderConfig {
        address: secret("https://zulip.example/some/path?x=1"),
        channel: "ops/prod/eu".to_owned(),
        username: "bot@x".to_owned(),
        password: Some(secret("pw")),
        ..config(Kind::Zulip)
    };
    let request = render(&error(), &config).unwrap();
    assert_eq!(request.url.as_str(), "https://zulip.example/api/v1/messages?x=1");
    // "bot@x:pw" by another encoder.
    let headers = [("authorization", "Basic Ym90QHg6cHc="), ("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(headers_of(&request), map(&headers));
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&request.body).into_owned().collect();
    let content = "## Flux Status\n\n⚠️ GitRepository/apps/web\n\nstored artifact\nin two lines\n\nMetadata:\n";
    let pairs = [("content", content), ("to", "ops"), ("topic", "prod/eu"), ("type", "stream")];
    assert_eq!(form, pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));

    let bare = ProviderConfig { username: String::new(), password: None, ..config.clone() };
    assert!(!headers_of(&render(&event(), &bare).unwrap()).contains_key("authorization"));
    let no_topic = ProviderConfig { channel: "ops".to_owned(), ..config };
    assert_eq!(refusal(&event(), &no_topic), "invalid Zulip channel format, expected <channel>/<topic>, got 'ops'");
}
