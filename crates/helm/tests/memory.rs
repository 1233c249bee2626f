//! An index costs little memory, however large it is. Alone in its file, since the peak is that of the whole process.
#![cfg(target_os = "linux")]

use std::fmt::Write as _;
use std::io::Cursor;

use sluice_helm::index::{self, Limits};

/// Peak and present resident memory in KiB.
fn memory_kib(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has this file");
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("the field is there");
    line.trim().trim_end_matches(" kB").parse().expect("the field is a number")
}

#[test]
fn an_index_of_megabytes_costs_less_than_its_size() {
    let description = "word ".repeat(500);
    let mut text = "apiVersion: v1\nentries:\n".to_owned();
    for chart in 0..30 {
        writeln!(text, "  chart-{chart}:").unwrap();
        for version in 0..60 {
            writeln!(text, "  - {{name: chart-{chart}, version: 1.{version}.0, description: {description}}}").unwrap();
        }
    }
    assert!(text.len() > 4 << 20);
    // The spill and the output go to disk in life; here they must not count.
    let (spill, mut out) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    let before = memory_kib("VmRSS:");
    let summary = index::convert(Cursor::new(&text), spill, &mut out, &Limits::DEFAULT, &mut |_| {}).unwrap();
    assert_eq!(summary.versions, 1800);
    let grown = memory_kib("VmHWM:").saturating_sub(before);
    assert!(grown < 3 << 10, "{grown} KiB for an index of {} KiB", text.len() >> 10);
}
