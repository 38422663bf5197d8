//! Networks and hosts as a lab file declares them: what is written is what the kernel does.

use anyhow::{Result, ensure};

use crate::support::{lab, trial};
use crate::{Case, Needs};

pub(crate) const CASES: &[Case] = &[native("fabric::routes_between_networks", routes)];

const fn native(name: &'static str, run: fn() -> Result<()>) -> Case {
    Case { name, needs: Needs::Namespaces, run }
}

fn routes() -> Result<()> {
    let trial = trial(&lab("routed"), &[])?;
    ensure!(trial.exit == Some(0), "{}", trial.text);
    Ok(())
}
