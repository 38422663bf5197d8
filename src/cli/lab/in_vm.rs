//! Labs that are up inside a micro-VM of their own: the VM stays in the background, and the
//! same commands run again inside it.

use std::fs::File;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use super::super::{Exit, place, vm as vm_command};
use super::say;
use crate::lab::{Error, State, Topology};
use crate::vm;

/// What the VMs of labs are called: this, and the lab's name.
const PREFIX: &str = "lab-";

/// Boots a VM, and brings the lab up in it.
pub(super) fn up(name: &str, options: &vm::Options) -> ExitCode {
    let id = format!("{PREFIX}{name}");
    if all().contains(&id) {
        say(&format!("lab `{name}` is up already, in a micro-VM\n"));
        return Exit::Declared.into();
    }
    let code = vm::background(options, &id).and_then(|()| vm::attach(&id, &place::this_command()));
    if !matches!(code, Ok(0)) {
        // What went wrong was told; a VM without a lab is of no use.
        let _ = vm::end(&id);
    }
    vm_command::exit_of(code.map(ExitCode::from))
}

/// Ends the VM of a lab that is not up outside of one.
pub(super) fn down(error: &Error, lab: Option<&str>) -> Option<ExitCode> {
    let id = meant(error, lab)?;
    let name = id.trim_start_matches(PREFIX).to_owned();
    Some(vm_command::exit_of(vm::end(&id).map(|()| {
        say(&format!("lab `{name}` is down\n"));
        Exit::Declared.into()
    })))
}

/// Runs this very command inside the VM of the lab that is meant, when it is up in one.
pub(in super::super) fn instead_of(error: &Error, lab: Option<&str>) -> Option<ExitCode> {
    let id = meant(error, lab)?;
    Some(vm_command::exit_of(vm::attach(&id, &place::this_command()).map(ExitCode::from)))
}

#[expect(clippy::disallowed_methods, reason = "it runs this program in a VM, for what it says")]
/// Runs a command of this program inside the VM of the lab that is meant, when it is up in one,
/// and has what it says written to a file.
pub(super) fn into_file(
    error: &Error,
    lab: Option<&str>,
    arguments: &[String],
    file: impl FnOnce() -> Result<File, Exit>,
) -> Option<ExitCode> {
    let id = meant(error, lab)?;
    let file = match file() {
        Ok(file) => file,
        Err(exit) => return Some(exit.into()),
    };
    let program = place::this_command().into_iter().next()?;
    let mut command = Command::new(&program);
    command.args(["vm", "exec", &id, "--"]).arg(&program).args(arguments).stdout(file);
    let code = command.status().ok()?.code().and_then(|code| u8::try_from(code).ok());
    Some(code.map_or(Exit::Interrupted.into(), ExitCode::from))
}

#[expect(clippy::disallowed_methods, reason = "it runs this program in a VM, to read its answer")]
/// The labs that are up in VMs, and what they consist of.
pub(super) fn list() -> Vec<(String, State)> {
    let state = |id: &String| {
        let program = place::this_command().into_iter().next()?;
        let output = Command::new(&program)
            .args(["vm", "exec", id, "--"])
            .arg(&program)
            .args(["lab", "list", "--json"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()?;
        let states: Vec<State> = serde_json::from_slice(&output.stdout).ok()?;
        states.into_iter().next()
    };
    all().iter().filter_map(|id| Some((id.clone(), state(id)?))).collect()
}

fn all() -> Vec<String> {
    if vm::inside() {
        return Vec::new();
    }
    let running = vm::running().unwrap_or_default();
    running.into_iter().filter(|id| id.starts_with(PREFIX)).collect()
}

/// The VM of the lab with that name or folder; without either, the only one.
fn meant(error: &Error, lab: Option<&str>) -> Option<String> {
    if !matches!(error, Error::NotUp { .. } | Error::NoHost { .. }) {
        return None;
    }
    let mut up = all();
    let Some(asked) = lab else {
        return if up.len() == 1 { up.pop() } else { None };
    };
    let of_folder = Topology::read(Path::new(asked)).ok().map(|lab| lab.name.to_string());
    let name = of_folder.unwrap_or_else(|| asked.to_owned());
    up.into_iter().find(|id| *id == format!("{PREFIX}{name}"))
}
