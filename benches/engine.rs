//! What a run costs besides what hosts do: 50 tasks for 1,000 hosts whose agents do nothing, and
//! say at once that nothing had to change.
//!
//! The controller is a process of its own, so that its peak is nobody else's. The agents are all
//! in this one, a thread each behind a socket: they read frames and answer them, on the cores that
//! the controller works on. Everything else between both is as it ever is.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use lvsmith::agent::protocol::{self, Frame, Reply};
use lvsmith::connection::{AgentClient, Become, CallError, Connection, LastWords, Unreachable};
use lvsmith::engine::{self, Connector, Options};
use lvsmith::inventory::{Inventory, Vars};
use lvsmith::modules::{HostKind, Outcome};
use lvsmith::playbook::Playbook;
use lvsmith::report::{Detail, Terminal};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde::de::IgnoredAny;
use serde_json::{Map, json};

use crate::measure::{self, Book, Goal, Row, Samples};
use crate::{memory, validate};

const HOSTS: usize = 1_000;
const TASKS: usize = 50;
const RUNS: usize = 5;

/// The argument that makes this program a controller: the folder of its files comes next.
const CONTROL: &str = "--control";

/// What this program does when it is called as a part of itself.
pub(crate) fn part(arguments: &[String]) -> Option<Result<()>> {
    let [verb, folder] = arguments else { return None };
    (verb == CONTROL).then(|| control(Path::new(folder)))
}

/// Measures what is asked for and prints it.
pub(crate) fn run() -> Book {
    let machine = measure::machine();
    let mut book = Book::new();
    book.measure("engine 1000x50", runs);
    if !book.rows.is_empty() {
        measure::print("ENGINE", &[machine, format!("{RUNS} runs")], &book.rows);
    }
    book
}

fn runs() -> Result<Vec<Row>> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(hard.min(16 << 10)), hard)?;
    let mut rows = Vec::new();
    for strategy in ["linear", "free"] {
        let folder = tempfile::tempdir()?;
        let keywords = format!("  gather_facts: false\n  strategy: {strategy}\n");
        std::fs::write(folder.path().join("site.yml"), validate::playbook(TASKS, &keywords))?;
        std::fs::write(folder.path().join("inventory.yml"), validate::inventory(HOSTS))?;
        let listener = UnixListener::bind(folder.path().join("agents"))?;
        std::thread::spawn(move || {
            for way in listener.incoming().map_while(Result::ok) {
                std::thread::spawn(move || agree(&way));
            }
        });
        let (mut seconds, mut peaks) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            let [took, peak] = controller(folder.path())?;
            seconds.push(took);
            peaks.push(peak);
        }
        let what = format!("{TASKS} tasks on 1,000 hosts, `strategy: {strategy}`");
        rows.push(Row::new(what, Samples::of("s", seconds)).goal(Goal::Below(3.0)));
        let peak = Row::new("  the controller at its peak", Samples::of("MB", peaks));
        rows.push(peak.goal(Goal::Below(300.0)));
    }
    Ok(rows)
}

/// Seconds and MB of one run.
fn controller(folder: &Path) -> Result<[f64; 2]> {
    let mut command = Command::new(std::env::current_exe()?);
    let output = command.arg(CONTROL).arg(folder).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "the controller ended with {}", output.status);
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Runs the playbook of a folder, and says how many seconds and MB that took.
fn control(folder: &Path) -> Result<()> {
    let told = |error: lvsmith::diagnostic::Diagnostics| anyhow!("{error}");
    // Each agent is a child to its controller; this one is there before the clock starts, and has
    // nothing to do with what is said.
    let children = (0..HOSTS).map(|_| Command::new("true").spawn()).collect::<io::Result<_>>();
    let children = Mutex::new(children.context("`true` starts")?);
    let start = Instant::now();
    let playbook = Playbook::read(&folder.join("site.yml")).map_err(told)?;
    let inventory = Inventory::read(&folder.join("inventory.yml")).map_err(told)?;
    let idle = Idle { socket: folder.join("agents"), children };
    let mut reporter = Terminal::new(io::sink(), Detail::default());
    let summary = engine::run(&playbook, &inventory, &idle, &Options::default(), &mut reporter);
    let summary = summary.map_err(told)?;
    let took = start.elapsed().as_secs_f64();
    let done = |tally: &lvsmith::report::Tally| tally.ok + tally.skipped == TASKS;
    ensure!(summary.tallies.values().all(done), "not all is done: {:?}", summary.tallies);
    println!("{}", json!([took, memory::own_high_water()?]));
    Ok(())
}

/// Ways to agents that do nothing.
struct Idle {
    socket: PathBuf,
    children: Mutex<Vec<Child>>,
}

impl Connector for Idle {
    fn connect(&self, _: &str, _: &Vars) -> Result<Box<dyn Connection>, Unreachable> {
        let gone = || Unreachable::new("there are more hosts than agents");
        let child = self.children.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let way = UnixStream::connect(&self.socket);
        let way = way.map_err(|error| Unreachable::new(format!("no agents: {error}")))?;
        Ok(Box::new(Way(Mutex::new(Some((child.ok_or_else(gone)?, way))))))
    }
}

/// The way to one agent, until it is taken.
struct Way(Mutex<Option<(Child, UnixStream)>>);

impl Connection for Way {
    fn start(&self, _: Option<&Become>) -> Result<AgentClient, CallError> {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (mut child, way) = taken.ok_or_else(|| Unreachable::new("the agent was there"))?;
        let other = way.try_clone().map_err(|error| Unreachable::new(error.to_string()))?;
        child.stdin = Some(ChildStdin::from(OwnedFd::from(way)));
        child.stdout = Some(ChildStdout::from(OwnedFd::from(other)));
        Ok(AgentClient::greet(child, HostKind::Machine, LastWords::default())?)
    }
}

/// Answers that all is as it should be, until nobody asks any more.
fn agree(way: &UnixStream) -> io::Result<()> {
    let said = Map::from_iter([("stdout".to_owned(), "".into())]);
    let unchanged = Outcome { result: said, ..Outcome::default() };
    let mut asked = io::BufReader::new(way);
    while let Some(Frame { id, body }) = protocol::read::<HashMap<String, IgnoredAny>>(&mut asked)?
    {
        let body = match body.keys().next().map(String::as_str) {
            Some("hello") => Reply::Hello { user: "root".into() },
            Some("hold") => Reply::Held,
            _ => Reply::Outcome(unchanged.clone()),
        };
        protocol::write(&mut &*way, &Frame { id, body })?;
    }
    Ok(())
}
