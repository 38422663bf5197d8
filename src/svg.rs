//! As much of SVG as pictures of labs need: shapes on whole pixels, each with a class that the
//! picture's own style sheet knows. No script, no font but the reader's.

use crate::xml::Xml;

/// A place on a picture, in pixels from its upper left corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) x: i32,
    pub(crate) y: i32,
}

/// A part of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Area {
    pub(crate) x: i32,
    pub(crate) y: i32,
    pub(crate) width: i32,
    pub(crate) height: i32,
}

impl Area {
    pub(crate) fn right(self) -> i32 {
        self.x + self.width
    }

    pub(crate) fn bottom(self) -> i32 {
        self.y + self.height
    }

    pub(crate) fn middle(self) -> i32 {
        self.x + self.width / 2
    }
}

/// Where a text stands relative to its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// A picture as it is drawn.
#[derive(Debug)]
pub(crate) struct Svg {
    xml: Xml,
}

impl Svg {
    /// Begins one; `class` is what its style sheet is about, so that several can be on one page.
    pub(crate) fn new(class: &str, title: &str, width: i32, height: i32, style: &str) -> Self {
        let mut xml = Xml::part();
        xml.begin(
            "svg",
            &[
                ("xmlns", "http://www.w3.org/2000/svg".into()),
                ("class", class.into()),
                ("viewBox", format!("0 0 {width} {height}")),
                ("width", width.to_string()),
                ("height", height.to_string()),
                ("role", "img".into()),
                ("aria-label", title.into()),
            ],
        );
        xml.leaf("title", &[], title);
        xml.leaf("style", &[], &format!("{}{style}", paper(class)));
        let mut svg = Self { xml };
        svg.area("paper", Area { x: 0, y: 0, width, height }, 0);
        svg
    }

    pub(crate) fn finish(self) -> String {
        self.xml.finish()
    }

    /// Begins a part that has a name for who points at it or has it read out.
    pub(crate) fn begin(&mut self, class: &str, name: &str) {
        self.xml.begin("g", &[("class", class.into())]);
        if !name.is_empty() {
            self.xml.leaf("title", &[], name);
        }
    }

    pub(crate) fn end(&mut self) {
        self.xml.end();
    }

    pub(crate) fn area(&mut self, class: &str, area: Area, radius: i32) {
        let mut attributes = vec![
            ("class", class.to_owned()),
            ("x", area.x.to_string()),
            ("y", area.y.to_string()),
            ("width", area.width.to_string()),
            ("height", area.height.to_string()),
        ];
        if radius > 0 {
            attributes.push(("rx", radius.to_string()));
        }
        self.xml.leaf("rect", &attributes, "");
    }

    /// A line by way of these points.
    pub(crate) fn line(&mut self, class: &str, points: &[Point]) {
        let points: Vec<String> = points.iter().map(|at| format!("{},{}", at.x, at.y)).collect();
        self.xml.leaf("polyline", &[("class", class.to_owned()), ("points", points.join(" "))], "");
    }

    /// A shape between these points.
    pub(crate) fn shape(&mut self, class: &str, points: &[Point]) {
        let points: Vec<String> = points.iter().map(|at| format!("{},{}", at.x, at.y)).collect();
        self.xml.leaf("polygon", &[("class", class.to_owned()), ("points", points.join(" "))], "");
    }

    pub(crate) fn dot(&mut self, class: &str, at: Point, radius: i32) {
        self.xml.leaf(
            "circle",
            &[
                ("class", class.to_owned()),
                ("cx", at.x.to_string()),
                ("cy", at.y.to_string()),
                ("r", radius.to_string()),
            ],
            "",
        );
    }

    pub(crate) fn text(&mut self, class: &str, at: Point, anchor: Anchor, text: &str) {
        let mut attributes =
            vec![("class", class.to_owned()), ("x", at.x.to_string()), ("y", at.y.to_string())];
        match anchor {
            Anchor::Start => {}
            Anchor::Middle => attributes.push(("text-anchor", "middle".into())),
            Anchor::End => attributes.push(("text-anchor", "end".into())),
        }
        self.xml.leaf("text", &attributes, text);
    }

    /// Texts in a row around a point, each with a class of its own.
    pub(crate) fn row(&mut self, at: Point, texts: &[(&str, &str)]) {
        let place = [("x", at.x.to_string()), ("y", at.y.to_string())];
        self.xml.begin("text", &[&place[..], &[("text-anchor", "middle".into())]].concat());
        for (class, text) in texts.iter().filter(|(_, text)| !text.is_empty()) {
            self.xml.leaf("tspan", &[("class", (*class).to_owned())], text);
        }
        self.xml.end();
    }
}

/// What all pictures have in common: the colours of paper and ink by day and by night, and of
/// what hosts are for.
fn paper(class: &str) -> String {
    format!(
        "
.{class} {{ --paper: #ffffff; --ink: #1b2430; --soft: #566170; --line: #8e99a6; --band: #edf1f6;
  --edge: #c3ccd7; --card: #fbfcfe; --director: #0a63c2; --server: #177245; --client: #7a42b8;
  --router: #a1560a; --host: #566170; --bad: #b3261e;
  font-family: system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif; }}
@media (prefers-color-scheme: dark) {{ .{class} {{ --paper: #10151c; --ink: #e5ebf2; --soft: #a3afbd;
  --line: #6b7787; --band: #1b232e; --edge: #38434f; --card: #161d26; --director: #62adff;
  --server: #53c48d; --client: #c39bff; --router: #eea35c; --host: #a3afbd; --bad: #ff8a80; }} }}
.{class} .paper {{ fill: var(--paper); }}
.{class} text {{ fill: var(--ink); font-size: 13px; }}
.{class} .mono {{ font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace;
  font-size: 12px; }}
.{class} .soft {{ fill: var(--soft); }}
.{class} .small {{ font-size: 11px; }}
.{class} .director {{ --own: var(--director); }}
.{class} .server {{ --own: var(--server); }}
.{class} .client {{ --own: var(--client); }}
.{class} .router {{ --own: var(--router); }}
.{class} .host {{ --own: var(--host); }}
"
    )
}

/// How wide a text will be, roughly: fonts are the reader's. Every letter of `mono` is as wide.
pub(crate) fn width(text: &str, size: i32, mono: bool) -> i32 {
    let letters: usize = unicode_width::UnicodeWidthStr::width(text);
    let letters = i32::try_from(letters).unwrap_or(i32::MAX / 100);
    letters * size * if mono { 61 } else { 55 } / 100
}
