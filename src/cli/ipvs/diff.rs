//! `lvsmith ipvs diff`: a file against the kernel.

use clap::Args;

use super::file::FileArgs;
use super::{Outcome, say};
use crate::cli::Exit;
use crate::director::{Setup, difference};

/// Show what differs between a file and the kernel; exit code 1 when anything does
#[derive(Debug, Args)]
pub(super) struct Diff {
    #[command(flatten)]
    file: FileArgs,
    /// Services that only the kernel has are no difference
    #[arg(long)]
    ignore_others: bool,
    /// Say nothing; the exit code tells
    #[arg(short, long)]
    quiet: bool,
}

impl Diff {
    pub(super) fn run(self) -> Outcome {
        let wanted = self.file.read()?;
        let now = Setup::read(&mut super::open()?)?;
        let difference = difference(&now, &wanted, !self.ignore_others);
        if difference.is_empty() {
            return Ok(Exit::Declared);
        }
        if !self.quiet {
            say(&format!("--- the kernel\n+++ {}\n{difference}", self.file.name()));
        }
        Ok(Exit::Different)
    }
}
