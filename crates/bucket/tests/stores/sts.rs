use std::time::Duration;

use sluice_bucket::sts::{LdapUser, assume_role_with_ldap_identity};
use sluice_http_client::{ClientConfig, Proxy, Secret, Url};
use sluice_testkit::Sink;
use tokio::time::Instant;

use crate::{answer, direct, soon, text};

fn user() -> LdapUser {
    LdapUser { username: "u&é".to_owned(), password: Secret::new("hunter2 +".to_owned()) }
}

const CREDENTIALS: &str = "<AssumeRoleWithLDAPIdentityResponse xmlns=\"urn:sts\"><AssumeRoleWithLDAPIdentityResult><Credentials>\
    <AccessKeyId>AK</AccessKeyId><SecretAccessKey>SK</SecretAccessKey><SessionToken>T</SessionToken>\
    </Credentials></AssumeRoleWithLDAPIdentityResult></AssumeRoleWithLDAPIdentityResponse>";

#[tokio::test]
async fn the_user_is_posted_as_a_form_and_keys_come_back() {
    let sink = Sink::start().await.unwrap();
    sink.answer_always(answer(200, CREDENTIALS));
    let endpoint = Url::parse(&format!("{}/sts", sink.url())).unwrap();
    let credentials = assume_role_with_ldap_identity(&direct(), &endpoint, &user(), soon()).await.unwrap();
    assert_eq!(credentials.access_key_id, "AK");
    let request = sink.take_requests().remove(0);
    assert_eq!((request.method.as_str(), request.path()), ("POST", "/sts"));
    assert_eq!(request.header("content-type"), "application/x-www-form-urlencoded");
    let expected =
        "Action=AssumeRoleWithLDAPIdentity&Version=2011-06-15&LDAPUsername=u%26%C3%A9&LDAPPassword=hunter2+%2B";
    assert_eq!(request.text(), expected);
}

#[tokio::test]
async fn a_proxy_is_honoured() {
    let proxy = Sink::start().await.unwrap();
    proxy.answer_always(answer(200, CREDENTIALS));
    let http = ClientConfig { proxy: Proxy::Url(Secret::new(proxy.url().parse().unwrap())), ..direct() };
    let endpoint = Url::parse("http://sts.invalid/x").unwrap();
    assume_role_with_ldap_identity(&http, &endpoint, &user(), soon()).await.unwrap();
    assert_eq!(proxy.take_requests()[0].uri, "http://sts.invalid/x");
}

#[tokio::test]
async fn a_refusal_is_told_in_the_services_words_without_the_password() {
    let sink = Sink::start().await.unwrap();
    let endpoint = Url::parse(&sink.url()).unwrap();
    for (status, body, expected) in [
        (
            400,
            "<ErrorResponse><Error><Code>InvalidParameterValue</Code><Message>LDAP.</Message></Error></ErrorResponse>",
            "InvalidParameterValue: LDAP.",
        ),
        (403, "<Error><Code>AccessDenied</Code></Error>", "AccessDenied"),
        (404, "<html>", "Not Found"),
        (307, "", "Temporary Redirect"),
    ] {
        sink.answer_next([answer(status, body)]);
        let error = assume_role_with_ldap_identity(&direct(), &endpoint, &user(), soon()).await.unwrap_err();
        assert_eq!(text(&error), format!("POST {}/: status {status}: {expected}", sink.url()));
    }
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_given_up_at_the_deadline() {
    let sink = Sink::start().await.unwrap();
    sink.answer_always(sluice_testkit::sink::Answer { delay: Duration::from_secs(60), ..answer(200, CREDENTIALS) });
    let endpoint = Url::parse(&sink.url()).unwrap();
    let deadline = Instant::now() + Duration::from_millis(100);
    let error = assume_role_with_ldap_identity(&direct(), &endpoint, &user(), deadline).await.unwrap_err();
    assert_eq!(text(&error), "timed out");
}
