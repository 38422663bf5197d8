//! The exit codes, which `--help` and the README repeat.

use std::process::ExitCode;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Everything is as declared.
    Declared = 0,
    /// What was compared differs: a table and a file, of `ipvs diff`; a saved plan and what would be
    /// done now, of `apply`, which then does nothing.
    Different = 1,
    /// A host failed a task.
    HostFailed = 2,
    /// A check of a lab failed, or `lint` found something.
    CheckFailed = 3,
    /// The playbook, inventory, lab file or command line is wrong.
    BadInput = 4,
    /// A host could not be reached.
    Unreachable = 5,
    /// The environment lacks something: a program, a permission, a kernel feature.
    Environment = 6,
    /// Interrupted by a signal.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
