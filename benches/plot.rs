//! A plot as SVG: lines over two logarithmic axes, each with its name at its end. It has no ground
//! of its own, and its ink can be read on white as on black.

use std::fmt::Write as _;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
/// What is left around the lines: names of the axes, and the names of the lines on the right.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 170.0;
const TOP: f64 = 36.0;
const BOTTOM: f64 = 48.0;
/// The least that two names are apart.
const NAME: f64 = 16.0;

/// Each can be told from the others, on white as on black, and without colours by its name.
const COLOURS: [&str; 5] = ["#d1495b", "#2a8fbd", "#3f9b5f", "#b5852b", "#8a6fc0"];

/// What is drawn.
pub(crate) struct Plot {
    pub(crate) title: &'static str,
    pub(crate) across: &'static str,
    pub(crate) up: &'static str,
    pub(crate) lines: Vec<Line>,
}

/// A line through points, whose numbers are all above 0.
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) points: Vec<(f64, f64)>,
}

/// A logarithmic axis over whole steps of 1, 2 and 5.
struct Axis {
    from: f64,
    to: f64,
    /// Where its ends are on the picture.
    begins: f64,
    ends: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>, begins: f64, ends: f64) -> Self {
        let (least, most) = values.fold((f64::INFINITY, 0.0_f64), |(least, most), value| {
            (least.min(value), most.max(value))
        });
        let from = steps(-4, 7).take_while(|step| *step <= least).last().unwrap_or(least);
        let to = steps(-4, 7).find(|step| *step >= most).unwrap_or(most);
        Self { from, to, begins, ends }
    }

    fn place(&self, value: f64) -> f64 {
        let share = (value / self.from).ln() / (self.to / self.from).ln();
        self.begins + share * (self.ends - self.begins)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        let (least, most) = (self.from * 0.999, self.to * 1.001);
        steps(-4, 7).filter(move |step| (least..=most).contains(step))
    }
}

/// 1, 2 and 5 of each decade.
fn steps(from: i32, to: i32) -> impl Iterator<Item = f64> {
    (from..to).flat_map(|decade| [1.0, 2.0, 5.0].map(|digit| digit * 10_f64.powi(decade)))
}

/// `20k`, `0.05`.
fn short(value: f64) -> String {
    if value >= 1000.0 { format!("{}k", value / 1000.0) } else { format!("{}", round(value)) }
}

/// What powers of ten leave behind is of no interest.
fn round(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

impl Plot {
    /// The picture.
    pub(crate) fn svg(&self) -> String {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let across = Axis::over(points().map(|point| point.0), LEFT, WIDTH - RIGHT);
        let up = Axis::over(points().map(|point| point.1), HEIGHT - BOTTOM, TOP);
        let mut out = String::new();
        let written = self.draw(&mut out, &across, &up);
        written.expect("a text takes everything");
        out
    }

    fn draw(&self, out: &mut String, across: &Axis, up: &Axis) -> std::fmt::Result {
        writeln!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
             font-family=\"sans-serif\" font-size=\"12\">\n<title>{}</title>\n<style>\n  \
             text {{ fill: #757b85 }}\n  .grid {{ stroke: #8886; stroke-width: 1 }}\n</style>",
            self.title
        )?;
        for tick in across.ticks() {
            let x = across.place(tick);
            let (top, bottom, below) = (TOP, HEIGHT - BOTTOM, HEIGHT - BOTTOM + 18.0);
            let name = short(tick);
            writeln!(
                out,
                "<path class=\"grid\" d=\"M{x:.1} {top}V{bottom}\"/>\
                 <text x=\"{x:.1}\" y=\"{below}\" text-anchor=\"middle\">{name}</text>"
            )?;
        }
        for tick in up.ticks() {
            let y = up.place(tick);
            let (right, left, middle) = (WIDTH - RIGHT, LEFT - 8.0, y + 4.0);
            let name = short(tick);
            writeln!(
                out,
                "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/>\
                 <text x=\"{left}\" y=\"{middle:.1}\" text-anchor=\"end\">{name}</text>"
            )?;
        }
        self.names(out)?;
        let ends = self.lines.iter().map(|line| {
            let last = line.points.last();
            last.map_or(0.0, |(_, value)| up.place(*value))
        });
        let heights = apart(&ends.collect::<Vec<_>>());
        for ((line, colour), height) in self.lines.iter().zip(COLOURS).zip(heights) {
            let places: Vec<(f64, f64)> =
                line.points.iter().map(|(x, y)| (across.place(*x), up.place(*y))).collect();
            let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            writeln!(
                out,
                "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/>",
                path.join(" ")
            )?;
            for (x, y) in places {
                writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>")?;
            }
            let (at, middle) = (WIDTH - RIGHT + 24.0, height + 4.0);
            writeln!(
                out,
                "<circle cx=\"{}\" cy=\"{height:.1}\" r=\"4\" fill=\"{colour}\"/>\
                 <text x=\"{at}\" y=\"{middle:.1}\">{}</text>",
                at - 10.0,
                line.name
            )?;
        }
        writeln!(out, "</svg>")
    }

    fn names(&self, out: &mut String) -> std::fmt::Result {
        let middle = f64::midpoint(LEFT, WIDTH - RIGHT);
        let bottom = HEIGHT - 8.0;
        writeln!(
            out,
            "<text x=\"{LEFT}\" y=\"20\" font-size=\"14\">{}</text>\n\
             <text x=\"{middle}\" y=\"{bottom}\" text-anchor=\"middle\">{}</text>\n\
             <text x=\"16\" y=\"{}\" text-anchor=\"middle\" transform=\"rotate(-90 16 {})\">{}</text>",
            self.title,
            self.across,
            HEIGHT / 2.0,
            HEIGHT / 2.0,
            self.up
        )
    }
}

/// Heights near these, in the same order from top to bottom, that leave room for a name each.
fn apart(wanted: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|one, other| wanted[*one].total_cmp(&wanted[*other]));
    let mut heights = wanted.to_vec();
    for pair in order.windows(2) {
        if let [above, below] = *pair {
            heights[below] = heights[below].max(heights[above] + NAME);
        }
    }
    heights
}
