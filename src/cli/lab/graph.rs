//! `lvsmith lab graph`: a lab as a picture, before anything is started.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::super::apply::extra_vars;
use super::super::{Exit, complain, complain_at, file};
use super::say;
use crate::diagnostic::Diagnostics;
use crate::engine::Options;
use crate::inventory::Vars;
use crate::lab::trial::Trial;

/// What `lab graph` takes.
#[derive(Debug, Args)]
pub(super) struct Graph {
    /// The lab's folder, or its lab.yml
    #[arg(default_value = ".")]
    lab: PathBuf,
    /// What it is drawn as
    #[arg(long, value_name = "FORMAT", default_value = "svg")]
    format: Format,
    /// Write it to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Variables: `name=value …`, a YAML mapping, or @FILE
    #[arg(short, long = "extra-vars", value_name = "VARS")]
    extra_vars: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A picture, for browsers
    Svg,
    /// A flowchart for Mermaid, as wikis draw it
    Mermaid,
    /// For Graphviz
    Dot,
}

impl Graph {
    pub(super) fn run(self) -> Exit {
        let text = match self.text() {
            Ok(text) => text,
            Err(mistakes) => return complain_at(&mistakes),
        };
        match &self.output {
            Some(path) => match file::write(path, text.as_bytes()) {
                Ok(()) => Exit::Declared,
                Err(error) => {
                    complain(&error);
                    Exit::Environment
                }
            },
            None => {
                say(&text);
                Exit::Declared
            }
        }
    }

    fn text(&self) -> Result<String, Diagnostics> {
        let mut extra = Vars::new();
        for text in &self.extra_vars {
            extra.extend(extra_vars(text)?);
        }
        let trial = Trial::read(&self.lab, None, |_| ())?;
        let graph = trial.graph(&Options { extra, ..Options::default() })?;
        Ok(match self.format {
            Format::Svg => graph.svg(),
            Format::Mermaid => graph.mermaid(),
            Format::Dot => graph.dot(),
        })
    }
}
