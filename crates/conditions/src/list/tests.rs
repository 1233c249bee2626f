use super::*;

fn at(second: i64, generation: i64) -> Stamp {
    Stamp { generation, now: Timestamp::from_second(second).unwrap() }
}

fn ready(message: &str) -> NewCondition<'_> {
    NewCondition { type_: READY, status: Status::True, reason: "Succeeded", message }
}

fn types(conditions: &[Condition]) -> Vec<&str> {
    conditions.iter().map(|condition| condition.type_.as_str()).collect()
}

#[test]
fn a_first_condition_is_stored_whole_with_the_second_of_now() {
    let mut conditions = Vec::new();
    set(&mut conditions, ready("ok"), Stamp { generation: 3, now: "2026-01-02T03:04:05.999Z".parse().unwrap() });
    assert_eq!(
        conditions,
        vec![Condition {
            last_transition_time: Time("2026-01-02T03:04:05Z".parse().unwrap()),
            message: "ok".to_owned(),
            observed_generation: Some(3),
            reason: "Succeeded".to_owned(),
            status: "True".to_owned(),
            type_: "Ready".to_owned(),
        }]
    );
}

#[test]
fn seconds_before_the_epoch_are_cut_downwards_too() {
    assert_eq!(whole_seconds("1969-12-31T23:59:58.5Z".parse().unwrap()).as_second(), -2);
    assert_eq!(whole_seconds(Timestamp::MIN), Timestamp::MIN);
}

#[test]
fn the_transition_time_moves_with_status_reason_or_message_and_the_generation_always() {
    let changes = [
        (ready("ok"), 100),
        (NewCondition { status: Status::False, ..ready("ok") }, 200),
        (NewCondition { reason: "Other", ..ready("ok") }, 200),
        (ready("other"), 200),
    ];
    for (change, expected) in changes {
        let mut conditions = Vec::new();
        set(&mut conditions, ready("ok"), at(100, 1));
        set(&mut conditions, change, at(200, 2));
        assert_eq!(conditions.len(), 1);
        assert_eq!(conditions[0].last_transition_time.0.as_second(), expected, "{change:?}");
        assert_eq!(conditions[0].observed_generation, Some(2), "{change:?}");
    }
}

#[test]
fn the_list_is_kept_in_stored_order() {
    let mut conditions = Vec::new();
    for (type_, generation) in [("B", 1), ("A", 1), ("Old", 0), ("New", 2), (READY, 1), (RECONCILING, 0), (STALLED, 0)]
    {
        mark_true(&mut conditions, at(0, generation), type_, "R", "");
    }
    assert_eq!(types(&conditions), [STALLED, RECONCILING, READY, "New", "A", "B", "Old"]);
    conditions[5].observed_generation = None;
    sort(&mut conditions);
    assert_eq!(
        types(&conditions),
        [STALLED, RECONCILING, READY, "New", "A", "Old", "B"],
        "no generation is the oldest"
    );
}

#[test]
fn reconciling_and_stalled_exclude_each_other() {
    let mut conditions = Vec::new();
    mark_reconciling(&mut conditions, at(0, 1), "Progressing", "working");
    assert_eq!(types(&conditions), [RECONCILING]);
    mark_stalled(&mut conditions, at(0, 1), "URLInvalid", "no");
    assert_eq!(types(&conditions), [STALLED]);
    mark_reconciling(&mut conditions, at(0, 1), "Progressing", "working");
    assert_eq!(types(&conditions), [RECONCILING]);
}

#[test]
fn long_messages_are_cut_at_a_character_and_end_in_dots() {
    let fits = "x".repeat(MAX_MESSAGE_BYTES);
    assert_eq!(cut(&fits), fits);
    assert_eq!(cut(&format!("{fits}y")), format!("{}...", "x".repeat(MAX_MESSAGE_BYTES - 3)));
    // 32765 bytes are left; three-byte characters fill 32763 of them.
    let cut_wide = cut(&"\u{20ac}".repeat(MAX_MESSAGE_BYTES));
    assert_eq!(cut_wide, format!("{}...", "\u{20ac}".repeat(10_921)));
}

#[test]
fn a_cut_message_that_is_set_again_is_no_transition() {
    let long = "x".repeat(MAX_MESSAGE_BYTES + 1);
    let mut conditions = Vec::new();
    set(&mut conditions, ready(&long), at(100, 1));
    set(&mut conditions, ready(&long), at(200, 1));
    assert_eq!(conditions[0].last_transition_time.0.as_second(), 100);
}

#[test]
fn queries_tell_present_from_absent() {
    let mut conditions = Vec::new();
    mark_true(&mut conditions, at(0, 1), "T", "R", "");
    mark_false(&mut conditions, at(0, 1), "F", "R", "");
    mark_unknown(&mut conditions, at(0, 1), "U", "R", "");
    let row = |type_| {
        [
            has(&conditions, type_),
            is_true(&conditions, type_),
            is_false(&conditions, type_),
            is_unknown(&conditions, type_),
        ]
    };
    assert_eq!(row("T"), [true, true, false, false]);
    assert_eq!(row("F"), [true, false, true, false]);
    assert_eq!(row("U"), [true, false, false, true]);
    assert_eq!(row("absent"), [false, false, false, true]);
}

#[test]
fn duplicates_from_elsewhere_are_healed_by_the_next_set_or_delete() {
    let mut conditions = Vec::new();
    set(&mut conditions, ready("a"), at(0, 1));
    conditions.push(Condition { message: "b".to_owned(), ..conditions[0].clone() });
    set(&mut conditions, ready("c"), at(0, 1));
    assert_eq!(types(&conditions), [READY]);
    delete(&mut conditions, READY);
    delete(&mut conditions, READY);
    assert_eq!(conditions, vec![]);
}
