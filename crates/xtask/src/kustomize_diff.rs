//! `cargo xtask kustomize-diff`: random kustomizations, built by our library and by kustomize itself, must come out the same.
//!
//! Every difference is made small and printed with both outputs. A case depends on its number and the seed only, so that any case can
//! be run again alone. The words of refusals are compared and counted apart. Deliberately no fetching of the program to compare with.

mod edits;
mod explain;
mod kinds;
mod layers;
mod oracle;
mod pods;
mod scalars;
mod shrink;
mod tree;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context as _, bail};

use explain::explain;
use oracle::{ORDERS, Oracle, Outcome, ours};
use shrink::shrink;
use tree::{Files, file_text};

/// Programs at once.
const WORKERS: usize = 2;

/// Builds per case that making it small may take.
const SHRINK_BUDGET: usize = 300;

/// How often the oracle is asked again about a case that differs, to see whether its answer varies.
const REPEATS: usize = 40;

/// What to run.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The kustomize program to compare with (5.8.1).
    #[arg(long)]
    oracle: PathBuf,
    /// How many cases.
    #[arg(long)]
    count: usize,
    /// Which cases: another seed makes others.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The number of the first case.
    #[arg(long, default_value_t = 0)]
    first: usize,
    /// How many differences to make small and print.
    #[arg(long, default_value_t = 5)]
    show: usize,
    /// Prints the first line of why the oracle refused a case.
    #[arg(long)]
    refusals: bool,
    /// Prints refusals whose words differ.
    #[arg(long)]
    texts: bool,
}

/// What became of the cases.
#[derive(Default)]
struct Tally {
    equal: usize,
    same_refusal: usize,
    other_refusal: Vec<usize>,
    varies: Vec<usize>,
    explained: BTreeMap<&'static str, Vec<usize>>,
    different: Vec<usize>,
    shown: usize,
}

/// Runs the cases and prints what differs.
///
/// # Errors
/// If the oracle cannot be run, or anything differs without an explanation.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let scratch = tempfile::tempdir().context("make a directory for inputs")?;
    let next = AtomicUsize::new(arguments.first);
    let tally = Mutex::new(Tally::default());
    let started = Instant::now();
    // Panics of the library are outcomes; their traces would hide the report.
    std::panic::set_hook(Box::new(|_| {}));
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS)
            .map(|worker| {
                let oracle = Oracle::new(&arguments.oracle, scratch.path().join(worker.to_string()));
                let (next, tally) = (&next, &tally);
                scope.spawn(move || work(arguments, &oracle, next, tally))
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| anyhow::anyhow!("a worker died"))?)
    })?;
    let mut tally = tally.into_inner().unwrap_or_default();
    tally.different.sort_unstable();
    say(&summary(arguments, &tally, started.elapsed().as_secs()));
    if tally.different.is_empty() { Ok(()) } else { bail!("{} cases differ", tally.different.len()) }
}

fn summary(arguments: &Arguments, tally: &Tally, seconds: u64) -> String {
    let mut text = format!(
        "{} cases from {} with seed {} in {seconds} s: {} equal, {} refused by both in the same words, {} in other words",
        arguments.count,
        arguments.first,
        arguments.seed,
        tally.equal,
        tally.same_refusal,
        tally.other_refusal.len(),
    );
    for (class, cases) in &tally.explained {
        let _ = write!(text, "\n{} explained, {class}: {:?}", cases.len(), first_few(cases));
    }
    let _ = write!(text, "\n{} where the oracle varies from run to run: {:?}", tally.varies.len(), tally.varies);
    let _ = write!(text, "\n{} different: {:?}", tally.different.len(), tally.different);
    text
}

fn first_few(cases: &[usize]) -> &[usize] {
    &cases[..cases.len().min(20)]
}

/// How one case came out.
enum Verdict {
    Equal,
    Refused { same_words: bool },
    Varies,
    Explained(&'static str),
    Different,
}

fn judge(
    oracle: &Oracle<'_>,
    files: &Files,
    (theirs, mine): (&Outcome, &Outcome),
    order: &str,
) -> anyhow::Result<Verdict> {
    if difference(theirs, mine).is_none() {
        return Ok(match (theirs, mine) {
            (Err(theirs), Err(mine)) => Verdict::Refused { same_words: scrubbed(theirs) == scrubbed(mine) },
            _ => Verdict::Equal,
        });
    }
    for _ in 0..REPEATS {
        let again = oracle.build(order)?;
        if scrubbed_outcome(&again) != scrubbed_outcome(theirs) {
            return Ok(Verdict::Varies);
        }
    }
    Ok(explain(files, theirs, mine).map_or(Verdict::Different, Verdict::Explained))
}

fn work(arguments: &Arguments, oracle: &Oracle<'_>, next: &AtomicUsize, tally: &Mutex<Tally>) -> anyhow::Result<()> {
    loop {
        let case = next.fetch_add(1, Ordering::Relaxed);
        if case >= arguments.first + arguments.count {
            return Ok(());
        }
        let files = layers::files(arguments.seed.wrapping_mul(1 << 32).wrapping_add(case as u64));
        oracle.prepare(&files)?;
        // What comes before the order is the same for both.
        let (reorder, order) = ORDERS[case % ORDERS.len()];
        let (theirs, mine) = (oracle.build(order)?, ours(&files, reorder, &oracle.root()));
        let verdict = judge(oracle, &files, (&theirs, &mine), order)?;
        if let (true, Err(why)) = (arguments.refusals, &theirs) {
            say(&format!("case {case}: {}", the_end(why)));
        }
        if let (true, Verdict::Refused { same_words: false }, Err(theirs), Err(mine)) =
            (arguments.texts, &verdict, &theirs, &mine)
        {
            say(&format!("==== case {case}, texts\n---- theirs\n{theirs}---- ours\n{mine}"));
        }
        let mut shown = false;
        if let Ok(mut tally) = tally.lock() {
            match verdict {
                Verdict::Equal => tally.equal += 1,
                Verdict::Refused { same_words: true } => tally.same_refusal += 1,
                Verdict::Refused { same_words: false } => tally.other_refusal.push(case),
                Verdict::Varies => tally.varies.push(case),
                Verdict::Explained(class) => tally.explained.entry(class).or_default().push(case),
                Verdict::Different => {
                    tally.different.push(case);
                    shown = tally.shown < arguments.show;
                    tally.shown += usize::from(shown);
                }
            }
        }
        if shown {
            report(case, files, oracle, reorder, order)?;
        }
    }
}

fn scrubbed_outcome(outcome: &Outcome) -> Outcome {
    outcome.clone().map_err(|message| scrubbed(&message))
}

/// A message without addresses in memory, times, and the notice about the flag that sets the order.
fn scrubbed(message: &str) -> String {
    let mut text = String::new();
    for line in message.lines().filter(|line| !line.starts_with("Flag --reorder has been deprecated")) {
        // A dated line of a log.
        let dated = line.len() > 20 && line.as_bytes()[4] == b'/' && line.as_bytes()[13] == b':';
        let mut parts = if dated { &line[20..] } else { line }.split("0x");
        text.push_str(parts.next().unwrap_or_default());
        for part in parts {
            text.push_str("0x");
            text.push_str(part.trim_start_matches(|digit: char| digit.is_ascii_hexdigit()));
        }
        text.push('\n');
    }
    text
}

/// The last part of a message; its beginning names the way to the file.
fn the_end(message: &str) -> String {
    let line = message.lines().find(|line| line.starts_with("Error: ")).unwrap_or(message);
    let from = line.char_indices().rev().nth(200).map_or(0, |(at, _)| at);
    line[from..].to_owned()
}

/// The sort of a difference, so that making a case small does not turn it into another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Difference {
    Output,
    OnlyTheirsFails,
    OnlyOursFails,
}

fn difference(theirs: &Outcome, ours: &Outcome) -> Option<Difference> {
    match (theirs, ours) {
        (Ok(theirs), Ok(ours)) => (theirs != ours).then_some(Difference::Output),
        (Err(_), Err(_)) => None,
        (Err(_), Ok(_)) => Some(Difference::OnlyTheirsFails),
        (Ok(_), Err(_)) => Some(Difference::OnlyOursFails),
    }
}

/// What must stay when a case is made small: of a failure also its first words.
fn sort_of(theirs: &Outcome, ours: &Outcome) -> Option<(Difference, String)> {
    let sort = difference(theirs, ours)?;
    let words = match sort {
        Difference::Output => String::new(),
        Difference::OnlyTheirsFails => last_words(theirs),
        Difference::OnlyOursFails => last_words(ours),
    };
    Some((sort, words))
}

/// The end of a message without digits: the beginning names files, which go.
fn last_words(outcome: &Outcome) -> String {
    let message = outcome.as_ref().err().map_or("", String::as_str);
    let words: Vec<&str> =
        message.lines().next().unwrap_or_default().rsplit(": ").next().unwrap_or_default().split(' ').collect();
    words
        .into_iter()
        .filter(|word| word.chars().all(|letter| letter.is_ascii_lowercase()))
        .collect::<Vec<_>>()
        .join(" ")
}

fn report(
    case: usize,
    files: Files,
    oracle: &Oracle<'_>,
    reorder: sluice_kustomize::Reorder,
    order: &str,
) -> anyhow::Result<()> {
    let outcomes = |files: &Files| -> anyhow::Result<(Outcome, Outcome)> {
        oracle.prepare(files)?;
        Ok((oracle.build(order)?, ours(files, reorder, &oracle.root())))
    };
    let (theirs, mine) = outcomes(&files)?;
    let sort = sort_of(&theirs, &mine);
    if sort.is_none() {
        say(&format!("==== case {case}: not seen again, the oracle's output varies"));
        return Ok(());
    }
    let small = shrink(files, SHRINK_BUDGET, &mut |files| {
        outcomes(files).is_ok_and(|(theirs, mine)| sort_of(&theirs, &mine) == sort)
    });
    let (theirs, mine) = outcomes(&small)?;
    let mut text = format!("==== case {case}, order {order}: {:?}\n", sort.map(|(sort, _)| sort));
    for (path, content) in &small {
        let _ = write!(text, "---- {path}\n{}", file_text(content));
    }
    let shown = |outcome: &Outcome| match outcome {
        Ok(text) => text.clone(),
        Err(text) => format!("FAILS {}\n", text.chars().take(600).collect::<String>()),
    };
    let _ = write!(text, "---- theirs\n{}---- ours\n{}", shown(&theirs), shown(&mine));
    say(&text);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a command of xtask reports to its caller")]
fn say(text: &str) {
    println!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_the_same_files_each_time_and_our_library_builds_most() {
        let mut built = 0;
        for seed in 0..40 {
            let files = layers::files(seed);
            assert_eq!(files, layers::files(seed));
            built += usize::from(ours(&files, ORDERS[0].0, "").is_ok());
        }
        assert!(built > 30, "only {built} of 40 could be built");
    }
}
