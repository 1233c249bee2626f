//! The patterns of a `.helmignore`: Helm's own dialect, not git's. It reads no files.

use super::glob::Glob;

/// What a chart leaves out: the author's patterns, then files below `templates/` whose names begin with a dot.
#[derive(Debug)]
pub(super) struct Rules(Vec<Pattern>);

const DEFAULT: &str = "templates/.?*";
/// More patterns than anybody writes; each is tried on each file.
const MAX_PATTERNS: usize = 10_000;

#[derive(Debug)]
struct Pattern {
    glob: Glob,
    negated: bool,
    directories_only: bool,
    /// Without a slash a pattern is for the last component of a path.
    base_name: bool,
}

impl Rules {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut patterns = Vec::new();
        for line in text.lines().chain([DEFAULT]) {
            patterns.extend(Pattern::parse(line.trim())?);
            if patterns.len() > MAX_PATTERNS {
                return Err(format!("more than {MAX_PATTERNS} patterns"));
            }
        }
        Ok(Self(patterns))
    }

    /// Whether a path below the chart is left out. The first pattern that decides counts; a negated one leaves out what it does **not** match.
    pub(super) fn ignores(&self, path: &str, is_directory: bool) -> bool {
        self.0.iter().any(|pattern| {
            let matches = pattern.matches(path);
            if pattern.negated {
                (pattern.directories_only && !is_directory) || !matches
            } else {
                (!pattern.directories_only || is_directory) && matches
            }
        })
    }
}

impl Pattern {
    fn parse(line: &str) -> Result<Option<Self>, String> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        if line.contains("**") {
            return Err("double-star (**) syntax is not supported".into());
        }
        let (negated, rest) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest));
        let (directories_only, rest) = rest.strip_suffix('/').map_or((false, rest), |rest| (true, rest));
        let base_name = !rest.contains('/');
        let glob = Glob::parse(rest.strip_prefix('/').unwrap_or(rest)).ok_or("syntax error in pattern")?;
        Ok(Some(Self { glob, negated, directories_only, base_name }))
    }

    fn matches(&self, path: &str) -> bool {
        let text = if self.base_name { path.rsplit('/').next().unwrap_or(path) } else { path };
        self.glob.matches(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_decide_as_helms_do() {
        for (text, path, is_directory, expected) in [
            ("", "templates/.dotfile", false, true),
            ("", "templates/sub/.dotfile", false, false),
            ("", ".dotfile", false, false),
            ("*.txt", "a/b.txt", false, true),
            ("/a.txt", "b/a.txt", false, false),
            ("/a.txt", "a.txt", false, true),
            ("a/*.txt", "a/b.txt", false, true),
            ("a/*.txt", "x/a/b.txt", false, false),
            ("docs/", "docs", true, true),
            ("docs/", "docs", false, false),
            ("a/docs/", "a/docs", true, true),
            ("# note\n\n  *.md  ", "README.md", false, true),
            ("!*.yaml", "README.md", false, true),
            ("!*.yaml", "a.yaml", false, false),
            ("\u{feff}*.md", "README.md", false, true),
        ] {
            assert_eq!(Rules::parse(text).unwrap().ignores(path, is_directory), expected, "{text:?} {path}");
        }
        assert_eq!(Rules::parse("a/**").unwrap_err(), "double-star (**) syntax is not supported");
        assert_eq!(Rules::parse("[").unwrap_err(), "syntax error in pattern");
    }
}
