//! `lvsmith ipvs save`: the table, timeouts and sync daemons as a file that brings them back.

use clap::Args;

use super::file::Format;
use super::{Failure, Outcome, say};
use crate::cli::Exit;
use crate::diagnostic::Diagnostic;
use crate::director::{Document, Setup, write_rules};

/// Print the table, timeouts and sync daemons so that `restore` brings them back
#[derive(Debug, Args)]
pub(super) struct Save {
    /// What to write
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Save {
    pub(super) fn run(self) -> Outcome {
        let setup = Setup::read(&mut super::open()?)?;
        match self.format {
            Format::Yaml => say(&yaml(&setup)?),
            Format::Rules => say(&write_rules(&setup)),
        }
        Ok(Exit::Declared)
    }
}

fn yaml(setup: &Setup) -> Result<String, Failure> {
    serde_yaml::to_string(&Document::from(setup)).map_err(|error| {
        // What other programs made of the table may make no sense, and has no words then.
        Failure::host(Diagnostic::new(format!("failed to write the table as YAML: {error}")))
    })
}
