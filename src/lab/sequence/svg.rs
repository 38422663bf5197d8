//! The picture: a column for each host, and an arrow for each hop. The addresses are written where
//! a way is taken for the first time; after that they are the same.

use super::{Hop, Sequence};
use crate::lab::Graph;
use crate::svg::{Anchor, Area, Point, Svg, width};

const CLASS: &str = "lab-sequence";
const MARGIN: i32 = 20;
/// The column of times.
const TIMES: i32 = 66;
const TITLE: i32 = 50;
const HEAD: Area = Area { x: 0, y: TITLE, width: 120, height: 30 };
/// The least that columns are apart.
const APART: i32 = 230;
/// A line of addresses.
const LINE: i32 = 15;
/// A hop without addresses.
const HOP: i32 = 34;

const STYLE: &str = "\
.lab-sequence .title { font-size: 15px; font-weight: 600; }
.lab-sequence .head { fill: var(--card); stroke: var(--own); stroke-width: 2; }
.lab-sequence .name { font-weight: 600; font-size: 14px; }
.lab-sequence .life { stroke: var(--edge); stroke-width: 1; stroke-dasharray: 3 4; }
.lab-sequence .arrow { stroke: var(--own); stroke-width: 2; fill: none; }
.lab-sequence .point { fill: var(--own); }
.lab-sequence .what { font-weight: 600; }
.lab-sequence .lost { --own: var(--bad); }
.lab-sequence .address { font-size: 11px; }
.lab-sequence .changed { fill: var(--router); font-weight: 700; }
";

impl Sequence {
    /// Draws it as SVG; hosts have the colours that they have in the picture of the lab.
    #[must_use]
    pub fn svg(&self, title: &str, lab: Option<&Graph>) -> String {
        let apart = self.apart();
        let columns = i32::try_from(self.hosts.len()).unwrap_or(0);
        let wide = MARGIN + TIMES + HEAD.width + (columns - 1).max(1) * apart + MARGIN;
        let wide = wide.max(MARGIN + width(title, 17, false) + MARGIN);
        let full = self.full();
        let hops: i32 = full.iter().zip(&self.hops).map(|(full, hop)| height(hop, *full)).sum();
        let bottom = TITLE + HEAD.height + 10 + hops + 10;
        let mut svg = Svg::new(CLASS, title, wide, bottom + 44, STYLE);
        svg.text("title", Point { x: MARGIN, y: 30 }, Anchor::Start, title);
        let x = |column: usize| {
            let column = i32::try_from(column).unwrap_or(0);
            MARGIN + TIMES + HEAD.width / 2 + column * apart
        };
        let class = |host: usize| {
            let name = self.hosts.get(host);
            name.and_then(|name| lab?.class_of(name)).unwrap_or("host")
        };
        for (column, name) in self.hosts.iter().enumerate() {
            let at = x(column);
            svg.begin(class(column), name);
            svg.line("life", &[Point { x: at, y: TITLE }, Point { x: at, y: bottom }]);
            svg.area("head", Area { x: at - HEAD.width / 2, ..HEAD }, 8);
            svg.text("name", Point { x: at, y: TITLE + 20 }, Anchor::Middle, name);
            svg.end();
        }
        let mut y = TITLE + HEAD.height + 10;
        for (hop, full) in self.hops.iter().zip(full) {
            svg.begin(if hop.to.is_none() { "lost" } else { class(hop.from) }, "");
            let end = hop.to.map_or_else(|| x(hop.from) + apart / 2, x);
            hop.draw(&mut svg, (x(hop.from), end), y, full);
            svg.end();
            y += height(hop, full);
        }
        let note = match self.more {
            0 => String::new(),
            more => format!("; {more} more packets followed"),
        };
        let note = format!("bold: rewritten on the way{note}");
        let changed = self.hops.iter().any(|hop| hop.addresses.iter().any(|(_, changed)| *changed));
        if changed || self.more > 0 {
            svg.text("soft small", Point { x: MARGIN, y: bottom + 26 }, Anchor::Start, &note);
        }
        svg.finish()
    }

    /// For each hop whether its addresses are written.
    fn full(&self) -> Vec<bool> {
        let mut known: Vec<(usize, Option<usize>, Vec<&str>)> = Vec::new();
        let mut full = Vec::new();
        for hop in &self.hops {
            let addresses = hop.addresses.iter().map(|(line, _)| line.as_str()).collect();
            let way = (hop.from, hop.to, addresses);
            full.push(!known.contains(&way));
            known.push(way);
        }
        full
    }

    /// How far columns are apart, so that what is written between two of them has room.
    fn apart(&self) -> i32 {
        let of = |hop: &Hop| {
            let columns = hop.to.map_or(1, |to| to.abs_diff(hop.from)).max(1);
            let lines = hop.addresses.iter().map(|(line, _)| width(line, 12, true));
            let title = bold(&hop.what) + width(&hop.place, 12, true) + 12;
            let widest = lines.chain([title]).max().unwrap_or(0) + 28;
            widest / i32::try_from(columns).unwrap_or(1)
        };
        self.hops.iter().map(of).max().unwrap_or(0).max(APART)
    }
}

/// Bold letters are wider, and most of these are capitals.
fn bold(text: &str) -> i32 {
    width(text, 13, false) * 5 / 4
}

fn height(hop: &Hop, full: bool) -> i32 {
    let lines = if full { i32::try_from(hop.addresses.len()).unwrap_or(0) } else { 0 };
    HOP + lines * LINE + if full { 6 } else { 0 }
}

impl Hop {
    fn draw(&self, svg: &mut Svg, (from, to): (i32, i32), top: i32, full: bool) {
        let (y, middle) = (top + 24, i32::midpoint(from, to));
        let micros = i64::try_from(self.after.as_micros()).unwrap_or(i64::MAX);
        let time = format!("{}.{:01} ms", micros / 1000, micros % 1000 / 100);
        let at = Point { x: MARGIN + TIMES - 14, y: y + 4 };
        svg.text("soft small", at, Anchor::End, &time);
        let what = bold(&self.what);
        let place = if self.place.is_empty() { 0 } else { width(&self.place, 11, true) + 8 };
        let left = middle - (what + place) / 2;
        // Lifelines that a long arrow passes stay behind what is written on it.
        let behind = Area { x: left - 4, y: y - 19, width: what + place + 8, height: 16 };
        svg.area("paper", behind, 0);
        let texts = [("what", self.what.as_str()), ("mono soft small", self.place.as_str())];
        svg.row(Point { x: middle, y: y - 6 }, &texts);
        let step = if to > from { 1 } else { -1 };
        svg.line("arrow", &[Point { x: from, y }, Point { x: to - 8 * step, y }]);
        if self.to.is_some() {
            let back = to - 10 * step;
            let tip =
                [Point { x: to, y }, Point { x: back, y: y - 5 }, Point { x: back, y: y + 5 }];
            svg.shape("point", &tip);
        } else {
            svg.text("what", Point { x: to + 8, y: y + 5 }, Anchor::Start, "✗ arrived nowhere");
        }
        if !full {
            return;
        }
        let mut line = y + 16;
        for (address, changed) in &self.addresses {
            let wide = width(address, 12, true);
            let behind = Area { x: middle - wide / 2, y: line - 11, width: wide, height: 14 };
            svg.area("paper", behind, 0);
            let class = if *changed { "mono address changed" } else { "mono address soft" };
            svg.text(class, Point { x: middle, y: line }, Anchor::Middle, address);
            line += LINE;
        }
    }
}
