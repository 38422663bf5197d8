//! Figures, each beside a peer or a floor that ran in the same minutes on the same machine:
//! `make bench`, or `cargo bench -- WORD...` for those whose name has one of these words.

#![expect(clippy::disallowed_methods, reason = "what is measured are programs")]

use std::process::ExitCode;

mod lab;
mod measure;
mod memory;

fn main() -> ExitCode {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("labs need root: they are made of network namespaces");
        return ExitCode::FAILURE;
    }
    lab::run().exit()
}
