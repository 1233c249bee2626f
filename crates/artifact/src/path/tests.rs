use super::*;

#[test]
fn a_path_prints_as_kind_namespace_name_and_file_and_parses_back() {
    let cases = [
        ("GitRepository", "0123.tar.gz", "gitrepository/apps/web/0123.tar.gz"),
        ("OCIRepository", "sha256:ab.tar.gz", "ocirepository/apps/web/sha256:ab.tar.gz"),
        ("HelmRepository", "index-ab.yaml", "helmrepository/apps/web/index-ab.yaml"),
        ("HelmChart", "web-6.0.3+1.tgz", "helmchart/apps/web/web-6.0.3+1.tgz"),
        ("Bucket", "..a..tar.gz", "bucket/apps/web/..a..tar.gz"),
    ];
    for (kind, file, expected) in cases {
        let path = ArtifactPath::new(kind, "apps", "web", file).unwrap();
        assert_eq!(path.to_string(), expected);
        assert_eq!(path.to_relative(), PathBuf::from(expected));
        assert_eq!(expected.parse(), Ok(path));
    }
}

#[test]
fn a_component_that_could_leave_its_place_is_refused_everywhere() {
    let long = "x".repeat(256);
    for bad in ["", ".", "..", "a/b", "/", "../../etc", "a\\b", "a\0b", "a\nb", "%2e%2e%2f", "a?b", "a#b", &long] {
        for at in 0..4 {
            let mut parts = ["k", "ns", "name", "file"];
            parts[at] = bad;
            let result = ArtifactPath::new(parts[0], parts[1], parts[2], parts[3]);
            assert_eq!(result, Err(PathError::Component(bad.to_owned())), "{bad:?} at {at}");
        }
    }
}

#[test]
fn an_artifact_cannot_have_the_name_of_a_lock_or_of_an_unfinished_file() {
    for file in ["a.tar.gz.lock", ".lock", ".tmp-a"] {
        let result = ArtifactPath::new("Bucket", "apps", "web", file);
        assert_eq!(result, Err(PathError::Reserved(file.to_owned())));
    }
}

#[test]
fn text_with_more_or_fewer_components_is_refused() {
    for text in ["", "k", "k/ns/name", "k/ns/name/file/more", "k/ns/name/file/", "/k/ns/name/file", "k/ns/../name"] {
        assert!(text.parse::<ArtifactPath>().is_err(), "{text}");
    }
}
