//! `lvsmith ipvs apply`: the services of a file, and others left alone.

use clap::Args;

use super::file::FileArgs;
use super::{Outcome, made, say};
use crate::cli::Exit;
use crate::director::{Setup, Way};

/// Make services what a file says, in the fewest steps; others are not touched
#[derive(Debug, Args)]
pub(super) struct Apply {
    #[command(flatten)]
    file: FileArgs,
    /// Remove services that the file does not have
    #[arg(long)]
    purge: bool,
    /// All of it, or, when anything fails, back to what was there
    #[arg(long)]
    atomic: bool,
    /// Change nothing, say what would change
    #[arg(short = 'C', long)]
    check: bool,
}

impl Apply {
    pub(super) fn run(self) -> Outcome {
        let wanted = self.file.read()?;
        let mut ipvs = super::open()?;
        let now = Setup::read(&mut ipvs)?;
        if self.check {
            let steps = wanted.steps(&now, self.purge);
            made::list(&steps);
            say(&format!("{} to make\n", crate::report::counted(steps.len(), "change")));
            return Ok(Exit::Declared);
        }
        let way = Way { purge: self.purge, atomic: self.atomic };
        // Half of it would be worse than none: Ctrl-C waits.
        crate::cli::catch_interrupts();
        let made = wanted.make(&mut ipvs, &now, way)?;
        Ok(made::tell(&made, true))
    }
}
