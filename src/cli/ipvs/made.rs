//! What `restore` and `apply` have to say when they are done.

use std::collections::HashSet;
use std::fmt::Write;

use super::{say, told};
use crate::cli::{Exit, complain};
use crate::diagnostic::Diagnostic;
use crate::director::{Ending, Made, Step};
use crate::netlink::ipvs::Failure;

/// So many failures are told; one mistake in a file may have thousands.
const TOLD: usize = 10;

/// Tells what came of it; `steps` lists what was done.
pub(super) fn tell(made: &Made, steps: bool) -> Exit {
    if steps && matches!(made.ending, Ending::Done) {
        let failed: HashSet<String> =
            made.failures.iter().map(|failure| failure.request.to_string()).collect();
        let done = made.steps.iter().filter(|step| !failed.contains(&step.request.to_string()));
        say(&lines(done));
    }
    complain_of(&made.failures);
    match &made.ending {
        Ending::Done => say(&format!("{made}\n")),
        Ending::Undone => say(&format!("{made}; the table is as it was\n")),
        Ending::Stuck { left, failures } => {
            complain_of(failures);
            complain(
                &Diagnostic::new("not everything could be undone")
                    .hint(format!("this is left to do:\n{}", lines(left))),
            );
        }
    }
    if made.failures.is_empty() { Exit::Declared } else { Exit::HostFailed }
}

/// Prints steps, a line for each.
pub(super) fn list(steps: &[Step]) {
    say(&lines(steps));
}

fn lines<'a>(steps: impl IntoIterator<Item = &'a Step>) -> String {
    steps.into_iter().fold(String::new(), |mut text, step| {
        // Writing to a text does not fail.
        let _ = writeln!(text, "{step}");
        text
    })
}

fn complain_of(failures: &[Failure]) {
    failures.iter().take(TOLD).for_each(|failure| complain(&told(&failure.error)));
    if failures.len() > TOLD {
        let more = failures.len() - TOLD;
        complain(&Diagnostic::new(format!("and {more} more failed")));
    }
}
