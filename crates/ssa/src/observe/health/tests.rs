//! Verdicts and texts.

use sluice_kstatus::{State, Status};
use sluice_manifest::ObjectId;

use super::{Board, FailFast, HealthFailure, HealthTarget, IfAbsent, Verdict};

fn status(state: State, message: &str) -> Status {
    Status { state, reason: "Reason".to_owned(), message: message.to_owned() }
}

fn targets(count: usize) -> Vec<HealthTarget> {
    let id = |index| ObjectId {
        group: "apps".to_owned(),
        kind: "Deployment".to_owned(),
        namespace: "shop".to_owned(),
        name: format!("web-{index}"),
    };
    let target = |index| HealthTarget {
        id: id(index),
        version: "v1".to_owned(),
        min_resource_version: None,
        if_absent: IfAbsent::Wait,
    };
    (0..count).map(target).collect()
}

fn board(states: &[Option<State>]) -> Board {
    let mut board = Board::new(states.len());
    for (index, state) in states.iter().enumerate() {
        if let Some(state) = state {
            board.set(index, &status(*state, "message"));
        }
    }
    board
}

#[test]
fn a_wait_ends_when_all_are_current_or_only_failed_ones_remain_or_one_failed_fast() {
    use State::{Current, Failed, InProgress, NotFound, Terminating, Unknown};
    for (states, fast, patient) in [
        (vec![], Verdict::Healthy, Verdict::Healthy),
        (vec![Some(Current), Some(Current)], Verdict::Healthy, Verdict::Healthy),
        (vec![Some(Current), None], Verdict::NotYet, Verdict::NotYet),
        (vec![Some(Current), Some(InProgress)], Verdict::NotYet, Verdict::NotYet),
        (vec![Some(NotFound)], Verdict::NotYet, Verdict::NotYet),
        (vec![Some(Terminating), Some(Unknown)], Verdict::NotYet, Verdict::NotYet),
        (vec![Some(Failed), Some(InProgress)], Verdict::Failed, Verdict::NotYet),
        (vec![Some(Failed), None], Verdict::Failed, Verdict::NotYet),
        (vec![Some(Failed), Some(Current)], Verdict::Failed, Verdict::Failed),
        (vec![Some(Failed)], Verdict::Failed, Verdict::Failed),
    ] {
        let board = board(&states);
        assert_eq!((board.verdict(FailFast::Yes), board.verdict(FailFast::No)), (fast, patient), "{states:?}");
    }
}

#[test]
fn a_state_may_change_back() {
    let mut board = board(&[Some(State::Failed), Some(State::Current)]);
    board.set(0, &status(State::InProgress, ""));
    assert_eq!(board.verdict(FailFast::Yes), Verdict::NotYet);
    board.set(1, &status(State::Failed, ""));
    board.set(1, &status(State::Failed, ""));
    board.set(1, &status(State::Current, ""));
    board.set(0, &status(State::Current, ""));
    assert_eq!(board.verdict(FailFast::Yes), Verdict::Healthy);
}

#[test]
fn the_texts_name_what_is_not_healthy_with_its_own_message() {
    let targets = targets(5);
    let mut board = board(&[Some(State::Current), None, Some(State::NotFound), None, None]);
    board.set(1, &status(State::Failed, "Progress deadline exceeded"));
    board.set(3, &status(State::Unknown, "forbidden"));
    assert_eq!(
        HealthFailure::Stalled(board.failed(&targets)).to_string(),
        "failed early due to stalled resources: [Deployment/shop/web-1 status: 'Failed': Progress deadline exceeded]"
    );
    assert_eq!(
        HealthFailure::Timeout(board.pending(&targets)).to_string(),
        "timeout waiting for: [Deployment/shop/web-1 status: 'Failed': Progress deadline exceeded, \
         Deployment/shop/web-2 status: 'NotFound', Deployment/shop/web-3 status: 'Unknown': forbidden, \
         can't determine status for Deployment/shop/web-4]"
    );
    board.set(1, &status(State::InProgress, ""));
    assert_eq!(board.pending(&targets)[0].to_string(), "Deployment/shop/web-1 status: 'InProgress'");
    assert_eq!(
        HealthFailure::no_namespace(&targets[0].id).to_string(),
        "resource Deployment.apps web-0 is namespace scoped, but namespace is not set"
    );
}
