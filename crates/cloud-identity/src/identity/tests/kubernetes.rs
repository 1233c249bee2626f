//! Access to clusters of each cloud, against one server that plays it.

use super::*;
use crate::cluster::ClusterReference;

const ARN: &str = "arn:aws:eks:eu-west-1:123456789012:cluster/prod";
const AKS: &str = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/prod";
const GKE: &str = "projects/p/locations/europe-west1/clusters/prod";
const DESCRIBED: (&str, &[u8]) = ("https://api.example.com:443", b"CA");
/// Of `CA`.
const CA: &str = "Q0E=";

fn reference(cluster: &str) -> ClusterReference {
    ClusterReference { cluster: cluster.to_owned(), ..ClusterReference::default() }
}

fn complete(cluster: &str) -> ClusterReference {
    ClusterReference {
        address: Some("https://own.example.com:6443".to_owned()),
        certificate_authority: Some(b"own".to_vec()),
        ..reference(cluster)
    }
}

/// Address, certificate authority and token.
async fn access(
    identity: &Identity<'_>,
    provider: Provider,
    reference: &ClusterReference,
) -> Result<(String, Vec<u8>, String), String> {
    let access = identity.kubernetes_access(provider, reference).await.map_err(|error| chain(&error))?;
    let authority = access.endpoint.certificate_authority.unwrap_or_default();
    Ok((access.endpoint.address.to_string(), authority, access.token.expose().clone()))
}

fn found(token: &str) -> (String, Vec<u8>, String) {
    (DESCRIBED.0.to_owned(), DESCRIBED.1.to_vec(), token.to_owned())
}

fn own(token: &str) -> (String, Vec<u8>, String) {
    ("https://own.example.com:6443".to_owned(), b"own".to_vec(), token.to_owned())
}

fn kubeconfig(server: &str) -> String {
    STANDARD.encode(format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: k, user: u}}}}]\nclusters:\n\
         - name: other\n  cluster: {{server: https://wrong.example.com}}\n\
         - name: k\n  cluster: {{server: '{server}', certificate-authority-data: {CA}}}\n"
    ))
}

#[tokio::test]
async fn a_cluster_of_eks_is_described_with_a_signature_and_its_token_is_a_presigned_question() {
    let rig = Rig::new(&[]).await;
    let described = format!(
        r#"{{"cluster":{{"endpoint":"https://api.example.com","certificateAuthority":{{"data":"{CA}"}},"status":"ACTIVE"}}}}"#
    );
    rig.sink.answer_next([answer(STS), answer(&described)]);
    let account = rig.account(&[(aws::ROLE_ANNOTATION, ROLE)]);
    let identity = rig.identity(Some(&account));
    let (address, authority, token) = access(&identity, Provider::Aws, &reference(ARN)).await.unwrap();
    assert_eq!((address.as_str(), authority.as_slice()), DESCRIBED);
    let question = URL_SAFE_NO_PAD.decode(token.strip_prefix("k8s-aws-v1.").unwrap()).unwrap();
    let question = String::from_utf8(question).unwrap();
    assert!(question.contains("Action=GetCallerIdentity") && question.contains("x-k8s-aws-id"), "{question}");
    let requests = arrived(&rig.sink);
    assert_eq!(requests[1].lines().next(), Some("GET /clusters/prod"));
    let authorization = "authorization: AWS4-HMAC-SHA256 Credential=AKID/20260102/eu-west-1/eks/aws4_request, \
        SignedHeaders=accept;host;x-amz-date;x-amz-security-token, Signature=";
    assert!(requests[1].contains(authorization), "{}", requests[1]);
    // The second look is the cache's, and with everything given nobody is asked.
    assert_eq!(access(&identity, Provider::Aws, &reference(ARN)).await.unwrap(), (address, authority, token));
    let (address, authority, _) = access(&identity, Provider::Aws, &complete(ARN)).await.unwrap();
    assert_eq!((address, authority), (own("").0, own("").1));
    assert_eq!(rig.lines(), [""; 0]);
}

#[tokio::test]
async fn a_cluster_of_aks_is_found_among_its_kubeconfigs() {
    let rig = Rig::new(&[]).await;
    let account = rig.account(&[(azure::CLIENT_ID_ANNOTATION, "c"), (azure::TENANT_ID_ANNOTATION, "t")]);
    let identity = rig.identity(Some(&account));
    let kubeconfigs = format!(
        r#"{{"kubeconfigs":[{{"name":"a","value":"{}"}},{{"name":"b","value":"{}"}}]}}"#,
        kubeconfig("https://API.example.com"),
        kubeconfig("https://private.example.com:443"),
    );
    let described = r#"{"properties":{"aadProfile":{"managed":true}}}"#;
    rig.sink.answer_next([answer(ENTRA), answer(ENTRA), answer(described), answer(&kubeconfigs)]);
    assert_eq!(access(&identity, Provider::Azure, &reference(AKS)).await, Ok(found("entra")));
    let lines = rig.lines();
    assert_eq!(
        lines[2..],
        [
            format!("GET {AKS}?api-version=2024-09-01").replacen(" /", " /arm/", 1),
            format!("POST {AKS}/listClusterUserCredential?api-version=2024-09-01").replacen(" /", " /arm/", 1),
        ]
    );
    let private = ClusterReference { address: Some("private.example.com".into()), ..reference(AKS) };
    rig.sink.answer_next([answer(described), answer(&kubeconfigs)]);
    assert_eq!(access(&identity, Provider::Azure, &private).await.unwrap().0, "https://private.example.com:443");
    let elsewhere = ClusterReference { address: Some("else.example.com".into()), ..reference(AKS) };
    rig.sink.answer_next([answer(described), answer(&kubeconfigs)]);
    let expected = format!(
        "failed to describe AKS cluster '{AKS}': no kubeconfig found for AKS cluster {AKS} matching the specified address \
         'https://else.example.com:443'. cluster addresses: ['https://api.example.com:443', 'https://private.example.com:443']"
    );
    assert_eq!(access(&identity, Provider::Azure, &elsewhere).await, Err(expected));
    rig.sink.answer_next([answer(r#"{"properties":{"aadProfile":null}}"#)]);
    let expected = format!(
        "failed to describe AKS cluster '{AKS}': AKS cluster {AKS} does not have Microsoft Entra ID integration enabled"
    );
    let upper = reference(&AKS.replace("resourceGroups", "RESOURCEGROUPS"));
    assert_eq!(
        access(&identity, Provider::Azure, &upper)
            .await
            .map_err(|text| text.replace("RESOURCEGROUPS", "resourceGroups")),
        Err(expected)
    );
    assert_eq!(access(&identity, Provider::Azure, &complete("")).await, Ok(own("entra")));
}

#[tokio::test]
async fn a_cluster_of_gke_is_described_with_the_token_that_reaches_it() {
    let rig = Rig::new(&[]).await;
    let provider = "projects/1/locations/global/workloadIdentityPools/pool/providers/k8s";
    let account = rig.account(&[(gcp::WORKLOAD_IDENTITY_PROVIDER_ANNOTATION, provider)]);
    let identity = rig.identity(Some(&account));
    let described = format!(r#"{{"endpoint":"203.0.113.7","masterAuth":{{"clusterCaCertificate":"{CA}"}}}}"#);
    rig.sink.answer_next([answer(GOOGLE), answer(&described)]);
    let expected = ("https://203.0.113.7:443".to_owned(), b"CA".to_vec(), "google".to_owned());
    assert_eq!(access(&identity, Provider::Gcp, &reference(GKE)).await, Ok(expected));
    assert_eq!(arrived(&rig.sink)[1], format!("GET /gke/v1/{GKE}\nauthorization: Bearer google"));
    rig.sink.answer_next([status(403, r#"{"error":{"status":"PERMISSION_DENIED","message":"not google"}}"#)]);
    let other = reference("projects/p/locations/l/clusters/other");
    let expected = "failed to describe GKE cluster 'projects/p/locations/l/clusters/other': Google Kubernetes Engine answered 403 \
        Forbidden: PERMISSION_DENIED: not ***";
    assert_eq!(access(&identity, Provider::Gcp, &other).await, Err(expected.to_owned()));
    assert_eq!(access(&identity, Provider::Gcp, &complete("")).await, Ok(own("google")));
}

#[tokio::test]
async fn what_is_no_cluster_is_refused_by_name_before_anybody_is_asked() {
    let rig = Rig::new(&[]).await;
    let long = |template: &str| template.replace('#', &"x".repeat(201));
    let clusters = [
        (Provider::Aws, String::new(), "invalid EKS cluster ARN: "),
        (Provider::Aws, "arn:aws:eks:eu-west-1:1:cluster/..".to_owned(), "invalid EKS cluster ARN: "),
        (Provider::Aws, long("arn:aws:eks:eu-west-1:1:cluster/#"), "invalid EKS cluster ARN: "),
    ];
    for (provider, cluster, expected) in clusters {
        let error = access(&rig.identity(None), provider, &reference(&cluster)).await.unwrap_err();
        assert!(error.starts_with(&format!("{expected}'{cluster}'. must match ")), "{error}");
    }
    let aks = |from: &str, to: &str| AKS.replace(from, to);
    for bad in [
        "",
        "prod",
        &aks("/g/", "/../"),
        &aks("/g/", "/%2e/"),
        &aks("/prod", "/prod/x"),
        &aks("/prod", "/.."),
        &aks("0001", "1"),
    ] {
        let error = azure::aks::ClusterId::parse(bad).unwrap_err().to_string();
        assert!(error.starts_with(&format!("invalid AKS cluster ID: '{bad}'. must match ")), "{error}");
    }
    let gke = |from: &str, to: &str| GKE.replace(from, to);
    for bad in ["", "prod", &gke("/p/", "/../"), &gke("/prod", "/prod/x"), &gke("/prod", "/"), &gke("/p/", "/a b/")] {
        let error = gcp::gke::ClusterId::parse(bad).unwrap_err().to_string();
        assert!(error.starts_with(&format!("invalid GKE cluster ID: '{bad}'. must match ")), "{error}");
    }
    let http = ClusterReference { address: Some("http://api".into()), ..reference(GKE) };
    let error = access(&rig.identity(None), Provider::Gcp, &http).await.unwrap_err();
    assert_eq!(
        error,
        "failed to parse cluster address: the Kubernetes API server address 'http://api/' must use https scheme"
    );
    assert_eq!(rig.lines(), [""; 0]);
}

#[tokio::test]
async fn an_answer_without_an_endpoint_is_an_error_without_its_content() {
    let rig = Rig::new(&[]).await;
    let account = rig.account(&[(aws::ROLE_ANNOTATION, ROLE)]);
    for (body, problem) in [
        ("[]", "not the JSON of a cluster"),
        (r#"{"cluster":{}}"#, "the cluster has no endpoint"),
        (r#"{"cluster":{"endpoint":"http://api"}}"#, "the cluster's endpoint is not an address"),
        (r#"{"cluster":{"endpoint":"https://api"}}"#, "the cluster has no CA certificate"),
        (
            r#"{"cluster":{"endpoint":"https://api","certificateAuthority":{"data":"?"}}}"#,
            "the cluster's CA certificate is not base64",
        ),
    ] {
        rig.sink.answer_always(answer(STS));
        let identity = rig.identity(Some(&account));
        identity.aws_credentials(Some("eu-west-1"), None).await.unwrap();
        rig.sink.answer_always(answer(body));
        let error = access(&identity, Provider::Aws, &reference(ARN)).await.unwrap_err();
        assert_eq!(
            error,
            format!("failed to describe EKS cluster '{ARN}': Amazon EKS gave an answer that cannot be used: {problem}")
        );
    }
}
