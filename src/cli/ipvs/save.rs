//! `lvsmith ipvs save`: the table, timeouts and sync daemons as a file that brings them back.

use clap::Args;

use super::{Failure, Outcome, say};
use crate::cli::Exit;
use crate::diagnostic::Diagnostic;
use crate::director::{Document, Setup};

/// Print the table, timeouts and sync daemons as YAML that `restore` brings back
#[derive(Debug, Args)]
pub(super) struct Save {}

impl Save {
    pub(super) fn run(self) -> Outcome {
        let setup = Setup::read(&mut super::open()?)?;
        let text = serde_yaml::to_string(&Document::from(&setup)).map_err(|error| {
            // What other programs made of the table may make no sense, and has no words then.
            Failure::host(Diagnostic::new(format!("failed to write the table as YAML: {error}")))
        })?;
        say(&text);
        Ok(Exit::Declared)
    }
}
