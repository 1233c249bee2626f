//! HTTP clients shared by all remotes whose connections may be shared.
//!
//! A thousand repositories on one host need a few connections, not a thousand: a client keeps its connections by host. What is shared is
//! decided by certificates and proxy alone; credentials go with each request.
//!
//! Deliberately no secret outlives those who use it: a client with a key of ours or a proxy's password is shared only while a remote
//! has it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use sluice_http_client::{ClientConfig, ConfigError, HttpClient, Proxy, Redirects, TrustRoots, Url};

use crate::Tls;

/// Some hosts tell Git clients from browsers by the `git/` at the beginning.
const USER_AGENT: &str = concat!("git/2.0 (sluice/", env!("CARGO_PKG_VERSION"), ")");

/// A connection that is not made after this time is not going to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Clients kept while nobody uses them: one for each set of certificates and each proxy without a password. The least recently used
/// goes first.
const MAX_IDLE_CLIENTS: usize = 32;

/// Repositories whose protocol version is kept, some hundred bytes each. Beyond that all are forgotten: each then costs one more request.
const MAX_KNOWN_V2: usize = 10_000;

/// Clients by their configuration. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct ClientPool(Arc<Mutex<Clients>>, Arc<Mutex<HashSet<Url>>>);

#[derive(Debug, Default)]
struct Clients {
    /// All that are in use or kept. Few: a scan is fast.
    known: Vec<Weak<Shared>>,
    /// Those without secrets, the most recently used last.
    kept: Vec<Arc<Shared>>,
}

#[derive(Debug)]
struct Shared {
    tls: Tls,
    proxy: Proxy,
    client: HttpClient,
}

/// A client in use.
#[derive(Clone, Debug)]
pub(crate) struct PooledClient(Arc<Shared>);

impl PooledClient {
    pub(crate) fn client(&self) -> &HttpClient {
        &self.0.client
    }
}

impl ClientPool {
    /// The client for this way to servers, made when there is none.
    pub(crate) fn client(&self, tls: &Tls, proxy: &Proxy) -> Result<PooledClient, ConfigError> {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        clients.known.retain(|client| client.strong_count() > 0);
        let known = clients.known.iter().filter_map(Weak::upgrade);
        let found = known.into_iter().find(|client| client.tls == *tls && client.proxy == *proxy);
        let client = if let Some(client) = found {
            client
        } else {
            let client = Shared { tls: tls.clone(), proxy: proxy.clone(), client: make(tls, proxy)? };
            let client = Arc::new(client);
            clients.known.push(Arc::downgrade(&client));
            client
        };
        if !has_secret(tls, proxy) {
            clients.kept.retain(|kept| !Arc::ptr_eq(kept, &client));
            clients.kept.push(Arc::clone(&client));
            let excess = clients.kept.len().saturating_sub(MAX_IDLE_CLIENTS);
            clients.kept.drain(..excess);
        }
        Ok(PooledClient(client))
    }

    /// Whether the repository spoke protocol version 2 the last time. The URL has no credentials.
    pub(crate) fn speaks_v2(&self, url: &Url) -> bool {
        self.1.lock().unwrap_or_else(PoisonError::into_inner).contains(url)
    }

    /// Notes that the repository speaks protocol version 2.
    pub(crate) fn remember_v2(&self, url: &Url) {
        let mut known = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_KNOWN_V2 {
            known.clear();
        }
        known.insert(url.clone());
    }

    /// Notes that it is not known which version the repository speaks.
    pub(crate) fn forget_v2(&self, url: &Url) {
        self.1.lock().unwrap_or_else(PoisonError::into_inner).remove(url);
    }
}

fn has_secret(tls: &Tls, proxy: &Proxy) -> bool {
    let proxy = match proxy {
        Proxy::Environment | Proxy::Direct => false,
        Proxy::Url(url) => url.expose().password().is_some(),
    };
    tls.identity.is_some() || proxy
}

fn make(tls: &Tls, proxy: &Proxy) -> Result<HttpClient, ConfigError> {
    HttpClient::new(&ClientConfig {
        roots: tls.ca.clone().map_or(TrustRoots::System, TrustRoots::SystemAnd),
        identity: tls.identity.clone(),
        proxy: proxy.clone(),
        connect_timeout: Some(CONNECT_TIMEOUT),
        request_timeout: None,
        user_agent: USER_AGENT.to_owned(),
        // Followed by `transport::http`: the client would not send credentials on from http to https.
        redirects: Redirects::Never,
    })
}

#[cfg(test)]
mod tests {
    use sluice_http_client::Secret;

    use super::*;

    fn proxy(url: &str) -> Proxy {
        Proxy::Url(Secret::new(Url::parse(url).unwrap()))
    }

    #[test]
    fn a_client_is_shared_by_equal_configurations_and_kept_when_it_has_no_secret() {
        let pool = ClientPool::default();
        let one = pool.client(&Tls::default(), &Proxy::Direct).unwrap();
        let other = pool.client(&Tls::default(), &proxy("http://p:1")).unwrap();
        assert!(!Arc::ptr_eq(&one.0, &other.0));
        let address = Arc::as_ptr(&one.0);
        drop(one);
        assert_eq!(Arc::as_ptr(&pool.client(&Tls::default(), &Proxy::Direct).unwrap().0), address);
    }

    #[test]
    fn a_client_with_a_password_is_gone_with_its_last_user() {
        let pool = ClientPool::default();
        let with = proxy("http://u:p@p:1");
        let one = pool.client(&Tls::default(), &with).unwrap();
        assert!(Arc::ptr_eq(&one.0, &pool.client(&Tls::default(), &with).unwrap().0));
        let weak = Arc::downgrade(&one.0);
        drop(one);
        assert_eq!(weak.strong_count(), 0);
    }

    #[test]
    fn only_so_many_idle_clients_are_kept() {
        let pool = ClientPool::default();
        for port in 1..=MAX_IDLE_CLIENTS + 5 {
            pool.client(&Tls::default(), &proxy(&format!("http://p:{port}"))).unwrap();
        }
        pool.client(&Tls::default(), &Proxy::Direct).unwrap();
        let clients = pool.0.lock().unwrap();
        assert_eq!((clients.kept.len(), clients.known.len()), (MAX_IDLE_CLIENTS, MAX_IDLE_CLIENTS + 1));
    }
}
