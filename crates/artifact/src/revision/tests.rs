use super::*;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn commit() -> Digest {
    Digest::from_hex(Algorithm::Sha1, COMMIT).unwrap()
}

fn image() -> Digest {
    Digest::of(Algorithm::Sha256, b"image")
}

#[test]
fn every_form_is_printed_and_parsed_back() {
    let cases = [
        (Revision::of_git_reference("refs/heads/main", commit()), format!("main@sha1:{COMMIT}")),
        (Revision::of_git_reference("refs/heads/feature/x", commit()), format!("feature/x@sha1:{COMMIT}")),
        (Revision::of_git_reference("refs/tags/v1.2.3", commit()), format!("v1.2.3@sha1:{COMMIT}")),
        (Revision::named("refs/pull/420/head", commit()), format!("refs/pull/420/head@sha1:{COMMIT}")),
        (Revision::named("user@host", commit()), format!("user@host@sha1:{COMMIT}")),
        (Ok(Revision::unnamed(commit())), format!("sha1:{COMMIT}")),
        (Revision::named("latest", image()), format!("latest@{}", image())),
        (Ok(Revision::unnamed(image())), image().to_string()),
    ];
    for (revision, text) in cases {
        let revision = revision.unwrap();
        assert_eq!(revision.to_string(), text);
        assert_eq!(text.parse(), Ok(revision));
    }
}

#[test]
fn revisions_of_earlier_releases_are_recognised_and_normalised() {
    let image_hex = image().to_hex();
    let cases = [
        (format!("main/{COMMIT}"), Revision::named("main", commit())),
        (format!("feature/x/{COMMIT}"), Revision::named("feature/x", commit())),
        (format!("HEAD/{COMMIT}"), Ok(Revision::unnamed(commit()))),
        (COMMIT.to_owned(), Ok(Revision::unnamed(commit()))),
        (format!("latest/{image_hex}"), Revision::named("latest", image())),
        (image_hex, Ok(Revision::unnamed(image()))),
        (format!("main@sha1:{COMMIT}"), Revision::named("main", commit())),
    ];
    for (text, expected) in cases {
        assert_eq!(Revision::parse_recorded(&text), expected, "{text}");
    }
    assert!(format!("main/{COMMIT}").parse::<Revision>().is_err(), "the strict parser knows only the present form");
}

#[test]
fn what_is_no_revision_is_refused() {
    let format = || RevisionError::Digest(DigestError::Format);
    let cases = [
        (String::new(), RevisionError::Digest(DigestError::Empty)),
        ("main".to_owned(), format()),
        (format!("@sha1:{COMMIT}"), RevisionError::Name),
        (format!("ma\nin@sha1:{COMMIT}"), RevisionError::Name),
        (format!("{}@sha1:{COMMIT}", "x".repeat(4097)), RevisionError::Name),
        (format!("main@<unknown>:{COMMIT}"), format()),
        (format!("main/{}", &COMMIT[1..]), format()),
        ("6.0.3+1".to_owned(), format()),
    ];
    for (text, expected) in cases {
        assert_eq!(Revision::parse_recorded(&text), Err(expected), "{text}");
    }
}

#[test]
fn a_short_reference_is_the_text_after_the_second_slash() {
    let cases = [("refs/heads/main", "main"), ("refs/heads/a/b", "a/b"), ("main", "main"), ("a/b", "a/b"), ("", "")];
    for (full, short) in cases {
        assert_eq!(short_ref_name(full), short);
    }
}
