//! The `lvsmith` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    lvsmith::cli::run()
}
