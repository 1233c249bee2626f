//! The proxy that the controller's environment names, for clusters whose kubeconfig names none. As Go's programs have it: `HTTPS_PROXY`,
//! `HTTP_PROXY` and `NO_PROXY`, in either case.
//!
//! Deliberately not `ALL_PROXY`, which they do not know.

use hyper_util::client::proxy::matcher::Matcher;
use sluice_cloud_identity::Environment;

/// The proxy on the way to `server`.
pub(super) fn of_environment(environment: &Environment, server: &http::Uri) -> Option<http::Uri> {
    let get = |upper: &str| {
        let named = environment.get(upper).filter(|value| !value.is_empty());
        named.or_else(|| environment.get(&upper.to_ascii_lowercase())).unwrap_or_default().to_owned()
    };
    let name = if server.scheme_str() == Some("http") { "HTTP_PROXY" } else { "HTTPS_PROXY" };
    let proxy = get(name);
    let matcher = Matcher::builder().all(proxy.clone()).no(get("NO_PROXY")).build();
    matcher.intercept(server)?;
    // The matcher takes the login out of the address; the connection takes it from there.
    let full = if proxy.contains("://") { proxy } else { format!("http://{proxy}") };
    full.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_names_the_proxy_unless_it_excepts_the_server() {
        let proxy = |variables: &[(&str, &str)], server: &'static str| {
            let environment: Environment = variables.iter().copied().collect();
            of_environment(&environment, &http::Uri::from_static(server)).map(|uri| uri.to_string())
        };
        let server = "https://api.example.com:6443";
        assert_eq!(proxy(&[], server), None);
        assert_eq!(
            proxy(&[("HTTPS_PROXY", "http://u:p@proxy:3128")], server).as_deref(),
            Some("http://u:p@proxy:3128/")
        );
        assert_eq!(proxy(&[("https_proxy", "proxy:3128")], server).as_deref(), Some("http://proxy:3128/"));
        assert_eq!(proxy(&[("HTTP_PROXY", "http://proxy:3128")], server), None);
        let excepted = [("HTTPS_PROXY", "http://proxy:3128"), ("NO_PROXY", ".example.com,10.0.0.0/8")];
        assert_eq!(proxy(&excepted, server), None);
        assert_eq!(proxy(&excepted, "https://10.1.2.3"), None);
        assert_eq!(proxy(&excepted, "https://other.test").as_deref(), Some("http://proxy:3128/"));
    }
}
