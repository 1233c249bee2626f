//! Memory and CPU time of a process, from `/proc`.
//!
//! Deliberately Linux only, like the controllers' images.

use anyhow::Context as _;

/// What a process uses at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// Resident memory in bytes, shared pages of the binary included.
    pub(crate) resident: u64,
    /// Resident memory that is the process's own (heap and stacks), in bytes.
    pub(crate) anonymous: u64,
    /// User and system time since its start, in seconds.
    pub(crate) cpu: f64,
}

/// Reads the usage of a process.
///
/// # Errors
/// When it has ended.
pub(crate) fn usage(pid: u32) -> anyhow::Result<Usage> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("read the process's status")?;
    let kib = |field: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
        line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap_or(0) * 1024
    };
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).context("read the process's times")?;
    // The program's name is in parentheses and may hold spaces; user and system ticks are the 12th and 13th field after it.
    let fields: Vec<&str> = stat.rsplit_once(')').context("a stat line")?.1.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    Ok(Usage { resident: kib("VmRSS:"), anonymous: kib("RssAnon:"), cpu: (ticks(11) + ticks(12)) / 100.0 })
}

/// Bytes as MiB with one decimal.
#[expect(clippy::cast_precision_loss, reason = "memory sizes are far below 2^53")]
pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
