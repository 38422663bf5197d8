//! The table of rules.

use super::site::{Cluster, Step};
use super::{Hit, Rule};

mod arp;
mod boot;
mod commands;
mod facts;
mod owners;
mod routing;
mod table;
mod vip;

/// Every rule, in the order of `docs/lint.md`.
pub static RULES: &[Rule] = &[
    arp::VIP_BEFORE_ARP,
    arp::ARP_ON_LO,
    arp::ARP_ANNOUNCE,
    vip::VIP_PREFIX,
    vip::VIP_ON_DIRECTOR_LO,
    vip::VIP_WITH_NAT,
    vip::VIP_MISSING,
    vip::REAL_SERVER_WITHOUT_VIP,
    table::DR_PORT,
    table::PERSISTENCE_DEFEATS_RR,
    table::WEIGHT_ZERO,
    table::DESTINATION_HASH,
    table::SH_WITHOUT_FALLBACK,
    table::FWMARK_UNMARKED,
    routing::STRICT_RP_FILTER,
    routing::NAT_FORWARD,
    routing::NAT_GATEWAY,
    owners::TWO_OWNERS,
    boot::NOT_PERSISTENT,
    boot::SYSCTL_NOT_LOADED,
    boot::SYSCTL_BEFORE_MODULE,
    commands::USE_MODULE,
    commands::CLEARS_TABLE,
    facts::FACTS_OFF,
    UNUSED_ALLOW,
];

const UNUSED_ALLOW: Rule = Rule {
    id: "unused-allow",
    why: "A comment that allows what is not there hides it on the day it comes.",
    fix: "Take the comment away, or spell the rule as it is called.",
    bad: "\
- hosts: directors
  tasks:
    # lvsmith: allow(use-module) is of no use here: found here
    - modprobe: {name: ip_vs}
",
    good: "\
- hosts: directors
  tasks:
    # lvsmith: allow(use-module)
    - command: modprobe ip_vs
",
    // What allows nothing is known once all others have looked.
    check: |_: &Cluster| Vec::new(),
};

/// The rule about comments that allow nothing.
pub(super) fn unused_allow() -> &'static Rule {
    const RULE: &Rule = &UNUSED_ALLOW;
    RULE
}

fn hit(host: &str, step: &Step, message: impl Into<String>, hint: impl Into<String>) -> Hit {
    Hit {
        place: step.place.clone(),
        host: host.to_owned(),
        message: message.into(),
        hint: hint.into(),
    }
}
