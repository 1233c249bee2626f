//! Runs over documents that the real programs made, if they lie beside the checkout.
//!
//! `SLUICE_SHARED` names the directory that holds `sops-fixtures`; the default is `../shared` beside the workspace.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{Format, KeyRing, NoAmbient, Services, decrypt, detect};
use sluice_cloud_identity::{Clock, Environment, LocalFiles, Platform, Transport};
use sluice_http_client::ClientConfig;

fn fixtures() -> Option<PathBuf> {
    let shared = std::env::var_os("SLUICE_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    Some(shared.join("sops-fixtures")).filter(|path| path.is_dir())
}

fn services(root: &Path) -> Services {
    let environment = Environment::default();
    let mut ring = KeyRing::default();
    for (file, name) in [("age.txt", "a.agekey"), ("age-pq.txt", "b.agekey"), ("pgp.asc", "c.asc")] {
        ring.import(name, &fs::read(root.join("keys").join(file)).unwrap(), &environment).unwrap();
    }
    let platform = Platform::new(environment, Arc::new(LocalFiles), Clock::system());
    let config = ClientConfig::default();
    let (transport, client) = (Transport::new(&config).unwrap(), Services::client(&config).unwrap());
    Services::new(ring, (Arc::new(NoAmbient), None), platform, transport, client)
}

#[tokio::test]
async fn documents_of_the_real_programs_decrypt() {
    let Some(root) = fixtures() else { return };
    let services = services(&root);
    let secret = |name: &str| {
        format!("apiVersion: v1\nkind: Secret\nmetadata:\n    name: {name}\nstringData:\n    key: value\n")
    };
    for (path, format, expected) in [
        ("algorithms/age.yaml", Format::Yaml, secret("age")),
        ("algorithms/age-pq.yaml", Format::Yaml, secret("age-pq")),
        ("algorithms/pgp.yaml", Format::Yaml, secret("pgp")),
        ("envs/env.env", Format::Dotenv, "key=value\n".to_owned()),
        ("files/file.txt", Format::Binary, "value".to_owned()),
    ] {
        let document = fs::read(root.join(path)).unwrap();
        let found = detect(&document);
        assert!(found == Some(format) || (format, found) == (Format::Binary, Some(Format::Json)), "{path}");
        let made = decrypt(&document, (format, format), &services).await;
        let text = made.map(|bytes| String::from_utf8(bytes).unwrap()).map_err(|error| format!("{error:?}"));
        assert_eq!(text, Ok(expected), "{path}");
    }
}
