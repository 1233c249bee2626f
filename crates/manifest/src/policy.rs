//! What an object's own labels and annotations ask for: to be skipped, forced, merged or kept.
//!
//! The keys are under `kustomize.toolkit.fluxcd.io/`. A value counts in a label or an annotation, and in any case. Deliberately not here:
//! `substitute` and `decrypt` while building, which are exact and belong to the build; only the guard for a forgotten decryption is.

use crate::object::Object;

const SSA: &str = "kustomize.toolkit.fluxcd.io/ssa";
const RECONCILE: &str = "kustomize.toolkit.fluxcd.io/reconcile";
const PRUNE: &str = "kustomize.toolkit.fluxcd.io/prune";
const FORCE: &str = "kustomize.toolkit.fluxcd.io/force";
const DECRYPT: &str = "kustomize.toolkit.fluxcd.io/decrypt";

/// Whether the apply leaves the object alone: `ssa: Ignore` or `reconcile: disabled` on the desired or the live object, or
/// `ssa: IfNotPresent` on the desired one when it is already there.
pub fn skips(desired: &Object, live: Option<&Object>) -> bool {
    let either = |key, value| marked(desired, key, value) || live.is_some_and(|live| marked(live, key, value));
    either(SSA, "Ignore") || either(RECONCILE, "disabled") || (live.is_some() && marked(desired, SSA, "IfNotPresent"))
}

/// Whether fields that others added with kubectl survive (`ssa: Merge` on the desired or the live object).
pub fn keeps_foreign_fields(desired: &Object, live: &Object) -> bool {
    marked(desired, SSA, "Merge") || marked(live, SSA, "Merge")
}

/// Whether the object may be recreated when a change is impossible (`force: enabled` on the desired or the live object).
pub fn forces(desired: &Object, live: &Object) -> bool {
    marked(desired, FORCE, "enabled") || marked(live, FORCE, "enabled")
}

/// Whether the live object opted out of deletion. The desired object does not count: at deletion there is none.
pub fn protected_from_deletion(live: &Object) -> bool {
    marked(live, PRUNE, "disabled") || marked(live, RECONCILE, "disabled") || marked(live, SSA, "Ignore")
}

/// Whether this is a core Secret that still carries SOPS metadata and did not opt out with the annotation `decrypt: disabled`.
/// Applying it would store ciphertext where a workload expects the plain value.
pub fn is_undecrypted_secret(object: &Object) -> bool {
    object.is("", "Secret")
        && object.as_map().contains_key("sops")
        && !object.annotation(DECRYPT).is_some_and(|value| value.eq_ignore_ascii_case("disabled"))
}

fn marked(object: &Object, key: &str, value: &str) -> bool {
    [object.label(key), object.annotation(key)].into_iter().flatten().any(|found| found.eq_ignore_ascii_case(value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plain() -> Object {
        Object::new(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}})).unwrap()
    }

    fn with(key: &str, value: &str) -> Object {
        let mut object = plain();
        object.set_annotation(&format!("kustomize.toolkit.fluxcd.io/{key}"), value);
        object
    }

    #[test]
    fn skipping_looks_at_the_desired_and_the_live_object() {
        for (desired, live, expected) in [
            (plain(), None, false),
            (plain(), Some(plain()), false),
            (with("ssa", "Ignore"), None, true),
            (with("ssa", "ignore"), Some(plain()), true),
            (plain(), Some(with("ssa", "IGNORE")), true),
            (with("reconcile", "Disabled"), None, true),
            (plain(), Some(with("reconcile", "disabled")), true),
            (with("ssa", "IfNotPresent"), None, false),
            (with("ssa", "IfNotPresent"), Some(plain()), true),
            (plain(), Some(with("ssa", "IfNotPresent")), false),
            (with("ssa", "Override"), Some(plain()), false),
            (with("reconcile", "enabled"), Some(plain()), false),
        ] {
            assert_eq!(skips(&desired, live.as_ref()), expected, "{:?} {:?}", desired.annotations(), live);
        }
    }

    #[test]
    fn a_label_counts_like_an_annotation() {
        let mut object = plain();
        object.set_label(SSA, "ignore");
        assert!(skips(&object, None));
    }

    #[test]
    fn deletion_looks_at_the_live_object() {
        for (live, expected) in [
            (plain(), false),
            (with("prune", "disabled"), true),
            (with("prune", "Disabled"), true),
            (with("reconcile", "disabled"), true),
            (with("ssa", "Ignore"), true),
            (with("ssa", "IfNotPresent"), false),
            (with("ssa", "Merge"), false),
        ] {
            assert_eq!(protected_from_deletion(&live), expected, "{:?}", live.annotations());
        }
    }

    #[test]
    fn force_and_merge_look_at_both_objects() {
        assert!(forces(&with("force", "Enabled"), &plain()) && forces(&plain(), &with("force", "enabled")));
        assert!(!forces(&plain(), &with("force", "disabled")));
        assert!(keeps_foreign_fields(&with("ssa", "merge"), &plain()));
        assert!(keeps_foreign_fields(&plain(), &with("ssa", "Merge")));
        assert!(!keeps_foreign_fields(&plain(), &plain()));
    }

    #[test]
    fn a_secret_with_sops_metadata_is_undecrypted_unless_it_opted_out() {
        let encrypted = |mut object: Object| {
            object.as_map_mut().insert("sops".into(), json!({"mac": "x"}));
            object
        };
        assert!(is_undecrypted_secret(&encrypted(plain())));
        assert!(!is_undecrypted_secret(&encrypted(with("decrypt", "Disabled"))));
        assert!(!is_undecrypted_secret(&plain()));
    }
}
