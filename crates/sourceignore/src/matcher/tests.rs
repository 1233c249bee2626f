use super::*;

const ROOT: [&str; 0] = [];

/// Whether `path` is ignored; a trailing slash makes it a directory.
fn ignored(matcher: &Matcher, path: &str) -> bool {
    let kind = if path.ends_with('/') { EntryKind::Directory } else { EntryKind::Other };
    let components: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    matcher.is_ignored(&components, kind)
}

fn git(text: &str) -> Matcher {
    Matcher::builder().add(&ROOT, text).unwrap().build(Builtin::VersionControlAndExtras)
}

#[test]
fn version_control_files_are_always_left_out_of_git_sources() {
    for matcher in [git(""), git("a.txt"), git("# only a comment")] {
        for path in
            [".git/", ".git/config", "sub/.git/", ".gitignore", "sub/.gitignore", ".gitmodules", ".gitattributes"]
        {
            assert!(ignored(&matcher, path), "{path}");
        }
        for path in [".git", "sub/.git", ".gitkeep", IGNORE_FILE, "gitignore"] {
            assert!(!ignored(&matcher, path), "{path}: a file called .git is a submodule's pointer");
        }
    }
}

#[test]
fn extras_are_left_out_until_somebody_gives_a_pattern() {
    let extras = [
        "a.jpg",
        "a.jpeg",
        "d/a.gif",
        "a.png",
        "a.wmv",
        "a.flv",
        "a.tar.gz",
        "a.zip",
        ".github/",
        ".github/a.yaml",
        ".circleci/config",
        ".travis.yml",
        ".gitlab-ci.yml",
        "appveyor.yml",
        ".drone.yml",
        "cloudbuild.yaml",
        "codeship-services.yml",
        "codeship-steps.yml",
        ".goreleaser.yml",
        "d/.sops.yaml",
        "d/e/.flux.yaml",
    ];
    for path in extras {
        for text in ["", "\n \n", "# only a comment\n", "#a\r\n"] {
            assert!(ignored(&git(text), path), "{path} with {text:?}");
        }
        for text in ["other.txt", "!other.txt", "!", "[malformed"] {
            assert!(!ignored(&git(text), path), "{path} with {text:?}");
        }
    }
}

#[test]
fn buckets_have_no_built_in_patterns() {
    let matcher = Matcher::builder().build(Builtin::Nothing);
    for path in [".git/", ".gitignore", "a.jpg", ".sourceignore"] {
        assert!(!ignored(&matcher, path), "{path}");
    }
}

#[test]
fn the_last_matching_pattern_decides_even_below_an_excluded_directory() {
    let matcher = git("/*\n!/deploy\n/deploy/secret\n!/deploy/secret/public.yaml");
    let cases = [
        ("README.md", true),
        ("deploy/", false),
        ("deploy/a.yaml", false),
        ("deploy/secret/", true),
        ("deploy/secret/key.yaml", true),
        ("deploy/secret/public.yaml", false),
    ];
    for (path, expected) in cases {
        assert_eq!(ignored(&matcher, path), expected, "{path}");
    }
    assert!(ignored(&git("!a.txt\na.txt"), "a.txt"));
    assert!(!ignored(&git("!.gitignore"), ".gitignore"), "even a built-in pattern can be overruled");
}

#[test]
fn patterns_of_a_nested_file_apply_below_its_directory_only_and_overrule_those_above() {
    let matcher = Matcher::builder()
        .add(&ROOT, "*.txt\n/only-root")
        .and_then(|builder| builder.add(&["sub", "dir"], "!keep.txt\n/anchored\nsub"))
        .and_then(|builder| builder.add(&ROOT, "last.txt"))
        .unwrap()
        .build(Builtin::Nothing);
    let cases = [
        ("keep.txt", true),
        ("sub/keep.txt", true),
        ("sub/dir/keep.txt", false),
        ("sub/dir/deep/keep.txt", false),
        ("sub/dir2/keep.txt", true),
        ("sub/dir/anchored", true),
        ("anchored", false),
        ("sub/dir/x/anchored", false),
        ("sub/only-root", false),
        ("sub/dir/", false),
        ("sub/dir/sub/", true),
        ("sub/dir/last.txt", true),
    ];
    for (path, expected) in cases {
        assert_eq!(ignored(&matcher, path), expected, "{path}");
    }
}

#[test]
fn the_root_itself_is_never_ignored() {
    assert!(!git("*\n**\n/*\n/").is_ignored(&ROOT, EntryKind::Directory));
}

#[test]
fn lines_may_end_with_a_carriage_return() {
    let matcher = git("a.txt\r\nb.txt\r");
    assert!(ignored(&matcher, "a.txt") && ignored(&matcher, "b.txt"));
}

#[test]
fn more_patterns_or_bytes_than_the_bound_are_an_error() {
    let many = "a\n".repeat(MAX_PATTERNS);
    let full = Matcher::builder().add(&ROOT, &many).unwrap();
    assert_eq!(full.add(&ROOT, "b").unwrap_err(), SourceIgnoreError::TooManyPatterns);
    let comment = "#".repeat(MAX_TEXT_BYTES);
    let full = Matcher::builder().add(&ROOT, &comment).unwrap();
    assert_eq!(full.add(&ROOT, "b").unwrap_err(), SourceIgnoreError::TooManyBytes);
}
