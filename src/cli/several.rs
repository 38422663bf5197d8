//! `lvsmith lab test` of several labs, or of a lab with a matrix: this program again for each, some
//! side by side, and a line for each.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde_json::json;

use self::one::One;
use self::told::Told;
use super::output::Format;
use super::place::{PlaceArgs, Why};
use super::trial::Kept;
use super::{Exit, complain, file};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::lab::Topology;
use crate::lab::topology::Combination;
use crate::vm;

mod one;
mod told;

/// What a trial in a micro-VM takes of memory, with what the machine needs for it, in KiB.
const VM: u64 = 1_500_000;

/// What a trial takes where it is on the running kernel, in KiB.
const LAB: u64 = 250_000;

/// One trial: a lab, and one combination of its matrix.
#[derive(Debug)]
pub(super) struct Run {
    lab: PathBuf,
    /// What tells it from the others.
    name: String,
    pub(super) topology: Topology,
}

impl Run {
    fn combination(&self) -> &Combination {
        &self.topology.combination
    }
}

/// Everything that is to be tried: each lab with each combination that `only` leaves. `adjust` has
/// the last word on a topology. The mistakes of all labs are found at once.
pub(super) fn read(
    labs: &[PathBuf],
    only: &[String],
    adjust: impl Fn(&mut Topology),
) -> Result<Vec<Run>, Diagnostics> {
    let mut mistakes = Diagnostics::default();
    let mut runs = Vec::new();
    for lab in labs {
        let combinations = Topology::combinations(lab, only);
        let combinations = combinations.map_err(|found| mistakes.0.extend(found.0));
        for combination in combinations.unwrap_or_default() {
            match Topology::read_as(lab, Some(&combination)) {
                Ok(mut topology) => {
                    adjust(&mut topology);
                    let words = combination.to_string();
                    let name = match (labs.len(), words.as_str()) {
                        (1, _) => words,
                        (_, "") => topology.name.to_string(),
                        (_, words) => format!("{} {words}", topology.name),
                    };
                    runs.push(Run { lab: lab.clone(), name, topology });
                }
                Err(found) => {
                    mistakes.0.extend(found.0);
                    // Each combination of a file has its mistakes.
                    break;
                }
            }
        }
    }
    mistakes.finish(runs)
}

/// Why one micro-VM is to do for all of them: some need one, and none a kernel of its own.
pub(super) fn share_vm(runs: &[Run], place: &PlaceArgs) -> Option<Why> {
    if runs.iter().any(|run| run.combination().kernel().is_some()) {
        return None;
    }
    runs.iter().find_map(|run| place.needs_vm(&run.topology))
}

/// Runs every one; the exit code is that of the worst.
pub(super) fn run(
    runs: &[Run],
    at_a_time: Option<u16>,
    kept: &Kept,
    format: Format,
    place: &PlaceArgs,
) -> ExitCode {
    let start = Instant::now();
    let next = AtomicUsize::new(0);
    let jobs = jobs(at_a_time, runs, place);
    let told = Mutex::new((Told::begin(format, runs, jobs), vec![None; runs.len()]));
    let work = || {
        while let Some((at, run)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            runs.get(at).map(|run| (at, run))
        } {
            let one = One::run(run);
            // Whoever holds the results also prints.
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            let (told, ended) = &mut *told;
            told.tell(&one);
            if let Some(place) = ended.get_mut(at) {
                *place = Some(one);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(work);
        }
    });
    let (told, ended) = told.into_inner().unwrap_or_else(PoisonError::into_inner);
    let ended: Vec<One> = ended.into_iter().flatten().collect();
    let seconds = start.elapsed().as_secs_f64();
    told.end(&ended, seconds);
    let worst = ended.iter().map(|one| one.code).max().unwrap_or_default();
    let Some(path) = kept.json() else { return ExitCode::from(worst) };
    match write(path, runs, &ended, seconds) {
        Ok(()) => ExitCode::from(worst),
        Err(error) => {
            complain(&error);
            ExitCode::from((Exit::Environment as u8).max(worst))
        }
    }
}

/// Whether they are combinations of one matrix.
fn of_one_lab(runs: &[Run]) -> bool {
    runs.iter().zip(runs.iter().skip(1)).all(|(one, next)| one.lab == next.lab)
}

fn write(path: &Path, runs: &[Run], ended: &[One], seconds: f64) -> Result<(), Diagnostic> {
    let key = if of_one_lab(runs) { "combinations" } else { "labs" };
    let report = json!({
        "passed": ended.iter().all(|one| one.code == 0),
        "seconds": seconds,
        key: ended.iter().map(|one| &one.report).collect::<Vec<_>>(),
    });
    file::write(path, format!("{report:#}\n").as_bytes())
}

/// How many at a time: each may need a processor, and memory for itself or for a VM.
fn jobs(asked: Option<u16>, runs: &[Run], place: &PlaceArgs) -> usize {
    let usual = || {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let free = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
        let free = free.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok());
        let own_vm = |run: &Run| run.combination().kernel().is_some();
        let vms = !vm::inside()
            && runs.iter().any(|run| own_vm(run) || place.needs_vm(&run.topology).is_some());
        let each = if vms { VM } else { LAB };
        let fit = free.map_or(1, |kibibytes: u64| kibibytes / each);
        processors.min(usize::try_from(fit).unwrap_or(usize::MAX))
    };
    asked.map_or_else(usual, usize::from).clamp(1, runs.len().max(1))
}
