//! The secret path of a Receiver's webhook.

use sha2::{Digest, Sha256};

/// `/hook/` and the hexadecimal SHA-256 of token, name and namespace, without separators and with the token's bytes as
/// stored: a trailing line feed counts, and existing webhooks depend on it.
pub fn webhook_path(token: &[u8], name: &str, namespace: &str) -> String {
    let digest = Sha256::new().chain_update(token).chain_update(name).chain_update(namespace).finalize();
    format!("/hook/{}", hex::encode(digest))
}

#[cfg(test)]
mod tests {
    use super::webhook_path;

    #[test]
    fn the_path_is_the_digest_of_the_plain_concatenation() {
        // printf '%s' tokenwebapps | sha256sum
        assert_eq!(
            webhook_path(b"token", "web", "apps"),
            "/hook/a1394b3d75f88fa1da8b5863e97bcbd61b8df2090f787482bdc833b5f2fd849d"
        );
        assert_eq!(webhook_path(b"tok", "enweb", "apps"), webhook_path(b"token", "web", "apps"));
        assert_ne!(webhook_path(b"token\n", "web", "apps"), webhook_path(b"token", "web", "apps"));
    }
}
