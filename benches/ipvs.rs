//! What a large IPVS table costs: to fill, to read, to look over and to change by one weight,
//! beside the real ipvsadm and a program that only replays messages.
//!
//! All of it in a network namespace of its own, so that the machine's table is left alone.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use lvsmith::netlink::ipvs::{
    self, Forward, Handle, Policy, Protocol, Scheduler, ServiceKey, Table, VirtualService,
};
use nix::sched::{CloneFlags, unshare};

use crate::measure::{self, Book, Goal, LVSMITH, Row, Samples, timed};
use crate::replay;
use crate::rules::{self, Service};

/// What is measured here.
pub(crate) const NAMES: [&str; 2] = ["ipvs restore and save", "ipvs by size"];

/// The size that has goals: 18,000 rules.
const SERVICES: u32 = 2000;
/// The sizes of the curve, up to 180,000 rules.
const SIZES: [u32; 4] = [125, 2000, 8000, 20_000];
/// Runs of each at the size that has goals.
const RUNS: usize = 3;
/// Messages in a datagram of the floor; the best of them counts.
const BATCHES: [usize; 3] = [100, 200, 400];

/// Measures what is asked for and prints it.
pub(crate) fn run() -> Result<Book> {
    unshare(CloneFlags::CLONE_NEWNET).context("a network namespace of its own")?;
    // IPVS refuses a destination without a unicast route.
    let route = "ip link set lo up && ip route add 10.0.0.0/8 dev lo";
    timed(Command::new("sh").args(["-c", route]))?;
    let machine = measure::machine();
    let mut book = Book::new();
    book.measure(NAMES[0], at_the_size_with_goals);
    book.measure(NAMES[1], by_size);
    if !book.rows.is_empty() {
        let version = Command::new("ipvsadm").arg("--version").output()?.stdout;
        let version = String::from_utf8_lossy(&version);
        let peer = format!("{}; {RUNS} runs each after one unmeasured", version.trim());
        measure::print("IPVS", &[machine, peer], &book.rows);
    }
    Ok(book)
}

/// What this program does when it is called as a part of itself.
pub(crate) fn part(arguments: &[String]) -> Option<ExitCode> {
    let done = match arguments {
        [verb, file] if verb == "--replay" => replay::replay(Path::new(file)),
        [verb, services, change] if verb == "--converge" => converge(services, change == "change"),
        _ => return None,
    };
    Some(match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:?}");
            ExitCode::FAILURE
        }
    })
}

/// A table, as rules and as recorded messages, in files.
struct Bench {
    folder: tempfile::TempDir,
    services: Vec<Service>,
    ipvs: Handle,
}

impl Bench {
    fn new(services: u32) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let services = rules::table(services);
        fs::write(folder.path().join("rules"), rules::text(&services))?;
        Ok(Self { folder, services, ipvs: Handle::open()? })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Empties the table, then fills it by a command that reads rules.
    fn restore(&mut self, program: &mut Command) -> Result<Duration> {
        self.ipvs.flush()?;
        timed(program.stdin(File::open(self.path("rules"))?))
    }

    /// Empties the table, then fills it by replaying messages, so many in a datagram.
    fn replay(&mut self, batch: usize) -> Result<Duration> {
        let file = self.path(&format!("messages-{batch}"));
        if !file.exists() {
            replay::record(&self.services, batch, &file)?;
        }
        self.ipvs.flush()?;
        timed(Command::new(std::env::current_exe()?).arg("--replay").arg(file))
    }

    /// What a program that lists the table took; its output goes to a file.
    fn dump(&self, program: &mut Command, name: &str) -> Result<Duration> {
        let file = File::create(self.path(name))?;
        let start = Instant::now();
        let status = program.stdin(Stdio::null()).stdout(file).status()?;
        ensure!(status.success(), "{program:?}: {status}");
        Ok(start.elapsed())
    }

    fn converge(&self, change: &str) -> Result<Duration> {
        let services = self.services.len().to_string();
        timed(Command::new(std::env::current_exe()?).args(["--converge", &services, change]))
    }
}

fn real(arguments: &[&str]) -> Command {
    let mut command = Command::new("ipvsadm");
    command.args(arguments);
    command
}

fn ours(arguments: &[&str]) -> Command {
    let mut command = Command::new(LVSMITH);
    command.arg("ipvsadm").args(arguments);
    command
}

fn at_the_size_with_goals() -> Result<Vec<Row>> {
    let mut bench = Bench::new(SERVICES)?;
    let count = rules::count(SERVICES);
    bench.restore(&mut real(&["-R"]))?;
    let theirs = Samples::seconds(RUNS, || bench.restore(&mut real(&["-R"])))?;
    bench.restore(&mut ours(&["-R"]))?;
    let restored = Samples::seconds(RUNS, || bench.restore(&mut ours(&["-R"])))?;
    let mut floors = Vec::new();
    for batch in BATCHES {
        floors.push((batch, Samples::seconds(RUNS, || bench.replay(batch))?));
    }
    floors.sort_by(|one, other| one.1.median().total_cmp(&other.1.median()));
    let (batch, floor) = floors.swap_remove(0);

    let (by_theirs, by_ours) = (&mut real(&["-Sn"]), &mut ours(&["-Sn"]));
    bench.dump(by_theirs, "theirs")?;
    let dumped = Samples::seconds(RUNS, || bench.dump(by_ours, "ours"))?;
    let theirs_dumped = Samples::seconds(RUNS, || bench.dump(by_theirs, "theirs"))?;
    let same = fs::read(bench.path("theirs"))? == fs::read(bench.path("ours"))?;
    ensure!(same, "the two programs list different tables");

    bench.converge("nothing")?;
    let checked = Samples::seconds(RUNS, || bench.converge("nothing"))?;
    let changed = Samples::seconds(RUNS, || {
        let took = bench.converge("change")?;
        // Back to what it was, unmeasured.
        bench.converge("nothing").map(|_| took)
    })?;
    Ok(vec![
        Row::new(format!("restore {count} rules"), restored.clone())
            .beside("`ipvsadm -R`", theirs)
            .goal(Goal::Ratio(1.0 / 3.0)),
        Row::new("  the same", restored)
            .beside(format!("replay, {batch} a datagram"), floor)
            .goal(Goal::Ratio(1.15)),
        Row::new(format!("save {count} rules"), dumped)
            .beside("`ipvsadm -Sn`", theirs_dumped.clone())
            .goal(Goal::Ratio(0.5)),
        Row::new("converge, nothing to change", checked.clone())
            .beside("`ipvsadm -Sn`", theirs_dumped)
            .goal(Goal::Ratio(0.2)),
        Row::new("converge, one weight to change", changed).beside("nothing to change", checked),
    ])
}

/// One run of each at every size, to show where time does not grow with the table.
fn by_size() -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for services in SIZES {
        let mut bench = Bench::new(services)?;
        let once = |took: Duration| Samples::of("s", vec![took.as_secs_f64()]);
        let floor = once(bench.replay(100)?);
        let restored = once(bench.restore(&mut ours(&["-R"]))?);
        let checked = once(bench.converge("nothing")?);
        let changed = once(bench.converge("change")?);
        let count = rules::count(services);
        rows.push(
            Row::new(format!("restore {count} rules"), restored).beside("replay of as many", floor),
        );
        rows.push(
            Row::new("  converge, one weight to change", changed)
                .beside("nothing to change", checked),
        );
        bench.ipvs.flush()?;
    }
    Ok(rows)
}

/// Holds the table against the kernel's, with one weight another or not, and makes them alike.
fn converge(services: &str, change: bool) -> Result<()> {
    let mut services = rules::table(services.parse()?);
    let last = services.last_mut().and_then(|service| service.destinations.last_mut());
    if let (Some(last), true) = (last, change) {
        last.weight += 1;
    }
    let scheduler = Scheduler::new("wrr")?;
    let declared = services.iter().map(|service| {
        let key = ServiceKey::address(Protocol::Tcp, service.address, service.port);
        let destination = |one: &rules::Destination| ipvs::Destination {
            weight: one.weight,
            ..ipvs::Destination::new(one.address, one.port, Forward::Direct)
        };
        VirtualService {
            service: ipvs::Service::new(key, scheduler.clone()),
            destinations: service.destinations.iter().map(destination).collect(),
        }
    });
    let table = Table::new(declared.collect())?;
    let converged = table.converge(&mut Handle::open()?, Policy::default())?;
    if let Some(failure) = converged.failures.first() {
        bail!("{}", failure.error);
    }
    ensure!(converged.changes.len() <= 1, "{} changes", converged.changes.len());
    Ok(())
}
