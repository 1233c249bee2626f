//! Any bytes as a controller's event: it is decoded or refused, and its metadata is of the two groups that are let in.

#![no_main]

use libfuzzer_sys::fuzz_target;
use notification_controller::events::decode::decode;

fuzz_target!(|data: &[u8]| {
    let Ok(event) = decode(data) else { return };
    let group = event.involved_object.api_version.split_once('/').map_or("", |(group, _)| group);
    for key in event.metadata.keys() {
        let own = !group.is_empty() && key.starts_with(&format!("{group}/"));
        assert!(own || key.starts_with("event.toolkit.fluxcd.io/"), "{key}");
    }
});
