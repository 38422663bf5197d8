//! `lvsmith ipvs flush`: an empty table, for those who mean it.

use clap::Args;

use super::{Failure, Outcome, say};
use crate::cli::Exit;
use crate::diagnostic::Diagnostic;
use crate::report::counted;

/// Remove every service, whoever made it; connections through this director end
#[derive(Debug, Args)]
pub(super) struct Flush {
    /// Yes, every service
    #[arg(long)]
    yes: bool,
}

impl Flush {
    pub(super) fn run(self) -> Outcome {
        if !self.yes {
            return Err(Failure::input(
                Diagnostic::new("`flush` removes every service, and was not told that you mean it")
                    .hint(
                        "`lvsmith ipvs save` keeps the table first; `lvsmith ipvs flush --yes` \
                         does it",
                    ),
            ));
        }
        let mut ipvs = super::open()?;
        let count = ipvs.services()?.len();
        ipvs.flush()?;
        say(&format!("removed {}\n", counted(count, "service")));
        Ok(Exit::Declared)
    }
}
