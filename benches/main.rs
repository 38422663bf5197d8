//! Figures, each beside a peer or a floor that ran in the same minutes on the same machine:
//! `make bench`, or `cargo bench -- WORD...` for those whose name has one of these words.
//!
//! Those of IPVS run in a micro-VM where this kernel has none: this same program, once more.
//! `cargo bench -- scale --svg=docs/ipvs-scale.svg` draws the curve by size.

#![expect(clippy::disallowed_methods, reason = "what is measured are programs")]

use std::path::Path;
use std::process::{Command, ExitCode};

use crate::measure::LVSMITH;

mod crowd;
mod engine;
mod hosts;
mod ipvs;
mod kube;
mod lab;
mod measure;
mod memory;
mod plot;
mod replay;
mod rules;
mod template;
mod validate;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(done) = ipvs::part(&arguments).or_else(|| engine::part(&arguments)) {
        return measure::code(done);
    }
    let inside = lvsmith::vm::inside();
    let hostless =
        || template::run().is_well() & validate::run().is_well() & engine::run().is_well();
    let templates = inside || hostless();
    if !nix::unistd::geteuid().is_root() {
        eprintln!("labs need root: they are made of network namespaces");
        return ExitCode::FAILURE;
    }
    let mut well = templates && (inside || lab::run().is_well());
    well &= inside || hosts::run().is_well();
    well &= inside || crowd::run().is_well();
    well &= match (inside, lvsmith::vm::needed()) {
        (false, true) => ipvs_in_vm(&arguments),
        _ => ipvs::run().map(|book| book.is_well() & kube::run().is_well()),
    }
    .unwrap_or_else(|error| {
        eprintln!("{error:?}");
        false
    });
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn ipvs_in_vm(arguments: &[String]) -> anyhow::Result<bool> {
    if !ipvs::NAMES.iter().chain([&kube::NAME]).any(|name| measure::wanted(name)) {
        return Ok(true);
    }
    let mut command = Command::new(LVSMITH);
    command.args(["vm", "run"]);
    // What is drawn is to be there afterwards.
    let drawn = arguments.iter().filter_map(|word| word.strip_prefix("--svg="));
    for file in drawn {
        let folder = std::path::absolute(file)?.parent().map(Path::to_path_buf);
        command.arg("--share").args(folder);
    }
    command.arg("--").arg(std::env::current_exe()?).args(arguments);
    Ok(command.status()?.success())
}
