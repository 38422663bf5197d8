//! The cases, one file a subject; each file lists its own.

use crate::Case;

mod bad_days;
mod boot;
mod broken;
mod careless;
mod checks;
mod deaths;
mod fabric;
mod ipvs;
mod ipvs_command;
mod ipvs_daemon;
mod ipvs_old_kernel;
mod ipvs_settings;
mod ipvs_table;
mod ipvs_timeouts;
mod ipvsadm;
mod lab;
mod lab_look;
mod lab_ssh;
mod load;
mod lock;
mod lvs_ansible;
mod lvs_dr;
mod modprobe;
mod modules;
mod nftables;
mod ordinary_user;
mod playbook;
mod readme;
mod schedulers;
mod ssh;
mod topologies;
mod user_namespace;
mod vm;

/// Every case.
pub(crate) fn all() -> Vec<Case> {
    [
        bad_days::CASES,
        boot::CASES,
        broken::CASES,
        careless::CASES,
        checks::CASES,
        deaths::CASES,
        fabric::CASES,
        ipvs::CASES,
        ipvs_command::CASES,
        ipvs_daemon::CASES,
        ipvs_old_kernel::CASES,
        ipvs_settings::CASES,
        ipvs_table::CASES,
        ipvs_timeouts::CASES,
        ipvsadm::CASES,
        lab::CASES,
        lab_look::CASES,
        lab_ssh::CASES,
        load::CASES,
        lock::CASES,
        lvs_ansible::CASES,
        lvs_dr::CASES,
        modprobe::CASES,
        modules::CASES,
        nftables::CASES,
        ordinary_user::CASES,
        playbook::CASES,
        readme::CASES,
        schedulers::CASES,
        ssh::CASES,
        topologies::CASES,
        user_namespace::CASES,
        vm::CASES,
    ]
    .into_iter()
    .flatten()
    .map(|case| Case { ..*case })
    .collect()
}
