//! What supervision promises.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Ended, Program, Supervised, tail};
use crate::wait::wait_until;
use rustix::process::Signal;

const DEADLINE: Duration = Duration::from_secs(10);

fn shell(name: &str, script: &str) -> Program {
    Program {
        name: name.to_owned(),
        path: PathBuf::from("/bin/sh"),
        args: vec!["-c".into(), script.into()],
        after_port: None,
    }
}

fn spawn(programs: &[Program]) -> Supervised {
    Supervised::spawn(tempfile::tempdir().unwrap(), programs, &[("GREETING".into(), "hello".into())]).unwrap()
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    wait_until(DEADLINE, what, async || Ok(condition().then_some(()))).await.unwrap();
}

fn alive(pid: u32) -> bool {
    // A zombie that its new parent has not collected yet is dead for us.
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[tokio::test]
async fn a_program_writes_its_log_and_sees_the_environment() {
    let running = spawn(&[shell("one", "echo $GREETING; exec sleep 60")]);
    until("a log line", || running.log("one") == "hello\n").await;
    assert_eq!(running.ended(), None);
}

#[tokio::test]
async fn the_first_program_to_end_is_recorded_with_its_code_and_takes_the_others_along() {
    let running = spawn(&[shell("lasting", "exec sleep 60"), shell("short", "echo last words; exit 7")]);
    until("the end", || running.ended().is_some()).await;
    assert_eq!(running.ended(), Some(Ended { name: "short".to_owned(), code: 7 }));
    assert_eq!(running.log_tail("short"), "last words\n");
    let lasting = running.pid("lasting").unwrap();
    assert!(!alive(lasting));
    assert!(running.signal("short", Signal::TERM).is_err());
}

#[tokio::test]
async fn a_signal_reaches_the_program_itself() {
    let running = spawn(&[shell("one", "exec sleep 60")]);
    until("a process id", || running.pid("one").is_some()).await;
    running.signal("one", Signal::TERM).unwrap();
    until("the end", || running.ended().is_some()).await;
    assert_eq!(running.ended(), Some(Ended { name: "one".to_owned(), code: 128 + 15 }));
}

#[tokio::test]
async fn dropping_stops_the_programs_and_removes_the_directory() {
    let running = spawn(&[shell("one", "trap '' TERM INT; while :; do sleep 1; done")]);
    until("a process id", || running.pid("one").is_some()).await;
    let (pid, dir) = (running.pid("one").unwrap(), running.dir().to_owned());
    assert!(alive(pid) && dir.exists());
    drop(running);
    assert!(!alive(pid));
    assert!(!dir.exists());
}

#[tokio::test]
async fn programs_and_directory_go_away_when_the_parent_is_killed() {
    // The parent is a shell that runs the same supervisor script and is then killed as a test runner would kill a hung test.
    let outer = tempfile::tempdir().unwrap();
    let inner = outer.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    let parent = format!(
        "mkfifo {outer}/pipe; setsid bash -c \"$SCRIPT\" supervisor {inner} one - sleep 60 --- <{outer}/pipe & \
         exec 9>{outer}/pipe; while :; do sleep 1; done",
        outer = outer.path().display(),
        inner = inner.display()
    );
    let program = shell("parent", &parent);
    let dir = tempfile::tempdir().unwrap();
    let running = Supervised::spawn(dir, &[program], &[("SCRIPT".into(), super::SUPERVISOR.into())]).unwrap();
    until("the grandchild", || pid_in(&inner).is_some()).await;
    let grandchild = pid_in(&inner).unwrap();
    assert!(alive(grandchild));
    running.signal("parent", Signal::KILL).unwrap();
    until("the grandchild's end", || !alive(grandchild)).await;
    until("the directory's end", || !inner.exists()).await;
}

fn pid_in(dir: &Path) -> Option<u32> {
    std::fs::read_to_string(dir.join("one.pid")).ok()?.trim().parse().ok()
}

#[tokio::test]
async fn a_program_waits_for_the_port_that_it_depends_on() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let mut late = shell("late", "echo started; exec sleep 60");
    late.after_port = Some(port);
    let running = spawn(&[shell("early", "exec sleep 60"), late]);
    until("both started", || running.pid("late").is_some() && running.pid("early").is_some()).await;
    assert_eq!(running.log("late"), "");
    let _listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    until("the start", || running.log("late") == "started\n").await;
}

#[test]
fn a_tail_starts_at_a_line_and_never_splits_a_character() {
    assert_eq!(tail("short", 100), "short");
    assert_eq!(tail("first\nsecond\nthird", 9), "third");
    assert_eq!(tail("äöü", 3), "ü");
}
