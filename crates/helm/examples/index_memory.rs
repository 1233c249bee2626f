//! Converts a generated index and prints what that cost: `index_memory [yaml|json] [MEBIBYTES] [bytes of a version]`.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::time::Instant;

use sluice_helm::index::{self, Limits};
use sluice_helm::lookup;

/// The most memory that the process had at once, in KiB.
fn peak_kib() -> io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    Ok(line.trim().trim_end_matches(" kB").parse().unwrap_or_default())
}

fn generate(out: &mut dyn Write, json: bool, bytes: usize, version_bytes: usize) -> io::Result<()> {
    let filler = "a description of the chart that is as long as it takes ".repeat(version_bytes / 55 + 1);
    let filler = &filler[..version_bytes.saturating_sub(200)];
    out.write_all(if json { b"{\"apiVersion\":\"v1\",\"entries\":{" } else { b"apiVersion: v1\nentries:\n" })?;
    let (mut written, mut chart) = (0, 0);
    while written < bytes {
        let mut text = match (json, chart) {
            (true, 0) => format!("\"chart-{chart}\":["),
            (true, _) => format!(",\"chart-{chart}\":["),
            (false, _) => format!("  chart-{chart}:\n"),
        };
        for version in 0..100 {
            let entry = if json {
                format!(
                    "{}{{\"apiVersion\":\"v2\",\"created\":\"2020-01-02T03:04:05Z\",\"description\":\"{filler}\",\"digest\":\"{version:064}\",\"name\":\"chart-{chart}\",\"urls\":[\"https://charts.example.com/c-{version}.tgz\"],\"version\":\"1.{version}.0\"}}",
                    if version == 0 { "" } else { "," }
                )
            } else {
                format!(
                    "  - apiVersion: v2\n    created: \"2020-01-02T03:04:05Z\"\n    description: {filler}\n    digest: \"{version:064}\"\n    name: chart-{chart}\n    urls:\n    - https://charts.example.com/c-{version}.tgz\n    version: 1.{version}.0\n"
                )
            };
            text.push_str(&entry);
        }
        if json {
            text.push(']');
        }
        out.write_all(text.as_bytes())?;
        written += text.len();
        chart += 1;
    }
    out.write_all(if json { b"}}" } else { b"generated: \"2021-01-01T00:00:00Z\"\n" })?;
    out.flush()
}

#[expect(clippy::print_stdout, reason = "figures for people are what this program is for")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let json = arguments.next().is_some_and(|form| form == "json");
    let mebibytes: usize = arguments.next().map_or(Ok(60), |text| text.parse())?;
    let version_bytes: usize = arguments.next().map_or(Ok(3000), |text| text.parse())?;
    let directory = tempfile::tempdir()?;
    let (input, output) = (directory.path().join("in"), directory.path().join("out"));
    generate(&mut BufWriter::new(File::create(&input)?), json, mebibytes << 20, version_bytes)?;
    let limits = Limits { bytes: u64::MAX, ..Limits::DEFAULT };
    let (before, started) = (peak_kib()?, Instant::now());
    let spill = tempfile::tempfile_in(directory.path())?;
    let summary = index::convert(File::open(&input)?, spill, &mut File::create(&output)?, &limits, &mut |_| {})?;
    println!("converted: {summary:?} in {:?}; peak {} KiB, {before} KiB before", started.elapsed(), peak_kib()?);
    let started = Instant::now();
    let found = lookup::find(File::open(&output)?, "chart-3", "~1.50", &limits)?;
    println!("found {} in the artifact in {:?}; peak {} KiB", found.version, started.elapsed(), peak_kib()?);
    Ok(())
}
