use super::*;

/// Whether `line` matches `path`; a trailing slash of `path` makes it a directory.
fn matches(line: &str, path: &str) -> bool {
    let kind = if path.ends_with('/') { EntryKind::Directory } else { EntryKind::Other };
    let components: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    Pattern::parse(line.as_bytes()).is_some_and(|pattern| pattern.matches(&components, kind))
}

#[test]
fn a_pattern_matches_by_the_rules_of_the_dialect() {
    let cases = [
        // Without a slash: any component.
        ("*.txt", "a.txt", true),
        ("*.txt", "d/e/a.txt", true),
        ("**.txt", "d/a.txt", true),
        ("docs", "docs", true),
        ("docs", "a/docs/b", true),
        ("docs", "mydocs", false),
        ("**", "a", true),
        // A trailing slash: directories, and what is below them.
        ("docs/", "docs/", true),
        ("docs/", "docs", false),
        ("docs/", "docs/a.txt", true),
        ("docs/", "a/docs/b.txt", true),
        ("docs/", "docs/docs", true),
        ("a/docs/", "a/docs", false),
        ("a/docs/", "a/docs/", true),
        ("a/docs/", "a/docs/x", true),
        // With a slash: anchored, and what is below.
        ("/docs", "docs", true),
        ("/docs", "a/docs", false),
        ("a/b", "a/b", true),
        ("a/b", "a/b/c", true),
        ("a/b", "x/a/b", false),
        ("a/b", "a", false),
        ("/*", "a", true),
        ("/*", "a/b", true),
        ("/*.yaml", "a.yaml", true),
        ("/*.yaml", "d/a.yaml", false),
        ("a//b", "a/b", true),
        // `**` as a component.
        ("**/b", "b", true),
        ("**/b", "a/x/b", true),
        ("**/b", "a/b/c", true),
        ("a/**", "a/x", true),
        ("a/**", "a/x/y", true),
        ("a/**", "a/", true),
        ("a/**", "a", true),
        ("a/**", "b", false),
        ("a//", "a/", true),
        ("a//", "a", false),
        ("a/**/b", "a/b", true),
        ("a/**/b", "a/x/y/b", true),
        ("a/**/b", "x/a/b", false),
        ("**/a/**", "a", true),
        ("**/a/**", "x/a/y", true),
        ("**/a/**", "x/y", false),
        ("**/a/b", "x/a/b", true),
        ("**/a/b", "a/x/a/b", false),
        ("**/b/", "a/b/", true),
        ("**/b/", "a/b", false),
        // Nothing to hold on to.
        ("/", "a", false),
        ("/", "a/", false),
        ("//", "a/", false),
        ("/**", "a", false),
        ("!", "a", false),
        // `**` glued to other characters.
        ("a/**.txt", "a/b.txt", false),
        ("a/b**", "a/bc", false),
        ("**b/c", "ab/c", false),
        // Malformed globs.
        ("[a", "a", false),
        ("[]a]", "a", false),
        ("d/[a", "d/a", false),
        ("[/d", "x/d", false),
        ("a\\", "a", false),
        // Globs.
        ("[^a].txt", "b.txt", true),
        ("[^a].txt", "a.txt", false),
        ("?/b", "a/b", true),
        ("a*/b", "abc/b", true),
        ("*/b", "a/b", true),
        ("*/b", "a/x/b", false),
    ];
    for (line, path, expected) in cases {
        assert_eq!(matches(line, path), expected, "{line} against {path}");
    }
}

#[test]
fn trailing_spaces_are_dropped_unless_one_is_escaped() {
    let cases = [
        ("a   ", "a", true),
        ("a/   ", "a", false),
        ("a\\ ", "a ", true),
        ("a\\ ", "a", false),
        ("a b", "a b", true),
        (" a", " a", true),
        (" a", "a", false),
        ("a\t", "a", false),
    ];
    for (line, path, expected) in cases {
        assert_eq!(matches(line, path), expected, "{line:?} against {path:?}");
    }
}

#[test]
fn comments_and_blank_lines_are_no_patterns_and_escapes_lift_the_special_meaning() {
    for line in ["", "   ", "\t", "# a", "#"] {
        assert!(Pattern::parse(line.as_bytes()).is_none(), "{line:?}");
    }
    assert!(matches("\\#a", "#a"));
    assert!(matches("\\!a", "!a"));
    assert!(matches(" # a", " # a"), "a comment begins at the start of its line");
}
