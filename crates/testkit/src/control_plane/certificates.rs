//! The keys and certificates of one throw-away control plane.
//!
//! Deliberately short-lived in spirit only: the certificates do not expire in a test's lifetime, and vanish with its directory.

use std::path::Path;

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

/// A certificate authority that signs both the server's certificate and the clients'.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A private key and its certificate, both PEM.
pub(super) struct Identity {
    pub(super) certificate: String,
    pub(super) key: String,
}

impl Authority {
    pub(super) fn new() -> anyhow::Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "sluice test authority");
        Ok(Self(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?))
    }

    pub(super) fn certificate(&self) -> String {
        self.0.pem()
    }

    /// The API server's own certificate, for loopback only.
    pub(super) fn server(&self) -> anyhow::Result<Identity> {
        let mut params = CertificateParams::new([
            "127.0.0.1".to_owned(),
            "localhost".to_owned(),
            "kubernetes.default.svc".to_owned(),
        ])?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        self.sign(params)
    }

    /// A client's certificate: the API server takes the user name from the common name and the group from the organization.
    pub(super) fn client(&self, user: &str, group: Option<&str>) -> anyhow::Result<Identity> {
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.distinguished_name.push(DnType::CommonName, user);
        if let Some(group) = group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        self.sign(params)
    }

    fn sign(&self, mut params: CertificateParams) -> anyhow::Result<Identity> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.0)?;
        Ok(Identity { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

impl Identity {
    /// Writes `<name>.crt` and `<name>.key`.
    pub(super) fn write(&self, dir: &Path, name: &str) -> anyhow::Result<()> {
        write_private(&dir.join(format!("{name}.crt")), &self.certificate)?;
        write_private(&dir.join(format!("{name}.key")), &self.key)
    }
}

/// Writes a new key pair for service account tokens: `service-account.key` and `service-account.pub`.
pub(super) fn write_signing_key(dir: &Path) -> anyhow::Result<()> {
    let key = KeyPair::generate()?;
    write_private(&dir.join("service-account.pub"), &key.public_key_pem())?;
    write_private(&dir.join("service-account.key"), &key.serialize_pem())
}

/// Writes a file that only this user can read.
pub(super) fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("create {}", path.display()))?;
    file.write_all(text.as_bytes()).with_context(|| format!("write {}", path.display()))
}
