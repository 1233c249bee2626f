use super::*;

fn matches(glob: &str, name: &str) -> bool {
    Glob::compile(glob.as_bytes()).is_some_and(|glob| glob.matches(name.as_bytes()))
}

#[test]
fn a_glob_matches_the_whole_name_by_the_rules_of_filepath_match() {
    let cases = [
        ("abc", "abc", true),
        ("abc", "abcd", false),
        ("*", "", true),
        ("*", "abc", true),
        ("**", "abc", true),
        ("*c", "abc", true),
        ("a*", "a", true),
        ("a*b*c", "axbxbxc", true),
        ("a*b*c", "axbxbx", false),
        ("a*b?c*x", "abxbbxdbxebxczzx", true),
        ("a*b?c*x", "abxbbxdbxebxczzy", false),
        ("ab[c]", "abc", true),
        ("ab[b-d]", "abc", true),
        ("ab[e-g]", "abc", false),
        ("ab[^c]", "abc", false),
        ("ab[^e-g]", "abc", true),
        ("ab[!c]", "ab!", true),
        ("ab[!c]", "abd", false),
        ("a?b", "a☺b", true),
        ("a??b", "a☺b", false),
        ("a[^a]b", "a☺b", true),
        ("[☺-☻]", "☺", true),
        ("[a-ζ]*", "α", true),
        ("*[a-ζ]", "A", false),
        (r"a\*b", "a*b", true),
        (r"a\*b", "axb", false),
        (r"[\]a]", "]", true),
        (r"[\-x]", "-", true),
        (r"\#a", "#a", true),
        ("[*]", "*", true),
        ("*x", "xxx", true),
        ("", "", true),
        ("", "a", false),
    ];
    for (glob, name, expected) in cases {
        assert_eq!(matches(glob, name), expected, "{glob} against {name}");
    }
}

#[test]
fn a_malformed_glob_does_not_compile() {
    for glob in
        ["[", "[]", "[]a]", "[-]", "[x-]", "[-x]", "[a-b-c]", "[^", "[^bc", "[a", "a[", "*[", "a\\", "[\\", "[a-"]
    {
        assert_eq!(Glob::compile(glob.as_bytes()), None, "{glob}");
    }
    assert_eq!(Glob::compile(b"[\xff]"), None, "a set member must be valid UTF-8");
}

#[test]
fn names_that_are_not_utf8_are_matched_byte_by_byte() {
    let glob = |text: &[u8]| Glob::compile(text).unwrap();
    assert!(glob(b"?").matches(b"\xff"));
    assert!(!glob(b"?").matches(b"\xff\xff"));
    assert!(glob(b"[^a]").matches(b"\xff"));
    assert!(glob(b"\xff*").matches(b"\xff\xfe"));
}

#[test]
fn the_common_shapes_need_no_search() {
    assert_eq!(Glob::compile(br"a\*b"), Some(Glob::Literal(b"a*b".to_vec())));
    assert_eq!(Glob::compile(b"**.tar.gz"), Some(Glob::Suffix(b".tar.gz".to_vec())));
}

#[test]
fn a_glob_full_of_stars_is_not_exponential() {
    assert!(!matches(&"a*".repeat(200).replace("a*", "*a"), &format!("{}b", "a".repeat(5000))));
}
