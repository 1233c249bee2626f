use sluice_yaml::{Limits, read_documents, write};

use super::*;

fn node(text: &str) -> Node {
    read_documents(text.as_bytes(), &Limits::DEFAULT).unwrap().remove(0)
}

fn merged(target: &str, patch: &str) -> String {
    strategic_merge(node(target), node(patch), None, &Shares::new())
        .unwrap()
        .map_or_else(String::new, |node| write(&node).unwrap())
}

const POD: &str = "apiVersion: v1\nkind: Pod\nspec:\n";
const THING: &str = "apiVersion: example.org/v1\nkind: Thing\nspec:\n";

#[track_caller]
fn check(head: &str, target: &str, patch: &str, expected: &str) {
    assert_eq!(merged(&format!("{head}{target}"), &format!("{head}{patch}")), format!("{head}{expected}"));
}

#[test]
fn fields_are_set_deleted_and_kept() {
    check(
        THING,
        "  a: 1\n  b: 2\n  c: null\n",
        "  a: 3\n  b: null\n  d: null\n  e: 4\n",
        "  a: 3\n  c: null\n  e: 4\n",
    );
    check(THING, "  a:\n  b: 1\n", "  b: 2\n", "  b: 2\n");
}

#[test]
fn keyed_lists_put_the_elements_of_the_patch_first() {
    check(
        POD,
        "  containers:\n  - name: one\n    image: a\n  - name: two\n    image: b\n",
        "  containers:\n  - name: three\n    image: c\n  - name: one\n    image: d\n",
        "  containers:\n  - image: c\n    name: three\n  - image: d\n    name: one\n  - image: b\n    name: two\n",
    );
}

#[test]
fn ports_match_by_number_and_by_protocol_where_both_sides_have_one() {
    let target = "  containers:\n  - name: a\n    ports:\n    - containerPort: 80\n    - containerPort: 53\n      protocol: UDP\n";
    let patch = "  containers:\n  - name: a\n    ports:\n    - containerPort: 53\n      protocol: TCP\n    - containerPort: 80\n      name: web\n";
    let expected = "  containers:\n  - name: a\n    ports:\n    - containerPort: 53\n      protocol: TCP\n    - containerPort: 80\n      name: web\n    - containerPort: 53\n      protocol: UDP\n";
    check(POD, target, patch, expected);
}

#[test]
fn lists_without_a_merge_key_are_replaced() {
    check(POD, "  tolerations:\n  - key: a\n", "  tolerations:\n  - key: b\n", "  tolerations:\n  - key: b\n");
    check(THING, "  containers:\n  - name: a\n", "  containers:\n  - name: b\n", "  containers:\n  - name: b\n");
}

#[test]
fn directives_delete_replace_and_are_checked() {
    check(
        POD,
        "  containers:\n  - name: a\n  - name: b\n",
        "  containers:\n  - name: a\n    $patch: delete\n",
        "  containers:\n  - name: b\n",
    );
    check(
        POD,
        "  containers:\n  - name: a\n",
        "  containers:\n  - $patch: replace\n  - name: b\n",
        "  containers:\n  - name: b\n",
    );
    check(THING, "  a:\n    x: 1\n", "  a:\n    $patch: replace\n    y2: 2\n", "  a:\n    y2: 2\n");
    assert_eq!(merged(&format!("{THING}  a: 1\n"), "apiVersion: example.org/v1\nkind: Thing\n$patch: delete\n"), "");
    let error = strategic_merge(node("a: {b: 1}\n"), node("a: {$patch: frob}\n"), None, &Shares::new());
    assert_eq!(error, Err(MergeError::UnknownStrategy("frob".to_owned())));
}

#[test]
fn an_element_cannot_be_replaced_by_directive() {
    let target = "  containers:\n  - image: i\n    name: a\n";
    check(POD, target, "  containers:\n  - name: a\n    $patch: replace\n    image: k\n", target);
}

#[test]
fn sets_of_scalars_are_joined() {
    let head = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n";
    check(
        head,
        "  finalizers:\n  - a\n  - b\n",
        "  finalizers:\n  - c\n  - b\n",
        "  finalizers:\n  - c\n  - b\n  - a\n",
    );
}

#[test]
fn another_kind_of_node_is_an_error_with_the_line_of_the_patch() {
    let error = strategic_merge(node("a: {b: 1}\n"), node("x: 1\na: 5\n"), None, &Shares::new());
    let (expected, found, contents) = ("MappingNode", "ScalarNode", "5\n".to_owned());
    assert_eq!(error, Err(MergeError::WrongKind { expected, found, contents, line: 2 }));
}

#[test]
fn ports_that_lack_a_protocol_follow_the_walker_even_in_a_new_container() {
    let patch = "  containers:\n  - name: a\n    ports:\n    - containerPort: 81\n      name: p\n    - containerPort: 81\n      protocol: TCP\n";
    check(POD, "  hostname: h\n", patch, &format!("{patch}  hostname: h\n"));
}

#[test]
fn very_long_lists_of_ports_are_merged_too() {
    let ports = |name: &str| -> String {
        let port =
            |port: usize| format!("    - containerPort: {port}\n      name: {name}{port}\n      protocol: TCP\n");
        (1..=600).map(port).collect()
    };
    let head = "  containers:\n  - name: a\n    ports:\n";
    check(POD, &format!("{head}{}", ports("x")), &format!("{head}{}", ports("y")), &format!("{head}{}", ports("y")));
}
