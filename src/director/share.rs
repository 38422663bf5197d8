//! How connections were shared out among the destinations of each service: numbers, and a bar that
//! is seen from further away.

use super::grid::{Align, Cell, Grid};
use super::listing::{HEADING, SERVICE, branch};
use super::quantity::short;
use super::{DestinationView, ServiceView};

/// A bar this long is all of a service's connections.
const BAR: u64 = 30;

const COLUMNS: [(&str, Align); 8] = [
    ("SERVICE", Align::Left),
    ("WEIGHT", Align::Right),
    ("STATE", Align::Left),
    ("ACTIVE", Align::Right),
    ("INACTIVE", Align::Right),
    ("CONNS", Align::Right),
    ("CONN/S", Align::Right),
    ("SHARE", Align::Left),
];

/// Draws who got how many of the connections.
#[must_use]
pub fn shares(services: &[ServiceView]) -> String {
    if services.is_empty() {
        return "no virtual services\n".into();
    }
    let mut grid = Grid::new(&COLUMNS, HEADING);
    for service in services {
        let total: u64 = service.destinations.iter().map(|one| one.counters.connections).sum();
        grid.row(vec![
            Cell::styled(format!("{} {}", service.service, service.scheduler), SERVICE),
            Cell::new(""),
            Cell::new(service.state.word()),
            Cell::new(service.active_connections.to_string()),
            Cell::new(service.inactive_connections.to_string()),
            Cell::new(short(service.counters.connections as f64)),
            Cell::new(short(service.rates.connections)),
            Cell::new(""),
        ]);
        for (at, one) in service.destinations.iter().enumerate() {
            grid.row(row(one, branch(at, service.destinations.len()), total));
        }
    }
    grid.render()
}

fn row(one: &DestinationView, branch: &str, total: u64) -> Vec<Cell> {
    let share = one.counters.connections;
    let (bar, percent) = match total {
        0 => (0, 0),
        total => ((share * BAR).div_ceil(total), (share * 100 + total / 2) / total),
    };
    let bar = "█".repeat(usize::try_from(bar).unwrap_or_default());
    vec![
        Cell::new(format!("{branch} {}", one.title)),
        Cell::new(one.weight.to_string()),
        Cell::new(one.state.word()),
        Cell::new(one.active_connections.to_string()),
        Cell::new(one.inactive_connections.to_string()),
        Cell::new(short(share as f64)),
        Cell::new(short(one.rates.connections)),
        Cell::new(match total {
            0 => String::new(),
            _ => format!("{percent:>3} % {bar}").trim_end().to_owned(),
        }),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::tests::table;
    use super::super::view;
    use super::*;

    #[test]
    fn draws_a_bar_for_each_destination() {
        let drawn = shares(&view(&table(), None));
        insta::assert_snapshot!("shares", anstream::adapter::strip_str(&drawn).to_string());
        assert_eq!(shares(&[]), "no virtual services\n");
    }
}
