//! Each exchange of AWS: the exact request, and what is made of each kind of answer.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sluice_http_client::Url;
use sluice_testkit::Sink;
use sluice_testkit::sink::Answer;

use super::codecommit::CodeCommitUrl;
use super::ecr::{EcrRegistry, login};
use super::eks::ClusterArn;
use super::*;
use crate::credential::GitScheme;
use crate::environment::Environment;
use crate::sigv4::AwsCredentials;
use crate::testing::{MemoryFiles, answer, arrived, chain, now, secret, status, transport, url};
use crate::{GitLogin, RegistryLogin};

const ROLE: &str = "arn:aws:iam::123456789012:role/reader";

fn credentials(token: Option<&str>) -> AwsCredentials {
    AwsCredentials {
        access_key_id: "AKID".into(),
        secret_access_key: secret("secret"),
        session_token: token.map(secret),
        expires_at: None,
    }
}

fn issued() -> AwsCredentials {
    AwsCredentials { expires_at: Some("2026-01-02T04:04:05Z".parse().unwrap()), ..credentials(Some("session")) }
}

const ISSUED_XML: &str = r#"<?xml version="1.0"?>
<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <Credentials>
      <SessionToken>session</SessionToken>
      <SecretAccessKey>secret</SecretAccessKey>
      <Expiration>2026-01-02T04:04:05Z</Expiration>
      <AccessKeyId>AKID</AccessKeyId>
    </Credentials>
    <AssumedRoleUser><Arn>arn</Arn></AssumedRoleUser>
  </AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>"#;

const ISSUED_JSON: &str = r#"{"Code":"Success","AccessKeyId":"AKID","SecretAccessKey":"secret","Token":"session","Expiration":"2026-01-02T04:04:05Z"}"#;

async fn assume(sink: &Sink) -> Result<AwsCredentials, AwsError> {
    let role = RoleArn::parse(ROLE).unwrap();
    let identity = WebIdentity { role: &role, session_name: "sa.ns.eu-west-1.fluxcd.io", token: &secret("a.b+c") };
    assume_role_with_web_identity(&transport(), &StsEndpoint::trusted(url(sink)), &identity).await
}

#[tokio::test]
async fn a_role_is_assumed_with_one_unsigned_form() {
    let sink = Sink::start().await.unwrap();
    sink.answer_always(answer(ISSUED_XML));
    assert_eq!(assume(&sink).await.unwrap(), issued());
    let form = "Action=AssumeRoleWithWebIdentity&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Freader\
                &RoleSessionName=sa.ns.eu-west-1.fluxcd.io&Version=2011-06-15&WebIdentityToken=a.b%2Bc";
    assert_eq!(arrived(&sink), [format!("POST /\ncontent-type: application/x-www-form-urlencoded\n{form}")]);
}

#[tokio::test]
async fn what_sts_says_is_told_without_the_token_and_what_is_no_answer_is_not_quoted() {
    let sink = Sink::start().await.unwrap();
    let error = |code: &str, message: &str| {
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        )
    };
    let malformed = |problem: &str| format!("AWS STS gave an answer that cannot be used: {problem}");
    let without = |tag: &str| ISSUED_XML.replace(tag, "Other");
    let bomb = "<!DOCTYPE a [<!ENTITY b \"b\">]><a>&b;</a>";
    let cases: Vec<(Answer, String)> = vec![
        (
            status(403, &error("AccessDenied", "Not authorized &amp; &#34;so&#34;")),
            "AWS STS answered 403 Forbidden: AccessDenied: Not authorized & \"so\"".into(),
        ),
        (status(400, &error("Invalid", "got a.b+c")), "AWS STS answered 400 Bad Request: Invalid: got ***".into()),
        (status(400, "<html>a.b+c"), "AWS STS answered 400 Bad Request".into()),
        (status(503, ""), "AWS STS answered 503 Service Unavailable".into()),
        (answer(""), malformed("cut off XML")),
        (answer("{}"), malformed("cut off XML")),
        (answer("<a>"), malformed("cut off XML")),
        (answer("<a></b>"), malformed("not well-formed XML")),
        (answer("<a>&b;</a>"), malformed("an unknown entity")),
        (answer(bomb), malformed("a document type")),
        (answer(&"<a>".repeat(20)), malformed("XML of another shape")),
        (answer("<a></a><a></a>"), malformed("XML of another shape")),
        (answer(&error("x", "y")), malformed("no credentials")),
        (answer(&without("SessionToken")), malformed("no credentials")),
        (answer(&without("Expiration")), malformed("no expiration")),
        (Answer { body: vec![0xff; 10].into(), ..Answer::default() }, malformed("not UTF-8")),
    ];
    for (given, expected) in cases {
        sink.answer_always(given);
        assert_eq!(chain(&assume(&sink).await.unwrap_err()), expected);
    }
    sink.answer_always(answer(&"x".repeat(300_000)));
    let error = chain(&assume(&sink).await.unwrap_err());
    assert!(error.ends_with("response body is larger than 262144 bytes"), "{error}");
}

#[tokio::test]
async fn a_redirect_to_another_host_does_not_get_the_token() {
    let (sink, other) = (Sink::start().await.unwrap(), Sink::start().await.unwrap());
    let mut redirect = status(307, "");
    redirect.headers.insert("location", other.url().parse().unwrap());
    sink.answer_always(redirect);
    let error = chain(&assume(&sink).await.unwrap_err());
    assert!(error.contains("redirect"), "{error}");
    assert_eq!(arrived(&other), Vec::<String>::new());
}

#[test]
fn the_name_of_a_role_is_checked() {
    for good in [ROLE, "arn:aws-cn:iam::1:role/a/b", "arn:aws-us-gov:iam::1:role/path/with+=,.@-_"] {
        assert_eq!(RoleArn::parse(good).unwrap().as_str(), good);
    }
    let long = format!("arn:aws:iam::1:role/{}", "x".repeat(201));
    for bad in [
        "",
        "reader",
        "arn:aws:iam:eu:1:role/x",
        "arn:aws:iam::x:role/y",
        "arn:gcp:iam::1:role/x",
        "arn:aws:sts::1:role/x",
        "arn:aws:iam::1:user/x",
        "arn:aws:iam::1:role/",
        "arn:aws:iam:::role/x",
        "arn:aws:iam::1:role/a\nb",
        &long,
    ] {
        let error = RoleArn::parse(bad).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("invalid eks.amazonaws.com/role-arn annotation: '{bad}'. must match ")),
            "{error}"
        );
    }
}

#[test]
fn an_sts_endpoint_is_one_of_aws_and_nothing_else() {
    for good in [
        "https://sts.amazonaws.com",
        "https://sts.us-east-1.amazonaws.com",
        "https://sts-fips.us-east-1.amazonaws.com",
        "https://vpce-002b-njis.sts.us-east-1.vpce.amazonaws.com",
    ] {
        assert_eq!(StsEndpoint::parse(good).unwrap().url().as_str(), format!("{good}/"));
    }
    for bad in [
        "",
        "http://sts.amazonaws.com",
        "https://sts.evil.com",
        "https://sts.amazonaws.com.evil.com",
        "https://evil.com/sts.amazonaws.com",
        "https://evil.com#.sts.amazonaws.com",
        "https://user@sts.amazonaws.com",
        "https://sts.a.b.c.amazonaws.com",
        "https://s3.us-east-1.amazonaws.com",
        "https://.sts.amazonaws.com",
    ] {
        assert!(matches!(StsEndpoint::parse(bad), Err(AwsError::StsEndpoint(_))), "{bad}");
    }
}

#[test]
fn the_region_and_the_environment_choose_the_sts_endpoint() {
    let plain = Environment::default();
    let fips = Environment::from_iter([("AWS_USE_FIPS_ENDPOINT", "true")]);
    let own = Environment::from_iter([("AWS_ENDPOINT_URL_STS", "http://sts.internal:8080")]);
    for (region, environment, expected) in [
        ("eu-west-1", &plain, "https://sts.eu-west-1.amazonaws.com/"),
        ("cn-north-1", &plain, "https://sts.cn-north-1.amazonaws.com.cn/"),
        ("us-iso-east-1", &plain, "https://sts.us-iso-east-1.c2s.ic.gov/"),
        ("us-isob-east-1", &plain, "https://sts.us-isob-east-1.sc2s.sgov.gov/"),
        ("us-gov-west-1", &fips, "https://sts-fips.us-gov-west-1.amazonaws.com/"),
        ("eu-west-1", &own, "http://sts.internal:8080/"),
    ] {
        assert_eq!(StsEndpoint::of_region(region, environment).unwrap().url().as_str(), expected);
    }
    for bad in ["", "eu west", "evil.com/", "EU-WEST-1", "-a", "a-"] {
        let error = StsEndpoint::of_region(bad, &plain).unwrap_err().to_string();
        assert_eq!(error, format!("invalid AWS region: '{bad}'"));
    }
}

async fn of_controller(environment: &[(&str, &str)], sts: &Sink) -> Result<AwsCredentials, AwsError> {
    let environment = environment.iter().copied().collect::<Environment>();
    let files = MemoryFiles::from([("/token", "jwt\n"), ("/pod-token", "pod token\n"), ("/empty", "")]);
    let sts = StsEndpoint::trusted(url(sts));
    controller_credentials(&transport(), (&environment, &files), None, Some(&sts)).await
}

#[tokio::test]
async fn the_controller_takes_the_first_source_that_its_environment_names() {
    let (sts, agent) = (Sink::start().await.unwrap(), Sink::start().await.unwrap());
    sts.answer_always(answer(ISSUED_XML));
    agent.answer_always(answer(ISSUED_JSON));
    let region = ("AWS_REGION", "eu-west-1");
    let keys = [("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    let web = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"), ("AWS_ROLE_ARN", ROLE)];
    let full = format!("{}/v1/credentials", agent.url());
    let pod = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", full.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/pod-token"),
    ];

    let all = [&[region][..], &keys, &web, &pod].concat();
    assert_eq!(of_controller(&all, &sts).await.unwrap(), credentials(None));
    let session = [&all[..], &[("AWS_SESSION_TOKEN", "t")]].concat();
    assert_eq!(of_controller(&session, &sts).await.unwrap(), credentials(Some("t")));
    assert!(arrived(&sts).is_empty() && arrived(&agent).is_empty());

    assert_eq!(of_controller(&[&[region][..], &web, &pod].concat(), &sts).await.unwrap(), issued());
    let requests = arrived(&sts);
    assert!(
        requests[0].contains("RoleSessionName=sluice&") && requests[0].ends_with("WebIdentityToken=jwt"),
        "{requests:?}"
    );

    assert_eq!(of_controller(&[&[region][..], &pod].concat(), &sts).await.unwrap(), issued());
    let expected = "GET /v1/credentials\naccept: application/json\nauthorization: pod token";
    assert_eq!(arrived(&agent), [expected]);
    let plain = [region, pod[0], ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "given")];
    assert_eq!(of_controller(&plain, &sts).await.unwrap(), issued());
    assert_eq!(arrived(&agent), ["GET /v1/credentials\naccept: application/json\nauthorization: given"]);
}

#[tokio::test]
async fn an_environment_that_is_half_set_is_told_so() {
    let sts = Sink::start().await.unwrap();
    let region = ("AWS_REGION", "eu-west-1");
    for (environment, expected) in [
        (vec![], "no AWS region is known"),
        (vec![region, ("AWS_ACCESS_KEY_ID", "x")], "AWS_ACCESS_KEY_ID is set but AWS_SECRET_ACCESS_KEY is not"),
        (
            vec![region, ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token")],
            "AWS_WEB_IDENTITY_TOKEN_FILE is set but AWS_ROLE_ARN is not",
        ),
        (
            vec![region, ("AWS_WEB_IDENTITY_TOKEN_FILE", "/absent"), ("AWS_ROLE_ARN", ROLE)],
            "failed to read /absent: entity not found",
        ),
        (vec![region, ("AWS_WEB_IDENTITY_TOKEN_FILE", "/empty"), ("AWS_ROLE_ARN", ROLE)], "/empty is empty"),
        (vec![region, ("AWS_EC2_METADATA_DISABLED", "TRUE")], "no source of AWS credentials is configured"),
    ] {
        let error = chain(&of_controller(&environment, &sts).await.unwrap_err());
        assert!(error.starts_with(expected), "{error}");
    }
    for place in
        ["http://evil.com/", "http://169.254.169.254/", "ftp://127.0.0.1/", "nowhere", "http://[fd00:ec2::24]/"]
    {
        let error = of_controller(&[region, ("AWS_CONTAINER_CREDENTIALS_FULL_URI", place)], &sts).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "AWS_CONTAINER_CREDENTIALS_FULL_URI is not a URL that credentials are asked from",
            "{place}"
        );
    }
}

#[test]
fn the_agents_of_eks_and_ecs_are_trusted() {
    let source =
        |variable: &str, value: &str| CredentialSource::of_environment(&Environment::from_iter([(variable, value)]));
    for place in [
        "http://169.254.170.23/v1/credentials",
        "http://[fd00:ec2::23]/v1/credentials",
        "http://169.254.170.2/x",
        "http://localhost:1/x",
        "http://[::1]:1/",
        "https://agent.internal/x",
    ] {
        let source = source("AWS_CONTAINER_CREDENTIALS_FULL_URI", place);
        assert!(matches!(source, Ok(CredentialSource::Container(_))), "{place}");
    }
    let relative = source("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/1").unwrap();
    assert!(format!("{relative:?}").contains("169.254.170.2"), "{relative:?}");
}

#[tokio::test]
async fn the_instance_is_asked_in_three_steps() {
    let (sts, metadata) = (Sink::start().await.unwrap(), Sink::start().await.unwrap());
    let endpoint = metadata.url();
    let environment = [("AWS_REGION", "eu-west-1"), ("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint.as_str())];
    metadata.answer_next([answer("session-key"), answer("node-role\n"), answer(ISSUED_JSON)]);
    assert_eq!(of_controller(&environment, &sts).await.unwrap(), issued());
    assert_eq!(
        arrived(&metadata),
        [
            "PUT /latest/api/token\nx-aws-ec2-metadata-token-ttl-seconds: 60",
            "GET /latest/meta-data/iam/security-credentials/\nx-aws-ec2-metadata-token: session-key",
            "GET /latest/meta-data/iam/security-credentials/node-role\nx-aws-ec2-metadata-token: session-key",
        ]
    );
    let issuer = "the EC2 instance metadata service";
    for (answers, expected) in [
        (vec![status(403, "no")], format!("{issuer} answered 403 Forbidden")),
        (vec![answer(" ")], format!("{issuer} gave an answer that cannot be used: nothing")),
        (vec![answer("k"), status(404, "")], format!("{issuer} answered 404 Not Found")),
        (vec![answer("k"), answer("../x")], format!("{issuer} gave an answer that cannot be used: no name of a role")),
        (
            vec![answer("k"), answer("r"), answer(r#"{"Code":"Failed","Expiration":null}"#)],
            format!("{issuer} gave an answer that cannot be used: the role has no credentials"),
        ),
        (
            vec![answer("k"), answer("r"), answer(&ISSUED_JSON.replace("Expiration", "Other"))],
            format!("{issuer} gave an answer that cannot be used: no expiration"),
        ),
        (
            vec![answer("k"), answer("r"), answer("[")],
            format!("{issuer} gave an answer that cannot be used: not the JSON of credentials"),
        ),
        (
            vec![answer("k"), answer("r"), status(500, r#"{"code":"Busy","message":"key k"}"#)],
            format!("{issuer} answered 500 Internal Server Error: Busy: ***ey ***"),
        ),
    ] {
        metadata.answer_next(answers);
        assert_eq!(chain(&of_controller(&environment, &sts).await.unwrap_err()), expected);
    }
}

#[test]
fn a_registry_is_known_from_its_host() {
    for (host, region, api) in [
        ("public.ecr.aws", "us-east-1", "https://api.ecr-public.us-east-1.amazonaws.com/"),
        ("123.dkr.ecr.eu-west-1.amazonaws.com", "eu-west-1", "https://api.ecr.eu-west-1.amazonaws.com/"),
        (
            "123.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
            "us-gov-west-1",
            "https://ecr-fips.us-gov-west-1.amazonaws.com/",
        ),
        ("123.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1", "https://api.ecr.cn-north-1.amazonaws.com.cn/"),
        ("123.dkr-ecr.us-east-1.on.aws", "us-east-1", "https://api.ecr.us-east-1.amazonaws.com/"),
        ("123.dkr.ecr.us-iso-east-1.c2s.ic.gov", "us-iso-east-1", "https://api.ecr.us-iso-east-1.c2s.ic.gov/"),
        ("123.dkr.ecr.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1", "https://api.ecr.eusc-de-east-1.amazonaws.eu/"),
    ] {
        let registry = EcrRegistry::parse(host).unwrap();
        assert_eq!((registry.region(), registry.api().unwrap().as_str()), (region, api), "{host}");
    }
    for bad in [
        "",
        "ghcr.io",
        "dkr.ecr.eu-west-1.amazonaws.com",
        "x.dkr.ecr.eu-west-1.amazonaws.com",
        "123.dkr.ecr.eu-west-1.amazonaws.com.evil.com",
        "123.dkr.ecr.a/b.amazonaws.com",
        "123.dkr.ecr.amazonaws.com",
        "evil.com/123.dkr.ecr.eu-west-1.amazonaws.com",
    ] {
        let error = EcrRegistry::parse(bad).unwrap_err().to_string();
        assert!(error.starts_with(&format!("invalid AWS registry: '{bad}'. must be ")), "{error}");
    }
}

#[tokio::test]
async fn a_login_to_ecr_is_asked_for_with_a_signed_request() {
    let sink = Sink::start().await.unwrap();
    let token = STANDARD.encode("AWS:pass:word");
    let private = format!(r#"{{"authorizationData":[{{"authorizationToken":"{token}","expiresAt":1767366245.123}}]}}"#);
    let public = private.replace(['[', ']'], "");
    for (host, body, service, target, region) in [
        ("123.dkr.ecr.eu-west-1.amazonaws.com", &private, "ecr", "AmazonEC2ContainerRegistry_V20150921", "eu-west-1"),
        ("public.ecr.aws", &public, "ecr-public", "SpencerFrontendService", "us-east-1"),
    ] {
        sink.answer_always(answer(body));
        let registry = EcrRegistry::parse(host).unwrap();
        let login = login(&transport(), (&registry, &url(&sink)), &credentials(Some("token")), now()).await.unwrap();
        let expected = RegistryLogin {
            username: "AWS".into(),
            password: secret("pass:word"),
            expires_at: "2026-01-02T15:04:05Z".parse().unwrap(),
        };
        assert_eq!(login, expected);
        let requests = arrived(&sink);
        let (signed, signature) = requests[0].split_once("Signature=").unwrap();
        let expected = format!(
            "POST /\nauthorization: AWS4-HMAC-SHA256 Credential=AKID/20260102/{region}/{service}/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, "
        );
        assert_eq!(signed, expected);
        let rest = format!(
            "\ncontent-type: application/x-amz-json-1.1\nx-amz-date: 20260102T030405Z\nx-amz-security-token: token\n\
             x-amz-target: {target}.GetAuthorizationToken\n{{}}"
        );
        assert_eq!(&signature[64..], rest);
    }
}

#[tokio::test]
async fn answers_of_ecr_that_are_no_login_are_refused() {
    let sink = Sink::start().await.unwrap();
    let data = |token: &str, rest: &str| {
        answer(&format!(r#"{{"authorizationData":[{{"authorizationToken":"{token}"{rest}}}]}}"#))
    };
    let end = r#","expiresAt":1767366245"#;
    let malformed = |problem: &str| format!("Amazon ECR gave an answer that cannot be used: {problem}");
    for (given, expected) in [
        (
            status(400, r#"{"__type":"com.amazonaws#AccessDeniedException","message":"token is not allowed"}"#),
            "Amazon ECR answered 400 Bad Request: AccessDeniedException: *** is not allowed".to_owned(),
        ),
        (answer("<html>"), malformed("not the JSON of a login")),
        (answer("{}"), malformed("no authorization data returned")),
        (answer(r#"{"authorizationData":[]}"#), malformed("no authorization data returned")),
        (answer(r#"{"authorizationData":[{"expiresAt":1}]}"#), malformed("no authorization token")),
        (data(&STANDARD.encode("a:b"), ""), malformed("no expiration")),
        (data("%", end), malformed("the authorization token is not base64 text")),
        (data(&STANDARD.encode("nocolon"), end), malformed("invalid authorization token format")),
    ] {
        sink.answer_always(given);
        let login = login(&transport(), (&EcrRegistry::Public, &url(&sink)), &credentials(Some("token")), now()).await;
        assert_eq!(chain(&login.unwrap_err()), expected);
    }
}

#[test]
fn codecommit_takes_a_signature_for_a_password() {
    // Computed by another implementation, from AWS' description of the form.
    for (host, region, password) in [
        (
            "git-codecommit.eu-west-1.amazonaws.com",
            "eu-west-1",
            "20260102T030405Z324599ce2294957c0dc2e666d2502849723fd8f476e40be4ac75145c37f4d695",
        ),
        (
            "git-codecommit-fips.us-west-2.amazonaws.com",
            "us-west-2",
            "20260102T030405Z9f7079d98f819d1152d559506f965724863ab4e6ef5d7eab6f80b520392f57e2",
        ),
        (
            "git-codecommit.cn-north-1.amazonaws.com.cn",
            "cn-north-1",
            "20260102T030405Z5c8814b7eb5379042016302da74b3e1b447bb9ac084a075d70200eee00804ed2",
        ),
    ] {
        let url: Url = format!("https://{host}/v1/repos/my-repo").parse().unwrap();
        let repository = CodeCommitUrl::parse(&url).unwrap();
        assert_eq!(repository.region(), region);
        for (token, username, own_end, end) in [
            (None, "AKID", None, "2026-01-02T03:19:05Z"),
            (Some("to/ken"), "AKID%to/ken", Some("2026-01-02T03:09:05Z"), "2026-01-02T03:09:05Z"),
            (Some("to/ken"), "AKID%to/ken", Some("2026-01-02T09:09:05Z"), "2026-01-02T03:19:05Z"),
        ] {
            let expires_at = own_end.map(|text| text.parse().unwrap());
            let login = repository.login(&AwsCredentials { expires_at, ..credentials(token) }, now());
            let scheme = GitScheme::Basic { username: secret(username), password: secret(password) };
            assert_eq!(login, GitLogin { scheme, expires_at: end.parse().unwrap() });
        }
    }
}

#[test]
fn other_git_hosts_are_not_codecommit() {
    for (text, expected) in [
        ("http://git-codecommit.eu-west-1.amazonaws.com/x", "AWS CodeCommit authentication requires an HTTPS Git URL"),
        ("https://github.com/x", "invalid AWS CodeCommit Git URL: github.com"),
        ("https://git-codecommit.amazonaws.com/x", "invalid AWS CodeCommit Git URL: git-codecommit.amazonaws.com"),
        (
            "https://git-codecommit.eu-west-1.amazonaws.com.evil.com/x",
            "invalid AWS CodeCommit Git URL: git-codecommit.eu-west-1.amazonaws.com.evil.com",
        ),
        (
            "https://evil.git-codecommit.eu-west-1.amazonaws.com/x",
            "invalid AWS CodeCommit Git URL: evil.git-codecommit.eu-west-1.amazonaws.com",
        ),
    ] {
        assert_eq!(CodeCommitUrl::parse(&text.parse().unwrap()).unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_token_for_eks_is_a_presigned_question_of_who_asks() {
    // Computed by another implementation, from AWS' description of the form.
    const EXPECTED: &str = "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15\
        &X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20260102%2Feu-west-1%2Fsts%2Faws4_request\
        &X-Amz-Date=20260102T030405Z&X-Amz-Expires=900&X-Amz-Security-Token=to%2Fken%3D%3D\
        &X-Amz-SignedHeaders=host%3Bx-k8s-aws-id\
        &X-Amz-Signature=4748c902562487a71c7fee91f950f10ec28f8bfae5a932477a7fd7ded1b81f28";
    let cluster = ClusterArn::parse("arn:aws:eks:eu-west-1:123456789012:cluster/prod").unwrap();
    assert_eq!((cluster.region(), cluster.name()), ("eu-west-1", "prod"));
    let sts = StsEndpoint::of_region("eu-west-1", &Environment::default()).unwrap();
    let token = cluster.token(&sts, &credentials(Some("to/ken==")), now());
    let encoded = token.token.expose().strip_prefix("k8s-aws-v1.").unwrap();
    assert_eq!(String::from_utf8(URL_SAFE_NO_PAD.decode(encoded).unwrap()).unwrap(), EXPECTED);
    assert_eq!(token.expires_at, "2026-01-02T03:19:05Z".parse().unwrap());
    for bad in [
        "",
        "prod",
        "arn:aws:eks:eu-west-1:x:cluster/prod",
        "arn:aws:eks:evil.com/:1:cluster/p",
        "arn:aws:eks:eu-west-1:1:cluster/",
        "arn:aws:iam:eu-west-1:1:cluster/p",
    ] {
        assert!(matches!(ClusterArn::parse(bad), Err(AwsError::ClusterArn(_))), "{bad}");
    }
}
