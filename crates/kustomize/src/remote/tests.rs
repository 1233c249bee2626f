use super::*;

fn spec(url: &str, reference: &str, path: &str) -> RepoSpec {
    RepoSpec {
        url: url.to_owned(),
        reference: reference.to_owned(),
        path: RelPath::new(path).unwrap(),
        submodules: true,
        timeout: DEFAULT_TIMEOUT,
    }
}

#[test]
fn every_form_of_a_url_is_taken_apart() {
    for (text, expected) in [
        ("https://example.org/team/app", spec("https://example.org/team/app", "", "")),
        ("https://example.org/team/app/", spec("https://example.org/team/app", "", "")),
        ("https://example.org/team/app/deploy/prod", spec("https://example.org/team/app", "", "deploy/prod")),
        ("https://example.org/team/app//deploy?ref=v1", spec("https://example.org/team/app", "v1", "deploy")),
        ("https://example.org/a/b/c/app//deploy", spec("https://example.org/a/b/c/app", "", "deploy")),
        ("https://example.org/a/b/c/app.git/deploy", spec("https://example.org/a/b/c/app.git", "", "deploy")),
        ("https://example.org/app.git//deploy?ref=x", spec("https://example.org/app.git", "x", "deploy")),
        ("https://example.org/app.git?version=v2", spec("https://example.org/app.git", "v2", "")),
        ("https://example.org/app.git?version=v2&ref=v3", spec("https://example.org/app.git", "v3", "")),
        ("https://example.org/app.git?ref=feature/one", spec("https://example.org/app.git", "feature/one", "")),
        ("https://example.org/org/p/_git/app/d/e?ref=x", spec("https://example.org/org/p/_git/app", "x", "d/e")),
        ("https://example.org/my_git/app/d", spec("https://example.org/my_git/app", "", "d")),
        ("http://127.0.0.1:8080/app.git//d", spec("http://127.0.0.1:8080/app.git", "", "d")),
        ("git::https://example.org/team/app//d", spec("https://example.org/team/app", "", "d")),
        ("GIT::HTTPS://Example.org/team/App//d", spec("https://example.org/team/App", "", "d")),
        ("github.com/team/app", spec("https://github.com/team/app", "", "")),
        ("github.com/team/app//a/../b?ref=v1.0.0", spec("https://github.com/team/app", "v1.0.0", "b")),
        ("github.com/team/app/b?ref=0123", spec("https://github.com/team/app", "0123", "b")),
    ] {
        assert_eq!(RepoSpec::parse(text), Ok(expected), "for {text}");
        assert!(is_remote(text), "{text}");
    }
}

#[test]
fn timeout_and_submodules_are_read_and_bounded() {
    for (query, seconds, submodules) in [
        ("timeout=5", 5, true),
        ("timeout=1m30s&submodules=false", 90, false),
        ("submodules=0&timeout=2h", 600, false),
        ("timeout=4294967295", 600, true),
        ("unknown=1", 27, true),
    ] {
        let spec = RepoSpec::parse(&format!("https://example.org/a/b?{query}")).unwrap();
        assert_eq!((spec.timeout.as_secs(), spec.submodules), (seconds, submodules), "for {query}");
    }
}

#[test]
fn what_cannot_be_fetched_is_refused_with_its_reason() {
    for (text, message) in [
        (
            "git@example.org:team/app",
            "'git@example.org:team/app': Git over ssh is not supported in kustomizations; use https://",
        ),
        (
            "ssh://git@example.org/team/app",
            "'ssh://git@example.org/team/app': Git over ssh is not supported in kustomizations; use https://",
        ),
        (
            "git::ssh://git@example.org/a/b",
            "'git::ssh://git@example.org/a/b': Git over ssh is not supported in kustomizations; use https://",
        ),
        ("gh:team/app", "'gh:team/app': Git over ssh is not supported in kustomizations; use https://"),
        ("github.com:team/app", "'github.com:team/app': Git over ssh is not supported in kustomizations; use https://"),
        (
            "file:///srv/git/app",
            "'file:///srv/git/app': Git over file:// is not supported in kustomizations; use https://",
        ),
        ("https://user:secret@example.org/a/b", "credentials in the URL of a repository are not supported"),
        ("https://example.org", "'https://example.org' is not a URL of a Git repository: it has no path"),
        ("https:///a/b", "'https:///a/b' is not a URL of a Git repository: it has no host"),
        (
            "https://example.org/",
            "'https://example.org/' is not a URL of a Git repository: it has no organisation and repository",
        ),
        (
            "https://example.org/a/",
            "'https://example.org/a/' is not a URL of a Git repository: it has no organisation and repository",
        ),
        (
            "https://example.org////a",
            "'https://example.org////a' is not a URL of a Git repository: it has no repository",
        ),
        ("https://example.org/a/b//../../etc", "URL path exits repo"),
        ("https://example.org/a/b?timeout=never", "'never' is not a value for timeout"),
        ("https://example.org/a/b?timeout=0", "'0' is not a value for timeout"),
        ("https://example.org/a/b?submodules=x", "'x' is not a value for submodules"),
        ("../base", "'../base' is not a URL of a Git repository: it has no scheme"),
        ("git::", "'git::' is not a URL of a Git repository: it has no scheme"),
        ("", "'' is not a URL of a Git repository: it has no scheme"),
    ] {
        assert_eq!(RepoSpec::parse(text).unwrap_err().to_string(), message);
    }
}

#[test]
fn only_a_url_without_the_mark_of_a_repository_may_be_a_file() {
    for (text, expected) in [
        ("https://example.org/a.yaml", true),
        ("http://example.org/a/b?ref=x", true),
        ("https://example.org/a.git", false),
        ("https://example.org/a.git/x.yaml", false),
        ("https://example.org/a/_git/b", false),
        ("git::https://example.org/a.yaml", false),
        ("github.com/a/b", false),
        ("é.yaml", false),
    ] {
        assert_eq!(may_be_file(text), expected, "for {text}");
    }
}
