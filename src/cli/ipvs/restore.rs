//! `lvsmith ipvs restore`: the whole table of a file, and nothing besides.

use clap::Args;

use super::file::FileArgs;
use super::{Outcome, made};
use crate::director::{Setup, Way};

/// Make the table what a file says, and remove every other service
///
/// What is equal is not touched, so that connections and counters live on. Without `--atomic`
/// what the kernel refuses is told, and the rest is done.
#[derive(Debug, Args)]
pub(super) struct Restore {
    #[command(flatten)]
    file: FileArgs,
    /// All of it, or, when anything fails, back to what was there
    #[arg(long)]
    atomic: bool,
}

impl Restore {
    pub(super) fn run(self) -> Outcome {
        let wanted = self.file.read()?;
        let mut ipvs = super::open()?;
        let now = Setup::read(&mut ipvs)?;
        // Half of it would be worse than none: Ctrl-C waits.
        crate::cli::catch_interrupts();
        let made = wanted.make(&mut ipvs, &now, Way { purge: true, atomic: self.atomic })?;
        Ok(made::tell(&made, false))
    }
}
