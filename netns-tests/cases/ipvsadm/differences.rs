//! Where ours differs, on purpose; `docs/ipvsadm.md` gives the same list.

use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};

use super::twins::{Line, REAL, Twins};

/// A difference that a command line shows.
struct Difference {
    /// As the docs say it.
    reason: &'static str,
    line: &'static str,
    /// The real one's exit code and message.
    real: (i32, &'static str),
    /// Our exit code, and what our message holds.
    ours: (i32, &'static str),
}

const VIPS: &str = "A virtual service needs an address that a client can send to";
const NAMES: &str = "A name that no kernel could know is not asked for";
const KERNEL: &str = "`-h` and `-v` need no kernel";

/// Those of a table that has `10.1.0.1:80`.
const DIFFERENCES: &[Difference] = &[
    vip("-A -t 0.0.0.0:80", "VIP `0.0.0.0` is the unspecified address"),
    vip("-E -t 0.0.0.0:80", "VIP `0.0.0.0` is the unspecified address"),
    vip("-A -t [::]:80", "VIP `::` is the unspecified address"),
    vip("-A -u 224.0.0.1:80", "VIP `224.0.0.1` is a multicast address"),
    vip("-A -t [ff02::1]:80", "VIP `ff02::1` is a multicast address"),
    vip("-A -t 255.255.255.255:80", "VIP `255.255.255.255` is the broadcast address"),
    Difference {
        reason: NAMES,
        line: "-A -t 10.1.0.1:80 -s 'a b'",
        real: (255, "Service already exists"),
        ours: (255, "Scheduler or persistence engine not found"),
    },
];

const fn vip(line: &'static str, message: &'static str) -> Difference {
    Difference { reason: VIPS, line, real: (0, ""), ours: (255, message) }
}

/// Each is there, and the docs know it.
pub(super) fn differences() -> Result<()> {
    let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/ipvsadm.md"))?;
    let docs = docs.split_whitespace().collect::<Vec<_>>().join(" ");
    for reason in DIFFERENCES.iter().map(|difference| difference.reason).chain([KERNEL]) {
        ensure!(docs.contains(reason), "the docs lack `{reason}`");
    }
    let twins = Twins::new("differences")?;
    let lines = DIFFERENCES.iter().map(|difference| difference.line);
    let lines: Vec<Line> = ["-A -t 10.1.0.1:80"].into_iter().chain(lines).map(Line::new).collect();
    let pairs = twins.run(&lines)?;
    for (difference, pair) in DIFFERENCES.iter().zip(pairs.iter().skip(1)) {
        let (code, message) = difference.real;
        ensure!(pair.real.code == Some(code) && pair.real.err.trim_end() == message, "{pair}");
        let (code, message) = difference.ours;
        ensure!(pair.ours.code == Some(code) && pair.ours.err.contains(message), "{pair}");
    }
    // What the real one made of the kind is seen and removed.
    let ours = twins.link().display().to_string();
    let list = twins.real().shell(&format!("{ours} -Ln"))?;
    ensure!(list.contains("TCP  0.0.0.0:80"), "{list}");
    twins.real().shell(&format!("{ours} -D -t 0.0.0.0:80 && {ours} -D -u 224.0.0.1:80"))?;
    Ok(())
}

/// Whoever may not use IPVS is told so in the same words, but may read the help.
pub(super) fn unprivileged() -> Result<()> {
    let twins = Twins::new("unprivileged")?;
    let ours = twins.link().display().to_string();
    for line in ["-Ln", "-A"] {
        let (real, ours) = (without_capabilities(REAL, line)?, without_capabilities(&ours, line)?);
        ensure!(real == ours, "ipvsadm {line}\nreal: {real:?}\nours: {ours:?}");
    }
    ensure!(without_capabilities(REAL, "-v")?.status.code() == Some(2));
    let version = without_capabilities(&ours, "-v")?;
    ensure!(version.status.success() && version.stdout.starts_with(b"ipvsadm v1.31 "));
    Ok(())
}

fn without_capabilities(program: &str, line: &str) -> Result<Output> {
    let arguments = ["--bounding-set=-all", "--inh-caps=-all", program, line];
    Command::new("setpriv").args(arguments).output().context("setpriv starts")
}
