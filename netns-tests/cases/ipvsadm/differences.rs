//! Where ours differs, on purpose; `docs/ipvsadm.md` gives the same list.

use anyhow::{Result, ensure};

use super::twins::{Line, Twins};

/// A difference that a command line shows.
struct Difference {
    /// As the docs say it.
    reason: &'static str,
    lines: &'static [&'static str],
    /// What our message holds; the real one says nothing.
    message: &'static str,
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        reason: "A virtual service needs an address that a client can send to",
        lines: &["-A -t 0.0.0.0:80", "-A -u 0.0.0.0:53", "-E -t 0.0.0.0:80", "-A -t [::]:80"],
        message: "is the unspecified address; it must be the address of one host",
    },
    Difference {
        reason: "A virtual service needs an address that a client can send to",
        lines: &["-A -t 224.0.0.1:80", "-A -t [ff02::1]:80"],
        message: "is a multicast address; it must be the address of one host",
    },
    Difference {
        reason: "A virtual service needs an address that a client can send to",
        lines: &["-A -t 255.255.255.255:80"],
        message: "is the broadcast address; it must be the address of one host",
    },
];

/// Each is there, and the docs know it.
pub(super) fn differences() -> Result<()> {
    let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/ipvsadm.md"))?;
    let docs = docs.split_whitespace().collect::<Vec<_>>().join(" ");
    let twins = Twins::new("differences")?;
    for difference in DIFFERENCES {
        ensure!(docs.contains(difference.reason), "the docs lack `{}`", difference.reason);
        let lines: Vec<Line> = difference.lines.iter().map(|line| Line::new(*line)).collect();
        for pair in twins.run(&lines)? {
            ensure!(pair.real.code == Some(0) && pair.real.err.is_empty(), "{pair}");
            ensure!(pair.ours.code == Some(255), "{pair}");
            ensure!(pair.ours.err.contains(difference.message), "{pair}");
        }
    }
    Ok(())
}
