//! The cases, one file a subject; each file lists its own.

use crate::Case;

mod broken;
mod ipvs;
mod lvs_dr;
mod modules;
mod playbook;

/// Every case.
pub(crate) fn all() -> Vec<Case> {
    [broken::CASES, ipvs::CASES, lvs_dr::CASES, modules::CASES, playbook::CASES]
        .into_iter()
        .flatten()
        .map(|case| Case { ..*case })
        .collect()
}
