//! What a large IPVS table costs: to fill, to read, to look over and to change by one weight,
//! beside the real ipvsadm and a program that only replays messages.
//!
//! Each run in a network namespace of its own. The machine's table is left alone so; and removed
//! destinations wait in a list of the kernel's for two minutes, which it searches at every
//! addition, so that filling a table that was just flushed takes the longer the more it had.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use lvsmith::netlink::ipvs::{
    self, Forward, Handle, Policy, Protocol, Scheduler, ServiceKey, Table, VirtualService,
};
use nix::sched::{CloneFlags, unshare};

use crate::measure::{self, Book, Goal, LVSMITH, Row, Samples, timed};
use crate::plot::{Line, Plot};
use crate::rules::{self, Service};
use crate::{memory, replay};

/// What is measured here.
pub(crate) const NAMES: [&str; 2] = ["ipvs restore and save", "ipvs scale"];

/// The size that has goals: 18,000 rules.
const SERVICES: u32 = 2000;
/// The sizes of the curve, up to 180,000 rules.
const SIZES: [u32; 4] = [125, 2000, 8000, 20_000];
/// Runs of each at the size that has goals.
const RUNS: usize = 3;
/// Messages in a datagram of the floor; the best of them counts.
const BATCHES: [usize; 3] = [100, 200, 400];

/// The kernel takes a network namespace down in the background after its last process has left.
const SETTLE: Duration = Duration::from_secs(1);

/// Measures what is asked for and prints it.
pub(crate) fn run() -> Result<Book> {
    let machine = measure::machine();
    let mut book = Book::new();
    book.measure(NAMES[0], at_the_size_with_goals);
    book.measure(NAMES[1], by_size);
    if !book.rows.is_empty() {
        let version = Command::new("ipvsadm").arg("--version").output()?.stdout;
        let version = String::from_utf8_lossy(&version);
        let runs = format!("beside {}; {RUNS} runs each, by size one", version.trim());
        measure::print("IPVS", &[machine, runs], &book.rows);
    }
    Ok(book)
}

/// What this program does when it is called as a part of itself.
pub(crate) fn part(arguments: &[String]) -> Option<Result<()>> {
    let [verb, rest @ ..] = arguments else { return None };
    Some(match (verb.as_str(), rest) {
        ("--replay", [file]) => replay::replay(Path::new(file)),
        ("--converge", [services, which]) => converge(services, which),
        _ => return None,
    })
}

/// Holds a table against the kernel's and makes that the same, as a program does that has the
/// library and needs to read no file.
fn converge(services: &str, which: &str) -> Result<()> {
    let services = rules::table(services.parse()?);
    let services = match which {
        "other" => rules::with_another_weight(services),
        "ipv6" => rules::in_ipv6(services),
        _ => services,
    };
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

/// Moves to a new network namespace, in which 10.0.0.0/8 and fd00::/8 are to be reached: IPVS
/// refuses a destination without a unicast route.
fn fresh() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET).context("a network namespace of its own")?;
    let route = "ip link set lo up && ip route add 10.0.0.0/8 dev lo && \
                 ip route add fd00::/8 dev lo";
    timed(Command::new("sh").args(["-c", route]))?;
    thread::sleep(SETTLE);
    Ok(())
}

/// A table, as rules and as recorded messages, in files.
struct Bench {
    folder: tempfile::TempDir,
    services: Vec<Service>,
}

impl Bench {
    fn new(services: u32) -> Result<Self> {
        Self::of(rules::table(services))
    }

    fn of(services: Vec<Service>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("rules"), rules::text(&services))?;
        fs::write(folder.path().join("table.yml"), rules::yaml(&services))?;
        Ok(Self { folder, services })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Fills the table by a program that reads rules.
    fn restore(&self, argv: &[&str]) -> Result<Duration> {
        timed(command(argv).stdin(File::open(self.path("rules"))?))
    }

    /// Fills the table by replaying messages, so many in a datagram.
    fn replay(&self, batch: usize) -> Result<Duration> {
        let file = self.path(&format!("messages-{batch}"));
        if !file.exists() {
            replay::record(&self.services, batch, &file)?;
        }
        timed(Command::new(std::env::current_exe()?).arg("--replay").arg(file))
    }

    /// What a program that lists the table took; its output goes to a file.
    fn save(&self, argv: &[&str], name: &str) -> Result<Duration> {
        let file = File::create(self.path(name))?;
        let start = Instant::now();
        let status = command(argv).stdin(Stdio::null()).stdout(file).status()?;
        ensure!(status.success(), "{argv:?}: {status}");
        Ok(start.elapsed())
    }

    /// The program that has this table, the one with another weight, or the same in IPv6, made
    /// the kernel's.
    fn converge(&self, which: &str) -> Result<Command> {
        let services = self.services.len().to_string();
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--converge", &services, which]);
        Ok(command)
    }
}

fn command(argv: &[&str]) -> Command {
    let mut command = Command::new(argv.first().copied().unwrap_or_default());
    command.args(argv.get(1..).unwrap_or_default());
    command
}

const THEIR_RESTORE: &[&str] = &["ipvsadm", "-R"];
const OUR_RESTORE: &[&str] = &[LVSMITH, "ipvsadm", "-R"];
const THEIR_SAVE: &[&str] = &["ipvsadm", "-Sn"];
const OUR_SAVE: &[&str] = &[LVSMITH, "ipvsadm", "-Sn"];
const FLUSH: &[&str] = &[LVSMITH, "ipvsadm", "-C"];
const APPLY: &[&str] = &[LVSMITH, "ipvs", "apply"];

/// Runs something so often, each time in a fresh network namespace.
fn each_fresh(mut run: impl FnMut() -> Result<Duration>) -> Result<Samples> {
    Samples::seconds(RUNS, || {
        fresh()?;
        run()
    })
}

fn at_the_size_with_goals() -> Result<Vec<Row>> {
    let bench = Bench::new(SERVICES)?;
    let count = rules::count(SERVICES);
    // What the kernel loads, and what the machine reads from disk, is there from now on.
    fresh()?;
    bench.restore(THEIR_RESTORE)?;
    bench.save(OUR_SAVE, "ours")?;
    let theirs = each_fresh(|| bench.restore(THEIR_RESTORE))?;
    let restored = each_fresh(|| bench.restore(OUR_RESTORE))?;
    let mut floors = Vec::new();
    for batch in BATCHES {
        // Recording the messages is not part of it.
        fresh()?;
        bench.replay(batch)?;
        floors.push((batch, each_fresh(|| bench.replay(batch))?));
    }
    floors.sort_by(|one, other| one.1.median().total_cmp(&other.1.median()));
    let (batch, floor) = floors.swap_remove(0);
    let after_flush = |argv: &[&str]| {
        fresh()?;
        bench.restore(argv)?;
        timed(&mut command(FLUSH))?;
        bench.restore(argv)
    };
    let once = |took: Duration| Samples::of("s", vec![took.as_secs_f64()]);
    let flushed = once(after_flush(OUR_RESTORE)?);
    let theirs_flushed = once(after_flush(THEIR_RESTORE)?);

    let saved = Samples::seconds(RUNS, || bench.save(OUR_SAVE, "ours"))?;
    let theirs_saved = Samples::seconds(RUNS, || bench.save(THEIR_SAVE, "theirs"))?;
    let same = fs::read(bench.path("theirs"))? == fs::read(bench.path("ours"))?;
    ensure!(same, "the two programs list different tables");

    let converge = |which: &str| timed(&mut bench.converge(which)?);
    converge("same")?;
    let checked = Samples::seconds(RUNS, || converge("same"))?;
    let changed = Samples::seconds(RUNS, || {
        let took = converge("other")?;
        // Back to what it was, unmeasured.
        converge("same").map(|_| took)
    })?;
    let applied = Samples::seconds(RUNS, || timed(command(APPLY).arg(bench.path("table.yml"))))?;
    let (checked6, theirs_saved6) = in_ipv6()?;
    Ok(vec![
        Row::new(format!("restore of {count} rules"), restored.clone())
            .beside("`ipvsadm -R`", theirs)
            .goal(Goal::Ratio(1.0 / 3.0)),
        Row::new("  the same", restored)
            .beside(format!("replay, {batch} in a datagram"), floor)
            .goal(Goal::Ratio(1.15)),
        Row::new("  just after a flush", flushed).beside("`ipvsadm -R`", theirs_flushed),
        Row::new("save (`ipvsadm -Sn`)", saved)
            .beside("`ipvsadm -Sn`", theirs_saved.clone())
            .goal(Goal::Ratio(0.5)),
        Row::new("converge, nothing differs", checked.clone())
            .beside("`ipvsadm -Sn`", theirs_saved.clone())
            .goal(Goal::Ratio(0.2)),
        Row::new("converge, one weight differs", changed).beside("nothing differs", checked),
        Row::new("`ipvs apply` of YAML, nothing differs", applied)
            .beside("`ipvsadm -Sn`", theirs_saved),
        Row::new("converge of IPv6, nothing differs", checked6)
            .beside("`ipvsadm -Sn`", theirs_saved6)
            .goal(Goal::Ratio(0.2)),
    ])
}

/// How long it takes to find that a table of IPv6 needs no change, and `ipvsadm` to list it.
fn in_ipv6() -> Result<(Samples, Samples)> {
    let bench = Bench::of(rules::in_ipv6(rules::table(SERVICES)))?;
    fresh()?;
    bench.restore(OUR_RESTORE)?;
    let converge = || timed(&mut bench.converge("ipv6")?);
    converge()?;
    let checked = Samples::seconds(RUNS, converge)?;
    let saved = Samples::seconds(RUNS, || bench.save(THEIR_SAVE, "theirs"))?;
    Ok((checked, saved))
}

/// What the curve shows, in the order of [`by_size`]'s figures.
const CURVES: [&str; 4] = ["restore", "replay of as many", "one weight differs", "nothing differs"];

/// One run of each at every size, to show where time does not grow with the table. With
/// `--svg=FILE` they are drawn, too.
fn by_size() -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut curves = CURVES.map(|name| Line { name, points: Vec::new() });
    let once = |took: Duration| Samples::of("s", vec![took.as_secs_f64()]);
    for services in SIZES {
        let bench = Bench::new(services)?;
        fresh()?;
        bench.replay(BATCHES[0])?;
        fresh()?;
        let floor = once(bench.replay(BATCHES[0])?);
        fresh()?;
        let restored = once(bench.restore(OUR_RESTORE)?);
        let same = once(timed(&mut bench.converge("same")?)?);
        let changed = once(timed(&mut bench.converge("other")?)?);
        let count = rules::count(services);
        let figures = [&restored, &floor, &changed, &same].map(Samples::median);
        for (curve, seconds) in curves.iter_mut().zip(figures) {
            curve.points.push((f64::from(count), seconds));
        }
        rows.push(Row::new(format!("restore of {count} rules"), restored).beside("replay", floor));
        rows.push(
            Row::new("  converge, one weight differs", changed).beside("nothing differs", same),
        );
        if Some(&services) == SIZES.last() {
            let peak = memory::high_water(bench.converge("other")?.spawn()?)?;
            let peak = Samples::of("MB", vec![peak]);
            rows.push(Row::new("  the most memory it held", peak).goal(Goal::Below(150.0)));
        }
    }
    let drawn = std::env::args().find_map(|word| word.strip_prefix("--svg=").map(PathBuf::from));
    if let Some(file) = drawn {
        let plot = scale(curves.into());
        fs::write(&file, plot.svg()).with_context(|| format!("{} is written", file.display()))?;
    }
    Ok(rows)
}

fn scale(lines: Vec<Line>) -> Plot {
    Plot {
        title: "IPVS tables by size, on an emulated machine",
        across: "rules (services and destinations)",
        up: "seconds",
        lines,
    }
}
