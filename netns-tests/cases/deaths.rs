//! Sudden deaths: any process of a trial, at any moment, is killed. The trial ends all the same,
//! nothing is left, and the next one works.
//!
//! `LVSMITH_DEATHS=200` makes it as many (a tenth of that in micro-VMs) instead of a few, and
//! `LVSMITH_SEED` repeats a run; a failure tells the seed and the round. Whoever asked for a number
//! is told after each round how many there were.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::nobody::Nobody;
use crate::support::lab;
use crate::traces::{Watch, ends_within, said};
use crate::{Case, Needs};

pub(crate) const CASES: &[Case] = &[
    native("deaths::any_process_at_any_moment", any_process),
    native("deaths::any_process_of_a_vm_at_any_moment", any_process_of_a_vm),
    native("deaths::any_process_of_a_user_namespace_at_any_moment", of_a_user_namespace),
];

const fn native(name: &'static str, run: fn() -> Result<()>) -> Case {
    Case { name, needs: Needs::Namespaces, run }
}

/// How many in an ordinary run of the tests.
const USUAL: u64 = 20;

/// How much longer than usual a trial that lost a process may take to end.
const PATIENCE: Duration = Duration::from_secs(360);

fn any_process() -> Result<()> {
    on(&["--no-vm"], rounds(1))
}

fn any_process_of_a_vm() -> Result<()> {
    // Emulated, and with others around, a boot may take its time.
    on(&["--vm", "--boot-deadline", "300"], rounds(10))
}

fn of_a_user_namespace() -> Result<()> {
    let nobody = Nobody::with_ids()?;
    nobody.has_lab("netns-tests/labs/plain-http")?;
    let trial = || nobody.command(&["lab", "test", "--no-vm", "plain-http"]);
    deaths(&nobody.watch, &trial, rounds(1))
}

/// On this machine, as root.
fn on(place: &[&str], rounds: u64) -> Result<()> {
    let (watch, folder) = (Watch::new()?, lab("plain-http").display().to_string());
    let arguments = [&["lab", "test", &folder], place].concat();
    deaths(&watch, &|| watch.command(&arguments), rounds)
}

fn rounds(part: u64) -> u64 {
    (number("LVSMITH_DEATHS").unwrap_or(USUAL) / part).max(1)
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn deaths(watch: &Watch, trial: &dyn Fn() -> Command, rounds: u64) -> Result<()> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seed = number("LVSMITH_SEED").unwrap_or(since.map_or(1, |since| since.as_micros() as u64));
    let mut chance = Chance(seed | 1);
    let start = Instant::now();
    said(&mut trial())?.exits(0)?;
    let span = start.elapsed();
    let mut killed = Vec::new();
    for round in 0..rounds {
        let moment = span.mul_f64(chance.part());
        let victim = death(watch, trial(), moment, &mut chance);
        let victim = victim.with_context(|| {
            format!("seed {seed}, round {round}, {moment:?} after its start; before: {killed:#?}")
        })?;
        killed.push(victim);
        if number("LVSMITH_DEATHS").is_some() {
            let some = killed.iter().flatten().count();
            eprintln!("{some} of {} trials lost a process, with seed {seed}", round + 1);
        }
    }
    // Of a few all may have been over by then.
    let some = killed.len() < 10 || killed.iter().any(Option::is_some);
    ensure!(some, "no trial lost a process");
    said(&mut trial())?.exits(0)?;
    watch.nothing_left()
}

/// Kills a process of a trial after a while: its command line, unless the trial was over.
fn death(
    watch: &Watch,
    mut command: Command,
    moment: Duration,
    chance: &mut Chance,
) -> Result<Option<String>> {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    ends_within(&mut child, moment);
    let processes = watch.processes();
    let victim = processes.get(chance.below(processes.len())).cloned();
    let number = victim.as_deref().and_then(|line| line.split_whitespace().next()?.parse().ok());
    if let Some(number) = number {
        // One that has come to its end meanwhile is as good.
        let _ = kill(Pid::from_raw(number), Signal::SIGKILL);
    }
    let ended = ends_within(&mut child, PATIENCE);
    if !ended {
        child.kill()?;
    }
    child.wait()?;
    let lost = victim.as_deref().unwrap_or("nobody");
    ensure!(ended, "it hangs for want of {lost}");
    watch.nothing_left().with_context(|| format!("killed was {lost}"))?;
    Ok(victim)
}

/// Numbers that look like chance, the same for the same seed (xorshift64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// From 0 to 1.
    fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 1).unwrap_or(0) % end.max(1)
    }
}
