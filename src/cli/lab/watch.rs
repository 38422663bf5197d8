//! `lvsmith lab watch`: the table of a lab's director, and what each real server gets, live.

use std::process::ExitCode;

use clap::Args;

use super::super::{Exit, complain, place};
use super::{failed, in_vm, inside};
use crate::diagnostic::Diagnostic;
use crate::engine::Options;
use crate::lab::Running;
use crate::lab::trial::Trial;

/// What `lab watch` takes.
#[derive(Debug, Args)]
pub(super) struct Watch {
    /// The lab's name or folder; not needed when one is up
    #[arg(long)]
    lab: Option<String>,
    /// Every so many seconds
    #[arg(short, long, value_name = "SECONDS", default_value = "1")]
    every: String,
    /// End after so many times
    #[arg(long, value_name = "N")]
    times: Option<u32>,
    /// The director; without it the one that the lab's playbook makes
    host: Option<String>,
}

impl Watch {
    pub(super) fn run(self) -> ExitCode {
        let lab = self.lab.as_deref();
        let running = match Running::find(lab).and_then(place::followed) {
            Ok(running) => running,
            Err(error) => {
                let kept = in_vm::instead_of(&error, lab);
                return kept.unwrap_or_else(|| failed(error).into());
            }
        };
        let host = match self.host.clone().map_or_else(|| director(&running), Ok) {
            Ok(host) => host,
            Err(mistake) => {
                complain(&mistake);
                return Exit::BadInput.into();
            }
        };
        let mut arguments: Vec<String> =
            ["ipvs", "shares", "--watch", &self.every].map(Into::into).into();
        arguments.extend(self.times.iter().flat_map(|n| ["--times".to_owned(), n.to_string()]));
        inside::own(&running.state().name, &host, &arguments)
    }
}

/// The host that has services by the lab's playbook; of several the first.
fn director(lab: &Running) -> Result<String, Diagnostic> {
    let name = &lab.state().name;
    let graph = Trial::read(&lab.state().folder, None, |_| ())
        .and_then(|trial| trial.graph(&Options::default()));
    let hint = "name the director, as in `lvsmith lab watch lb1`";
    let graph = graph.map_err(|_| {
        Diagnostic::new(format!("the files of lab `{name}` do not say what its director is"))
            .hint(hint)
    })?;
    let director = graph.directors().next().map(str::to_owned);
    director
        .ok_or_else(|| Diagnostic::new(format!("no host of lab `{name}` is a director")).hint(hint))
}
