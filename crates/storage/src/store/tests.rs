use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io::Read;
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::*;
use crate::collect::MAX_FILES_EXAMINED;

const RETENTION: Retention = Retention { ttl: Duration::from_secs(60), records: 2 };

struct Fixture {
    root: TempDir,
    store: Storage,
    now: Timestamp,
}

impl Fixture {
    fn new() -> Self {
        Self::with(RETENTION)
    }

    fn with(retention: Retention) -> Self {
        let root = tempfile::tempdir().unwrap();
        let store = Storage::new(root.path(), "localhost:9090", retention, Algorithm::Sha256).unwrap();
        Self { root, store, now: Timestamp::now() }
    }

    fn publish(&self, file: &str, content: &str) -> Stored {
        let write = |out: &mut dyn Write| out.write_all(content.as_bytes());
        self.store.publish(&path(file), self.now, write).unwrap()
    }

    fn directory(&self) -> PathBuf {
        self.store.root().join("gitrepository/apps/web")
    }

    /// Makes a file in the object's directory look as if it had been written some seconds ago.
    fn age(&self, name: &str, seconds: u64) {
        let modified = SystemTime::from(self.now) - Duration::from_secs(seconds);
        let file = OpenOptions::new().append(true).create(true).open(self.directory().join(name)).unwrap();
        file.set_modified(modified).unwrap();
    }

    fn names(&self) -> BTreeSet<String> {
        fs::read_dir(self.directory()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn collect(&self, current: &str) -> Collected {
        let deadline = Instant::now() + Duration::from_secs(60);
        self.store.garbage_collect(&path(current), self.now, deadline).unwrap()
    }
}

fn path(file: &str) -> ArtifactPath {
    ArtifactPath::new("GitRepository", "apps", "web", file).unwrap()
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

fn removed(collected: &Collected) -> Vec<&str> {
    collected.removed.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect()
}

#[test]
fn a_root_that_is_no_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    for root in [file, dir.path().join("missing")] {
        let error = Storage::new(&root, "", RETENTION, Algorithm::Sha256).unwrap_err();
        assert_eq!(error.to_string(), format!("invalid dir path: {}", root.display()));
    }
}

#[test]
fn a_published_artifact_is_whole_private_and_measured() {
    let fixture = Fixture::new();
    let stored = fixture.publish("a.tar.gz", "content");
    let expected = Stored {
        digest: Digest::of(Algorithm::Sha256, b"content"),
        size: 7,
        last_update_time: Timestamp::from_second(fixture.now.as_second()).unwrap(),
    };
    assert_eq!(stored, expected);
    assert_eq!(fixture.names(), set(["a.tar.gz", "a.tar.gz.lock"]));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    for directory in fixture.directory().ancestors().take(3) {
        assert_eq!(mode(directory), 0o700);
    }
    assert_eq!(mode(&fixture.store.local_path(&path("a.tar.gz"))), 0o600);
    fixture.store.verify(&path("a.tar.gz"), &stored.digest).unwrap();
    let mut content = String::new();
    fixture.store.open(&path("a.tar.gz")).unwrap().read_to_string(&mut content).unwrap();
    assert_eq!(content, "content");
}

#[test]
fn the_digest_has_the_algorithm_of_the_store_and_verification_that_of_the_digest() {
    let root = tempfile::tempdir().unwrap();
    for algorithm in Algorithm::ALL {
        let store = Storage::new(root.path(), "", RETENTION, algorithm).unwrap();
        let write = |out: &mut dyn Write| out.write_all(b"content");
        let stored = store.publish(&path("a"), Timestamp::UNIX_EPOCH, write).unwrap();
        assert_eq!(stored.digest, Digest::of(algorithm, b"content"));
        for other in Algorithm::ALL {
            store.verify(&path("a"), &Digest::of(other, b"content")).unwrap();
        }
    }
}

#[test]
fn a_failing_writer_leaves_the_old_artifact_and_no_temporary_file() {
    let fixture = Fixture::new();
    let stored = fixture.publish("a.tar.gz", "old");
    let write = |out: &mut dyn Write| {
        out.write_all(b"half of the n")?;
        Err(io::Error::other("upstream went away"))
    };
    let error = fixture.store.publish(&path("a.tar.gz"), fixture.now, write).unwrap_err();
    assert!(matches!(error, PublishError::Content(_)), "{error}");
    assert_eq!(fixture.names(), set(["a.tar.gz", "a.tar.gz.lock"]));
    fixture.store.verify(&path("a.tar.gz"), &stored.digest).unwrap();
}

#[test]
fn a_directory_in_place_of_the_artifact_or_a_file_in_place_of_the_directory_is_an_error() {
    let fixture = Fixture::new();
    fs::create_dir_all(fixture.directory().join("a.tar.gz")).unwrap();
    let publish = || fixture.store.publish(&path("a.tar.gz"), fixture.now, |_| Ok::<_, Infallible>(()));
    assert!(matches!(publish(), Err(PublishError::Rename(_))));
    assert_eq!(fixture.names(), set(["a.tar.gz", "a.tar.gz.lock"]));
    fs::remove_dir_all(fixture.directory()).unwrap();
    fs::write(fixture.directory(), "").unwrap();
    assert!(matches!(publish(), Err(PublishError::Directory(_))));
}

#[test]
fn writers_of_one_artifact_take_turns_and_readers_see_whole_files_only() {
    const WRITERS: usize = 4;
    const ROUNDS: usize = 20;
    let fixture = Fixture::new();
    let contents: Vec<String> = (0..WRITERS).map(|writer| format!("{writer}").repeat(200_000)).collect();
    fixture.publish("a.tar.gz", &contents[0]);
    let digests: Vec<Digest> = contents.iter().map(|text| Digest::of(Algorithm::Sha256, text.as_bytes())).collect();
    let writing = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let start = Barrier::new(WRITERS + 1);
    thread::scope(|scope| {
        for content in &contents {
            let (fixture, writing, start) = (&fixture, &writing, &start);
            scope.spawn(move || {
                start.wait();
                for _ in 0..ROUNDS {
                    let write = |out: &mut dyn Write| {
                        assert_eq!(writing.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0, "two at once");
                        let result = out.write_all(content.as_bytes());
                        writing.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        result
                    };
                    fixture.store.publish(&path("a.tar.gz"), fixture.now, write).unwrap();
                }
            });
        }
        start.wait();
        for _ in 0..ROUNDS {
            let file = fixture.store.open(&path("a.tar.gz")).unwrap();
            let (digest, _) = Digest::of_reader(Algorithm::Sha256, file).unwrap();
            assert!(digests.contains(&digest));
            // The collector may come in between: it takes neither the current file nor one that is being written.
            fixture.collect("a.tar.gz");
        }
    });
    assert_eq!(fixture.names(), set(["a.tar.gz", "a.tar.gz.lock"]));
}

#[test]
fn collecting_an_artifact_that_is_published_again_meanwhile_loses_no_lock() {
    let fixture = Fixture::with(Retention { ttl: Duration::ZERO, records: 1 });
    let start = Barrier::new(3);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                start.wait();
                for _ in 0..50 {
                    fixture.publish("old.tar.gz", "content");
                }
            });
        }
        start.wait();
        for _ in 0..50 {
            let now = fixture.now + Duration::from_secs(3600);
            let deadline = Instant::now() + Duration::from_secs(60);
            let collected = fixture.store.garbage_collect(&path("current.tar.gz"), now, deadline);
            if let Ok(collected) = collected {
                assert!(collected.failures.is_empty(), "{:?}", collected.failures);
            }
        }
    });
}

#[test]
fn verification_finds_whatever_is_wrong() {
    let fixture = Fixture::new();
    let stored = fixture.publish("a", "content");
    let verify = |file: &str| fixture.store.verify(&path(file), &stored.digest);
    assert!(matches!(verify("missing"), Err(VerifyError::Missing)));
    let elsewhere = ArtifactPath::new("Bucket", "apps", "web", "a").unwrap();
    assert!(matches!(fixture.store.verify(&elsewhere, &stored.digest), Err(VerifyError::Missing)));

    fs::write(fixture.directory().join("a"), "contenT").unwrap();
    let error = verify("a").unwrap_err();
    assert_eq!(error.to_string(), format!("computed digest doesn't match '{}'", stored.digest));

    symlink("/etc/hostname", fixture.directory().join("link")).unwrap();
    symlink("a", fixture.directory().join("inner-link")).unwrap();
    fs::create_dir(fixture.directory().join("directory")).unwrap();
    let _socket = UnixListener::bind(fixture.directory().join("socket")).unwrap();
    for file in ["link", "inner-link", "directory", "socket"] {
        assert!(matches!(verify(file), Err(VerifyError::NotRegular)), "{file}: {:?}", verify(file));
    }
}

#[test]
fn a_link_on_the_way_to_an_artifact_is_never_followed() {
    let fixture = Fixture::new();
    let outside = tempfile::tempdir().unwrap();
    fs::create_dir_all(outside.path().join("web")).unwrap();
    fs::write(outside.path().join("web/a"), "content").unwrap();
    fs::create_dir(fixture.root.path().join("gitrepository")).unwrap();
    symlink(outside.path(), fixture.root.path().join("gitrepository/apps")).unwrap();
    let digest = Digest::of(Algorithm::Sha256, b"content");
    assert!(matches!(fixture.store.verify(&path("a"), &digest), Err(VerifyError::NotRegular)));
    let publish = fixture.store.publish(&path("b"), fixture.now, |_| Ok::<_, Infallible>(()));
    assert!(matches!(publish, Err(PublishError::Directory(_))));
    fixture.store.remove(&path("a")).unwrap_err();
    fixture.store.remove_all(path("a").dir()).unwrap_err();
    let deadline = Instant::now() + Duration::from_secs(60);
    fixture.store.garbage_collect(&path("b"), fixture.now, deadline).unwrap_err();
    assert_eq!(fs::read_to_string(outside.path().join("web/a")).unwrap(), "content");
    assert_eq!(fs::read_dir(outside.path().join("web")).unwrap().count(), 1);
}

#[test]
fn a_link_in_place_of_a_lock_is_an_error_and_creates_nothing_elsewhere() {
    let fixture = Fixture::new();
    fixture.publish("a", "content");
    let outside = tempfile::tempdir().unwrap();
    symlink(outside.path().join("planted"), fixture.directory().join("b.lock")).unwrap();
    let publish = fixture.store.publish(&path("b"), fixture.now, |_| Ok::<_, Infallible>(()));
    assert!(matches!(publish, Err(PublishError::Lock(_))));
    assert!(!outside.path().join("planted").exists());
}

#[test]
fn a_link_in_place_of_an_artifact_is_replaced_and_not_written_through() {
    let fixture = Fixture::new();
    fixture.publish("a", "content");
    symlink("a", fixture.directory().join("b")).unwrap();
    let stored = fixture.publish("b", "other");
    fixture.store.verify(&path("b"), &stored.digest).unwrap();
    assert_eq!(fs::read_to_string(fixture.directory().join("a")).unwrap(), "content");
}

#[test]
fn removing_takes_the_file_or_the_whole_directory_and_says_whether_there_was_any() {
    let fixture = Fixture::new();
    assert!(!fixture.store.remove(&path("a")).unwrap());
    assert!(!fixture.store.remove_all(path("a").dir()).unwrap());
    fixture.publish("a", "content");
    assert!(fixture.store.remove(&path("a")).unwrap());
    assert!(!fixture.store.remove(&path("a")).unwrap());
    fixture.publish("b", "content");
    assert!(fixture.store.remove_all(path("b").dir()).unwrap());
    assert!(!fixture.directory().exists());
}

#[test]
fn retention_keeps_by_age_and_by_number() {
    // The ages of old-0, old-1 and so on in seconds; how many to keep; which go, oldest first.
    let cases: [(&[u64], usize, &[&str]); 8] = [
        (&[], 2, &[]),
        (&[10], 2, &[]),
        (&[60], 2, &[]),
        (&[61], 2, &["old-0"]),
        (&[10, 20], 2, &["old-1"]),
        (&[10, 20, 30], 0, &["old-2", "old-1", "old-0"]),
        (
            &[10, 20, 30, 40, 50, 59, 58, 57, 1000],
            2,
            &["old-8", "old-5", "old-6", "old-7", "old-4", "old-3", "old-2", "old-1"],
        ),
        (&[100, 200], 10, &["old-1", "old-0"]),
    ];
    for (ages, records, expected) in cases {
        let fixture = Fixture::with(Retention { records, ..RETENTION });
        fixture.publish("current", "content");
        fixture.age("current", 100_000);
        for (at, age) in ages.iter().enumerate() {
            fixture.publish(&format!("old-{at}"), "content");
            fixture.age(&format!("old-{at}"), *age);
        }
        let collected = fixture.collect("current");
        assert_eq!(removed(&collected), expected, "{ages:?} with {records} records");
        assert!(collected.failures.is_empty() && !collected.interrupted);
        let left = 2 * (1 + ages.len() - expected.len());
        assert_eq!(fixture.names().len(), left, "each file goes with its lock");
    }
}

#[test]
fn a_current_artifact_that_is_missing_takes_no_place() {
    let fixture = Fixture::new();
    for at in 0..3 {
        fixture.publish(&format!("old-{at}"), "content");
        fixture.age(&format!("old-{at}"), 10 + at);
    }
    let collected = fixture.collect("current");
    assert_eq!(collected.removed, [PathBuf::from("gitrepository/apps/web/old-2")]);
    assert!(fixture.collect("current").removed.is_empty());
}

#[test]
fn what_a_crash_left_behind_is_collected_once_it_is_old_and_nobody_holds_it() {
    let fixture = Fixture::new();
    fixture.publish("current", "content");
    fixture.age("current.lock", 1000);
    for name in [".tmp-old", "gone.lock", ".tmp-held", "held.lock"] {
        fixture.age(name, 61);
    }
    for name in [".tmp-young", "young.lock"] {
        fixture.age(name, 10);
    }
    let held = |name: &str| {
        let file = File::open(fixture.directory().join(name)).unwrap();
        file.lock().unwrap();
        file
    };
    let holders = [held(".tmp-held"), held("held.lock")];
    let collected = fixture.collect("current");
    assert_eq!((collected.leftovers, collected.removed.len()), (2, 0));
    let kept = ["current", "current.lock", ".tmp-held", "held.lock", ".tmp-young", "young.lock"];
    assert_eq!(fixture.names(), set(kept));
    drop(holders);
    assert_eq!(fixture.collect("current").leftovers, 2);
}

#[test]
fn an_artifact_that_is_being_written_is_not_collected() {
    let fixture = Fixture::new();
    fixture.publish("current", "content");
    fixture.publish("old", "content");
    fixture.age("old", 1000);
    let write = |_: &mut dyn Write| {
        assert!(fixture.collect("current").removed.is_empty());
        Ok::<_, Infallible>(())
    };
    fixture.store.publish(&path("old"), fixture.now, write).unwrap();
    assert_eq!(fixture.names(), set(["current", "current.lock", "old", "old.lock"]));
}

#[test]
fn links_and_directories_are_left_alone() {
    let fixture = Fixture::with(Retention { ttl: Duration::ZERO, records: 0 });
    fixture.publish("current", "content");
    fixture.store.link(&path("current"), "latest.tar.gz").unwrap();
    fs::create_dir(fixture.directory().join("directory")).unwrap();
    assert_eq!(removed(&fixture.collect("current")), [""; 0]);
    assert_eq!(fixture.names(), set(["current", "current.lock", "directory", "latest.tar.gz"]));
}

#[test]
fn a_collection_ends_at_its_deadline_and_after_its_number_of_files() {
    let fixture = Fixture::new();
    let deadline = Instant::now() + Duration::from_secs(60);
    let nothing = fixture.store.garbage_collect(&path("current"), fixture.now, deadline).unwrap();
    assert!(nothing.removed.is_empty() && !nothing.interrupted, "there is no directory yet");

    fixture.publish("current", "content");
    for at in 0..MAX_FILES_EXAMINED + 10 {
        fixture.age(&format!("old-{at}"), 1000);
    }
    let late = fixture.store.garbage_collect(&path("current"), fixture.now, Instant::now()).unwrap();
    assert!(late.removed.is_empty() && late.interrupted);
    let first = fixture.collect("current");
    assert!(first.interrupted && first.removed.len() <= MAX_FILES_EXAMINED);
    let second = fixture.collect("current");
    assert!(!second.interrupted);
    assert_eq!(first.removed.len() + second.removed.len(), MAX_FILES_EXAMINED + 10);
    assert_eq!(fixture.names(), set(["current", "current.lock"]));
}

#[test]
fn a_link_leads_to_the_local_file_and_moves_at_once() {
    let fixture = Fixture::new();
    for file in ["a.tar.gz", "b.tar.gz"] {
        fixture.publish(file, file);
        let link = fixture.store.link(&path(file), "latest.tar.gz").unwrap();
        assert_eq!(fixture.store.url(&link), "http://localhost:9090/gitrepository/apps/web/latest.tar.gz");
        let target = fs::read_link(fixture.directory().join("latest.tar.gz")).unwrap();
        assert_eq!(target, fixture.store.local_path(&path(file)));
    }
    symlink("left over from a crash", fixture.directory().join("latest.tar.gz.tmp")).unwrap();
    fixture.store.link(&path("a.tar.gz"), "latest.tar.gz").unwrap();
    for bad in ["", "..", "../latest", "a/b", "x.lock"] {
        assert_eq!(fixture.store.link(&path("a.tar.gz"), bad).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}

#[test]
fn recorded_urls_move_to_the_present_host() {
    let fixture = Fixture::new();
    let rewritten = fixture.store.rewrite_host("http://old./gitrepository/apps/web/a.tar.gz");
    assert_eq!(rewritten, fixture.store.url(&path("a.tar.gz")));
}
