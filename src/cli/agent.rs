//! `lvsmith agent`: the process that connections start on a host.

use std::io::IsTerminal;

use super::Exit;

/// Runs the agent on standard input and output.
pub(super) fn run(mark: Option<&str>) -> Exit {
    if std::io::stdin().is_terminal() {
        anstream::eprintln!(
            "error: `lvsmith agent` is started by lvsmith itself, on the hosts of a playbook"
        );
        return Exit::BadInput;
    }
    match crate::agent::run(mark) {
        Ok(()) => Exit::Declared,
        Err(error) => {
            anstream::eprintln!("error: agent: {error}");
            Exit::Unreachable
        }
    }
}
