//! Where S3 requests go: endpoint, region, and whether the bucket is part of the path or of the host name.
//!
//! The rules are those of the client library that Bucket objects have always been read with, so that the same spec reaches the same host.
//! Deliberately no S3 Express sessions, no transfer acceleration, no access points.

use sluice_http_client::Url;

use crate::BucketName;
use crate::error::{StoreError, excerpt};
use crate::transport::{encode_path, encode_query};

/// The region of a service that has none, and the one that old buckets are in.
pub(crate) const DEFAULT_REGION: &str = "us-east-1";

/// The longest name of a region.
const MAX_REGION_BYTES: usize = 64;

/// How the endpoint is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// With TLS.
    Https,
    /// Without: `spec.insecure`.
    Http,
}

impl Scheme {
    fn as_str(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
        }
    }
}

/// Why an endpoint cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// It is not a host with an optional port.
    #[error("invalid endpoint '{0}': must be a host or host:port without scheme and path")]
    Host(String),
    /// The region is not a name.
    #[error("invalid region '{0}'")]
    Region(String),
}

/// A region's name: ASCII letters, digits, `-` and `_`. It becomes part of Amazon's host names and of every signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Region(String);

impl Region {
    pub(crate) fn new(name: &str) -> Result<Self, EndpointError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let fits = !name.is_empty() && name.len() <= MAX_REGION_BYTES;
        if fits && name.bytes().all(allowed) {
            Ok(Self(name.to_owned()))
        } else {
            Err(EndpointError::Region(excerpt(name)))
        }
    }

    pub(crate) fn default_region() -> Self {
        Self(DEFAULT_REGION.to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A parsed endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    scheme: Scheme,
    /// Host with the port, if it is not the scheme's own.
    authority: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Amazon's, whose host is replaced by that of the bucket's region.
    AmazonAnyRegion,
    /// Amazon's, whose host says more than a region: FIPS, private link, Express.
    AmazonFixedHost,
    Google,
    Aliyun,
    Other,
}

impl Endpoint {
    /// Reads `host[:port]`.
    pub(crate) fn parse(scheme: Scheme, text: &str) -> Result<Self, EndpointError> {
        let invalid = || EndpointError::Host(excerpt(text));
        // What a URL parser would take for something else than a host, or silently drop.
        if text.is_empty() || text.bytes().any(|byte| byte <= b' ' || b"/\\?#@%".contains(&byte)) {
            return Err(invalid());
        }
        let url = Url::parse(&format!("{}://{text}/", scheme.as_str())).map_err(|_| invalid())?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(invalid)?;
        let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Ok(Self { scheme, kind: kind_of(host), authority })
    }

    /// The region that the host name itself tells.
    pub(crate) fn region(&self) -> Option<&str> {
        region_of(self.authority.split(':').next().unwrap_or_default())
    }

    /// Whether listings must be of the first version.
    pub(crate) fn is_google(&self) -> bool {
        self.kind == Kind::Google
    }

    /// The URL of the bucket or of an object in it.
    ///
    /// # Errors
    /// [`StoreError::UnrequestableKey`]: a URL cannot hold `.` and `..` components, and would name another object, or another bucket.
    pub(crate) fn url(
        &self,
        region: &Region,
        bucket: &BucketName,
        key: &str,
        query: &[(&str, &str)],
    ) -> Result<Url, StoreError> {
        let host = self.host(region);
        let (host, path) = if self.is_virtual_host(bucket) {
            (format!("{bucket}.{host}"), format!("/{}", encode_path(key)))
        } else {
            (host, format!("/{}/{}", encode_path(bucket.as_str()), encode_path(key)))
        };
        let base = format!("{}://{host}", self.scheme.as_str());
        let invalid = || EndpointError::Host(excerpt(&host));
        let mut url = Url::parse(&format!("{base}{path}")).map_err(|_| invalid())?;
        if url.path() != path {
            return Err(StoreError::UnrequestableKey { key: excerpt(key) });
        }
        if !query.is_empty() {
            url.set_query(Some(&encode_query(query)));
        }
        Ok(url)
    }

    fn host(&self, region: &Region) -> String {
        match self.kind {
            Kind::AmazonAnyRegion => {
                let china = if region.as_str().starts_with("cn-") { ".cn" } else { "" };
                format!("s3.dualstack.{}.amazonaws.com{china}", region.as_str())
            }
            Kind::AmazonFixedHost | Kind::Google | Kind::Aliyun | Kind::Other => self.authority.clone(),
        }
    }

    /// A bucket with a dot is no single label, which the certificate's wildcard would not cover.
    fn is_virtual_host(&self, bucket: &BucketName) -> bool {
        let dotted = self.scheme == Scheme::Https && bucket.as_str().contains('.');
        self.kind != Kind::Other && !dotted && bucket.is_host_label()
    }
}

fn kind_of(host: &str) -> Kind {
    if host == "storage.googleapis.com" {
        Kind::Google
    } else if host.ends_with("aliyuncs.com") {
        Kind::Aliyun
    } else if is_outposts(host) {
        Kind::Other
    } else if host == "s3.amazonaws.com" || host == "s3-external-1.amazonaws.com" {
        Kind::AmazonAnyRegion
    } else if region_of(host).is_none() {
        Kind::Other
    } else if host.starts_with("s3-fips") || host.starts_with("s3express-") || host.ends_with(".vpce.amazonaws.com") {
        Kind::AmazonFixedHost
    } else {
        Kind::AmazonAnyRegion
    }
}

fn is_outposts(host: &str) -> bool {
    host.strip_suffix(".amazonaws.com").is_some_and(|rest| rest.contains(".s3-outposts."))
}

/// The region in a host name of Amazon's; `None` for other hosts and where there is none.
fn region_of(host: &str) -> Option<&str> {
    let region = if let Some(rest) = host.strip_suffix(".amazonaws.com.cn") {
        let rest = rest.strip_prefix("s3.dualstack.").or_else(|| rest.strip_prefix("s3."))?;
        rest.strip_prefix("cn").map(|_| rest)?
    } else {
        region_in(host.strip_suffix(".amazonaws.com")?)?
    };
    // `elb` hosts are load balancers; anything with a dot is some other service of Amazon's.
    (!region.is_empty() && !region.contains('.') && !host.contains("elb")).then_some(region)
}

/// The region in what precedes `.amazonaws.com`.
fn region_in(rest: &str) -> Option<&str> {
    if let Some(rest) = rest.strip_suffix(".vpce") {
        let named = rest.starts_with("bucket.vpce-") || rest.starts_with("accesspoint.vpce-");
        return rest.rsplit_once(".s3.").filter(|_| named).map(|(_, region)| region);
    }
    if let Some((_, region)) = rest.rsplit_once(".s3-outposts.") {
        return Some(region);
    }
    if let Some(rest) = rest.strip_prefix("s3express-") {
        return rest.split_once('.').map(|(_, region)| region);
    }
    if rest == "s3-external-1" {
        return None;
    }
    let prefixes = ["s3-fips.dualstack.", "s3-fips.", "s3-fips-", "s3.dualstack.", "s3-"];
    if let Some(region) = prefixes.iter().find_map(|prefix| rest.strip_prefix(prefix)) {
        return Some(region);
    }
    rest.strip_prefix("s3.").filter(|region| !region.starts_with("website-"))
}

#[cfg(test)]
mod tests;
