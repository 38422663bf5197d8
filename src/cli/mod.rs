//! The command line: clap types, one file a subcommand, and the exit codes.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod exit;
pub mod vm;

pub use exit::Exit;

/// Builds LVS clusters from playbooks, and proves in a lab that they work.
#[derive(Debug, Parser)]
#[command(name = "lvsmith", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run commands in a micro-VM that has a kernel with IPVS.
    #[command(subcommand)]
    Vm(vm::Vm),
}

/// Runs the program with the process's own arguments.
#[must_use]
pub fn run() -> ExitCode {
    // In a guest this program is process 1, and has no command line.
    crate::vm::init();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Printing to a closed pipe is not worth another error.
            let _ = error.print();
            let exit = if error.use_stderr() { Exit::BadInput } else { Exit::Declared };
            return exit.into();
        }
    };
    match cli.command {
        Command::Vm(command) => vm::run(command),
    }
}
