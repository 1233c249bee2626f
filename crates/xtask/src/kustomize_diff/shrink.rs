//! Makes a case that differs small: takes out whatever it differs without.
//!
//! Deliberately greedy and bounded; the result is small, not smallest.

use serde_json::Value;

use super::tree::{Files, Step, paths, remove};

/// The files that are left when nothing more can be taken out, or after `budget` attempts. `differs` says whether a set of files still
/// shows the difference.
pub(super) fn shrink(mut files: Files, mut budget: usize, differs: &mut dyn FnMut(&Files) -> bool) -> Files {
    loop {
        let before = size(&files);
        let mut attempt = |files: &mut Files, smaller: Files, budget: &mut usize| -> bool {
            if *budget == 0 || smaller == *files {
                return false;
            }
            *budget -= 1;
            let kept = differs(&smaller);
            if kept {
                *files = smaller;
            }
            kept
        };
        for name in files.keys().cloned().collect::<Vec<_>>() {
            let smaller = without_file(&files, &name);
            attempt(&mut files, smaller, &mut budget);
        }
        for name in files.keys().cloned().collect::<Vec<_>>() {
            let Some(file) = files.get(&name).cloned() else { continue };
            // Last ones first, so that the positions of those before stay true; parents are tried before their children only in the
            // next round, which the loop gives.
            let mut todo = paths(&file);
            todo.sort_by_key(Vec::len);
            let mut gone: Vec<Vec<Step>> = Vec::new();
            for path in shallow_first(todo) {
                if gone.iter().any(|gone| path.starts_with(gone)) {
                    continue;
                }
                let mut smaller = files.clone();
                let Some(content) = smaller.get_mut(&name) else { break };
                if remove(content, &path) && attempt(&mut files, smaller, &mut budget) {
                    gone.push(path);
                }
            }
        }
        if size(&files) == before || budget == 0 {
            return files;
        }
    }
}

/// Shallow nodes first, and of one depth the later first, so that removing an item does not move those still to come.
fn shallow_first(mut todo: Vec<Vec<Step>>) -> Vec<Vec<Step>> {
    todo.reverse();
    todo.sort_by_key(Vec::len);
    todo
}

fn size(files: &Files) -> usize {
    files.values().map(|file| 1 + paths(file).len()).sum()
}

/// The files without one, and without what names it or, for a kustomization, its directory.
fn without_file(files: &Files, name: &str) -> Files {
    let (dir, base) = name.rsplit_once('/').unwrap_or(("", name));
    let is_dir = base == "kustomization.yaml";
    let mut left = files.clone();
    left.retain(|other, _| if is_dir { !other.starts_with(&format!("{dir}/")) } else { other != name });
    let reference = if is_dir { format!("../{dir}") } else { base.to_owned() };
    for file in left.values_mut() {
        forget(file, &reference);
    }
    left
}

fn forget(value: &mut Value, reference: &str) {
    let names = |item: &Value| match item {
        Value::String(text) => text == reference || text.ends_with(&format!("={reference}")),
        Value::Object(map) => map.get("path").and_then(Value::as_str) == Some(reference),
        _ => false,
    };
    match value {
        Value::Array(items) => {
            items.retain(|item| !names(item));
            for item in items {
                forget(item, reference);
            }
        }
        Value::Object(map) => {
            for item in map.values_mut() {
                forget(item, reference);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_the_difference_needs_is_left() {
        let files = Files::from([
            ("top/kustomization.yaml".to_owned(), json!([{"resources": ["../base", "r1.yaml"], "namePrefix": "p-"}])),
            ("top/r1.yaml".to_owned(), json!([{"kind": "A", "list": [1, 2, 3]}, {"kind": "B"}])),
            ("base/kustomization.yaml".to_owned(), json!([{"namePrefix": "x"}])),
            ("base/r2.yaml".to_owned(), json!([])),
        ]);
        let mut differs = |files: &Files| files.get("top/r1.yaml").is_some_and(|file| file.to_string().contains('2'));
        let expected = Files::from([("top/r1.yaml".to_owned(), json!([{"list": [2]}]))]);
        let mut left = shrink(files, 1000, &mut differs);
        left.retain(|name, _| name != "top/kustomization.yaml");
        assert_eq!(left, expected);
    }
}
