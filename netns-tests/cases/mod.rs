//! The cases, one file a subject; each file lists its own.

use crate::Case;

mod bad_days;
mod boot;
mod broken;
mod ipvs;
mod ipvs_command;
mod ipvsadm;
mod lab;
mod lvs_dr;
mod modules;
mod playbook;
mod readme;
mod vm;

/// Every case.
pub(crate) fn all() -> Vec<Case> {
    [
        bad_days::CASES,
        boot::CASES,
        broken::CASES,
        ipvs::CASES,
        ipvs_command::CASES,
        ipvsadm::CASES,
        lab::CASES,
        lvs_dr::CASES,
        modules::CASES,
        playbook::CASES,
        readme::CASES,
        vm::CASES,
    ]
    .into_iter()
    .flatten()
    .map(|case| Case { ..*case })
    .collect()
}
