//! Ways in for the fuzz targets of `crates/source-controller/fuzz` to what is private. Deliberately no logic, and in no build without the
//! feature `fuzzing`.

use crate::s3::answer::Version;
use crate::{azure, s3, sts};

/// Reads an answer as everything that it could be.
pub fn xml(bytes: &[u8]) {
    let _ = s3::answer::page(bytes, Version::One);
    let _ = s3::answer::page(bytes, Version::Two);
    let _ = s3::answer::location(bytes);
    let _ = azure::answer::page(bytes);
    let _ = azure::answer::problem(bytes, &sluice_http_client::HeaderMap::new());
    let _ = sts::credentials(bytes);
}
