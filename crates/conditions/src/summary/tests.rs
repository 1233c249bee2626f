use jiff::Timestamp;
use sluice_api::constants::condition::{
    ARTIFACT_IN_STORAGE, ARTIFACT_OUTDATED, FETCH_FAILED, INCLUDE_UNAVAILABLE, RECONCILING, SOURCE_VERIFIED, STALLED,
    STORAGE_OPERATION_FAILED,
};

use super::*;
use crate::list::{NewCondition, Stamp, set};

/// The summary of a GitRepository.
const GIT: Summary<'static> = Summary {
    priority: &[
        STORAGE_OPERATION_FAILED,
        FETCH_FAILED,
        INCLUDE_UNAVAILABLE,
        ARTIFACT_OUTDATED,
        ARTIFACT_IN_STORAGE,
        SOURCE_VERIFIED,
        STALLED,
        RECONCILING,
    ],
    negative: &[STORAGE_OPERATION_FAILED, FETCH_FAILED, INCLUDE_UNAVAILABLE, ARTIFACT_OUTDATED, STALLED, RECONCILING],
    veto: Some(SOURCE_VERIFIED),
};

/// Each condition's reason is its type and its message is `m`, so that a result shows who decided.
fn check(given: &[(&str, Status)], expected: Option<(Status, &str)>) {
    let mut conditions = Vec::new();
    for (type_, status) in given {
        let stamp = Stamp { generation: 1, now: Timestamp::UNIX_EPOCH };
        set(&mut conditions, NewCondition { type_, status: *status, reason: type_, message: "m" }, stamp);
    }
    let expected = expected.map(|(status, type_)| Ready { status, reason: type_.to_owned(), message: "m".to_owned() });
    assert_eq!(summarize(&conditions, &GIT), expected, "{given:?}");
}

use Status::{False, True, Unknown};

#[test]
fn without_a_condition_that_counts_ready_is_left_alone() {
    check(&[], None);
    check(&[("Ready", True), ("Custom", False)], None);
}

#[test]
fn groups_decide_in_order_of_status_and_polarity() {
    let strongest_last = [
        (ARTIFACT_IN_STORAGE, Unknown, Unknown),
        (STALLED, False, True),
        (SOURCE_VERIFIED, True, True),
        (RECONCILING, True, False),
    ];
    for end in 1..=strongest_last.len() {
        let given: Vec<_> = strongest_last[..end].iter().map(|(type_, status, _)| (*type_, *status)).collect();
        let (type_, _, ready) = strongest_last[end - 1];
        check(&given, Some((ready, type_)));
    }
}

#[test]
fn a_false_positive_stands_between_a_true_negative_and_a_true_positive() {
    check(&[(ARTIFACT_IN_STORAGE, False), (SOURCE_VERIFIED, True)], Some((False, ARTIFACT_IN_STORAGE)));
    check(&[(ARTIFACT_IN_STORAGE, False), (RECONCILING, True)], Some((False, RECONCILING)));
}

#[test]
fn within_a_group_the_priority_list_decides() {
    check(&[(RECONCILING, True), (FETCH_FAILED, True), (ARTIFACT_OUTDATED, True)], Some((False, FETCH_FAILED)));
    check(&[(STALLED, True), (RECONCILING, True)], Some((False, STALLED)));
    check(&[(SOURCE_VERIFIED, True), (ARTIFACT_IN_STORAGE, True)], Some((True, ARTIFACT_IN_STORAGE)));
}

#[test]
fn a_failed_verification_overrides_everything() {
    check(&[(SOURCE_VERIFIED, False), (FETCH_FAILED, True)], Some((False, SOURCE_VERIFIED)));
    check(&[(SOURCE_VERIFIED, False), (ARTIFACT_IN_STORAGE, True)], Some((False, SOURCE_VERIFIED)));
    check(&[(SOURCE_VERIFIED, Unknown), (ARTIFACT_IN_STORAGE, True)], Some((True, ARTIFACT_IN_STORAGE)));
}

#[test]
fn a_failing_fetch_on_a_healthy_object_is_not_ready_by_the_fetch() {
    check(&[(RECONCILING, True), (ARTIFACT_IN_STORAGE, True), (FETCH_FAILED, True)], Some((False, FETCH_FAILED)));
}
