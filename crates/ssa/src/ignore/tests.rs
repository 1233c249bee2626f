use super::*;

fn deployment(spec: Value) -> Object {
    let mut document = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web", "tier": "2"},
            "annotations": {"owner": "us"}}});
    document["spec"] = spec;
    Object::new(document).unwrap()
}

fn managed(mut object: Object, manager: &str, fields: &Value) -> Object {
    object.as_map_mut()["metadata"]["managedFields"] =
        json!([{"manager": manager, "operation": "Apply", "apiVersion": "apps/v1", "fieldsV1": fields}]);
    object
}

fn rule(paths: &[&str], target: Option<IgnoreTarget>) -> IgnoreRule {
    IgnoreRule { paths: paths.iter().map(ToString::to_string).collect(), target }
}

fn rules(paths: &[&str]) -> IgnoreRules {
    IgnoreRules::compile(&[rule(paths, None)]).unwrap()
}

fn is_other(entry: &Value) -> bool {
    entry["manager"] == "other"
}

#[test]
fn targets_match_whole_texts_and_selectors() {
    let object = deployment(json!({}));
    let target = |set: &dyn Fn(&mut IgnoreTarget)| {
        let mut target = IgnoreTarget::default();
        set(&mut target);
        target
    };
    for (target, expected) in [
        (IgnoreTarget::default(), true),
        (target(&|t| t.kind = "Deploy".into()), false),
        (target(&|t| t.kind = "Deploy.*|Pod".into()), true),
        (target(&|t| t.group = "apps".into()), true),
        (target(&|t| t.group = "app".into()), false),
        (target(&|t| t.version = "v1beta1|v1".into()), true),
        (target(&|t| t.name = "w.b".into()), true),
        (target(&|t| t.namespace = "sho".into()), false),
        (target(&|t| t.label_selector = "app=web,tier in (1, 2)".into()), true),
        (target(&|t| t.label_selector = "app==web , tier notin (2)".into()), false),
        (target(&|t| t.label_selector = "!gone,app,tier>1,tier<3,missing!=x".into()), true),
        (target(&|t| t.label_selector = "tier>2".into()), false),
        (target(&|t| t.label_selector = "app!=web".into()), false),
        (target(&|t| t.label_selector = "example.com/x".into()), false),
        (target(&|t| t.annotation_selector = "owner=us".into()), true),
        (target(&|t| t.annotation_selector = "owner in (them)".into()), false),
        (
            target(&|t| {
                t.kind = "Deployment".into();
                t.annotation_selector = "owner=them".into();
            }),
            false,
        ),
    ] {
        let rules = IgnoreRules::compile(&[rule(&["/spec/replicas"], Some(target.clone()))]).unwrap();
        assert_eq!(!rules.of(&object).0.is_empty(), expected, "{target:?}");
    }
}

#[test]
fn malformed_targets_are_refused_and_named() {
    let with = |set: &dyn Fn(&mut IgnoreTarget)| {
        let mut target = IgnoreTarget::default();
        set(&mut target);
        IgnoreRules::compile(&[rule(&["/a"], Some(target))]).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(with(&|t| t.group = "(".into()), Err("invalid group regex".into()));
    assert_eq!(with(&|t| t.version = "[".into()), Err("invalid version regex".into()));
    assert_eq!(with(&|t| t.kind = "*".into()), Err("invalid kind regex".into()));
    assert_eq!(with(&|t| t.name = "a{1000}{1000}{1000}".into()), Err("invalid name regex".into()));
    assert_eq!(with(&|t| t.namespace = "(?P<".into()), Err("invalid namespace regex".into()));
    for bad in
        ["a b", "=x", "a in b", "a in (x", "a=b c", "-a", "a/b/c", "A_/b", "tier>x", "a,,b", "a=!", "a in (x,y)z"]
    {
        assert_eq!(with(&|t| t.label_selector = bad.into()), Err("invalid label selector".into()), "{bad}");
        assert_eq!(with(&|t| t.annotation_selector = bad.into()), Err("invalid annotation selector".into()), "{bad}");
    }
    for good in ["a", "a=", "a in (x,)", "x.io/a=b", "a notin(x)", " a = b "] {
        assert_eq!(with(&|t| t.label_selector = good.into()), Ok(()), "{good}");
    }
}

#[test]
fn of_several_rules_without_target_the_last_one_counts() {
    let everything = IgnoreTarget::default();
    let rules = IgnoreRules::compile(&[
        rule(&["/a"], None),
        rule(&["/b"], Some(everything.clone())),
        rule(&["/c"], Some(everything)),
        rule(&["/d"], None),
    ])
    .unwrap();
    let ignored = rules.of(&deployment(json!({})));
    assert_eq!(ignored.0, ["/b", "/c", "/d"].map(|path| Pointer::parse(path).unwrap()).iter().collect::<Vec<_>>());
}

#[test]
fn ignored_differences_are_none() {
    let live = deployment(json!({"replicas": 5, "paused": true, "list": [{"a": 1}, {"a": 2}]}));
    let dry_run = deployment(json!({"replicas": 1, "paused": true, "list": [{"a": 1}, {"a": 3}]}));
    for (paths, expected) in [
        (&[][..], true),
        (&["/spec/replicas"][..], true),
        (&["/spec/replicas", "/spec/list/1/a"][..], false),
        (&["/spec/replicas", "/spec/list/1"][..], false),
        (&["/spec/replicas", "/spec/list/0/a"][..], true),
        (&["/spec"][..], false),
        (&["/spec/replicas", "/spec/list", "/spec/absent/x"][..], false),
        (&["spec/replicas", "/spec/list", ""][..], true),
    ] {
        assert_eq!(rules(paths).of(&dry_run).differs(&dry_run, &live), expected, "{paths:?}");
    }
    let mut edited = live.clone();
    edited.set_annotation("a/b~c", "x");
    assert!(!rules(&["/metadata/annotations/a~1b~0c"]).of(&live).differs(&live, &edited));
}

#[test]
fn a_differing_ignored_field_is_left_to_its_other_owner_or_sent_as_it_is() {
    let desired = json!({"replicas": 1, "paused": false,
        "containers": [{"name": "a", "image": "one", "cpu": 1}, {"name": "b", "image": "two", "cpu": 1}]});
    let live = json!({"replicas": 5, "paused": false,
        "containers": [{"name": "a", "image": "edited", "cpu": 9}, {"name": "b", "image": "two", "cpu": 9}], "extra": 1});
    let fields = json!({"f:spec": {"f:replicas": {}, "f:paused": {}, "f:containers": {
        "k:{\"name\":\"a\"}": {".": {}, "f:name": {}, "f:image": {}}}}});
    for (path, manager, expected) in [
        ("/spec/replicas", "other", ("/spec/replicas", None)),
        ("/spec/replicas", "ours", ("/spec/replicas", Some(json!(5)))),
        // Both sides agree, so the field is sent although another manager owns it, too.
        ("/spec/paused", "other", ("/spec/paused", Some(json!(false)))),
        ("/spec/containers/0/image", "other", ("/spec/containers/0/image", None)),
        ("/spec/containers/0/image", "ours", ("/spec/containers/0/image", Some(json!("edited")))),
        ("/spec/containers/0/cpu", "other", ("/spec/containers/0/cpu", Some(json!(9)))),
        ("/spec/containers/1/cpu", "other", ("/spec/containers/1/cpu", Some(json!(9)))),
        ("/spec/containers/7/cpu", "other", ("/spec/containers/1/cpu", Some(json!(1)))),
        ("/spec/containers", "other", ("/spec/containers", None)),
        ("/spec/extra", "ours", ("/spec/extra", Some(json!(1)))),
        ("/spec/replicas/invalid", "other", ("/spec/replicas", Some(json!(1)))),
        ("/metadata", "ours", ("/spec/replicas", Some(json!(1)))),
    ] {
        let (mut payload, dry_run) = (deployment(desired.clone()), deployment(desired.clone()));
        let live = managed(deployment(live.clone()), manager, &fields);
        let rules = rules(&[path]);
        rules.of(&dry_run).settle(&mut payload, &dry_run, &live, is_other);
        let (at, expected) = expected;
        assert_eq!(Value::Object(payload.as_map().clone()).pointer(at).cloned(), expected, "{path} {manager}");
    }
}

#[test]
fn what_is_gone_from_the_cluster_is_not_sent() {
    let dry_run = deployment(json!({"replicas": 1, "paused": true}));
    let mut payload = dry_run.clone();
    rules(&["/spec/paused"]).of(&dry_run).settle(&mut payload, &dry_run, &deployment(json!({"replicas": 1})), is_other);
    assert_eq!(payload, deployment(json!({"replicas": 1})));
}
