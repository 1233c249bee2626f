//! The formats of documents: by the name of a file, and by what an encrypted document has in it.
//!
//! Deliberately no look at whether a text is well-formed.

/// A format that SOPS reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// YAML, one or more documents.
    Yaml,
    /// JSON.
    Json,
    /// Lines of `NAME=value`.
    Dotenv,
    /// INI.
    Ini,
    /// Anything; encrypted, it is a JSON object with one text.
    Binary,
}

impl Format {
    /// The format of a file, or of a key of a Secret's data, by its ending.
    pub fn of_name(name: &str) -> Self {
        let ends = |ending: &str| name.ends_with(ending);
        if ends(".dockerconfigjson") || ends(".json") {
            Self::Json
        } else if ends(".yaml") || ends(".yml") {
            Self::Yaml
        } else if ends(".env") {
            Self::Dotenv
        } else if ends(".ini") {
            Self::Ini
        } else {
            Self::Binary
        }
    }

    /// The text that every document encrypted in this format has in it.
    pub fn marker(self) -> &'static [u8] {
        match self {
            Self::Yaml => b"mac: ENC[",
            Self::Json | Self::Binary => b"\"mac\": \"ENC[",
            Self::Dotenv => b"sops_mac=ENC[",
            Self::Ini => b"[sops]",
        }
    }

    /// Whether a text has this format's marker.
    pub fn marks(self, text: &[u8]) -> bool {
        let marker = self.marker();
        text.windows(marker.len()).any(|window| window == marker)
    }

    /// How messages name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Yaml => "YAML",
            Self::Json => "JSON",
            Self::Dotenv => "dotenv",
            Self::Ini => "INI",
            Self::Binary => "binary",
        }
    }
}

/// The format that a document is encrypted in, by its marker; `None` for what SOPS did not encrypt. JSON and binary are one and the same
/// when encrypted: both are [`Format::Json`].
pub fn detect(text: &[u8]) -> Option<Format> {
    [Format::Json, Format::Dotenv, Format::Ini, Format::Yaml].into_iter().find(|format| format.marks(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_s_ending_decides_the_format() {
        for (name, format) in [
            ("a.yaml", Format::Yaml),
            ("dir/a.yml", Format::Yaml),
            ("a.json", Format::Json),
            (".dockerconfigjson", Format::Json),
            ("my.dockerconfigjson", Format::Json),
            ("a.env", Format::Dotenv),
            (".env", Format::Dotenv),
            ("a.ini", Format::Ini),
            ("a.YAML", Format::Binary),
            ("a.txt", Format::Binary),
            ("env", Format::Binary),
            ("", Format::Binary),
        ] {
            assert_eq!(Format::of_name(name), format, "{name}");
        }
    }

    #[test]
    fn an_encrypted_text_is_known_by_its_marker() {
        for (text, format) in [
            ("sops:\n  mac: ENC[AES", Some(Format::Yaml)),
            ("{\"sops\": {\"mac\": \"ENC[AES", Some(Format::Json)),
            ("A=b\nsops_mac=ENC[AES", Some(Format::Dotenv)),
            ("[sops]\nmac = ENC[AES", Some(Format::Ini)),
            ("{\"mac\":\"ENC[AES", None),
            ("mac: \"ENC[AES", None),
            ("", None),
        ] {
            assert_eq!(detect(text.as_bytes()), format, "{text}");
        }
    }
}
