//! The table as a tree: a line for each service, and its destinations below it.

use anstyle::{AnsiColor, Style};

use super::grid::{Align, Cell, Grid};
use super::quantity::short;
use super::{Rates, ServiceView, State};

pub(super) const HEADING: Style = Style::new().dimmed();
pub(super) const SERVICE: Style = Style::new().bold();

/// The columns; the first three of a service's row are one.
const COLUMNS: [(&str, Align); 9] = [
    ("SERVICE", Align::Left),
    ("METHOD", Align::Left),
    ("WEIGHT", Align::Right),
    ("ACTIVE", Align::Right),
    ("INACTIVE", Align::Right),
    ("CONN/S", Align::Right),
    ("IN B/S", Align::Right),
    ("OUT B/S", Align::Right),
    ("STATE", Align::Left),
];

/// Draws services and their destinations, with styles that a terminal shows.
#[must_use]
pub fn listing(services: &[ServiceView]) -> String {
    if services.is_empty() {
        return "no virtual services\n".into();
    }
    let mut grid = Grid::new(&COLUMNS, HEADING);
    for service in services {
        let mut cells = vec![
            Cell::styled(&service.title, SERVICE),
            Cell::new(service.active_connections.to_string()),
            Cell::new(service.inactive_connections.to_string()),
        ];
        cells.extend(rates(&service.rates));
        cells.push(state(service.state));
        grid.spanning(3, cells);
        for (at, one) in service.destinations.iter().enumerate() {
            let mut cells = vec![
                Cell::new(format!("{} {}", branch(at, service.destinations.len()), one.title)),
                Cell::new(&one.method),
                Cell::new(one.weight.to_string()),
                Cell::new(one.active_connections.to_string()),
                Cell::new(one.inactive_connections.to_string()),
            ];
            cells.extend(rates(&one.rates));
            cells.push(state(one.state));
            grid.row(cells);
        }
    }
    grid.render()
}

/// What joins the row at `at` of `count` to the one above it.
pub(super) fn branch(at: usize, count: usize) -> &'static str {
    if at + 1 == count { "└─" } else { "├─" }
}

fn rates(rates: &Rates) -> [Cell; 3] {
    [rates.connections, rates.bytes_in, rates.bytes_out].map(|rate| Cell::new(short(rate)))
}

fn state(state: State) -> Cell {
    let style = match state {
        State::Serving => AnsiColor::Green.on_default(),
        State::Draining | State::Drained => AnsiColor::Yellow.on_default(),
        State::Full | State::Empty => AnsiColor::Red.on_default(),
    };
    Cell::styled(state.word(), style)
}

#[cfg(test)]
mod tests {
    use super::super::tests::table;
    use super::super::view;
    use super::*;

    #[test]
    fn draws_a_tree() {
        let drawn = listing(&view(&table(), None));
        insta::assert_snapshot!(anstream::adapter::strip_str(&drawn).to_string());
    }

    #[test]
    fn says_so_when_there_is_nothing() {
        assert_eq!(listing(&[]), "no virtual services\n");
    }
}
