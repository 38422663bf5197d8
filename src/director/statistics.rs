//! Counters and rates side by side, of services and their destinations.

use super::grid::{Align, Cell, Grid};
use super::listing::{HEADING, SERVICE, branch};
use super::quantity::short;
use super::{Counters, Rates, ServiceView};

/// How numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// `1.2k`.
    Short,
    /// `1234`.
    Exact,
}

impl Precision {
    fn write(self, value: f64) -> String {
        match self {
            Self::Short => short(value),
            Self::Exact => value.to_string(),
        }
    }

    fn count(self, value: u64) -> String {
        match self {
            Self::Short => short(value as f64),
            Self::Exact => value.to_string(),
        }
    }
}

const COLUMNS: [(&str, Align); 11] = [
    ("SERVICE", Align::Left),
    ("CONNS", Align::Right),
    ("IN PKTS", Align::Right),
    ("OUT PKTS", Align::Right),
    ("IN BYTES", Align::Right),
    ("OUT BYTES", Align::Right),
    ("CONN/S", Align::Right),
    ("IN P/S", Align::Right),
    ("OUT P/S", Align::Right),
    ("IN B/S", Align::Right),
    ("OUT B/S", Align::Right),
];

/// Draws what services and destinations have counted, and how fast that grows.
#[must_use]
pub fn statistics(services: &[ServiceView], precision: Precision) -> String {
    if services.is_empty() {
        return "no virtual services\n".into();
    }
    let mut grid = Grid::new(&COLUMNS, HEADING);
    for service in services {
        let name = Cell::styled(&service.service, SERVICE);
        grid.row(row(name, &service.counters, &service.rates, precision));
        for (at, one) in service.destinations.iter().enumerate() {
            let branch = branch(at, service.destinations.len());
            let name = Cell::new(format!("{branch} {}", one.title));
            grid.row(row(name, &one.counters, &one.rates, precision));
        }
    }
    grid.render()
}

fn row(name: Cell, counters: &Counters, rates: &Rates, precision: Precision) -> Vec<Cell> {
    let Counters { connections, packets_in, packets_out, bytes_in, bytes_out } = *counters;
    let counts = [connections, packets_in, packets_out, bytes_in, bytes_out]
        .map(|count| Cell::new(precision.count(count)));
    let Rates { connections, packets_in, packets_out, bytes_in, bytes_out } = *rates;
    let rates = [connections, packets_in, packets_out, bytes_in, bytes_out]
        .map(|rate| Cell::new(precision.write(rate)));
    std::iter::once(name).chain(counts).chain(rates).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::table;
    use super::super::view;
    use super::*;

    #[test]
    fn draws_counters_and_rates() {
        let views = view(&table(), None);
        let drawn = [Precision::Short, Precision::Exact].map(|how| statistics(&views, how));
        insta::assert_snapshot!(anstream::adapter::strip_str(&drawn.join("\n")).to_string());
    }
}
