//! Packet rules for real: marks that an IPVS service balances by, masquerading, and rules that
//! somebody else changed.

use anyhow::{Result, ensure};

use crate::support::{lab, nothing_left, trial};
use crate::two_hosts::TwoHosts;
use crate::{Case, Needs};

pub(crate) const CASES: &[Case] = &[
    Case { name: "nftables::marks_and_masquerades", needs: Needs::Ipvs, run: marks },
    Case { name: "nftables::holds_what_it_declares", needs: Needs::Ipvs, run: holds },
];

fn marks() -> Result<()> {
    trial(&lab("fwmark"), &[])?.passed()?;
    nothing_left("fwmark")
}

/// What others load stays; what they change of ours does not; what is broken is not loaded.
fn holds() -> Result<()> {
    const RULES: &str = "table inet lvs {\n  set seen { type ipv4_addr; flags dynamic; }\n  \
        chain marks {\n    type filter hook output priority mangle;\n    \
        iif \"eth0\" accept\n    tcp dport 80 counter meta mark set 7\n    \
        ip protocol tcp add @seen { ip daddr }\n  }\n}\n";
    const TASK: &str = "nftables: {src: lvs.nft, dest: /etc/nftables.d/lvs.nft}";
    let lab = TwoHosts::up()?;
    lab.write("lvs.nft", RULES)?;
    lab.run("rs1", "nft add table ip theirs")?.exits(0)?;
    let changed = |task: &str, verb: &str, count: u8| -> Result<()> {
        let said = lab.task(verb, task)?;
        let expected = format!(" changed={count} ");
        ensure!(said.exit == Some(0) && said.output.contains(&expected), "{verb} {task}: {said:?}");
        Ok(())
    };
    changed(TASK, "plan", 1)?;
    ensure!(lab.look("nft list tables")? == "table ip theirs", "a plan loaded something");
    changed(TASK, "apply", 1)?;
    ensure!(lab.look("nft list tables")? == "table ip theirs\ntable inet lvs");
    // Counters count and sets learn; that is no difference.
    lab.run(
        "rs1",
        "curl -s -m 1 http://10.10.0.3/ || true; nft list set inet lvs seen | grep -q elements",
    )?
    .exits(0)?;
    changed(TASK, "apply", 0)?;
    lab.run("rs1", "nft insert rule inet lvs marks counter drop")?.exits(0)?;
    changed(TASK, "plan", 1)?;
    changed(TASK, "apply", 1)?;
    ensure!(!lab.look("nft list table inet lvs")?.contains("drop"), "the rule is still there");

    lab.write("lvs.nft", "table inet lvs {\n  chain a { jump nowhere; }\n}\n")?;
    let broken = lab.task("apply", TASK)?;
    let told = broken.output.contains("/etc/nftables.d/lvs.nft:2:");
    ensure!(broken.exit == Some(2) && told, "{broken:?}");
    ensure!(lab.look("cat /etc/nftables.d/lvs.nft")?.contains("meta mark set 7"));

    let gone = "nftables: {state: absent, table: inet lvs, dest: /etc/nftables.d/lvs.nft}";
    changed(gone, "apply", 1)?;
    changed(gone, "apply", 0)?;
    ensure!(lab.look("nft list tables; ls /etc/nftables.d")? == "table ip theirs");
    lab.down()
}
