//! `lvsmith ipvs timeouts`: how long idle connections are kept.

use clap::Args;

use super::{FormatArgs, Outcome};
use crate::cli::Exit;
use crate::netlink::ipvs::Timeouts;

/// 31 days, in seconds; the kernel multiplies by its tick rate, and what overflows it takes.
const LONGEST: i64 = 31 * 24 * 60 * 60;

/// Show how long idle connections are kept, or set it
#[derive(Debug, Args)]
pub(super) struct TimeoutsArgs {
    /// Seconds for established TCP; the kernel's default is 900
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=LONGEST))]
    tcp: Option<u32>,
    /// Seconds for TCP after a FIN; the kernel's default is 120
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=LONGEST))]
    tcp_fin: Option<u32>,
    /// Seconds for UDP; the kernel's default is 300
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=LONGEST))]
    udp: Option<u32>,
    #[command(flatten)]
    format: FormatArgs,
}

impl TimeoutsArgs {
    pub(super) fn run(self) -> Outcome {
        let mut ipvs = super::open()?;
        let wanted = Timeouts { tcp: self.tcp, tcp_fin: self.tcp_fin, udp: self.udp };
        if wanted != Timeouts::default() {
            ipvs.set_timeouts(wanted)?;
        }
        // What the kernel has then, not what it was asked for.
        let timeouts = ipvs.timeouts()?;
        self.format.print(&timeouts, || drawn(&timeouts))?;
        Ok(Exit::Declared)
    }
}

fn drawn(timeouts: &Timeouts) -> String {
    let line = |name: &str, seconds: Option<u32>| {
        seconds.map(|seconds| format!("{name:<8} {seconds:>7} s\n")).unwrap_or_default()
    };
    [line("tcp", timeouts.tcp), line("tcp-fin", timeouts.tcp_fin), line("udp", timeouts.udp)]
        .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_a_line_for_each() {
        let timeouts = Timeouts { tcp: Some(900), tcp_fin: Some(120), udp: Some(2_678_400) };
        assert_eq!(
            drawn(&timeouts),
            "tcp          900 s\ntcp-fin      120 s\nudp      2678400 s\n"
        );
    }
}
