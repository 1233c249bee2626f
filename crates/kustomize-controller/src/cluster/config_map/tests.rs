//! What a `ConfigMap` says of a cluster.

use super::*;

fn description(data: &[(&str, &str)]) -> Result<Description, String> {
    let data = data.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Description::of_data(&data).map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
        format!("{error}{}", cause.unwrap_or_default())
    })
}

#[test]
fn a_generic_cluster_has_an_address_which_is_the_audience_too() {
    let address = || ClusterAddress::parse("api.example.com").unwrap();
    let bare = Reach::Generic {
        endpoint: ClusterEndpoint { address: address(), certificate_authority: None },
        audiences: vec!["https://API.example.com".to_owned()],
    };
    let data =
        [("provider", "generic"), ("address", "https://API.example.com"), ("cluster", "ignored"), ("ca.crt", "")];
    assert_eq!(description(&data), Ok(Description { reach: bare, account: None, audiences: Vec::new() }));
    let audiences = vec!["one".to_owned(), "two".to_owned()];
    let full = Reach::Generic {
        endpoint: ClusterEndpoint { address: address(), certificate_authority: Some(b"PEM".to_vec()) },
        audiences: audiences.clone(),
    };
    let data = [
        ("provider", "generic"),
        ("address", "api.example.com"),
        ("ca.crt", "PEM"),
        ("audiences", " one \n\n\ttwo\r\n"),
        ("serviceAccountName", "remote"),
    ];
    assert_eq!(description(&data), Ok(Description { reach: full, account: Some("remote".to_owned()), audiences }));
}

#[test]
fn a_cluster_of_a_cloud_has_a_name_and_perhaps_the_rest() {
    for (name, provider) in [("aws", Provider::Aws), ("azure", Provider::Azure), ("gcp", Provider::Gcp)] {
        let reference = ClusterReference { cluster: "c".into(), ..ClusterReference::default() };
        let expected = Description {
            reach: Reach::Cloud { provider, reference: reference.clone() },
            account: None,
            audiences: Vec::new(),
        };
        assert_eq!(description(&[("provider", name), ("cluster", "c"), ("address", "")]), Ok(expected));
        let reference =
            ClusterReference { address: Some("api".into()), certificate_authority: Some(b"PEM".to_vec()), ..reference };
        let expected = Description {
            reach: Reach::Cloud { provider, reference },
            account: Some("sa".into()),
            audiences: vec!["aud".into()],
        };
        let data = [
            ("provider", name),
            ("cluster", "c"),
            ("address", "api"),
            ("ca.crt", "PEM"),
            ("serviceAccountName", "sa"),
            ("audiences", "aud"),
        ];
        assert_eq!(description(&data), Ok(expected));
    }
}

#[test]
fn what_describes_no_cluster_is_refused() {
    for (data, expected) in [
        (&[][..], "provider '' not implemented"),
        (&[("provider", "oracle")], "provider 'oracle' not implemented"),
        (&[("provider", "AWS")], "provider 'AWS' not implemented"),
        (&[("provider", "generic")], "failed to parse cluster address: cluster address is required"),
        (
            &[("provider", "generic"), ("address", "http://api.example.com")],
            "failed to parse cluster address: the Kubernetes API server address 'http://api.example.com/' must use https scheme",
        ),
    ] {
        assert_eq!(description(data), Err(expected.to_owned()), "{data:?}");
    }
}
