//! How much one rendering may do. Loops in loops would otherwise run for days, and a template
//! of a line could fill the memory.

use std::cell::Cell;

use tera::TeraResult;

use super::python::error;

/// Items run over, and sixteenths of a kilobyte written; a second's worth at most.
const WORK: usize = 4_000_000;

thread_local! {
    static LEFT: Cell<usize> = const { Cell::new(WORK) };
}

/// Begins a rendering; gives what the one around it, if there is one, had left.
pub(super) fn begin() -> usize {
    LEFT.replace(WORK)
}

/// Goes back to the rendering around this one.
pub(super) fn end(left: usize) {
    LEFT.set(left);
}

/// Takes so much of what is left.
pub(super) fn spend(work: usize) -> TeraResult<()> {
    match LEFT.get().checked_sub(work) {
        Some(left) => {
            LEFT.set(left);
            Ok(())
        }
        None => Err(error("the template does too much: it runs over more than 4 million items")),
    }
}
