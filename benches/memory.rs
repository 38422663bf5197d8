//! What processes hold in memory, as the kernel counts it in `/proc/PID/smaps_rollup`.

use std::collections::HashSet;
use std::path::Path;
use std::process::Child;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// How often processes are looked at while something runs.
const EVERY: Duration = Duration::from_millis(2);

/// The sums over some processes at one moment, in MB.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Resident {
    /// How many processes they are.
    pub(crate) processes: usize,
    /// Resident pages; those that several processes share count for each of them.
    pub(crate) rss: f64,
    /// Resident pages; what n processes share counts a nth for each.
    pub(crate) pss: f64,
}

/// The processes of a program, by its path.
pub(crate) fn processes(program: &Path) -> Result<HashSet<i32>> {
    let mut found = HashSet::new();
    for entry in std::fs::read_dir("/proc")? {
        let entry = entry?;
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
        // One that has ended in the meantime has no program any more.
        if std::fs::read_link(entry.path().join("exe")).is_ok_and(|exe| exe == program) {
            found.insert(pid);
        }
    }
    Ok(found)
}

/// The sums over these processes; one that has ended counts nothing.
pub(crate) fn resident(processes: impl IntoIterator<Item = i32>) -> Resident {
    let mut sum = Resident::default();
    for pid in processes {
        let Ok(text) = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) else {
            continue;
        };
        let megabytes = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key));
            let number = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
            number.map_or(0.0, |kib| kib * 1024.0 / 1e6)
        };
        sum.processes += 1;
        sum.rss += megabytes("Rss:");
        sum.pss += megabytes("Pss:");
    }
    sum
}

/// The highest sums over the processes of a program until `child` ends, which must end well;
/// those of `others` are not counted.
pub(crate) fn peak_until_end(
    mut child: Child,
    program: &Path,
    others: &HashSet<i32>,
) -> Result<Resident> {
    let mut peak = Resident::default();
    let status = loop {
        if let Some(status) = child.try_wait().context("the child is ours")? {
            break status;
        }
        let now = resident(processes(program)?.difference(others).copied());
        peak = Resident {
            processes: peak.processes.max(now.processes),
            rss: peak.rss.max(now.rss),
            pss: peak.pss.max(now.pss),
        };
        thread::sleep(EVERY);
    };
    ensure!(status.success(), "it ended with {status}");
    Ok(peak)
}

/// The most that this process has held, in MB.
pub(crate) fn own_high_water() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    high_water_of(&text).context("the kernel says `VmHWM` of everybody who lives")
}

fn high_water_of(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}

/// The most that a program has held by the time it ends, in MB, looked at every other
/// millisecond; it must end well.
pub(crate) fn high_water(mut child: Child) -> Result<f64> {
    let path = format!("/proc/{}/status", child.id());
    let mut peak = 0.0_f64;
    loop {
        // What has ended and was not waited for yet has no memory any more, and no such line.
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        peak = peak.max(high_water_of(&text).unwrap_or_default());
        if let Some(status) = child.try_wait()? {
            ensure!(status.success(), "it ended with {status}");
            return Ok(peak);
        }
        thread::sleep(EVERY);
    }
}
