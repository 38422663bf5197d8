//! The textbook cluster: that it works, and that each check sees what breaks it.

use std::path::Path;

use anyhow::Result;

use crate::support::{ROOT, lab, nothing_left, trial};
use crate::{Case, Needs};

pub(crate) const CASES: &[Case] = &[
    Case { name: "lvs_dr::works", needs: Needs::Ipvs, run: works },
    Case { name: "lvs_dr::a_real_server_that_answers_arp", needs: Needs::Ipvs, run: answers_arp },
    Case { name: "lvs_dr::a_missing_destination", needs: Needs::Ipvs, run: missing_destination },
];

const TABLE: &str = "the IPVS table is what was declared";
const ARP: &str = "only the director answers ARP for the VIP";
const ROUND: &str = "requests go round, and replies come straight from the real servers";

fn works() -> Result<()> {
    let trial = trial(&Path::new(ROOT).join("playbooks/lvs-dr"), &[])?;
    trial.passed()?;
    insta::with_settings!({filters => vec![
        (r"\d+\.\d+ s", "[TIME]"), (r"kernel \S+.*", "kernel [KERNEL]"),
    ]}, {
        insta::assert_snapshot!("lvs_dr_works", trial.text);
    });
    nothing_left()
}

fn answers_arp() -> Result<()> {
    let trial = trial(&lab("arp-ignore-left-at-0"), &[])?;
    trial.failed_in(&[ARP])?.because("arp_ignore")?;
    Ok(())
}

fn missing_destination() -> Result<()> {
    let trial = trial(&lab("missing-destination"), &[])?;
    trial.failed_in(&[TABLE, ROUND])?.because("192.168.0.94")?;
    Ok(())
}
