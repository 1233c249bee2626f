//! Child processes that cannot outlive the test that started them.
//!
//! A small shell supervisor starts the programs and holds the read end of a pipe whose only write end is in this process. Whichever way
//! this process ends, `SIGKILL` included, the kernel closes the pipe; the supervisor then kills its children by process id and removes their
//! directory. It has a process group of its own, so that a test runner that kills the whole group of a hung test does not kill the
//! cleaner with it.
//!
//! Deliberately no restart of a program that ended: to a test that is a finding, and the supervisor only records it.

use std::ffi::OsString;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::{Pid, Signal};
use tempfile::TempDir;

/// Starts the programs, records the first one that ends, and cleans up when the pipe that is its standard input closes.
///
/// The arguments are the directory, then for each program: name, port to wait for (or `-`), command and arguments, `---`.
const SUPERVISOR: &str = r#"
dir=$1; shift
exec 3<&0 </dev/null >/dev/null 2>&1
mkfifo "$dir/events"
exec 4<>"$dir/events"
set -m # every background job gets a process group of its own
run() { # name, port to wait for, command...
  set +m
  trap 'kill -9 $! && wait $!; exit' USR1
  name=$1; port=$2; shift 2
  (
    exec 3<&- 4>&-
    if [ "$port" != - ]; then
      until (exec 5<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.02; done
    fi
    exec "$@"
  ) >>"$dir/$name.log" 2>&1 &
  echo $! >"$dir/$name.pid.new" && mv "$dir/$name.pid.new" "$dir/$name.pid"
  wait $!
  echo "$name $?" >&4
}
{ read -r -u 3 _; echo parent >&4; } &
groups=()
while [ $# -gt 0 ]; do
  program=()
  while [ "$1" != --- ]; do program+=("$1"); shift; done
  shift
  run "${program[@]}" &
  groups+=($!)
done
read -r -u 4 event
# First the programs, whose exit codes their runners collect, then what the programs may have started.
kill -USR1 "${groups[@]}"
wait "${groups[@]}"
for group in "${groups[@]}"; do kill -9 -- "-$group"; done
if [ "$event" != parent ]; then
  echo "$event" >"$dir/ended.new" && mv "$dir/ended.new" "$dir/ended"
  until [ "$event" = parent ]; do read -r -u 4 event; done
fi
rm -rf "$dir"
"#;

/// How many bytes from the end of a log an error message shows.
const LOG_TAIL_BYTES: usize = 4_000;

/// A program to run under supervision.
#[derive(Debug, Clone)]
pub struct Program {
    /// The name of its log file, and its name in error messages.
    pub name: String,
    /// The executable.
    pub path: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Start it only once something listens on this loopback port.
    pub after_port: Option<u16>,
}

/// Running programs and the directory that goes away with them.
#[derive(Debug)]
pub struct Supervised {
    supervisor: Child,
    dir: PathBuf,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The program's name.
    pub name: String,
    /// Its exit code; 128 plus the signal's number if a signal ended it.
    pub code: i32,
}

impl Supervised {
    /// Starts `programs` with `env` added to this process's environment. Logs go to `<dir>/<name>.log`; the directory is removed at the end.
    ///
    /// # Errors
    /// If `bash` cannot be started or the directory cannot be written.
    pub fn spawn(dir: TempDir, programs: &[Program], env: &[(OsString, OsString)]) -> anyhow::Result<Self> {
        #[expect(clippy::disallowed_methods, reason = "the test kit runs real servers")]
        let mut command = Command::new("bash");
        command.args(["-c", SUPERVISOR, "supervisor"]).arg(dir.path());
        for program in programs {
            let port = program.after_port.map_or_else(|| "-".to_owned(), |port| port.to_string());
            command.arg(&program.name).arg(port).arg(&program.path).args(&program.args).arg("---");
        }
        command.envs(env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let supervisor = command.spawn().context("start the supervisor (bash)")?;
        Ok(Self { supervisor, dir: dir.keep() })
    }

    /// The directory with the logs; it exists until this value is dropped.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Blocks until somebody listens at `address`, which the program `name` is to do within `deadline`.
    ///
    /// # Errors
    /// When it does not, or a program has ended; the message ends with the log.
    pub fn await_listening(&self, name: &str, address: SocketAddr, deadline: Duration) -> anyhow::Result<()> {
        let end = Instant::now() + deadline;
        loop {
            if TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok() {
                return Ok(());
            }
            if let Some(ended) = self.ended() {
                anyhow::bail!("{} ended with code {}:\n{}", ended.name, ended.code, self.log_tail(name));
            }
            anyhow::ensure!(Instant::now() < end, "{name} does not listen:\n{}", self.log_tail(name));
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// The program that ended first, if any did. The others have then been killed.
    pub fn ended(&self) -> Option<Ended> {
        let text = std::fs::read_to_string(self.dir.join("ended")).ok()?;
        let (name, code) = text.trim().split_once(' ')?;
        Some(Ended { name: name.to_owned(), code: code.parse().ok()? })
    }

    /// The last lines of a program's log, for error messages.
    pub fn log_tail(&self, name: &str) -> String {
        tail(&self.log(name), LOG_TAIL_BYTES).to_owned()
    }

    /// A program's whole log so far; empty if there is none yet.
    pub fn log(&self, name: &str) -> String {
        let bytes = std::fs::read(self.dir.join(format!("{name}.log"))).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A program's process id, once it has been started.
    pub fn pid(&self, name: &str) -> Option<u32> {
        std::fs::read_to_string(self.dir.join(format!("{name}.pid"))).ok()?.trim().parse().ok()
    }

    /// Sends a signal to a running program.
    ///
    /// # Errors
    /// If the program was not started yet, has ended, or cannot be signalled.
    pub fn signal(&self, name: &str, signal: Signal) -> anyhow::Result<()> {
        // A recorded end means that the id may belong to somebody else by now.
        if let Some(ended) = self.ended() {
            anyhow::bail!("{} has ended with code {}", ended.name, ended.code);
        }
        let pid = self.pid(name).and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        let pid = pid.with_context(|| format!("{name} was not started yet"))?;
        rustix::process::kill_process(pid, signal).with_context(|| format!("signal {name}"))
    }

    /// Stops the programs at once (`SIGKILL`), removes the directory and waits for both.
    fn stop(&mut self) -> io::Result<()> {
        drop(self.supervisor.stdin.take());
        self.supervisor.wait().map(drop)
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        // Nothing can be done about a failure here, and the supervisor cleans up on its own.
        let _ = self.stop();
    }
}

/// The last `bytes` bytes of `text`, from the start of a line if there is one.
fn tail(text: &str, bytes: usize) -> &str {
    let mut from = text.len().saturating_sub(bytes);
    if from == 0 {
        return text;
    }
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let cut = &text[from..];
    cut.find('\n').map_or(cut, |at| &cut[at + 1..])
}

#[cfg(test)]
mod tests;
