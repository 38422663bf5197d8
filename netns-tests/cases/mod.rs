//! The cases, one file a subject; each file lists its own.

use crate::Case;

mod bad_days;
mod broken;
mod ipvs;
mod ipvs_daemon;
mod ipvs_table;
mod ipvs_timeouts;
mod lab;
mod lvs_dr;
mod modprobe;
mod modules;
mod playbook;
mod readme;
mod vm;

/// Every case.
pub(crate) fn all() -> Vec<Case> {
    [
        bad_days::CASES,
        broken::CASES,
        ipvs::CASES,
        ipvs_daemon::CASES,
        ipvs_table::CASES,
        ipvs_timeouts::CASES,
        lab::CASES,
        lvs_dr::CASES,
        modprobe::CASES,
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
