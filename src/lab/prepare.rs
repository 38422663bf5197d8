//! What has to be there before a lab is made, and what is run in its hosts once it is: modules of
//! the kernel, packages of this machine, commands.

#![expect(clippy::disallowed_methods, reason = "what a lab file names is run")]

use std::process::{Command, Stdio};

use super::connector::Reachable;
use super::topology::{Requirement, Topology};
use super::{Entrance, Error};
use crate::modules;

/// At how many hosts commands are run at a time.
const AT_A_TIME: usize = 16;

/// What the running kernel lacks of what a lab requires, in words; IPVS is not looked for here.
#[must_use]
pub fn lacking(topology: &Topology) -> Option<String> {
    let module = |requirement: &Requirement| match requirement {
        Requirement::Module(name) if !modules::kernel_has(name.as_str()) => Some(name.to_string()),
        Requirement::Module(_) | Requirement::Ipvs | Requirement::Root => None,
    };
    let name = topology.requires.iter().find_map(module)?;
    Some(format!("this kernel has no module `{name}`"))
}

/// The packages that hosts need must be on this machine, whose clones they are.
pub(super) fn packages(topology: &Topology) -> Result<(), Error> {
    let named = |name: &str, host: &str| (name.to_owned(), host.to_owned());
    let mut wanted: Vec<(String, String)> = Vec::new();
    for (host, declared) in &topology.hosts {
        for package in &declared.packages {
            if !wanted.iter().any(|(known, _)| known == package.as_str()) {
                wanted.push(named(package.as_str(), host.as_str()));
            }
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = wanted.iter().map(|(name, _)| name.as_str()).collect();
    let failed = |error: modules::Error| Error::Environment {
        message: format!("failed to see which packages are here: {error}"),
        hint: error.hint,
    };
    let (missing, how) = modules::package::missing(&names).map_err(failed)?;
    let first = wanted.iter().find(|(name, _)| missing.contains(&name.as_str()));
    match first {
        None => Ok(()),
        Some((name, host)) => Err(Error::Environment {
            message: format!("host `{host}` needs the package `{name}`, which is not installed"),
            hint: Some(format!(
                "a lab host has the programs of this machine: `{how} {}`",
                missing.join(" ")
            )),
        }),
    }
}

/// Runs the commands of all hosts: of each host in order, of several hosts at once.
pub(super) fn commands(topology: &Topology, lab: &dyn Reachable) -> Result<(), Error> {
    let with: Vec<_> = topology
        .hosts
        .iter()
        .filter(|(_, host)| !host.commands.is_empty())
        .map(|(name, host)| (name.as_str(), host.commands.as_slice()))
        .collect();
    for some in with.chunks(AT_A_TIME) {
        std::thread::scope(|scope| {
            let started: Vec<_> = some
                .iter()
                .map(|(host, commands)| {
                    scope.spawn(move || {
                        let entrance = lab.entrance(host)?;
                        commands.iter().try_for_each(|argv| run(&entrance, argv))
                    })
                })
                .collect();
            let ended = started.into_iter().map(|thread| match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            ended.collect::<Result<(), Error>>()
        })?;
    }
    Ok(())
}

fn run(entrance: &Entrance, argv: &[String]) -> Result<(), Error> {
    let Some((program, arguments)) = argv.split_first() else { return Ok(()) };
    let mut command = Command::new(program);
    command.args(arguments).current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let host = entrance.host();
    let shown = argv.join(" ");
    let output = entrance.spawn(command)?.wait_with_output();
    let output = output.map_err(|error| Error::io(format!("run `{shown}` on `{host}`"), &error))?;
    if output.status.success() {
        return Ok(());
    }
    // What went wrong is mostly in the one, and where that is empty in the other.
    let texts = [&output.stderr, &output.stdout].map(|text| String::from_utf8_lossy(text));
    let words = texts.iter().map(|text| text.trim()).find(|text| !text.is_empty());
    Err(Error::Environment {
        message: format!(
            "`{shown}` failed on host `{host}` ({}): {}",
            output.status,
            words.unwrap_or("it said nothing")
        ),
        hint: Some("it is one of the host's `commands` in the lab file".into()),
    })
}
