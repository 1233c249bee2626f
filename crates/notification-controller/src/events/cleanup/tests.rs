use super::*;
use crate::fakes::{event, map};

#[test]
fn only_keys_of_the_controller_and_of_annotations_are_let_in() {
    let mut event = event(&[
        ("event.toolkit.fluxcd.io/deployment", "d"),
        ("event.toolkit.fluxcd.io/checksum", "kept: only the controller's own is content"),
        ("kustomize.toolkit.fluxcd.io/revision", "r"),
        ("kustomize.toolkit.fluxcd.io/token", "t"),
        ("kustomize.toolkit.fluxcd.io/checksum", "c"),
        ("Kustomize.Toolkit.fluxcd.io/Digest", "d"),
        ("kustomize.toolkit.fluxcd.io/DIGEST", "d"),
        ("source.toolkit.fluxcd.io/revision", "other group"),
        ("kustomize.toolkit.fluxcd.iox/revision", "longer group"),
        ("revision", "bare"),
        ("/revision", "slash"),
    ]);
    clean(&mut event);
    let expected = map(&[
        ("event.toolkit.fluxcd.io/checksum", "kept: only the controller's own is content"),
        ("event.toolkit.fluxcd.io/deployment", "d"),
        ("kustomize.toolkit.fluxcd.io/revision", "r"),
        ("kustomize.toolkit.fluxcd.io/token", "t"),
    ]);
    assert_eq!(event.metadata, expected);
}

#[test]
fn an_object_without_a_group_keeps_annotation_keys_only() {
    let mut event = event(&[("event.toolkit.fluxcd.io/a", "1"), ("/b", "2"), ("v1/c", "3")]);
    event.involved_object.api_version = "v1".to_owned();
    clean(&mut event);
    assert_eq!(event.metadata, map(&[("event.toolkit.fluxcd.io/a", "1")]));
}

#[test]
fn the_token_goes_and_nothing_else_does() {
    let mut event = event(&[
        ("kustomize.toolkit.fluxcd.io/token", "t"),
        ("event.toolkit.fluxcd.io/token", "kept"),
        ("kustomize.toolkit.fluxcd.io/revision", "r"),
    ]);
    drop_token(&mut event);
    let expected = map(&[("event.toolkit.fluxcd.io/token", "kept"), ("kustomize.toolkit.fluxcd.io/revision", "r")]);
    assert_eq!(event.metadata, expected);
}
