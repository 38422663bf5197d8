//! Making the kernel's setup another one: as far as it goes, or all of it or nothing.

use std::fmt;

use super::Setup;
use super::setup::Step;
use crate::modules::modprobe;
use crate::netlink::ipvs::{Error, Failure, Handle};

/// How far to go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Way {
    /// Whether services go that are not declared.
    pub purge: bool,
    /// Whether everything is to be as it was before when anything fails.
    pub atomic: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct Made {
    /// What was asked of the kernel, in its order.
    pub steps: Vec<Step>,
    /// What failed of it.
    pub failures: Vec<Failure>,
    /// What became of the others.
    pub ending: Ending,
}

/// What became of the steps that did not fail.
#[derive(Debug)]
pub enum Ending {
    /// They are done.
    Done,
    /// They were undone, and it was read again: all is as it was.
    Undone,
    /// They could not be undone; this much differs from how it was.
    Stuck {
        /// What it would take to get back.
        left: Vec<Step>,
        /// Why that failed.
        failures: Vec<Failure>,
    },
}

impl fmt::Display for Made {
    /// `3 changes`, or what is the matter.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = |count| crate::report::counted(count, "change");
        match (self.steps.len(), self.failures.len()) {
            (0, _) => f.write_str("nothing to change"),
            (all, 0) => f.write_str(&counted(all)),
            (all, failed) => write!(f, "{failed} of {} failed", counted(all)),
        }
    }
}

impl Setup {
    /// Makes the kernel's setup this one. `now` is what was read of it before.
    ///
    /// With `way.atomic` nothing is removed before all else has succeeded, since what was
    /// removed comes back with its counters at zero. Without it, what is left after a failure is
    /// found out and tried once more: another program may have changed the table meanwhile.
    pub fn make(&self, ipvs: &mut Handle, now: &Self, way: Way) -> Result<Made, Error> {
        let steps = self.steps(now, way.purge);
        modprobe::load_schedulers(steps.iter().map(AsRef::as_ref));
        if way.atomic {
            return self.make_whole(ipvs, now, steps);
        }
        let mut failures = ipvs.apply_all(&steps)?;
        if !failures.is_empty() {
            let left = self.steps(&Self::read(ipvs)?, way.purge);
            failures = ipvs.apply_all(&left)?;
        }
        Ok(Made { steps, failures, ending: Ending::Done })
    }

    fn make_whole(&self, ipvs: &mut Handle, now: &Self, steps: Vec<Step>) -> Result<Made, Error> {
        let (removals, others): (Vec<Step>, Vec<Step>) = steps.into_iter().partition(Step::removes);
        let mut asked = Vec::new();
        for steps in [others, removals] {
            let failures = ipvs.apply_all(&steps)?;
            asked.extend(steps);
            if !failures.is_empty() {
                let ending = now.go_back(ipvs, &asked)?;
                return Ok(Made { steps: asked, failures, ending });
            }
        }
        Ok(Made { steps: asked, failures: Vec::new(), ending: Ending::Done })
    }

    /// Undoes steps, and reads again whether that has succeeded. `self` is how it was.
    fn go_back(&self, ipvs: &mut Handle, steps: &[Step]) -> Result<Ending, Error> {
        let undo = self.undo(&Self::read(ipvs)?, steps);
        let failures = ipvs.apply_all(&undo)?;
        let left = self.undo(&Self::read(ipvs)?, steps);
        if left.is_empty() { Ok(Ending::Undone) } else { Ok(Ending::Stuck { left, failures }) }
    }
}
