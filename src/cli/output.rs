//! How a run is told: `--format` and `-v`.

use clap::{ArgAction, Args, ValueEnum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::defaults::Defaults;
use super::{Exit, complain_at};
use crate::diagnostic::Diagnostics;
use crate::lab::trial::Audience;
use crate::report::{Detail, Json, Junit, Live, Terminal, TrialView};

/// What standard output gets.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    /// Lines for people; on a terminal with a line for what each host is at
    #[default]
    Text,
    /// A JSON document a line, for programs
    Json,
    /// JUnit's XML, for GitLab and Jenkins
    Junit,
    /// Lines for people: what changed, what failed, and the recap
    Quiet,
}

/// How it is told what happens.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct OutputArgs {
    /// What standard output gets: lines for people, or for programs [default: text]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Show the result of every task; -vv also where it is written, and why check mode skips it
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,
}

impl OutputArgs {
    /// Fills in what was not said.
    pub(super) fn fall_back(&mut self, defaults: &Defaults) {
        self.format = self.format.or(defaults.format);
        if self.verbose == 0 {
            self.verbose = defaults.verbosity.unwrap_or(0);
        }
    }

    /// What standard output gets.
    pub(super) fn format(&self) -> Format {
        self.format.unwrap_or_default()
    }

    /// Whether diagnostics among results are drawn with colour.
    pub(super) fn color(&self) -> bool {
        matches!(self.format(), Format::Text | Format::Quiet) && super::color()
    }

    /// Who is told.
    pub(super) fn audience(&self) -> Box<dyn Audience> {
        let detail = match (self.format(), self.verbose) {
            (Format::Quiet, 0) => Detail::Quiet,
            (_, 0) => Detail::Usual,
            (_, 1) => Detail::Results,
            _ => Detail::Places,
        };
        match (self.format(), Live::on_stdout()) {
            (Format::Json, _) => Box::new(Json::new(std::io::stdout())),
            (Format::Junit, _) => Box::new(Junit::new(std::io::stdout())),
            (_, Some(live)) => Box::new(TrialView::new(Terminal::live(live, detail))),
            (_, None) => Box::new(TrialView::new(Terminal::new(anstream::stdout(), detail))),
        }
    }
}

/// Says why nothing is run, to people and to whoever else listens.
pub(super) fn refuse(audience: &mut dyn Audience, mistakes: &Diagnostics) -> Exit {
    audience.refused(mistakes);
    complain_at(mistakes)
}
