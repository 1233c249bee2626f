//! How figures are summed up and printed.
//!
//! Deliberately no judgement.

use std::time::Duration;

/// One run of a program: how long it took, and what it computed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Spent {
    /// Wall time.
    pub(super) wall: Duration,
    /// CPU time, in seconds.
    pub(super) cpu: f64,
}

/// The median of wall and of CPU times; zero without a run.
pub(super) fn median(runs: &[Spent]) -> Spent {
    let mut walls: Vec<Duration> = runs.iter().map(|run| run.wall).collect();
    let mut cpus: Vec<f64> = runs.iter().map(|run| run.cpu).collect();
    walls.sort_unstable();
    cpus.sort_by(f64::total_cmp);
    let middle = runs.len() / 2;
    Spent { wall: walls.get(middle).copied().unwrap_or_default(), cpu: cpus.get(middle).copied().unwrap_or_default() }
}

/// A line of the comparison: medians and ratios to `other`'s medians, and the range of the wall times.
pub(super) fn line(name: &str, runs: &[Spent], other: Spent) -> String {
    let Spent { wall, cpu } = median(runs);
    let walls = || runs.iter().map(|run| run.wall);
    let (least, most) = (walls().min().unwrap_or_default(), walls().max().unwrap_or_default());
    format!(
        "  {name:<26} wall {:>6} ms ({} to {})  ratio {:.2}   CPU {:>6.0} ms  ratio {:.2}",
        wall.as_millis(),
        least.as_millis(),
        most.as_millis(),
        wall.as_secs_f64() / other.wall.as_secs_f64(),
        cpu * 1000.0,
        cpu / other.cpu
    )
}

/// The machine's load averages.
pub(super) fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// Prints a line of the benchmark's output.
#[expect(clippy::print_stdout, reason = "the figures are the program's output")]
pub(super) fn print(line: &str) {
    println!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spent(milliseconds: u64) -> Spent {
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let cpu = milliseconds as f64 / 2000.0;
        Spent { wall: Duration::from_millis(milliseconds), cpu }
    }

    #[test]
    fn a_line_has_medians_range_and_ratios() {
        let runs = [spent(900), spent(100), spent(300)];
        let expected =
            "  next                       wall    300 ms (100 to 900)  ratio 0.50   CPU    150 ms  ratio 0.50";
        assert_eq!(line("next", &runs, spent(600)), expected);
    }

    #[test]
    fn the_median_of_nothing_is_nothing() {
        assert_eq!(median(&[]), Spent::default());
    }
}
