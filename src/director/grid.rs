//! Columns of text without lines around them; a row's first cell may reach over its
//! neighbours, as a service's does over those that only its destinations have.

use anstyle::Style;

/// The gap between two columns.
const GAP: &str = "  ";

/// Where a column's text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// One piece of text.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), style: Style::new() }
    }

    pub(super) fn styled(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style }
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

struct Row {
    cells: Vec<Cell>,
    /// Over how many columns the first cell reaches.
    span: usize,
}

/// Rows under a heading.
pub(super) struct Grid {
    aligns: Vec<Align>,
    rows: Vec<Row>,
}

impl Grid {
    pub(super) fn new(heading: &[(&str, Align)], style: Style) -> Self {
        let aligns = heading.iter().map(|(_, align)| *align).collect();
        let mut grid = Self { aligns, rows: Vec::new() };
        grid.row(heading.iter().map(|(text, _)| Cell::styled(*text, style)).collect());
        grid
    }

    /// Adds a row with a cell for each column.
    pub(super) fn row(&mut self, cells: Vec<Cell>) {
        self.spanning(1, cells);
    }

    /// Adds a row whose first cell reaches over `span` columns.
    pub(super) fn spanning(&mut self, span: usize, cells: Vec<Cell>) {
        self.rows.push(Row { cells, span });
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths = vec![0; self.aligns.len()];
        for row in &self.rows {
            for (at, cell) in row.columns().filter(|(at, _)| row.span == 1 || *at > 0) {
                if let Some(width) = widths.get_mut(at) {
                    *width = cell.width().max(*width);
                }
            }
        }
        for row in self.rows.iter().filter(|row| row.span > 1) {
            let room = spanned(&widths, row.span);
            let needed = row.cells.first().map_or(0, Cell::width);
            if let Some(first) = widths.first_mut() {
                *first += needed.saturating_sub(room);
            }
        }
        widths
    }

    /// Draws it, a line for each row, without spaces at their ends.
    pub(super) fn render(&self) -> String {
        let widths = self.widths();
        let mut out = String::new();
        for row in &self.rows {
            let mut blank = 0;
            for (at, cell) in row.columns() {
                let room = if at == 0 {
                    spanned(&widths, row.span)
                } else {
                    widths.get(at).copied().unwrap_or_default()
                };
                let left = room.saturating_sub(cell.width());
                let gap = if at == 0 { 0 } else { GAP.len() };
                let right_aligned = self.aligns.get(at) == Some(&Align::Right);
                let (before, after) = if right_aligned { (left, 0) } else { (0, left) };
                if cell.text.is_empty() {
                    blank += gap + room;
                    continue;
                }
                out.push_str(&" ".repeat(blank + gap + before));
                let style = cell.style;
                out.push_str(&format!("{style}{}{style:#}", cell.text));
                blank = after;
            }
            out.push('\n');
        }
        out
    }
}

impl Row {
    /// Each cell with the column it begins in.
    fn columns(&self) -> impl Iterator<Item = (usize, &Cell)> {
        let place = |at: usize| if at == 0 { 0 } else { at + self.span - 1 };
        self.cells.iter().enumerate().map(move |(at, cell)| (place(at), cell))
    }
}

fn spanned(widths: &[usize], span: usize) -> usize {
    let widths: Vec<usize> = widths.iter().copied().take(span).collect();
    widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(texts: &[&str]) -> Vec<Cell> {
        texts.iter().map(|text| Cell::new(*text)).collect()
    }

    #[test]
    fn aligns_columns_and_lets_a_cell_reach_over_them() {
        let heading = [("WHO", Align::Left), ("HOW", Align::Left), ("N", Align::Right)];
        let mut grid = Grid::new(&heading, Style::new());
        grid.spanning(2, cells(&["a service", "12"]));
        grid.row(cells(&["- one", "nat", "3"]));
        grid.row(cells(&["- two", "", ""]));
        assert_eq!(
            grid.render(),
            "WHO    HOW   N\n\
             a service   12\n\
             - one  nat   3\n\
             - two\n"
        );
    }

    #[test]
    fn makes_room_for_what_reaches_over() {
        let mut grid = Grid::new(&[("A", Align::Left), ("B", Align::Right)], Style::new());
        grid.spanning(2, cells(&["a long service"]));
        grid.row(cells(&["x", "1"]));
        assert_eq!(grid.render(), "A            B\na long service\nx            1\n");
    }
}
