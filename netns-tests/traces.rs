//! What the program could leave on this machine, seen from outside: its processes, mounts,
//! links and files. A case takes a [`Watch`] before it starts anything.
//!
//! Cases run side by side, so a process counts as a case's own when it has the mark of its
//! watch in its environment, which everything in a lab inherits, when it descends from one
//! that has, or when it did so as the case last looked.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::support::ROOT;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lvsmith");

/// What marks the processes of a watch.
const VARIABLE: &str = "LVSMITH_TEST_MARK";

/// How long what was killed may take to be gone; where nothing is wrong it takes milliseconds,
/// unless the machine has much else to do.
const GONE: Duration = Duration::from_secs(60);

/// What the machine was like, and how to tell what a case started.
pub(crate) struct Watch {
    /// Unique among all runs, and short enough to name a lab.
    pub(crate) name: String,
    temporary: TempDir,
    machine: BTreeSet<String>,
    seen: RefCell<HashSet<Process>>,
}

/// A process that cannot be mistaken for a later one of the same number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Process {
    pid: i32,
    /// In clock ticks since the machine was started.
    born: u64,
}

/// How a run of the program ended, and what it said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) exit: Option<i32>,
    pub(crate) output: String,
    pub(crate) errors: String,
}

impl Watch {
    /// Looks at the machine as it is now.
    pub(crate) fn new() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Ok(Self {
            // No name is the beginning of another one: they are looked for in texts.
            name: format!("t{}-{number:04}", std::process::id()),
            temporary: tempfile::tempdir()?,
            machine: machine()?,
            seen: RefCell::default(),
        })
    }

    /// The program, marked, and with a folder for temporary files of its own.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Command {
        let mut command = Command::new(PROGRAM);
        self.marked(&mut command).args(arguments);
        command
    }

    /// Marks another program.
    pub(crate) fn marked<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .current_dir(ROOT)
            .stdin(Stdio::null())
            .env("NO_COLOR", "1")
            .env("TMPDIR", self.temporary.path())
            .env(VARIABLE, &self.name)
    }

    /// The folder for temporary files.
    pub(crate) fn temporary(&self) -> &Path {
        self.temporary.path()
    }

    /// Runs the program to its end.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Result<Said> {
        said(&mut self.command(arguments))
    }

    /// Starts the program; what it says is listened to at its end.
    pub(crate) fn start<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Result<Child> {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("the program starts")
    }

    /// The processes that belong to this watch, each as its number and command line.
    pub(crate) fn processes(&self) -> Vec<String> {
        let all = all();
        let mut own: HashSet<i32> =
            all.iter().filter(|(_, other)| other.mark == self.name).map(|(pid, _)| *pid).collect();
        // Children of what is ours are ours, until there are no more.
        loop {
            let is_child =
                |(pid, one): &(&i32, &Entry)| own.contains(&one.parent) && !own.contains(*pid);
            let children: Vec<i32> = all.iter().filter(is_child).map(|(pid, _)| *pid).collect();
            if children.is_empty() {
                break;
            }
            own.extend(children);
        }
        let mut seen = self.seen.borrow_mut();
        seen.extend(own.iter().map(|pid| Process { pid: *pid, born: all[pid].born }));
        let mut lines: Vec<String> = seen
            .iter()
            .filter_map(|known| all.get(&known.pid).filter(|one| one.born == known.born))
            .map(|one| one.line.clone())
            .collect();
        lines.sort();
        lines
    }

    /// No process of it is left, hence no namespace.
    pub(crate) fn no_process_left(&self) -> Result<()> {
        poll_until(|| self.processes().is_empty(), GONE, "the processes are gone")
            .with_context(|| format!("left are {:#?}", self.processes()))
    }

    /// Nothing of it is left: no process; no mount, link or file, unless other cases have some.
    pub(crate) fn nothing_left(&self) -> Result<()> {
        self.no_process_left()?;
        let (before, now) = (&self.machine, machine()?);
        let differs: Vec<&String> = before.symmetric_difference(&now).collect();
        ensure!(differs.is_empty(), "the machine is not as it was: {differs:#?}");
        let files: Vec<_> = fs::read_dir(self.temporary.path())?.collect();
        ensure!(files.is_empty(), "temporary files are left: {files:?}");
        let sockets = fs::read_to_string("/proc/net/unix")?;
        ensure!(!sockets.contains(&self.name), "its name is still taken");
        Ok(())
    }
}

impl Said {
    pub(crate) fn exits(&self, code: i32) -> Result<&Self> {
        ensure!(self.exit == Some(code), "exit {:?} instead of {code}\n{self}", self.exit);
        Ok(self)
    }

    pub(crate) fn says(&self, text: &str) -> Result<&Self> {
        let said = self.output.contains(text) || self.errors.contains(text);
        ensure!(said, "it does not say `{text}`\n{self}");
        Ok(self)
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.output, self.errors)
    }
}

/// Runs a program to its end.
pub(crate) fn said(command: &mut Command) -> Result<Said> {
    command.output().context("the program starts").map(Said::from)
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            exit: output.status.code(),
            output: text(&output.stdout),
            errors: text(&output.stderr),
        }
    }
}

/// Sends a signal to a child, which is not reaped yet.
pub(crate) fn signal(child: &Child, signal: Signal) -> Result<()> {
    let pid = Pid::from_raw(i32::try_from(child.id())?);
    kill(pid, signal).context("the child is there")
}

/// Whether a child ends by itself within a time.
pub(crate) fn ends_within(child: &mut Child, patience: Duration) -> bool {
    poll_until(|| !matches!(child.try_wait(), Ok(None)), patience, "the child ends").is_ok()
}

/// Waits until something holds.
pub(crate) fn poll_until(
    mut holds: impl FnMut() -> bool,
    deadline: Duration,
    what: &str,
) -> Result<()> {
    let start = Instant::now();
    while !holds() {
        if start.elapsed() >= deadline {
            bail!("not so within {deadline:?}: {what}");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

struct Entry {
    parent: i32,
    born: u64,
    mark: String,
    line: String,
}

/// All processes but those that only wait to be reaped.
fn all() -> HashMap<i32, Entry> {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    // One that ends while we look is none.
    pids.filter_map(|pid| Some((pid, entry(pid)?))).collect()
}

fn entry(pid: i32) -> Option<Entry> {
    let folder = Path::new("/proc").join(pid.to_string());
    // `12 (name) S 1 …`, see proc(5); a name may hold anything.
    let stat = fs::read_to_string(folder.join("stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let (state, parent) = (fields.next()?, fields.next()?.parse().ok()?);
    let born = fields.nth(17)?.parse().ok()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    let words = |file: &str| -> String {
        let bytes = fs::read(folder.join(file)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\0', "\n")
    };
    let mark = words("environ")
        .lines()
        .find_map(|line| Some(line.strip_prefix(VARIABLE)?.strip_prefix('=')?.to_owned()));
    let line = format!("{pid} {}", words("cmdline").replace('\n', " "));
    Some(Entry { parent, born, mark: mark.unwrap_or_default(), line })
}

/// The mounts (named namespaces are some) and links of this machine, the files that a web server
/// has, and what bears the program's name where temporary files are.
fn machine() -> Result<BTreeSet<String>> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let mut all: BTreeSet<String> = mounts.lines().map(|line| format!("mount {line}")).collect();
    for link in fs::read_dir("/sys/class/net")? {
        all.insert(format!("link {}", link?.file_name().display()));
    }
    for folder in ["/etc", "/var/log/nginx", "/var/lib/nginx"] {
        files(Path::new(folder), &mut all);
    }
    if Path::new("/run/nginx.pid").exists() {
        all.insert("file /run/nginx.pid".into());
    }
    for folder in ["/tmp", "/var/tmp", "/dev/shm", "/run"] {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            // A copy of the program is the harness's own.
            if name.contains("lvsmith") && !name.starts_with("lvsmith-under-test-") {
                all.insert(format!("file {folder}/{name}"));
            }
        }
    }
    Ok(all)
}

fn files(folder: &Path, all: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        let (size, changed) = (metadata.size(), (metadata.mtime(), metadata.mtime_nsec()));
        all.insert(format!("file {} {size} {changed:?}", entry.path().display()));
        if metadata.is_dir() {
            files(&entry.path(), all);
        }
    }
}
