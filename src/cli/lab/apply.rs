//! `lvsmith apply --lab NAME`: a playbook on the hosts of a lab that is up.

use std::path::Path;
use std::process::ExitCode;

use super::super::apply::exit_of;
use super::super::output::refuse;
use super::super::place;
use super::{failed, in_vm};
use crate::engine::{self, Options};
use crate::lab::trial::{self, Audience};
use crate::lab::{InLab, Running, Topology};
use crate::playbook::Playbook;

/// Finds the lab, in whatever place it is; a process with threads cannot go there any more.
pub(in super::super) fn found(lab: &str) -> Result<Running, ExitCode> {
    Running::find(Some(lab)).and_then(place::followed).map_err(|error| {
        let kept = in_vm::instead_of(&error, Some(lab));
        kept.unwrap_or_else(|| failed(error).into())
    })
}

/// Runs the playbook; the lab's own when none is given.
pub(in super::super) fn apply(
    running: &Running,
    playbook: Option<&Path>,
    options: &Options,
    audience: &mut dyn Audience,
) -> ExitCode {
    let read = Topology::read(&running.state().folder).and_then(|topology| {
        let inventory = trial::inventory(&topology)?;
        let own = topology.playbook.as_ref().map(|own| topology.folder.join(own));
        let path = playbook.map(Path::to_owned).or(own).unwrap_or_else(|| "site.yml".into());
        let variables = topology.combination.variables();
        Ok((inventory, Playbook::read(&trial::relative(path))?, variables))
    });
    let (inventory, playbook, variables) = match read {
        Ok(all) => all,
        Err(mistakes) => return refuse(audience, &mistakes).into(),
    };
    let mut options = options.clone();
    for (name, value) in variables {
        options.extra.entry(name).or_insert(value);
    }
    let ran = engine::run(&playbook, &inventory, &InLab(running), &options, audience);
    match ran {
        Ok(summary) => exit_of(&summary).into(),
        Err(mistakes) => refuse(audience, &mistakes).into(),
    }
}
