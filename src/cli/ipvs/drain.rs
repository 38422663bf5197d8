//! `lvsmith ipvs drain`: a destination out of a service, without cutting connections.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use clap::Args;

use super::{Failure, Outcome, say};
use crate::cli::{Exit, complain};
use crate::diagnostic::Diagnostic;
use crate::director::{Drain as Draining, Drained};
use crate::engine;
use crate::netlink::ipvs::{DestinationKey, Handle, Refused, ServiceKey};
use crate::report::counted;

/// Take a destination out: weight 0, wait for its connections, remove it
///
/// When time is up, or at Ctrl-C, it stays with weight 0 and the connections that it has.
#[derive(Debug, Args)]
pub(super) struct Drain {
    /// The service, as in `tcp://192.168.0.89:80`, `[fd00::89]:80` or `fwmark://7`
    #[arg(value_parser = super::service_key)]
    service: ServiceKey,
    /// The destination, as in `192.168.0.93` or `192.168.0.93:8080`
    destination: String,
    /// How long to wait; without it as long as it takes
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=31_536_000.0).contains(&seconds) => {
            Ok(Duration::from_secs_f64(seconds))
        }
        _ => Err("give a number of seconds, a year's worth at most".into()),
    }
}

impl Drain {
    pub(super) fn run(self) -> Outcome {
        let destination = self.key().map_err(|refused| {
            let mistake = Diagnostic::new(refused.message);
            Failure::input(match refused.hint {
                Some(hint) => mistake.hint(hint),
                None => mistake,
            })
        })?;
        let mut ipvs = super::open()?;
        self.warn_of_persistence(&mut ipvs)?;
        crate::cli::catch_interrupts();
        let name = format!("{destination} of {}", self.service);
        let mut line = Line::new(format!("draining {name}"));
        let drain = Draining { service: self.service, destination, timeout: self.timeout };
        let ended = drain.run(&mut ipvs, |left, since| {
            line.show(left, since);
            !engine::interrupted()
        });
        line.end();
        self.tell(&name, ended?)
    }

    fn key(&self) -> Result<DestinationKey, Refused> {
        DestinationKey::parse(&self.destination, &self.service)
    }

    /// Persistence goes on sending clients to where they were, whatever the weight.
    fn warn_of_persistence(&self, ipvs: &mut Handle) -> Result<(), Failure> {
        let Some(state) = ipvs.service(&self.service)? else {
            return Err(Failure::host(
                Diagnostic::new(format!("there is no service `{}`", self.service))
                    .hint("`lvsmith ipvs list` shows those there are"),
            ));
        };
        if state.service.persistence.is_some() && !expires() {
            anstream::eprintln!(
                "lvsmith: the service is persistent, and its clients go on coming here; \
                 net.ipv4.vs.expire_quiescent_template=1 sends them elsewhere"
            );
        }
        Ok(())
    }

    fn tell(&self, name: &str, ended: Drained) -> Outcome {
        let stays = |left: u64| {
            let left = counted(usize::try_from(left).unwrap_or(usize::MAX), "connection");
            format!("{name} stays with weight 0 and {left}")
        };
        let again = "the same command goes on waiting; `lvsmith ipvs apply` with a weight takes \
                     it back";
        match ended {
            Drained::Removed => {
                say(&format!("removed {name}\n"));
                Ok(Exit::Declared)
            }
            Drained::Gone => {
                say(&format!("{name} was removed by another program\n"));
                Ok(Exit::Declared)
            }
            Drained::TimedOut(left) => {
                let what = format!("time is up: {}", stays(left));
                Err(Failure::host(Diagnostic::new(what).hint(again)))
            }
            Drained::Stopped(left) => {
                complain(&Diagnostic::new(format!("interrupted: {}", stays(left))).hint(again));
                Ok(Exit::Interrupted)
            }
            Drained::Revived(weight) => Err(Failure::host(Diagnostic::new(format!(
                "another program has given {name} a weight of {weight}; it was left alone"
            )))),
            Drained::Unknown => {
                Err(Failure::host(Diagnostic::new(format!("there is no destination {name}")).hint(
                    format!("`lvsmith ipvs list --service {}` shows those there are", self.service),
                )))
            }
        }
    }
}

/// Whether persistence gives up a destination of weight 0.
pub(super) fn expires() -> bool {
    let sysctl = "/proc/sys/net/ipv4/vs/expire_quiescent_template";
    std::fs::read_to_string(sysctl).is_ok_and(|value| value.trim() != "0")
}

/// The line that says how far it is: written over on a terminal, elsewhere one for each
/// count.
struct Line {
    what: String,
    terminal: bool,
    shown: Option<(u64, u64)>,
}

impl Line {
    fn new(what: String) -> Self {
        Self { what, terminal: std::io::stderr().is_terminal(), shown: None }
    }

    fn show(&mut self, left: u64, since: Duration) {
        if left == 0 {
            return;
        }
        // Where lines cannot be written over, time alone is no news.
        let seconds = if self.terminal { since.as_secs() } else { 0 };
        if self.shown.replace((left, seconds)) == Some((left, seconds)) {
            return;
        }
        let count = counted(usize::try_from(left).unwrap_or(usize::MAX), "connection");
        let text = format!("{}: {count} left after {} s", self.what, since.as_secs());
        let mut out = std::io::stderr();
        let _ = if self.terminal { write!(out, "\r{text}\x1b[K") } else { writeln!(out, "{text}") };
        let _ = out.flush();
    }

    /// Leaves the line for the next.
    fn end(&self) {
        if self.terminal && self.shown.is_some() {
            let _ = writeln!(std::io::stderr());
        }
    }
}
