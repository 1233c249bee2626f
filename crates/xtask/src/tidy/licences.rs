//! Every dependency, direct or not, on any platform, has a licence that asks for no more than a notice.
//!
//! Deliberately a reader of licence expressions small enough to be read: `OR`, `AND`, `WITH`, parentheses, and the old `/`.

use cargo_metadata::Metadata;

/// SPDX identifiers of licences that are permissive.
const PERMISSIVE: [&str; 16] = [
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "NCSA",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "WTFPL",
    "Zlib",
];

/// Crates that state their licence only as a file, which somebody has read.
const READ: [(&str, &str); 1] = [("libyaml-safer", "MIT")];

pub(super) fn complaints(metadata: &Metadata) -> Vec<String> {
    let packages = metadata.packages.iter();
    packages
        .filter_map(|package| {
            let read = READ.iter().find(|(name, _)| package.license_file.is_some() && *name == package.name.as_str());
            let complaint = match package.license.as_deref().or(read.map(|(_, licence)| *licence)) {
                Some(licence) if is_permissive(licence) => return None,
                Some(licence) => format!("{} {}: licence {licence} is not permissive", package.name, package.version),
                None => format!("{} {}: states no licence", package.name, package.version),
            };
            Some(complaint)
        })
        .collect()
}

/// Whether the expression leaves a choice in which every part is permissive. What cannot be read is not.
fn is_permissive(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { tokens: &tokens, at: 0 };
    let value = parser.any_of();
    value == Some(true) && parser.at == tokens.len()
}

struct Parser<'a> {
    tokens: &'a [&'a str],
    at: usize,
}

impl Parser<'_> {
    fn take(&mut self, token: &str) -> bool {
        let found = self.tokens.get(self.at) == Some(&token);
        self.at += usize::from(found);
        found
    }

    fn any_of(&mut self) -> Option<bool> {
        let mut value = self.all_of()?;
        while self.take("OR") {
            value |= self.all_of()?;
        }
        Some(value)
    }

    fn all_of(&mut self) -> Option<bool> {
        let mut value = self.one()?;
        while self.take("AND") {
            value &= self.one()?;
        }
        Some(value)
    }

    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            let value = self.any_of()?;
            return self.take(")").then_some(value);
        }
        let name = *self.tokens.get(self.at)?;
        self.at += 1;
        if self.take("WITH") {
            // An exception only ever adds permissions.
            self.at += 1;
        }
        Some(PERMISSIVE.contains(&name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_permissive_if_one_choice_is_in_all_its_parts() {
        for (expression, expected) in [
            ("MIT", true),
            ("MIT/Apache-2.0", true),
            ("GPL-3.0-only OR MIT", true),
            ("(MIT OR GPL-3.0-only) AND Unicode-3.0", true),
            ("Apache-2.0 WITH LLVM-exception OR GPL-2.0-only", true),
            ("Apache-2.0 AND ISC", true),
            ("MIT AND GPL-3.0-only", false),
            ("MPL-2.0", false),
            ("(GPL-3.0-only OR OSL-3.0) AND MIT", false),
            ("MIT AND", false),
            ("(MIT", false),
            ("MIT MIT", false),
            ("", false),
        ] {
            assert_eq!(is_permissive(expression), expected, "{expression}");
        }
    }
}
