//! Many hosts that are alike become one card: twenty real servers say no more than one and a
//! number.

use ipnet::IpNet;

use super::{Card, Leg};

/// As many hosts that are alike are drawn one by one.
const FEW: usize = 6;

/// Folds hosts that stand in a row and differ in nothing but names and addresses.
pub(super) fn alike(hosts: Vec<Card>) -> Vec<Card> {
    let mut groups: Vec<Vec<Card>> = Vec::new();
    for host in hosts {
        match groups.last_mut() {
            Some(group) if group.iter().all(|one| are_alike(one, &host)) => group.push(host),
            _ => groups.push(vec![host]),
        }
    }
    groups
        .into_iter()
        .flat_map(|group| match group.as_slice() {
            [first, .., last] if group.len() > FEW => vec![folded(first, last, group.len())],
            _ => group,
        })
        .collect()
}

fn are_alike(one: &Card, other: &Card) -> bool {
    let networks = |card: &Card| -> Vec<(usize, usize)> {
        card.legs.iter().map(|leg| (leg.network, leg.addresses.len())).collect()
    };
    one.role == other.role
        && one.purpose == other.purpose
        && one.groups == other.groups
        && one.vips == other.vips
        && networks(one) == networks(other)
}

fn folded(first: &Card, last: &Card, count: usize) -> Card {
    let legs = first.legs.iter().zip(&last.legs).map(|(leg, end)| Leg {
        addresses: leg.addresses.iter().zip(&end.addresses).map(|(a, b)| between(a, b)).collect(),
        ..leg.clone()
    });
    Card {
        name: format!("{} … {}", first.name, last.name),
        count,
        legs: legs.collect(),
        ..first.clone()
    }
}

/// The addresses of an interface, of many the first and last.
pub(super) fn few(addresses: &[IpNet]) -> Vec<String> {
    let addresses: Vec<String> = addresses.iter().map(|own| own.addr().to_string()).collect();
    match addresses.as_slice() {
        [first, .., last] if addresses.len() > FEW => {
            vec![between(first, last), format!("{} addresses", addresses.len())]
        }
        _ => addresses,
    }
}

/// Two addresses, of the second one as much as differs.
fn between(first: &str, last: &str) -> String {
    match (first.rsplit_once('.'), last.rsplit_once('.')) {
        (Some((network, _)), Some((same, end))) if network == same => format!("{first} … .{end}"),
        _ => format!("{first} … {last}"),
    }
}
