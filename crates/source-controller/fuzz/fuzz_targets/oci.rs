//! Any bytes as what a registry says: headers, manifests, tokens; and as a docker configuration.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_oci::fuzzing::{credentials, headers, manifest};

fuzz_target!(|data: &[u8]| {
    headers(data);
    manifest(data, "");
    manifest(data, "application/vnd.oci.image.index.v1+json");
    credentials(data);
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = sluice_oci::Repository::parse_url(text);
        let _ = sluice_oci::parse_digest(text);
    }
});
