//! Tables of expressions and what they give, and of hostile ones.

use serde_json::json;

use super::*;

/// A dependency as the API server gives it.
fn dependency() -> Value {
    json!({
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {
            "name": "app", "namespace": "team", "generation": 3,
            "labels": {"tier": "backend"}, "annotations": {"note": "yes", "count": "7"},
        },
        "spec": {"replicas": 2, "ratio": 0.5, "names": ["a", "b", "c"], "empty": [], "nothing": null, "on": true},
        "status": {
            "observedGeneration": 3,
            "lastAppliedRevision": "main@sha1:abc",
            "conditions": [
                {"type": "Ready", "status": "True", "reason": "Done", "lastTransitionTime": "2026-01-01T00:00:00Z"},
                {"type": "Healthy", "status": "False", "reason": "Sick", "lastTransitionTime": "2026-01-02T00:00:00Z"},
            ],
        },
    })
}

fn compiled(text: &str) -> Result<Expression, CompileError> {
    Expression::compile(text, &["self", "dep"], Output::Bool)
}

fn bool_of(text: &str) -> Result<bool, EvaluateError> {
    let dep = dependency();
    let expression = compiled(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    expression.evaluate_bool(&[("self", &dep), ("dep", &dep)], Numbers::AsWritten)
}

fn cause_of(text: &str) -> String {
    match bool_of(text) {
        Err(EvaluateError::Failed { expression, cause }) if expression == text => cause,
        other => panic!("{text} gives {other:?}"),
    }
}

#[test]
fn true_of_a_dependency() {
    for text in [
        "true",
        "dep.metadata.name == 'app'",
        "dep.metadata.generation == dep.status.observedGeneration",
        "dep.status.observedGeneration >= 3 && dep.spec.replicas + 1 == 3",
        "dep.spec.replicas == 2.0 && dep.spec.replicas < 2.5 && dep.spec.ratio * 2.0 == 1.0",
        "self.metadata.labels['tier'] == dep.metadata.labels['tier']",
        "has(dep.status) && has(dep.status.conditions) && !has(dep.status.artifact)",
        "dep.status.conditions.filter(e, e.type == 'Ready').all(e, e.status == 'True')",
        "dep.status.conditions.filter(e, e.type == 'Absent').all(e, e.status == 'True')",
        "dep.status.conditions.exists(e, e.type == 'Healthy' && e.status == 'False')",
        "dep.status.conditions.exists_one(e, e.status == 'True')",
        "dep.status.conditions.map(e, e.type) == ['Ready', 'Healthy']",
        "dep.status.conditions.map(e, e.status == 'True', e.type).size() == 1",
        "size(dep.spec.names) == 3 && dep.spec.names.size() == 3 && size(dep.metadata.name) == 3",
        "'b' in dep.spec.names && !('z' in dep.spec.names) && 'tier' in dep.metadata.labels",
        "dep.metadata.annotations.all(k, k.size() > 2)",
        "dep.spec.nothing == null && dep.spec.empty == []",
        "dep.spec.on == true",
        "dep.spec.names[1] == 'b' && dep.spec.names[0] != 'b'",
        "dep.spec.names + ['d'] == ['a', 'b', 'c', 'd']",
        "type(dep.spec.replicas) == int && type(dep.spec.ratio) == double",
        "int(dep.metadata.annotations.count) == 7 && string(dep.spec.replicas) == '2'",
        "dep.spec.replicas > 1 ? dep.metadata.name == 'app' : false",
        "(dep.metadata.absent == 'x') || true",
        "!((dep.metadata.absent == 'x') && false)",
        "timestamp(dep.status.conditions[0].lastTransitionTime) < timestamp('2026-01-01T00:00:01Z')",
        "timestamp('2026-01-02T03:04:05Z').getHours() == 3 && duration('90s') == duration('1m30s')",
        "timestamp('2026-01-01T00:00:00Z') + duration('24h') == timestamp(dep.status.conditions[1].lastTransitionTime)",
        "dep.status.lastAppliedRevision.startsWith('main@') && dep.status.lastAppliedRevision.endsWith('abc')",
        "dep.status.lastAppliedRevision.contains('sha1') && dep.status.lastAppliedRevision.matches('^main@sha1:[a-f0-9]+$')",
        "matches(dep.metadata.name, 'p{2}')",
        "{'a': 1, 'b': 2}['b'] == 2 && {'a': 1}.a == 1",
    ] {
        assert_eq!(bool_of(text), Ok(true), "{text}");
    }
}

#[test]
fn optional_values() {
    for text in [
        "dep.?metadata.?absent.orValue('d') == 'd'",
        "dep.?metadata.name.orValue('d') == 'app'",
        "!dep.?status.?artifact.hasValue()",
        "dep.metadata.labels[?'tier'].value() == 'backend'",
        "dep.spec.names.first().value() == 'a' && dep.spec.names.last().value() == 'c'",
        "!dep.spec.empty.first().hasValue() && !dep.spec.empty.last().hasValue()",
        "dep.status.conditions.filter(e, e.type == 'Ready').first().status.orValue('') == 'True'",
        "optional.of(1).or(optional.none()).value() == 1 && !optional.ofNonZeroValue(0).hasValue()",
        "optional.of(2).optMap(x, x + 1).value() == 3",
        "dep.?metadata.?name.optMap(n, n + '!').orValue('') == 'app!'",
        "optional.of(2).optFlatMap(x, optional.of(x * 2)).value() == 4",
        "optional.unwrap([optional.of(1), optional.none(), optional.of(2)]) == [1, 2]",
        "[optional.of(1), optional.none()].unwrapOpt() == [1]",
        "[?dep.?metadata.?name, ?dep.?metadata.?absent].size() == 1",
        "{?'n': dep.?metadata.?absent}.size() == 0",
    ] {
        assert_eq!(bool_of(text), Ok(true), "{text}");
    }
    assert_eq!(cause_of("dep.spec.empty.first().value() == 'a'"), "optional.none() dereference");
}

#[test]
fn the_extensions_strings_sets_and_encoders() {
    for text in [
        "'a,b,c'.split(',') == ['a', 'b', 'c'] && 'a,b,c'.split(',', 2) == ['a', 'b,c']",
        "['a', 'b'].join() == 'ab' && ['a', 'b'].join('-') == 'a-b' && dep.spec.names.join('/') == 'a/b/c'",
        "'aXbXc'.replace('X', '-') == 'a-b-c' && 'aXbXc'.replace('X', '-', 1) == 'a-bXc' && 'ab'.replace('', '-') == '-a-b-'",
        "'aXb'.replace('X', '', 0) == 'aXb' && 'aXbX'.replace('X', '', -1) == 'ab'",
        "'héllo'.indexOf('l') == 2 && 'héllo'.indexOf('l', 3) == 3 && 'hello'.indexOf('z') == -1 && 'abc'.indexOf('') == 0",
        "'héllo'.lastIndexOf('l') == 3 && 'héllo'.lastIndexOf('l', 2) == 2 && 'hello'.lastIndexOf('z') == -1",
        "'AbC'.lowerAscii() == 'abc' && 'AbC'.upperAscii() == 'ABC' && ' a '.trim() == 'a'",
        "'tacocat'.substring(4) == 'cat' && 'tacocat'.substring(0, 4) == 'taco' && 'abc'.charAt(1) == 'b'",
        "'gums'.reverse() == 'smug' && strings.quote('a\"b') == '\"a\\\\\"b\"'",
        "'%s is %d'.format([dep.metadata.name, dep.spec.replicas]) == 'app is 2'",
        "sets.contains(dep.spec.names, ['c', 'a']) && !sets.contains(['a'], ['b']) && sets.contains(['a'], [])",
        "sets.equivalent([1, 2, 2], [2, 1]) && !sets.equivalent([1], [1, 2])",
        "sets.intersects([1, 2], [2, 3]) && !sets.intersects([1], [2]) && !sets.intersects([1], [])",
        "base64.encode(b'hello') == 'aGVsbG8=' && base64.decode('aGVsbG8=') == b'hello'",
        "string(base64.decode('YXBw')) == dep.metadata.name",
    ] {
        assert_eq!(bool_of(text), Ok(true), "{text}");
    }
}

#[test]
fn failures_have_the_words_of_flux_and_no_values() {
    for (text, expected) in [
        ("dep.status.artifact.revision == 'x'", "no such key: artifact"),
        ("dep.metadata.labels['absent'] == 'x'", "no such key: absent"),
        ("dep.spec.names[9] == 'x'", "index out of bounds: 9"),
        ("dep.metadata.name + 1 == 2", "no such overload"),
        ("dep.metadata.name < 1", "no such overload"),
        ("dep.metadata.name && true", "no such overload"),
        ("dep.spec.replicas.startsWith('a')", "no such overload"),
        ("dep.spec.replicas / 0 == 1", "division by zero"),
        ("dep.spec.replicas % 0 == 1", "modulus by zero"),
        ("dep.spec.replicas + 9223372036854775807 == 1", "integer overflow"),
        ("dep.metadata.name.matches('[')", "error parsing regexp: unclosed character class"),
        ("'abc'.indexOf('c', 7) == 1", "index out of range: 7"),
        ("dep.spec.names.exists(n, n.absent == 1)", "no such overload"),
    ] {
        assert_eq!(cause_of(text), expected, "{text}");
    }
    let error = bool_of("dep.status.artifact.revision == 'x'").expect_err("there is no such key");
    let printed = "failed to evaluate the CEL expression 'dep.status.artifact.revision == 'x'': no such key: artifact";
    assert_eq!(error.to_string(), printed);
}

#[test]
fn the_type_is_checked_before_evaluation() {
    for (text, found) in [
        ("dep.spec.on", "dyn"),
        ("dep.metadata.annotations['x']", "dyn"),
        ("dep", "map(string, dyn)"),
        ("1 + 1", "int"),
        ("'a' + dep.metadata.name", "string"),
        ("dep.metadata.name + dep.metadata.name", "dyn"),
        ("[1, 2]", "list(int)"),
        ("['a'].map(x, x.size())", "list(int)"),
        ("dep.?metadata", "optional_type(dyn)"),
        ("true ? dep.spec.on : false", "dyn"),
        ("null", "null"),
    ] {
        let mismatch = CompileError::OutputType { expected: "bool".to_owned(), found: found.to_owned() };
        assert_eq!(compiled(text).map(|_| ()), Err(mismatch), "{text}");
    }
    let error = compiled("dep.spec.on").expect_err("the type is not known");
    assert_eq!(error.to_string(), "CEL expression output type mismatch: expected bool, got dyn");
}

fn issues_of(text: &str) -> String {
    match compiled(text) {
        Err(CompileError::Parse { expression, issues }) if expression == text => issues,
        other => panic!("{text} gives {other:?}"),
    }
}

#[test]
fn names_and_operands_are_checked_before_evaluation() {
    for (text, expected) in [
        (
            "claims.sub == 'x'",
            "ERROR: <input>:1:1: undeclared reference to 'claims' (in container '')\n | claims.sub == 'x'\n | ^",
        ),
        (
            "true &&\n deps.x == 1",
            "ERROR: <input>:2:2: undeclared reference to 'deps' (in container '')\n |  deps.x == 1\n | .^",
        ),
        ("x == 1", "undeclared reference to 'x'"),
        ("dep.spec.names.all(n, m == 1)", "undeclared reference to 'm'"),
        ("dep.spec.names.all(n, n == 1) && n == 1", "undeclared reference to 'n'"),
        ("now() == 1", "undeclared reference to 'now'"),
        ("dep.spec.names.sort() == []", "undeclared reference to 'sort'"),
        ("math.abs(1) == 1", "undeclared reference to 'math'"),
        ("1 == 'a'", "found no matching overload for '_==_' applied to '(int, string)'"),
        ("1 && true", "found no matching overload for '_&&_' applied to '(int, bool)'"),
        ("!1", "found no matching overload for '!_' applied to '(int)'"),
        ("'a' + 1 == 'a'", "found no matching overload for '_+_' applied to '(string, int)'"),
        ("'a'.startsWith(1)", "found no matching overload for 'startsWith' applied to 'string.(int)'"),
        ("1 in 'a'", "found no matching overload for '@in' applied to '(int, string)'"),
        ("'a'.b == 1", "type 'string' does not support field selection"),
        ("1.all(x, true)", "cannot be range of a comprehension"),
        ("[1, 'a'] == []", "expected type 'int' but found 'string'"),
        ("{'a': 1, 'b': 'x'}.a == 1", "expected type 'int' but found 'string'"),
        ("['a'].all(x, 1)", "found no matching overload for '_&&_' applied to '(bool, int)'"),
        ("true ? 1 : 'a'", "found no matching overload for '_?_:_' applied to '(bool, int, string)'"),
        ("a.b.Message{x: 1} == 1", "undeclared reference to 'a.b.Message'"),
    ] {
        let issues = issues_of(text);
        assert!(issues.contains(expected), "{text} gives {issues}");
    }
}

#[test]
fn text_that_is_no_expression_is_refused_with_its_place() {
    for text in [
        "",
        " ",
        "dep.",
        "dep ==",
        "(dep",
        "dep.spec.",
        "== 1",
        "has(dep)",
        "a b",
        "'open",
        "dep.all(1, true)",
        "//",
        "\u{0}",
        "`",
    ] {
        for result in [compiled(text).map(|_| ()), Expression::parse(text).map(|_| ())] {
            let error = result.expect_err(text);
            let start = format!("failed to parse the CEL expression '{text}': ERROR: <input>:");
            assert!(error.to_string().starts_with(&start), "{text} gives {error}");
        }
    }
}

#[test]
fn parsed_expressions_find_mistakes_when_evaluated() {
    let object = json!({"status": {"phase": "Up", "count": 3}, "kind": "Odd"});
    let evaluate = |text: &str| {
        let fields: Vec<(&str, &Value)> =
            object.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value)).collect();
        Expression::parse(text).expect(text).evaluate_bool(&fields, Numbers::AsWritten)
    };
    assert_eq!(evaluate("status.phase == 'Up' && kind == 'Odd' && status.count == 3"), Ok(true));
    let failed =
        |text: &str, cause: &str| Err(EvaluateError::Failed { expression: text.to_owned(), cause: cause.to_owned() });
    assert_eq!(evaluate("spec.x == 1"), failed("spec.x == 1", "no such attribute(s): spec"));
    assert_eq!(evaluate("has(spec.x)"), failed("has(spec.x)", "no such attribute(s): spec"));
    assert_eq!(evaluate("status.phase"), Err(EvaluateError::NotBool("status.phase".to_owned())));
    let error = evaluate("1 + 1").expect_err("no boolean");
    assert_eq!(error.to_string(), "failed to evaluate CEL expression as boolean: '1 + 1'");
}

#[test]
fn texts_for_commit_statuses() {
    let event = json!({"involvedObject": {"kind": "Kustomization", "name": "app"}, "metadata": {"cluster": "prod"}});
    let text = "event.metadata.cluster + '/' + event.involvedObject.kind.lowerAscii()";
    let compile = |text| Expression::compile(text, &["event", "provider", "alert"], Output::Text);
    let expression = compile(text).expect(text);
    assert_eq!(expression.evaluate_text(&[("event", &event)], Numbers::AsWritten).as_deref(), Ok("prod/kustomization"));
    let bare = compile("event.metadata.cluster").expect_err("the type is not known");
    assert_eq!(bare.to_string(), "CEL expression output type mismatch: expected string, got dyn");
    let missing = compile("event.metadata.absent + ''")
        .expect("well typed")
        .evaluate_text(&[("event", &event)], Numbers::AsWritten);
    assert!(matches!(missing, Err(EvaluateError::Failed { cause, .. }) if cause == "no such key: absent"));
}

#[test]
fn numbers_of_plain_json_are_doubles() {
    let body = json!({"n": 2});
    let evaluate = |text| {
        let expression = Expression::compile(text, &["req"], Output::Bool).expect(text);
        expression.evaluate_bool(&[("req", &body)], Numbers::Doubles)
    };
    assert_eq!(evaluate("req.n == 2 && req.n > 1 && req.n + 0.5 == 2.5 && type(req.n) == double"), Ok(true));
    assert!(evaluate("req.n + 1 == 3").is_err());
}

#[test]
fn long_and_deep_expressions_are_refused() {
    let long = format!("'{}' == ''", "a".repeat(MAX_TEXT));
    assert_eq!(compiled(&long).map(|_| ()), Err(CompileError::TooLong(long.len())));
    let deep = [
        format!("{}true{}", "(".repeat(8000), ")".repeat(8000)),
        format!("1{} == 1", " + 1".repeat(4000)),
        format!("dep{} == 1", ".a".repeat(8000)),
        format!("dep{} == 1", "[0]".repeat(5000)),
        format!("{}{} == []", "[".repeat(8000), "]".repeat(8000)),
        format!("{}true", "true ? ".repeat(2000)),
        format!("{}true", "true ? true : ".repeat(1000)),
        format!("{}true{}", "[1].all(x, ".repeat(1000), ")".repeat(1000)),
        format!("{}1{} == 1", "size(".repeat(2000), ")".repeat(2000)),
    ];
    for text in deep {
        assert!(compiled(&text).is_err(), "{}", &text[..40]);
    }
    // An even number of negations is none.
    assert_eq!(bool_of(&format!("{}true", "!".repeat(16_000))), Ok(true));
    assert_eq!(bool_of(&format!("{}1 == 1", "-".repeat(16_000))), Ok(true));
    // Logical operators are balanced, so long chains of them are not deep.
    let chain = vec!["dep.metadata.name == 'app'"; 400].join(" && ");
    assert_eq!(bool_of(&chain), Ok(true));
    let sum = format!("0{} == 90", " + 1".repeat(90));
    assert_eq!(bool_of(&sum), Ok(true));
}

#[test]
fn evaluations_that_explode_are_stopped() {
    let list = format!("[{}]", vec!["1"; 100].join(","));
    let nested = |depth: usize| format!("{}true{}", format!("{list}.all(x, ").repeat(depth), ")".repeat(depth));
    let data =
        json!({"s": "a".repeat(1 << 20), "l": vec!["aaaaaaaaaa"; 5000], "deep": vec![vec![vec![1; 50]; 50]; 50]});
    let hostile = [
        nested(4),
        format!("{} || true", nested(6)),
        "dep.s.replace('a', dep.s) == ''".to_owned(),
        "dep.s.replace('', dep.s) == ''".to_owned(),
        "dep.l.join(dep.s) == ''".to_owned(),
        format!("{} == ''", vec!["dep.s"; 90].join(" + ")),
        "dep.l.all(x, dep.l.all(y, dep.l.all(z, true)))".to_owned(),
        "dep.l.map(x, dep.l).size() == 1".to_owned(),
        "dep.l.all(x, [dep, dep, dep].size() == 3)".to_owned(),
        "dep.l.all(x, dep == dep)".to_owned(),
        "dep.l.all(x, {'a': dep}.a.l.size() > 0)".to_owned(),
        "dep.l.all(x, dep.?deep.hasValue())".to_owned(),
        "dep.l.exists(x, dep.s.matches('a*b'))".to_owned(),
        "dep.l.all(x, x.matches('b' + string(dep.s.size())) || dep.s.split('').size() > 0)".to_owned(),
        "sets.contains(dep.l.map(x, x + 'b'), dep.l.map(x, x + 'c'))".to_owned()
            + " || dep.l.all(x, sets.equivalent(dep.l, dep.l))",
        "dep.deep.all(a, dep.deep.all(b, dep.deep.all(c, a == b)))".to_owned(),
        "dep.l.exists(x, dep.s.indexOf('b') == 0 && dep.s.lastIndexOf('b') == 0)".to_owned()
            + " || dep.l.all(x, dep.s.contains('b') == false)",
    ];
    for text in hostile {
        let expression = compiled(&text).unwrap_or_else(|error| panic!("{error}"));
        let started = std::time::Instant::now();
        let result = expression.evaluate_bool(&[("dep", &data)], Numbers::AsWritten);
        assert!(started.elapsed().as_secs() < 20, "{}", &text[..text.len().min(80)]);
        let cause = "operation cancelled: actual cost limit exceeded".to_owned();
        let expected = EvaluateError::Failed { expression: text.clone(), cause };
        assert_eq!(result, Err(expected), "{}", &text[..text.len().min(80)]);
    }
}

#[test]
fn patterns_that_explode_are_refused() {
    for pattern in ["(a{1000}){1000}", "((((a{30}){30}){30}){30})", "\\\\pL{3000}"] {
        let cause = cause_of(&format!("dep.metadata.name.matches('{pattern}')"));
        assert!(cause.starts_with("error parsing regexp: "), "{pattern} gives {cause}");
    }
    assert_eq!(bool_of("'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'.matches('^(a+)+$')"), Ok(true));
}

#[test]
fn large_objects_are_fine_as_long_as_loops_are() {
    let conditions = vec![json!({"type": "Ready", "status": "True", "message": "m".repeat(200)}); 5000];
    let data = json!({"status": {"conditions": conditions}});
    let text =
        "dep.status.conditions.filter(c, c.type == 'Ready').all(c, c.status == 'True' && c.message.size() == 200)";
    let result = compiled(text).expect(text).evaluate_bool(&[("dep", &data)], Numbers::AsWritten);
    assert_eq!(result, Ok(true));
}

fn check(current: &'static str) -> HealthCheck<'static> {
    HealthCheck { api_version: "example.com/v1", kind: "Widget", current, ..HealthCheck::default() }
}

fn widget(status: &Value) -> Value {
    json!({"apiVersion": "example.com/v2", "kind": "Widget", "metadata": {"generation": 2}, "status": status})
}

#[test]
fn health_is_in_progress_then_failed_then_current() {
    let item = HealthCheck { in_progress: "status.p == 1", failed: "status.f == 1", ..check("status.c == 1") };
    let checks = HealthChecks::new(&[item]).expect("the checks are valid");
    for (status, expected) in [
        (json!({"p": 1, "f": 1, "c": 1}), Health::InProgress),
        (json!({"p": 0, "f": 1, "c": 1}), Health::Failed),
        (json!({"p": 0, "f": 0, "c": 1}), Health::Current),
        (json!({"p": 0, "f": 0, "c": 0}), Health::InProgress),
        (json!({"observedGeneration": 1}), Health::InProgress),
        (json!({"observedGeneration": 2, "p": 0, "f": 0, "c": 1}), Health::Current),
        (json!({"observedGeneration": "1", "p": 0, "f": 0, "c": 1}), Health::Current),
    ] {
        assert_eq!(checks.evaluate(&widget(&status)), Ok(Some(expected)), "{status}");
    }
    let error = checks.evaluate(&widget(&json!({"p": 0}))).expect_err("there is no f");
    assert_eq!(error.to_string(), "failed to evaluate the CEL expression 'status.f == 1': no such key: f");
}

#[test]
fn a_check_for_a_kind_wins_over_one_for_its_group() {
    let of_group = HealthCheck { kind: "", ..check("false") };
    let checks = HealthChecks::new(&[of_group, check("true")]).expect("the checks are valid");
    let object = |api_version: &str, kind: &str| json!({"apiVersion": api_version, "kind": kind});
    assert_eq!(checks.evaluate(&object("example.com/v9", "Widget")), Ok(Some(Health::Current)));
    assert_eq!(checks.evaluate(&object("example.com/v1", "Other")), Ok(Some(Health::InProgress)));
    assert_eq!(checks.evaluate(&object("other.com/v1", "Widget")), Ok(None));
    assert_eq!(checks.evaluate(&object("v1", "Widget")), Ok(None));
    assert!(checks.supports("example.com/v1", "Other") && !checks.supports("v1", "Other"));
}

fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(Some(error), |error| error.source());
    sources.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[test]
fn unusable_checks_are_named_by_their_place() {
    let failure = |checks: &[HealthCheck<'_>]| chain(&HealthChecks::new(checks).expect_err("the checks are unusable"));
    let again = HealthCheck { api_version: "example.com/v2", ..check("true") };
    assert_eq!(
        failure(&[check("true"), again]),
        "duplicate custom health check for GroupKind Widget.example.com at healthchecks[1]"
    );
    let core = HealthCheck { api_version: "v1", ..check("true") };
    assert_eq!(failure(&[core, core]), "duplicate custom health check for GroupKind Widget at healthchecks[1]");
    assert_eq!(
        failure(&[check("")]),
        "failed to create custom status evaluator for healthchecks[0]: expression Current not specified"
    );
    let broken = HealthCheck { in_progress: "a.", ..check("true") };
    let start = "failed to create custom status evaluator for healthchecks[0]: failed to parse the expression InProgress: \
                 failed to parse the CEL expression 'a.': ERROR: <input>:1:3: ";
    assert!(failure(&[broken]).starts_with(start), "{}", failure(&[broken]));
}

#[test]
fn filters_of_webhooks_see_doubles_and_need_a_bool() {
    let req = json!({"tag": "v1.2", "n": 3, "tags": ["a", "b"], "data": "aGk=", "flag": true, "list": []});
    let res = json!({"apiVersion": "v1", "kind": "Bucket", "metadata": {"name": "web", "labels": {"x": "y"}}});
    let filter = |text: &str| Expression::compile(text, &["res", "req"], Output::Bool);
    for text in [
        "req.tags.first().value() == 'a' && req.tags.last().value() == 'b' && !req.list.first().hasValue()",
        "req.tag.split('.').last().value() == '2' && 'V1'.lowerAscii() == req.tag.split('.').first().value()",
        "sets.contains(req.tags, ['b']) && sets.intersects(req.tags, ['z', 'a'])",
        "string(base64.decode(req.data)) == 'hi' && base64.encode(b'hi') == req.data",
        "req.n == 3 && req.n > 2 && req.n < 3.5 && 2 < req.n",
        "req.flag == true && res.metadata.name == 'web'",
        "req.?missing.orValue('none') == 'none' && req.?tag.value() == 'v1.2'",
        "res.metadata.name in req.tags || has(res.metadata.labels.x)",
        "timestamp('2026-01-01T00:00:00Z').getHours() == 0",
    ] {
        let expression = filter(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(expression.evaluate_bool(&[("res", &res), ("req", &req)], Numbers::Doubles), Ok(true), "{text}");
    }
    for (text, found) in [("req.flag", "dyn"), ("req", "map(string, dyn)"), ("req.tags.first()", "optional_type(dyn)")]
    {
        let error = filter(text).expect_err(text).to_string();
        let start = "CEL expression output type mismatch: expected bool, got ";
        assert!(error.starts_with(start), "{text}: {error} instead of {found}");
    }
    for text in ["claims.sub == 'x'", "vars.x == 1", "req.tag == 1 && [1, 'a'].size() == 2", "1"] {
        assert!(filter(text).is_err(), "{text}");
    }
}

#[test]
fn a_result_of_any_type_becomes_json_and_reads_back_as_it_was() {
    let claims = json!({"sub": "a:b", "n": 2.0, "groups": ["x"]});
    let value = |text: &str| {
        let expression = Expression::compile(text, &["claims", "vars"], Output::Any).expect(text);
        expression.evaluate_json(&[("claims", &claims)], Numbers::AsWritten)
    };
    for (text, expected) in [
        ("claims.sub.split(':')", json!(["a", "b"])),
        ("claims.n", json!(2.0)),
        ("size(claims.groups) + 1", json!(2)),
        ("2u", json!(2)),
        ("{'a': claims.groups, 'b': dyn(null)}", json!({"a": ["x"], "b": null})),
        ("claims.sub == 'a:b'", json!(true)),
    ] {
        assert_eq!(value(text), Ok(expected), "{text}");
    }
    for text in ["b'x'", "timestamp('2026-01-01T00:00:00Z')", "{1: 2}", "claims.?sub", "[b'x']", "double"] {
        assert_eq!(value(text), Err(EvaluateError::NotJson(text.to_owned())), "{text}");
    }
    assert!(matches!(value("claims.absent"), Err(EvaluateError::Failed { .. })));
    let vars = json!({"n": 2});
    let sum = Expression::compile("vars.n + 1 == 3", &["claims", "vars"], Output::Bool).expect("well typed");
    assert_eq!(sum.evaluate_bool(&[("vars", &vars)], Numbers::AsWritten), Ok(true));
}
