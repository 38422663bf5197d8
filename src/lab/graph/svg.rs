//! The picture: bands, cards and ways as they were laid out, a legend, and the services below.

use super::layout::{self, BAND, HEAD, LINE, Layout, MARGIN, PADDING, STACK};
use super::{Card, Graph, Role};
use crate::svg::{Anchor, Area, Point, Svg, width};

/// What the style sheet is about.
const CLASS: &str = "lab-graph";
const TITLE: i32 = 58;

const STYLE: &str = "\
.lab-graph .title { font-size: 17px; font-weight: 600; }
.lab-graph .band { fill: var(--band); stroke: var(--edge); }
.lab-graph .network { font-weight: 600; font-size: 14px; }
.lab-graph .way { fill: none; stroke: var(--line); stroke-width: 2; }
.lab-graph .end { fill: var(--line); stroke: var(--paper); stroke-width: 1; }
.lab-graph .card { fill: var(--card); stroke: var(--edge); }
.lab-graph .face { fill: var(--card); }
.lab-graph .rim { fill: none; stroke: var(--edge); }
.lab-graph .strip { fill: var(--own); }
.lab-graph .name { font-size: 15px; font-weight: 600; }
.lab-graph .purpose { fill: var(--own); font-size: 12px; }
.lab-graph .badge { fill: var(--own); fill-opacity: 0.12; stroke: var(--own); stroke-opacity: 0.55; }
.lab-graph .vip { fill: var(--own); font-size: 10px; font-weight: 700; letter-spacing: 0.5px; }
.lab-graph .count { font-size: 12px; fill: var(--soft); }
";

impl Graph {
    /// Draws it as SVG, by day and by night, without anything that is elsewhere.
    #[must_use]
    pub fn svg(&self) -> String {
        let layout = layout::of(self, TITLE);
        let services = self.services_wrapped(layout.width - 2 * MARGIN);
        let lines = i32::try_from(services.len()).unwrap_or(0);
        let below = if lines > 0 { 30 + lines * LINE } else { 0 };
        let height = layout.bottom + below + MARGIN;
        let title = format!("Lab {}", self.name);
        let mut svg = Svg::new(CLASS, &title, layout.width, height, STYLE);
        self.head(&mut svg, layout.width);
        for ways in &layout.ways {
            ways.iter().for_each(|(_, points)| svg.line("way", points));
        }
        for (network, area) in self.networks.iter().zip(&layout.bands) {
            let name = format!("network {} {}", network.name, network.details.join(" "));
            svg.begin("", &name);
            svg.area("band", *area, BAND / 2);
            let (mut x, y) = (area.x + PADDING + 4, area.y + BAND / 2 + 5);
            svg.text("network", Point { x, y }, Anchor::Start, &network.name);
            x += width(&network.name, 15, false) + 16;
            for detail in &network.details {
                svg.text("mono soft", Point { x, y }, Anchor::Start, detail);
                x += width(detail, 12, true) + 16;
            }
            svg.end();
        }
        ends(&mut svg, &layout);
        for (card, area) in self.hosts.iter().zip(&layout.cards) {
            card.draw(&mut svg, *area);
        }
        if lines > 0 {
            let y = layout.bottom + 32;
            svg.text("soft small", Point { x: MARGIN, y }, Anchor::Start, "VIRTUAL SERVICES");
            for (line, y) in services.iter().zip((y + LINE..).step_by(19)) {
                svg.text("mono", Point { x: MARGIN, y }, Anchor::Start, line);
            }
        }
        svg.finish()
    }

    /// The name, and which colour is what.
    fn head(&self, svg: &mut Svg, wide: i32) {
        svg.text("title", Point { x: MARGIN, y: 34 }, Anchor::Start, &self.name);
        let mut x = wide - MARGIN;
        for role in Role::ALL.into_iter().rev() {
            if !self.hosts.iter().any(|host| host.role == role) {
                continue;
            }
            svg.begin(role.class(), "");
            svg.text("soft", Point { x, y: 33 }, Anchor::End, role.words());
            x -= width(role.words(), 13, false) + 16;
            svg.area("strip", Area { x, y: 23, width: 11, height: 11 }, 3);
            svg.end();
            x -= 16;
        }
    }

    /// The services, with lines broken where the picture ends.
    fn services_wrapped(&self, room: i32) -> Vec<String> {
        const MOST: usize = 12;
        let mut lines = Vec::new();
        for service in self.services.iter().take(MOST) {
            let mut line = String::new();
            for word in service.split(' ') {
                if !line.trim().is_empty() && width(&format!("{line} {word}"), 12, true) > room {
                    lines.push(std::mem::replace(&mut line, "   ".into()));
                }
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
            lines.push(line);
        }
        if self.services.len() > MOST {
            lines.push(format!("and {} more", self.services.len() - MOST));
        }
        lines
    }
}

/// Dots where ways end, on top of the bands.
fn ends(svg: &mut Svg, layout: &Layout) {
    for (_, points) in layout.ways.iter().flatten() {
        if let Some(end) = points.last() {
            svg.dot("end", *end, 5);
        }
    }
}

impl Card {
    fn draw(&self, svg: &mut Svg, area: Area) {
        svg.begin(self.role.class(), &format!("{}, {}", self.name, self.purpose));
        if self.count > 1 {
            for step in [2, 1] {
                let behind = Area { x: area.x + step * STACK, y: area.y + step * STACK, ..area };
                svg.area("card", behind, 8);
            }
        }
        svg.area("strip", area, 8);
        svg.area("face", Area { x: area.x + 6, width: area.width - 6, ..area }, 6);
        svg.area("rim", area, 8);
        let x = area.x + PADDING + 4;
        svg.text("name", Point { x, y: area.y + 24 }, Anchor::Start, &self.name);
        if self.count > 1 {
            let at = Point { x: area.right() - PADDING, y: area.y + 24 };
            svg.text("count", at, Anchor::End, &format!("×{}", self.count));
        }
        svg.text("purpose", Point { x, y: area.y + 41 }, Anchor::Start, &self.purpose());
        let mut y = area.y + HEAD + 28;
        let column = layout::interfaces_wide(self);
        for (interface, address) in layout::lines(self) {
            svg.text("mono soft", Point { x, y }, Anchor::Start, &interface);
            svg.text("mono", Point { x: x + column, y }, Anchor::Start, &address);
            y += LINE;
        }
        for vip in &self.vips {
            let badge =
                Area { x: x - 4, y: y - 11, width: area.right() - PADDING - x + 8, height: 20 };
            svg.area("badge", badge, 10);
            svg.text("vip", Point { x: x + 4, y: y + 3 }, Anchor::Start, "VIP");
            svg.text("mono", Point { x: x + 32, y: y + 4 }, Anchor::Start, vip);
            y += LINE + 5;
        }
        svg.end();
    }
}
