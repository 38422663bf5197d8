//! What the programs of this folder share: several runs of a thing, its goal, and what the same
//! machine needs in the same minutes for the least that could do, as one table.
//!
//! Nothing here fails on time: a figure is for people, and a machine may be busy.

use std::fmt;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};

/// The program under measurement, as optimised as it is shipped by `make build`.
pub(crate) const LVSMITH: &str = env!("CARGO_BIN_EXE_lvsmith");
/// The checkout.
pub(crate) const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What several runs of one thing came to, in one unit.
#[derive(Debug, Clone)]
pub(crate) struct Samples {
    values: Vec<f64>,
    unit: &'static str,
}

impl Samples {
    /// Seconds of so many runs, as each of them says.
    pub(crate) fn seconds(runs: usize, mut run: impl FnMut() -> Result<Duration>) -> Result<Self> {
        let values = (0..runs).map(|_| run().map(|took| took.as_secs_f64()));
        Ok(Self { values: values.collect::<Result<_>>()?, unit: "s" })
    }

    /// Values of that unit; at least one.
    pub(crate) fn of(unit: &'static str, values: Vec<f64>) -> Self {
        Self { values, unit }
    }

    fn sorted(&self) -> Vec<f64> {
        let mut values = self.values.clone();
        values.sort_by(f64::total_cmp);
        values
    }

    /// The least.
    fn least(&self) -> f64 {
        self.sorted().first().copied().unwrap_or(f64::NAN)
    }

    /// The one in the middle.
    pub(crate) fn median(&self) -> f64 {
        let values = self.sorted();
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

impl fmt::Display for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, median, unit) = (self.least(), self.median(), self.unit);
        match self.values.len() {
            1 => write!(f, "{median:.3} {unit}"),
            _ => write!(f, "{median:.3} {unit} ({least:.3})"),
        }
    }
}

/// What a figure should come to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// Less than that, in the unit of what is measured.
    Below(f64),
    /// At most so many times what stands beside it.
    Ratio(f64),
}

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    what: String,
    measured: Samples,
    beside: Option<(String, Samples)>,
    goal: Option<Goal>,
}

impl Row {
    /// Something that was measured.
    pub(crate) fn new(what: impl Into<String>, measured: Samples) -> Self {
        Self { what: what.into(), measured, beside: None, goal: None }
    }

    /// What the same run showed for a peer, or for the least that could do.
    pub(crate) fn beside(self, name: impl Into<String>, samples: Samples) -> Self {
        Self { beside: Some((name.into(), samples)), ..self }
    }

    /// What it should come to.
    pub(crate) fn goal(self, goal: Goal) -> Self {
        Self { goal: Some(goal), ..self }
    }

    fn cells(&self) -> [String; 6] {
        let ratio =
            self.beside.as_ref().map(|(_, beside)| self.measured.median() / beside.median());
        let (name, beside) = match &self.beside {
            Some((name, samples)) => (name.clone(), samples.to_string()),
            None => Default::default(),
        };
        let verdict = |met: bool| if met { "met" } else { "missed" };
        let goal = match self.goal {
            None => String::new(),
            Some(Goal::Below(limit)) => {
                let unit = self.measured.unit;
                format!("< {limit} {unit}: {}", verdict(self.measured.median() < limit))
            }
            Some(Goal::Ratio(limit)) => {
                format!("<= {limit:.2}x: {}", verdict(ratio.is_some_and(|ratio| ratio <= limit)))
            }
        };
        let ratio = ratio.map(|ratio| format!("{ratio:.2}x")).unwrap_or_default();
        [self.what.clone(), self.measured.to_string(), name, beside, ratio, goal]
    }
}

/// Prints the conditions, then the table.
pub(crate) fn print(title: &str, conditions: &[String], rows: &[Row]) {
    println!("\n{title}");
    for condition in conditions {
        println!("  {condition}");
    }
    let mut table = Table::new();
    table
        .load_style(UTF8_FULL_CONDENSED)
        .set_header(["what", "median (least)", "beside", "median (least)", "ratio", "goal"])
        .add_rows(rows.iter().map(Row::cells));
    for column in [1, 3, 4] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    println!("{}", table.trim_fmt());
}

/// What every figure depends on: machine, kernel, load.
pub(crate) fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.unwrap_or(std::env::consts::ARCH).trim_start_matches(['\t', ' ', ':']);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or("?");
    format!("{cores} cores of {model}, kernel {}, load {load} at the start", kernel.trim())
}

/// Whether the command line names this, or nothing at all.
pub(crate) fn wanted(name: &str) -> bool {
    let mut asked = std::env::args().skip(1).filter(|word| !word.starts_with('-')).peekable();
    asked.peek().is_none() || asked.any(|word| name.contains(&word))
}

/// Keeps what was measured, and tells of what could not be.
pub(crate) struct Book {
    /// What was measured.
    pub(crate) rows: Vec<Row>,
    failed: bool,
}

impl Book {
    /// Empty.
    pub(crate) fn new() -> Self {
        Self { rows: Vec::new(), failed: false }
    }

    /// Measures something, when it is wanted.
    pub(crate) fn measure(&mut self, name: &str, rows: impl FnOnce() -> Result<Vec<Row>>) {
        if !wanted(name) {
            return;
        }
        eprintln!("measuring {name}");
        match rows().with_context(|| format!("{name} could not be measured")) {
            Ok(rows) => self.rows.extend(rows),
            Err(error) => {
                self.failed = true;
                eprintln!("{error:?}");
            }
        }
    }

    /// Whether everything could be measured; slow is well.
    pub(crate) fn is_well(&self) -> bool {
        !self.failed
    }
}

/// How this program ends when it is called as a part of itself.
pub(crate) fn code(done: Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:?}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a program to its end and tells how long that took; an error with its output when it
/// failed.
pub(crate) fn timed(command: &mut Command) -> Result<Duration> {
    let start = Instant::now();
    let output = command.output().with_context(|| format!("{command:?} starts"))?;
    let took = start.elapsed();
    ensure!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(took)
}

/// The program with these arguments, in the checkout.
pub(crate) fn lvsmith(arguments: &[&str]) -> Command {
    let mut command = Command::new(LVSMITH);
    command.args(arguments).current_dir(ROOT).env("NO_COLOR", "1");
    command
}
