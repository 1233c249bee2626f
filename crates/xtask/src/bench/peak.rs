//! The most memory that a process had.
//!
//! Deliberately the kernel's own mark, so that no peak falls between two looks.

use anyhow::Context as _;

/// Sets the mark back to what the process has now.
///
/// # Errors
/// When the process has ended or is another user's.
pub(crate) fn forget(pid: u32) -> anyhow::Result<()> {
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").context("set the memory mark back")
}

/// The most resident memory since the start or the last [`forget`], in bytes.
///
/// # Errors
/// When the process has ended.
pub(crate) fn resident(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("read the process's status")?;
    let mark = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("a memory mark")?;
    Ok(mark.trim().trim_end_matches(" kB").trim().parse::<u64>().context("a memory mark")? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_shows_memory_that_was_given_back() {
        let pid = std::process::id();
        forget(pid).unwrap();
        let before = resident(pid).unwrap();
        drop(std::hint::black_box(vec![1_u8; 64 << 20]));
        assert!(resident(pid).unwrap() >= before + (32 << 20));
    }
}
