use super::*;

fn path(key: &str) -> Result<String, String> {
    ObjectPath::of_key(key).map(|path| path.as_str().to_owned()).map_err(|error| error.to_string())
}

#[test]
fn a_key_is_clamped_below_the_root() {
    for (key, expected) in [
        ("a", "a"),
        ("a/b.yaml", "a/b.yaml"),
        ("/etc/passwd", "etc/passwd"),
        ("../../etc/passwd", "etc/passwd"),
        ("a/../../../b", "b"),
        ("a/../b", "b"),
        ("a//b", "a/b"),
        ("a/./b", "a/b"),
        ("./a", "a"),
        ("..a", "..a"),
        ("...", "..."),
        ("a\\..\\b", "a\\..\\b"),
        ("C:\\a", "C:\\a"),
        ("%2e%2e/a", "%2e%2e/a"),
        ("a b\tc", "a b\tc"),
        ("ä/\u{202e}b", "ä/\u{202e}b"),
        (" ", " "),
        ("a/ ", "a/ "),
    ] {
        assert_eq!(path(key), Ok(expected.to_owned()), "{key:?}");
    }
}

#[test]
fn a_key_without_a_path_is_an_error_that_names_it() {
    for (key, expected) in [
        ("", "object key '' does not name a file"),
        (".", "object key '.' does not name a file"),
        ("..", "object key '..' does not name a file"),
        ("/", "object key '/' does not name a file"),
        ("a/..", "object key 'a/..' does not name a file"),
        ("a/b/..", "object key 'a/b/..' does not name a file"),
        ("a/.", "object key 'a/.' does not name a file"),
        ("a/", "object key 'a/' names a directory"),
        ("a/b//", "object key 'a/b//' names a directory"),
        ("a\0b", "object key 'a\\0b' has a NUL character"),
    ] {
        assert_eq!(path(key), Err(expected.to_owned()), "{key:?}");
    }
}

#[test]
fn what_a_file_system_cannot_hold_is_an_error_with_the_start_of_the_key() {
    assert!(path(&"a".repeat(255)).is_ok());
    for key in ["a".repeat(256), "ä".repeat(128), "a/".repeat(1_537) + "a", "a".repeat(5_000)] {
        let error = path(&key).unwrap_err();
        assert!(error.ends_with("' is too long") && error.len() < 300, "{error}");
    }
}

#[test]
fn keys_that_get_in_each_others_way_are_found_whatever_their_order() {
    for (first, second, expected) in [
        ("a/b", "a//b", "object keys 'a//b' and 'a/b' have the same path"),
        ("a", "../a", "object keys '../a' and 'a' have the same path"),
        ("a", "a/b", "object key 'a' is a directory of object key 'a/b'"),
        ("a/b", "a", "object key 'a' is a directory of object key 'a/b'"),
        ("a/b/c/d", "a/b", "object key 'a/b' is a directory of object key 'a/b/c/d'"),
        ("a/b", "a/b/c/d", "object key 'a/b' is a directory of object key 'a/b/c/d'"),
    ] {
        let mut paths = ObjectPaths::default();
        assert!(paths.add(first).is_ok());
        assert_eq!(paths.add(second).unwrap_err().to_string(), expected, "{first} {second}");
    }
}

#[test]
fn siblings_and_the_same_key_again_are_fine() {
    let mut paths = ObjectPaths::default();
    for key in ["a/b", "a/c", "a.b", "ab", "a/b", "b/a/b", "A/b"] {
        assert_eq!(paths.add(key).map(|path| path.as_str().to_owned()), Ok(key.to_owned()));
    }
}
