//! What a template costs once it is known: 10,000 renderings of one line, each with variables of
//! its own, as for so many hosts. Beside it the same line in Python's Jinja.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use lvsmith::diagnostic::{Source, Span};
use lvsmith::template::Renderer;
use lvsmith::yaml::{Kind, Node};
use serde_json::{Map, Value, json};

use crate::measure::{self, Book, Goal, ROOT, Row, Samples};

const LINE: &str = "server {{ name | default('rs') }} {{ address }}:{{ port + 1 }} weight {{ weights[name] | default(1) }};";
const RENDERINGS: usize = 10_000;
const RUNS: usize = 15;

/// Times as many renderings of the same line as it is told, without the first.
const PEER: &str = r#"
import sys, time, jinja2
template = jinja2.Environment(trim_blocks=True).from_string(sys.argv[1])
values = dict(name="rs1", address="10.0.0.11", port=80, weights={"rs1": 3, "rs2": 1})
template.render(values)
for _ in range(int(sys.argv[3])):
    start = time.perf_counter()
    for _ in range(int(sys.argv[2])):
        template.render(values)
    print(time.perf_counter() - start)
"#;

/// Measures what is asked for and prints it.
pub(crate) fn run() -> Book {
    let machine = measure::machine();
    let mut book = Book::new();
    book.measure("template", renderings);
    if !book.rows.is_empty() {
        measure::print("TEMPLATES", &[machine, format!("{RUNS} runs")], &book.rows);
    }
    book
}

fn renderings() -> Result<Vec<Row>> {
    let Value::Object(variables) = json!({
        "name": "rs1", "address": "10.0.0.11", "port": 80, "weights": {"rs1": 3, "rs2": 1},
    }) else {
        return Ok(Vec::new());
    };
    let source = Arc::new(Source { name: "line.yml".into(), text: LINE.into() });
    let span = Span { source, start: 0, end: LINE.len() };
    let line = Node { kind: Kind::String(LINE.into()), span };
    ensure!(once(&line, &variables)? == "server rs1 10.0.0.11:81 weight 3;", "another text");
    let measured = Samples::seconds(RUNS, || {
        let start = Instant::now();
        for _ in 0..RENDERINGS {
            std::hint::black_box(once(&line, &variables)?);
        }
        Ok(start.elapsed())
    })?;
    let row = Row::new("10,000 renderings of a line", measured).goal(Goal::Below(0.1));
    Ok(vec![match peer()? {
        Some(peer) => row.beside("jinja2", peer),
        None => row,
    }])
}

fn once(line: &Node, variables: &Map<String, Value>) -> Result<String> {
    Renderer::new(variables).string(line).map_err(|error| anyhow::anyhow!("{error}"))
}

/// The same in Python, where `target/bench-python` is an environment with ansible-core.
fn peer() -> Result<Option<Samples>> {
    let python = Path::new(ROOT).join("target/bench-python/bin/python");
    if !python.exists() {
        return Ok(None);
    }
    let (renderings, runs) = (RENDERINGS.to_string(), RUNS.to_string());
    let output = Command::new(python).args(["-c", PEER, LINE, &renderings, &runs]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let seconds = text.lines().map(|line| line.parse().map(Duration::from_secs_f64));
    let mut times = seconds.collect::<Result<Vec<_>, _>>().context("its seconds")?.into_iter();
    Samples::seconds(times.len(), || times.next().context("one for each run")).map(Some)
}
