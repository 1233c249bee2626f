use super::*;

fn parsed(text: &str) -> Result<Vec<(String, String)>, SubmoduleError> {
    let found = parse(text.as_bytes())?;
    Ok(found.into_iter().map(|(path, url)| (String::from_utf8(path).unwrap(), url)).collect())
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(path, url)| ((*path).to_owned(), (*url).to_owned())).collect()
}

#[test]
fn the_file_is_read_as_git_reads_it() {
    let text = "\
# a comment
[core]
\tpath = ignored
[submodule \"one\"]
\tpath = libs/one
\turl = https://h/one.git ; trailing comment
[Submodule \"two\"]
\tURL = \"../two\\\\ #x\"
\tPath = \"with blank\"\r
[submodule \"long\"] ; comment
\tpath = lo\\
ng
\turl = ./l
\tupdate = none
[submodule \"no url\"]
\tpath = nowhere
[submodule \"one\"]
\turl = https://h/later.git
";
    let expected = [("libs/one", "https://h/later.git"), ("long", "./l"), ("with blank", "../two\\ #x")];
    assert_eq!(parsed(text), Ok(pairs(&expected)));
    assert_eq!(parsed(""), Ok(vec![]));
}

#[test]
fn hostile_paths_are_no_submodules() {
    for path in ["..", "../x", "a/../b", "/etc", "a//b", "a/", "./a", ".git", "a/.GIT/hooks", "-u", ""] {
        let text = format!("[submodule \"x\"]\npath = {path}\nurl = https://h/x\n");
        assert_eq!(parsed(&text), Ok(vec![]), "{path}");
    }
}

#[test]
fn what_is_malformed_is_named_by_its_line() {
    for (text, line) in [
        ("[submodule \"x\"\n", 1),
        ("\n[submodule \"x]\n", 2),
        ("[submodule \"x\"]\npath = \"open\n", 2),
        ("[submodule \"x\"]\n\nurl = a\\qb\n", 3),
    ] {
        assert_eq!(parsed(text), Err(SubmoduleError::Malformed(line)), "{text}");
    }
    assert_eq!(parse(&vec![b'#'; MAX_FILE + 1]), Err(SubmoduleError::FileTooLarge));
    let many =
        (0..=MAX_SUBMODULES).fold(String::new(), |text, n| format!("{text}[submodule \"{n}\"]\npath=p{n}\nurl=./u\n"));
    assert_eq!(parsed(&many), Err(SubmoduleError::TooMany));
}

#[test]
fn urls_are_resolved_against_the_parent_and_stay_on_their_host_unless_absolute() {
    for (parent, text, expected) in [
        ("https://h/org/app.git", "../lib.git", Some("https://h/org/lib.git")),
        ("https://h/org/app.git/", "../lib.git/", Some("https://h/org/lib.git")),
        ("https://h/org/app", "./sub", Some("https://h/org/app/sub")),
        ("https://h:8443/a/b/c", "../../../x", Some("https://h:8443/x")),
        ("https://h/a", "../../x", None),
        ("https://h/a", "../b/../../../x", Some("https://h/x")),
        ("ssh://git@h:2222/org/app", "../lib", Some("ssh://git@h:2222/org/lib")),
        ("ssh://git@h/org/app", "git@other:org/lib.git", Some("ssh://git@other/org/lib.git")),
        ("https://h/a", "https://other/b", Some("https://other/b")),
        ("https://h/a", "ssh://git@other/b", Some("ssh://git@other/b")),
        ("https://h/a", "file:///etc", None),
        ("https://h/a", "/etc", None),
        ("https://h/a", "git://h/b", None),
        ("https://h/a", "ext::sh -c x", None),
        ("https://h/a", "-u./payload", None),
        ("https://h/a", "https://h/a\nb", None),
        ("https://h/a", "b", None),
        ("https://h/a", "", None),
    ] {
        let found = resolve_url(&Url::parse(parent).unwrap(), text).ok().map(String::from);
        assert_eq!(found.as_deref(), expected, "{parent} {text}");
    }
}

#[test]
fn credentials_stay_with_the_host() {
    let may = |url: &str| may_have_credentials(&Url::parse("https://h/a").unwrap(), &Url::parse(url).unwrap());
    assert!(may("https://h/b") && may("https://h:443/b"));
    for url in ["http://h/b", "https://h:8443/b", "https://other/b", "ssh://h/b", "https://h.evil/b"] {
        assert!(!may(url), "{url}");
    }
}
