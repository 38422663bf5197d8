//! `lvsmith plan`: what `apply` would change, and a file that holds it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::apply::Apply;

/// What `plan` takes.
#[derive(Debug, Args)]
pub(super) struct Plan {
    /// Save the plan; `apply FILE` then does this and nothing else, or nothing at all
    #[arg(long, value_name = "FILE", conflicts_with_all = ["lab", "retry_failed"])]
    out: Option<PathBuf>,
    #[command(flatten)]
    apply: Apply,
}

impl Plan {
    pub(super) fn run(self) -> ExitCode {
        self.apply.plan(self.out.as_deref())
    }
}
