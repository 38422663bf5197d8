//! What was seen, drawn for a terminal: tables of at most 100 columns, without colours.

use std::net::IpAddr;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, ContentArrangement};

use super::Roster;
use crate::lab::probe::{Answer, Answers, Coverage, Outcome, Resolved, Table, protocol};
use crate::netlink::MacAddress;
use crate::netlink::ipvs::{Forward, ServiceKey};

/// No line is longer.
const WIDTH: u16 = 100;
/// A bar this long is all requests.
const BAR: usize = 20;
/// Stands for a request that nobody answered.
const NOBODY: &str = "×";
/// So many characters of an order are spelled out.
const SPELLED: usize = 70;

fn drawn(header: &[&str], numbers: &[usize], rows: Vec<Vec<String>>) -> String {
    let mut table = comfy_table::Table::new();
    table
        .load_style(UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH)
        .set_header(header.to_vec())
        .add_rows(rows);
    for column in numbers {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// Names in the order they answered.
pub(super) fn order(named: &[&str]) -> String {
    let mut line = String::new();
    for (at, name) in named.iter().enumerate() {
        if at > 0 && line.chars().count() + name.chars().count() >= SPELLED {
            return format!("{line} … and {} more", named.len() - at);
        }
        if at > 0 {
            line.push(' ');
        }
        line += name;
    }
    line
}

/// Which real server answered how many requests, in which order, and who handed it over.
pub(super) fn answers(seen: &Answers, expected: &[&str], lab: &Roster) -> String {
    let total = seen.requests.len();
    let who: Vec<&str> = seen
        .requests
        .iter()
        .map(|answer| match &answer.outcome {
            Outcome::Response(response) => response.real_server().unwrap_or("(unnamed)"),
            Outcome::Failed(_) => NOBODY,
        })
        .collect();
    let mut names: Vec<&str> = expected.to_vec();
    for name in &who {
        if !names.contains(name) {
            names.push(name);
        }
    }
    let row = |name: &&str| {
        let answers: Vec<_> =
            seen.requests.iter().zip(&who).filter(|(_, who)| *who == name).collect();
        let count = answers.len();
        let mut senders: Vec<MacAddress> =
            answers.iter().flat_map(|(answer, _)| answer.reply_macs.iter().copied()).collect();
        senders.sort_unstable();
        senders.dedup();
        vec![
            if *name == NOBODY { format!("{NOBODY} (no answer)") } else { (*name).to_owned() },
            format!("{count} of {total}"),
            "█".repeat((count * BAR).div_ceil(total.max(1))),
            senders_in_words(&senders, name, &seen.capture, lab),
        ]
    };
    let rows = names.iter().map(row).collect();
    let table = drawn(&["real server", "answered", "share", "reply came from"], &[1], rows);
    let straight = |(answer, who): &(&Answer, &&str)| {
        let macs = &answer.reply_macs;
        !macs.is_empty() && macs.iter().all(|mac| lab.by_mac(*mac) == Some(**who))
    };
    let straight = seen.requests.iter().zip(&who).filter(straight).count();
    let replies = who.iter().filter(|name| **name != NOBODY).count();
    let order = order(&who);
    match replies {
        0 => format!("{table}\norder: {order}"),
        _ => format!(
            "{table}\norder: {order}\nstraight from the real server: {straight} of {replies} replies"
        ),
    }
}

/// What one destination took.
pub(super) struct Share {
    pub(super) name: String,
    pub(super) weight: u32,
    pub(super) taken: usize,
}

/// How many of all connections each destination took.
pub(super) fn shares(shares: Vec<Share>, all: usize) -> String {
    let row = |Share { name, weight, taken }: Share| {
        let bar = "█".repeat((taken * BAR).div_ceil(all.max(1)));
        vec![name, weight.to_string(), format!("{taken} of {all}"), bar]
    };
    let rows = shares.into_iter().map(row).collect();
    drawn(&["real server", "weight", "took", "share"], &[1, 2], rows)
}

fn senders_in_words(macs: &[MacAddress], name: &str, capture: &Coverage, lab: &Roster) -> String {
    match macs {
        [] if matches!(capture, Coverage::Unavailable(_)) => "unknown: no capture".into(),
        [] => String::new(),
        [mac] if lab.by_mac(*mac) == Some(name) => format!("{name} itself, {mac}"),
        macs => macs.iter().map(|mac| lab.mac(*mac)).collect::<Vec<_>>().join(", "),
    }
}

/// Who answers for an address.
pub(super) fn resolution(address: IpAddr, seen: &Resolved, lab: &Roster) -> String {
    let rows: Vec<Vec<String>> = seen
        .answers
        .iter()
        .map(|answer| {
            let host = lab.by_mac(answer.mac).unwrap_or("(no host of this lab)");
            let times = format!("{} of {}", answer.count, seen.asks);
            vec![address.to_string(), host.to_owned(), answer.mac.to_string(), times]
        })
        .collect();
    if rows.is_empty() {
        let protocol = protocol(address);
        return format!("nobody answers {protocol} for {address} on {}", seen.interface);
    }
    drawn(&["who has", "answered by", "at", "times"], &[3], rows)
}

/// A table as `ipvsadm -Ln` lists it, with the names of hosts beside their addresses.
pub(super) fn table(seen: &Table, lab: &Roster) -> String {
    if seen.services.is_empty() {
        return "the IPVS table is empty".into();
    }
    let mut lines = vec![
        "Prot LocalAddress:Port Scheduler Flags".to_owned(),
        format!(
            "  -> {:<40} {:<7} {:>6} {:>10} {:>10}",
            "RemoteAddress:Port", "Forward", "Weight", "ActiveConn", "InActConn"
        ),
    ];
    for found in &seen.services {
        let service = &found.state.service;
        let rest = service.to_string();
        let rest = rest.strip_prefix(&service.key.to_string()).unwrap_or(&rest);
        lines.push(match service.key {
            ServiceKey::Address { protocol, address, port } => {
                let at = std::net::SocketAddr::new(address, port);
                format!("{:<4} {at}{rest}", protocol.to_string().to_uppercase())
            }
            ServiceKey::Fwmark { .. } => format!("FWM  {}{rest}", service.key),
        });
        for one in &found.destinations {
            let destination = &one.destination;
            let name = match lab.by_address(destination.key.address) {
                Some(host) => format!("{} ({host})", destination.key),
                None => destination.key.to_string(),
            };
            let forward = match destination.forward {
                Forward::Direct => "Route".to_owned(),
                Forward::Nat => "Masq".to_owned(),
                Forward::Tunnel(_) => "Tunnel".to_owned(),
                Forward::Other(1) => "Local".to_owned(),
                other @ Forward::Other(_) => other.to_string(),
            };
            lines.push(format!(
                "  -> {name:<40} {forward:<7} {:>6} {:>10} {:>10}",
                destination.weight, one.active_connections, one.inactive_connections
            ));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests;
