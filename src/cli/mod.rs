//! The command line: clap types, one file a subcommand, and the exit codes.

use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::{CommandFactory, Parser, Subcommand};

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::engine;

mod agent;
mod apply;
mod connector;
mod defaults;
mod exit;
mod facts;
mod file;
mod generate;
mod inventory;
mod ipvs;
mod ipvsadm;
mod lab;
mod lint;
mod listing;
mod modules;
mod output;
mod place;
mod plan;
mod retry;
mod saved;
mod schema;
mod secret;
mod several;
mod trial;
mod validate;
mod vm;

pub use exit::Exit;

const EXIT_CODES: &str = "Exit codes:
  0    as declared
  1    different, of `ipvs diff`, and of `apply` of a plan that holds no more
  2    a host failed
  3    a check failed, or `lint` found something
  4    bad playbook, inventory, lab file or command line
  5    a host is unreachable
  6    the environment lacks something
  130  interrupted";

/// Builds LVS clusters from playbooks, and proves in a lab that they work.
#[derive(Debug, Parser)]
#[command(name = "lvsmith", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make hosts what a playbook says
    Apply(apply::Apply),
    /// Show what `apply` would change, and change nothing
    Plan(plan::Plan),
    Validate(validate::Validate),
    Inventory(inventory::Show),
    Facts(facts::Facts),
    Lint(lint::Lint),
    Lab(lab::Lab),
    Ipvs(ipvs::Ipvs),
    Explain(ipvs::Explain),
    Ipvsadm(ipvsadm::Ipvsadm),
    /// Does on this host what a controller asks for
    #[command(hide = true)]
    Agent {
        /// What the line begins with that says it is ready
        mark: Option<String>,
    },
    /// Run commands in a micro-VM that has a kernel with IPVS
    #[command(subcommand)]
    Vm(vm::Vm),
    Modules(modules::Modules),
    Schema(schema::Schema),
    Completions(generate::Completions),
    Man(generate::Man),
}

/// Runs the program with the process's own arguments.
#[must_use]
pub fn run() -> ExitCode {
    // In a guest this program is process 1, and has no command line.
    crate::vm::init();
    if let Some(code) = crate::lab::called().or_else(ipvsadm::called) {
        return code;
    }
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
        Command::Agent { mark } => agent::run(mark.as_deref()).into(),
        Command::Apply(apply) => apply.apply(),
        Command::Plan(plan) => plan.run(),
        Command::Validate(validate) => validate.run().into(),
        Command::Inventory(show) => show.run(),
        Command::Facts(facts) => facts.run(),
        Command::Lint(lint) => lint.run(),
        Command::Lab(command) => lab::run(command),
        Command::Ipvs(command) => ipvs::run(command),
        Command::Explain(command) => ipvs::explain(command),
        Command::Ipvsadm(command) => command.run(),
        Command::Vm(command) => vm::run(command),
        Command::Modules(modules) => modules.run().into(),
        Command::Schema(schema) => schema.run().into(),
        Command::Completions(shell) => shell.run(Cli::command()).into(),
        Command::Man(man) => man.run(Cli::command()).into(),
    }
}

/// Whether diagnostics are drawn with colour.
fn color() -> bool {
    anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never
}

/// Draws a mistake on standard error.
fn complain(diagnostic: &Diagnostic) {
    // Nothing is left to tell where telling fails.
    let _ = writeln!(std::io::stderr(), "{}", diagnostic.render(color()));
}

/// Draws what is wrong with the input.
fn complain_at(mistakes: &Diagnostics) -> Exit {
    let _ = writeln!(std::io::stderr(), "{}", mistakes.render(color()));
    Exit::BadInput
}

/// The first Ctrl-C lets tasks that have begun finish; the second ends the program at once.
fn catch_interrupts() {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let caught = ctrlc::set_handler(|| {
        if COUNT.fetch_add(1, Ordering::SeqCst) > 0 {
            std::process::exit(Exit::Interrupted as i32);
        }
        engine::interrupt();
    });
    if let Err(error) = caught {
        complain(&Diagnostic::new(format!("Ctrl-C will end the program at once: {error}")));
    }
}
