//! Which host artifact URLs name, and how such URLs are made.
//!
//! Deliberately absent: the environment. The host name comes as an argument.

use sluice_artifact::ArtifactPath;

/// Why no advertised host can be derived.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The address is not of the form `host:port`; the text says why.
    #[error("invalid storage address '{address}': {reason}")]
    Malformed {
        /// The address as given.
        address: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The address binds every interface and there is no host name to advertise instead.
    #[error("no host name to advertise for storage address '{0}'")]
    NoHostname(String),
}

/// Derives the host that artifact URLs name from the address that the file server listens on, for when
/// `--storage-adv-addr` is not given: an empty host gives `localhost`, `0.0.0.0` gives `hostname` (the value of
/// `HOSTNAME`, else the operating system's), any other host is kept. The port always stays.
///
/// # Errors
/// [`AddressError`].
pub fn advertised_host(storage_address: &str, hostname: &str) -> Result<String, AddressError> {
    let (host, port) = split_host_port(storage_address)
        .map_err(|reason| AddressError::Malformed { address: storage_address.to_owned(), reason })?;
    let host = match host {
        "" => "localhost",
        "0.0.0.0" if hostname.is_empty() => return Err(AddressError::NoHostname(storage_address.to_owned())),
        "0.0.0.0" => hostname,
        host => host,
    };
    Ok(if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") })
}

/// Splits `host:port` or `[host]:port`; a host with colons needs the brackets.
fn split_host_port(address: &str) -> Result<(&str, &str), &'static str> {
    let (host, port) = address.rsplit_once(':').ok_or("missing port in address")?;
    let host = match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']').ok_or("missing ']' in address")?,
        None if host.contains(':') => return Err("too many colons in address"),
        None => host,
    };
    if host.contains(['[', ']']) || port.contains(['[', ']']) {
        return Err("unexpected bracket in address");
    }
    Ok((host, port))
}

/// The scheme and host of artifact URLs, without a final slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BaseUrl(String);

impl BaseUrl {
    /// Takes an advertised host. One that begins with `http://` or `https://` keeps that scheme, any other gets
    /// `http://`.
    pub(crate) fn new(host: &str) -> Self {
        let host = host.trim_end_matches('/');
        let has_scheme = host.starts_with("http://") || host.starts_with("https://");
        Self(if has_scheme { host.to_owned() } else { format!("http://{host}") })
    }

    pub(crate) fn of(&self, path: &ArtifactPath) -> String {
        format!("{}/{path}", self.0)
    }

    /// Replaces scheme and host of a URL; text that is none comes back as it is.
    pub(crate) fn rewrite(&self, url: &str) -> String {
        let Some((_, after_scheme)) = url.split_once("://") else {
            return url.to_owned();
        };
        let host_ends = after_scheme.find(['/', '?', '#']).unwrap_or(after_scheme.len());
        format!("{}{}", self.0, &after_scheme[host_ends..])
    }
}

#[cfg(test)]
mod tests;
