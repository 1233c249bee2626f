//! Any bytes as the XML of an object store, and as the key of an object: a path that is taken stays below its root.

#![no_main]

use std::path::Component;

use libfuzzer_sys::fuzz_target;
use sluice_bucket::ObjectPath;
use sluice_bucket::fuzzing::xml;

fuzz_target!(|data: &[u8]| {
    xml(data);
    if let Ok(key) = std::str::from_utf8(data)
        && let Ok(path) = ObjectPath::of_key(key)
    {
        assert!(path.as_path().components().all(|part| matches!(part, Component::Normal(_))), "{path:?}");
    }
});
