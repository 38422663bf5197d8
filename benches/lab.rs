//! What a lab costs: to make and to end, to look over when nothing has to change, in memory,
//! and as a whole in an emulated micro-VM.

use std::collections::HashSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::measure::{self, Book, Goal, LVSMITH, Row, Samples, lvsmith, timed};
use crate::memory::{self, Resident};

/// One director, three real servers, one client, and no need of IPVS.
const CLUSTER: &str = "benches/labs/cluster";
const NAME: &str = "bench-cluster";
const HOSTS: [&str; 5] = ["lb1", "rs1", "rs2", "rs3", "client"];

/// Runs of what takes milliseconds, and of what takes seconds.
const MANY: usize = 15;
const FEW: usize = 3;

/// Measures what is asked for and prints it.
pub(crate) fn run() -> Book {
    let machine = measure::machine();
    let mut book = Book::new();
    book.measure("lab up and down", up_and_down);
    book.measure("lab second apply", second_apply);
    book.measure("lab memory", resident_memory);
    book.measure("lab test in a micro-VM", test_in_vm);
    if !book.rows.is_empty() {
        let runs = format!("{MANY} runs each, {FEW} of those in a micro-VM, after one unmeasured");
        measure::print("LABS", &[machine, runs], &book.rows);
    }
    book
}

/// A lab that ends with this value, whatever came in between.
struct Up;

impl Up {
    fn start() -> Result<Self> {
        timed(&mut lvsmith(&["lab", "up", "--no-vm", CLUSTER])).map(|_| Self)
    }

    fn apply(&self) -> Result<Duration> {
        timed(&mut lvsmith(&["apply", "--lab", NAME]))
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // One that cannot be ended is told by the next that cannot start.
        let _ = lvsmith(&["lab", "down", NAME]).output();
    }
}

fn up_and_down() -> Result<Vec<Row>> {
    let round = || -> Result<(Duration, Duration)> {
        let up = timed(&mut lvsmith(&["lab", "up", "--no-vm", CLUSTER]))?;
        Ok((up, timed(&mut lvsmith(&["lab", "down", NAME]))?))
    };
    round()?;
    let rounds = (0..MANY).map(|_| round()).collect::<Result<Vec<_>>>()?;
    let samples = |of: fn(&(Duration, Duration)) -> Duration| {
        Samples::of("s", rounds.iter().map(|round| of(round).as_secs_f64()).collect())
    };
    let bare = Bare::new();
    bare.round()?;
    let floor = Samples::seconds(MANY, || bare.round())?;
    Ok(vec![
        Row::new("`lab up` and `lab down`, 5 hosts", samples(|(up, down)| *up + *down))
            .beside("bare network by `ip -batch`", floor)
            .goal(Goal::Below(1.0)),
        Row::new("  of that `lab up`", samples(|(up, _)| *up)),
        Row::new("  of that `lab down`", samples(|(_, down)| *down)),
    ])
}

/// The same network without any host in it: as many namespaces, a bridge, veth pairs and
/// addresses, made by the `ip` program in as few calls as it can do with.
struct Bare {
    names: Vec<String>,
}

impl Bare {
    fn new() -> Self {
        let pid = std::process::id();
        let names = HOSTS.iter().map(|host| format!("bench-{pid}-{host}"));
        Self { names: std::iter::once(format!("bench-{pid}-lan")).chain(names).collect() }
    }

    /// Makes it all and takes it away again.
    fn round(&self) -> Result<Duration> {
        let made = self.make();
        let mut lines = String::new();
        for name in &self.names {
            lines += &format!("netns del {name}\n");
        }
        // Taken away also when it could not be made: then some of it may be there.
        let ended = ip(&[], &lines);
        Ok(made? + ended?)
    }

    fn make(&self) -> Result<Duration> {
        let mut lines = String::new();
        for name in &self.names {
            lines += &format!("netns add {name}\n");
        }
        let mut took = ip(&[], &lines)?;
        let [lan, hosts @ ..] = self.names.as_slice() else { return Ok(took) };
        let mut lines = "link add lan type bridge\nlink set lan up\n".to_owned();
        for (at, host) in hosts.iter().enumerate() {
            lines += &format!("link add port{at} type veth peer name eth0 netns {host}\n");
            lines += &format!("link set port{at} master lan up\n");
        }
        took += ip(&["-n", lan], &lines)?;
        for (at, host) in hosts.iter().enumerate() {
            let lines = format!(
                "link set lo up\naddress add 192.168.0.{}/24 dev eth0\nlink set eth0 up\n",
                at + 1
            );
            took += ip(&["-n", host], &lines)?;
        }
        Ok(took)
    }
}

/// Runs `ip -batch` with these lines.
fn ip(arguments: &[&str], lines: &str) -> Result<Duration> {
    let mut file = tempfile::NamedTempFile::new()?;
    std::io::Write::write_all(&mut file, lines.as_bytes())?;
    timed(Command::new("ip").args(arguments).arg("-batch").arg(file.path()))
}

fn second_apply() -> Result<Vec<Row>> {
    let lab = Up::start()?;
    let first = lab.apply()?;
    lab.apply()?;
    let again = Samples::seconds(MANY, || lab.apply())?;
    let hosts = pids()?;
    let enter = || -> Result<Duration> {
        let mut took = Duration::ZERO;
        for pid in &hosts {
            took += timed(Command::new("nsenter").args(["-a", "-t", pid, "true"]))?;
        }
        Ok(took)
    };
    enter()?;
    let floor = Samples::seconds(MANY, enter)?;
    Ok(vec![
        Row::new("`apply` on 5 hosts, nothing to change", again)
            .beside("`nsenter true` in each", floor)
            .goal(Goal::Below(0.5)),
        Row::new("  the first `apply`", Samples::of("s", vec![first.as_secs_f64()])),
    ])
}

/// The first processes of the lab's hosts.
fn pids() -> Result<Vec<String>> {
    let output = lvsmith(&["lab", "list", "--json"]).output()?;
    let labs: Vec<Value> = serde_json::from_slice(&output.stdout)?;
    let lab = labs.iter().find(|lab| lab["name"] == NAME).context("the lab is up")?;
    let pid = |host: &&str| Some(lab["hosts"][host]["pid"].as_i64()?.to_string());
    HOSTS.iter().map(|host| pid(host).with_context(|| format!("{host} runs"))).collect()
}

fn resident_memory() -> Result<Vec<Row>> {
    let program = Path::new(LVSMITH).canonicalize()?;
    let before = memory::processes(&program)?;
    let lab = Up::start()?;
    let hosts = memory::processes(&program)?;
    let idle = memory::resident(hosts.difference(&before).copied());
    let apply = |others: &HashSet<i32>| {
        let mut apply = lvsmith(&["apply", "--lab", NAME]);
        apply.stdout(Stdio::null()).stderr(Stdio::null());
        memory::peak_until_end(apply.spawn()?, &program, others)
    };
    let runs = (0..=FEW).map(|_| apply(&hosts)).collect::<Result<Vec<_>>>()?;
    let alone = runs.into_iter().max_by(|one, other| one.rss.total_cmp(&other.rss));
    let alone = alone.context("there was a run")?;
    let together = apply(&before)?;
    let shells = idle_shells(together.processes)?;
    drop(lab);
    let row = |what: &str, of: &Resident, megabytes: f64| {
        Row::new(format!("{what}, {} processes", of.processes), megabytes_of(&[megabytes]))
    };
    let beside = format!("{} idle `sh`", shells.processes);
    Ok(vec![
        row("RSS of controller and agents", &alone, alone.rss).goal(Goal::Below(100.0)),
        row("  with the lab's own", &together, together.rss)
            .beside(&beside, megabytes_of(&[shells.rss])),
        row("  the same as PSS", &together, together.pss)
            .beside(&beside, megabytes_of(&[shells.pss])),
        row("  RSS of the lab alone", &idle, idle.rss),
    ])
}

fn megabytes_of(values: &[f64]) -> Samples {
    Samples::of("MB", values.to_vec())
}

/// What as many shells hold that wait for input.
fn idle_shells(count: usize) -> Result<Resident> {
    let shell = || {
        let mut command = Command::new("sh");
        command.args(["-c", "read line"]).stdin(Stdio::piped()).spawn()
    };
    let mut shells = (0..count).map(|_| shell()).collect::<Result<Vec<_>, _>>()?;
    // They read once their libraries are there.
    std::thread::sleep(Duration::from_millis(200));
    let resident = memory::resident(shells.iter().filter_map(|one| one.id().try_into().ok()));
    for shell in &mut shells {
        shell.kill()?;
        shell.wait()?;
    }
    Ok(resident)
}

/// As `make demo` runs it, without KVM.
fn test_in_vm() -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let report = folder.path().join("report.json");
    let file = report.display().to_string();
    let test =
        ["lab", "test", "playbooks/lvs-dr", "--vm", "--acceleration", "tcg", "--json", &file];
    let boot = ["vm", "run", "--acceleration", "tcg", "--", "true"];
    timed(&mut lvsmith(&boot))?;
    let floor = Samples::seconds(FEW, || timed(&mut lvsmith(&boot)))?;
    let mut reports = Vec::new();
    let whole = Samples::seconds(FEW, || {
        let took = timed(&mut lvsmith(&test))?;
        reports.push(serde_json::from_slice::<Value>(&std::fs::read(&report)?)?);
        Ok(took)
    })?;
    let phases = reports.first().and_then(|report| report["phases"].as_array());
    let phases = phases.context("the report has phases")?.len();
    let mut rows = vec![
        Row::new("`lab test lvs-dr`, emulated", whole)
            .beside("bare boot: `vm run true`", floor)
            .goal(Goal::Below(45.0)),
    ];
    for at in 0..phases {
        let phase = |report: &Value| report["phases"][at]["seconds"].as_f64();
        let seconds = reports.iter().map(|report| phase(report).context("a phase has its time"));
        let name = reports[0]["phases"][at]["name"].as_str().unwrap_or("?");
        let samples = Samples::of("s", seconds.collect::<Result<_>>()?);
        rows.push(Row::new(format!("  of that {name}"), samples));
    }
    Ok(rows)
}
