//! What differs between two setups, as lines: `-` is what the kernel has, `+` what was wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use anstyle::{AnsiColor, Style};

use super::Setup;
use super::setup::{daemon_in_words, fits};
use crate::netlink::ipvs::{Daemon, Destination, DestinationKey, Timeouts, VirtualService};

const LESS: Style = AnsiColor::Red.on_default();
const MORE: Style = AnsiColor::Green.on_default();

/// The lines of a difference.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn same(&mut self, text: &impl Display) {
        self.0.push_str(&format!("  {text}\n"));
    }

    fn less(&mut self, text: &impl Display) {
        self.0.push_str(&format!("{LESS}- {text}{LESS:#}\n"));
    }

    fn more(&mut self, text: &impl Display) {
        self.0.push_str(&format!("{MORE}+ {text}{MORE:#}\n"));
    }

    /// What is, then what was wanted, where these are not the same.
    fn either<T: Display + PartialEq>(&mut self, now: Option<T>, wanted: Option<T>) {
        if now == wanted {
            return;
        }
        if let Some(now) = now {
            self.less(&now);
        }
        if let Some(wanted) = wanted {
            self.more(&wanted);
        }
    }
}

/// Draws what differs, with styles that a terminal shows; empty when nothing does. With
/// `others` services count that only the kernel has.
#[must_use]
pub fn difference(now: &Setup, wanted: &Setup, others: bool) -> String {
    let mut lines = Lines::default();
    let (found, declared) = (now.table.by_key(), wanted.table.by_key());
    let keys: BTreeSet<_> = found.keys().chain(declared.keys()).collect();
    for key in keys {
        match (found.get(key), declared.get(key)) {
            (Some(now), Some(wanted)) => service(&mut lines, now, wanted),
            (Some(now), None) if others => {
                lines.less(&now.service);
                sorted(now).values().for_each(|one| lines.less(&indented(one)));
            }
            (None, Some(wanted)) => {
                lines.more(&wanted.service);
                sorted(wanted).values().for_each(|one| lines.more(&indented(one)));
            }
            _ => {}
        }
    }
    if let (Some(now), Some(wanted)) = (now.timeouts, wanted.timeouts) {
        timeouts(&mut lines, now, wanted);
    }
    if let (Some(now), Some(wanted)) = (&now.daemons, &wanted.daemons) {
        daemons(&mut lines, now, wanted);
    }
    lines.0
}

fn service(lines: &mut Lines, now: &VirtualService, wanted: &VirtualService) {
    let (found, declared) = (sorted(now), sorted(wanted));
    if now.service == wanted.service && found == declared {
        return;
    }
    if now.service == wanted.service {
        lines.same(&now.service);
    } else {
        lines.less(&now.service);
        lines.more(&wanted.service);
    }
    let keys: BTreeSet<_> = found.keys().chain(declared.keys()).collect();
    for key in keys {
        let shown = |side: &BTreeMap<DestinationKey, Destination>| side.get(key).map(indented);
        lines.either(shown(&found), shown(&declared));
    }
}

fn sorted(service: &VirtualService) -> BTreeMap<DestinationKey, Destination> {
    service.destinations.iter().map(|one| (one.key, *one)).collect()
}

fn indented(destination: &Destination) -> String {
    format!("  {destination}")
}

/// Those that are wanted.
fn timeouts(lines: &mut Lines, now: Timeouts, wanted: Timeouts) {
    for (name, now, wanted) in [
        ("tcp", now.tcp, wanted.tcp),
        ("tcp-fin", now.tcp_fin, wanted.tcp_fin),
        ("udp", now.udp, wanted.udp),
    ] {
        let shown = |seconds: Option<u32>| seconds.map(|s| format!("timeout {name} {s} s"));
        if wanted.is_some() {
            lines.either(shown(now), shown(wanted));
        }
    }
}

fn daemons(lines: &mut Lines, now: &[Daemon], wanted: &[Daemon]) {
    let shown = |daemon: &Daemon| format!("sync daemon {}", daemon_in_words(daemon));
    let gone = now.iter().filter(|one| !wanted.iter().any(|wanted| fits(wanted, one)));
    gone.for_each(|one| lines.less(&shown(one)));
    let new = wanted.iter().filter(|one| !now.iter().any(|running| fits(one, running)));
    new.for_each(|one| lines.more(&shown(one)));
}

#[cfg(test)]
mod tests {
    use super::super::tests::setup;
    use super::*;
    use crate::netlink::ipvs::{Scheduler, Table};

    fn shown(now: &Setup, wanted: &Setup, others: bool) -> String {
        anstream::adapter::strip_str(&difference(now, wanted, others)).to_string()
    }

    #[test]
    fn shows_nothing_when_nothing_differs() {
        assert_eq!(shown(&setup(), &setup(), true), "");
        assert_eq!(shown(&setup(), &Setup::default(), false), "");
    }

    #[test]
    fn shows_what_differs_below_its_service() {
        let mut services = setup().table.into_services();
        services[0].destinations[0].weight = 7;
        services[0].destinations.pop();
        services[2].service.scheduler = Scheduler::new("rr").unwrap();
        services.remove(1);
        let wanted = Setup {
            table: Table::new(services).unwrap(),
            timeouts: Some(Timeouts { udp: Some(60), ..Timeouts::default() }),
            daemons: Some(Vec::new()),
        };
        insta::assert_snapshot!(shown(&setup(), &wanted, true));
        insta::assert_snapshot!(shown(&wanted, &setup(), true));
        assert!(!shown(&setup(), &wanted, false).contains("fwmark"));
    }
}
