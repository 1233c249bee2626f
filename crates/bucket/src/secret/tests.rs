use super::*;

fn data(pairs: &[(&str, &str)]) -> SecretData {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect()
}

fn text(value: &str) -> Secret<String> {
    Secret::new(value.to_owned())
}

#[test]
fn an_s3_secret_needs_both_keys_and_an_empty_one_means_unsigned() {
    let signed = s3_secret("s", &data(&[("accesskey", "a"), ("secretkey", "b")])).unwrap().unwrap();
    assert_eq!((signed.access_key_id.as_str(), signed.secret_access_key.expose().as_str()), ("a", "b"));
    assert!(s3_secret("s", &data(&[("accesskey", ""), ("secretkey", "b")])).unwrap().is_none());
    assert!(s3_secret("s", &data(&[("accesskey", "a"), ("secretkey", "")])).unwrap().is_none());
    for pairs in [&[][..], &[("accesskey", "a")], &[("secretkey", "b")], &[("AccessKey", "a"), ("SecretKey", "b")]] {
        let error = s3_secret("s", &data(pairs)).unwrap_err().to_string();
        assert_eq!(error, "invalid 's' secret data: required fields 'accesskey' and 'secretkey'");
    }
    let bytes = SecretData::from([("accesskey".to_owned(), vec![0xff]), ("secretkey".to_owned(), vec![])]);
    assert_eq!(
        s3_secret("s", &bytes).unwrap_err().to_string(),
        "invalid 's' secret data: field 'accesskey' is not UTF-8"
    );
}

#[test]
fn google_and_ldap_secrets_need_their_keys() {
    assert_eq!(gcs_secret("s", &data(&[("serviceaccount", "{}")])).unwrap().expose(), b"{}");
    let error = gcs_secret("s", &data(&[])).unwrap_err().to_string();
    assert_eq!(error, "invalid 's' secret data: required fields 'serviceaccount'");
    let user = ldap_secret("s", &data(&[("username", "u"), ("password", "p")])).unwrap();
    assert_eq!(user, LdapUser { username: "u".to_owned(), password: text("p") });
    for pairs in [&[][..], &[("username", "u")], &[("username", "u"), ("password", "")]] {
        assert!(ldap_secret("s", &data(pairs)).is_err(), "{pairs:?}");
    }
}

#[test]
fn the_first_of_an_azure_secrets_credentials_in_order_is_taken() {
    let all = [
        ("tenantId", "t"),
        ("clientId", "c"),
        ("clientSecret", "hunter2"),
        ("clientCertificate", "pem"),
        ("clientCertificatePassword", "pw"),
        ("clientCertificateSendChain", "TRUE"),
        ("accountKey", "key"),
        ("sasKey", "?sig"),
        ("authorityHost", "https://login.example"),
    ];
    let without = |gone: &[&str]| {
        let kept: Vec<_> = all.into_iter().filter(|(key, _)| !gone.contains(key)).collect();
        AzureSecret::from_data("s", &data(&kept)).unwrap()
    };
    let host = || Some("https://login.example".to_owned());
    let certificate = |send_chain, password: Option<&str>| AzureSecret::ClientCertificate {
        tenant_id: "t".to_owned(),
        client_id: "c".to_owned(),
        certificate: Secret::new(b"pem".to_vec()),
        password: password.map(text),
        send_chain,
        authority_host: host(),
    };
    let identity = || AzureSecret::ManagedIdentity { client_id: "c".to_owned() };
    let secret = AzureSecret::ClientSecret {
        tenant_id: "t".to_owned(),
        client_id: "c".to_owned(),
        client_secret: text("hunter2"),
        authority_host: host(),
    };
    for (gone, expected) in [
        (&[][..], secret.clone()),
        (&["clientSecret"], certificate(SendChain::Yes, Some("pw"))),
        (
            &["clientSecret", "clientCertificatePassword", "clientCertificateSendChain"],
            certificate(SendChain::No, None),
        ),
        (&["clientSecret", "clientCertificate"], identity()),
        (&["tenantId"], identity()),
        (&["clientId"], AzureSecret::AccountKey(text("key"))),
        (&["clientId", "accountKey"], AzureSecret::SasKey(text("?sig"))),
        (&["clientId", "accountKey", "sasKey"], AzureSecret::AuthorityHost("https://login.example".to_owned())),
    ] {
        assert_eq!(without(gone), expected, "without {gone:?}");
    }
    assert!(!format!("{secret:?}").contains("hunter2"));
}

#[test]
fn an_empty_client_secret_counts_as_none() {
    let pairs = [("tenantId", "t"), ("clientId", "c"), ("clientSecret", ""), ("clientCertificate", "")];
    let expected = AzureSecret::ManagedIdentity { client_id: "c".to_owned() };
    assert_eq!(AzureSecret::from_data("s", &data(&pairs)), Ok(expected));
}

#[test]
fn an_azure_secret_without_any_credential_is_an_error() {
    for pairs in [&[][..], &[("tenantId", "t")], &[("tenantId", "t"), ("clientSecret", "x")], &[("other", "x")]] {
        let error = AzureSecret::from_data("s", &data(pairs)).unwrap_err();
        assert!(error.to_string().starts_with("invalid 's' secret data: required fields 'clientId'"), "{error}");
    }
}
