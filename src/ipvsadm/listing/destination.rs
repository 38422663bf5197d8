//! The row of a destination. Spaces at its end are kept.

use std::num::NonZeroU32;

use super::figure::figure;
use super::{cut, protocol};
use crate::ipvsadm::address;
use crate::ipvsadm::command::{Columns, Format};
use crate::ipvsadm::names::Names;
use crate::netlink::ipvs::{Checksum, DestinationState, Family, Forward, ServiceKey, Tunnel};

/// `  -> 10.9.0.2:80                  Route   1      0          0         `, or what else is to
/// stand behind its name.
pub(super) fn row(
    state: &DestinationState,
    service: &ServiceKey,
    format: Format,
    names: Option<&Names>,
) -> String {
    let destination = &state.destination;
    let key = destination.key;
    let mut name = address::write(key.address, key.port, protocol(service), names);
    if service.family() == Family::Ipv4 {
        cut(&mut name, 28);
    }
    let stats = state.stats;
    let figures = |numbers: &[u64]| -> String {
        numbers.iter().map(|number| figure(*number, format.exact)).collect()
    };
    let threshold = |threshold: Option<NonZeroU32>| threshold.map_or(0, |t| t.get());
    let weight = destination.weight;
    let forward = method(destination.forward);
    let (active, inactive) = (state.active_connections, state.inactive_connections);
    let row = match format.columns {
        Columns::Stats => figures(&[
            stats.connections,
            stats.packets_in,
            stats.packets_out,
            stats.bytes_in,
            stats.bytes_out,
        ]),
        Columns::Rate => format!(
            " {:>8} {:>8} {:>8}{}",
            stats.connection_rate,
            stats.packet_rate_in,
            stats.packet_rate_out,
            figures(&[stats.byte_rate_in, stats.byte_rate_out])
        ),
        Columns::Thresholds => format!(
            " {:<10} {:<10} {active:<10} {inactive:<10}",
            threshold(destination.upper_threshold),
            threshold(destination.lower_threshold)
        ),
        Columns::Persistent => {
            format!(" {weight:<9} {:<11} {active:<10} {inactive:<10}", state.persistent_connections)
        }
        Columns::Tunnel => format!(
            " {forward:<7} {:<13} {:<6} {active:<10} {inactive:<10}",
            tunnel(destination.forward),
            weight.cast_signed()
        ),
        Columns::Usual => {
            format!(" {forward:<7} {:<6} {active:<10} {inactive:<10}", weight.cast_signed())
        }
    };
    format!("  -> {name:<28}{row}")
}

fn method(forward: Forward) -> &'static str {
    match forward {
        Forward::Direct => "Route",
        Forward::Nat => "Masq",
        Forward::Tunnel(_) => "Tunnel",
        Forward::Other(1) => "Local",
        Forward::Other(_) => "(null)",
    }
}

fn tunnel(forward: Forward) -> String {
    match forward {
        Forward::Tunnel(Tunnel::Ipip) => "ipip".into(),
        Forward::Tunnel(Tunnel::Gue { port, checksum }) => {
            let checksum = match checksum {
                Checksum::None => "-c",
                Checksum::Outer => "+c",
                Checksum::Remote => "r+c",
            };
            format!("gue:{port}:{checksum}")
        }
        Forward::Tunnel(Tunnel::Gre { checksum }) => {
            format!("gre:{}", if checksum { "+c" } else { "-c" })
        }
        _ => "n/a".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::ipvs::{Destination, Protocol, Stats};

    #[test]
    fn has_a_row_for_every_choice_of_columns() {
        let key = ServiceKey::address(Protocol::Tcp, [10, 0, 0, 1], 80);
        let destination = Destination {
            weight: 3,
            upper_threshold: NonZeroU32::new(100),
            ..Destination::new([10, 9, 0, 2], 8080, Forward::Nat)
        };
        let stats = Stats {
            connections: 1,
            packets_in: 200_000_000,
            bytes_out: 5_000_000_000,
            connection_rate: 7,
            byte_rate_in: 123_456_789,
            ..Stats::default()
        };
        let state = DestinationState {
            destination,
            active_connections: 4,
            inactive_connections: 5,
            persistent_connections: 6,
            stats,
            unknown: Vec::new(),
        };
        let row = |columns| {
            let format = Format { columns, numeric: true, sorted: true, exact: false };
            row(&state, &key, format, None)
        };
        let name = "  -> 10.9.0.2:8080               ";
        let cases = [
            (Columns::Usual, " Masq    3      4          5         "),
            (Columns::Tunnel, " Masq    n/a           3      4          5         "),
            (Columns::Thresholds, " 100        0          4          5         "),
            (Columns::Persistent, " 3         6           4          5         "),
            (Columns::Stats, "        1  200000K        0        0    5000M"),
            (Columns::Rate, "        7        0        0  123456K        0"),
        ];
        for (columns, rest) in cases {
            assert_eq!(row(columns), format!("{name}{rest}"), "{columns:?}");
        }
    }
}
