//! Causes where a service is balanced by a mark: nothing marks its packets.

use std::net::SocketAddr;

use super::{Cause, Scene};
use crate::lab::probe::VirtualService;
use crate::netlink::ipvs::{Family, ServiceKey};

/// The one service by a mark that a director has in the family of an address; nothing where
/// there are several, since only the firewall knows which is meant.
pub(super) fn service<'a>(
    director: &str,
    at: SocketAddr,
    scene: &'a Scene,
) -> Option<&'a VirtualService> {
    let table = scene.state(director)?.ipvs.as_ref()?;
    let wanted = Family::of(at.ip());
    let mut marked = table.services.iter().filter(|one| {
        matches!(one.state.service.key, ServiceKey::Fwmark { family, .. } if family == wanted)
    });
    marked.next().filter(|_| marked.next().is_none())
}

/// No rule of the director gives packets the mark of the service.
pub(super) fn unmarked(director: &str, service: &VirtualService, scene: &Scene) -> Option<Cause> {
    let ServiceKey::Fwmark { mark, .. } = service.state.service.key else { return None };
    let rules = scene.state(director)?.marks.as_ref()?;
    if rules.iter().any(|rule| sets(rule).is_none_or(|set| set == mark.get())) {
        return None;
    }
    let key = service.state.service.key;
    let message = format!(
        "nothing on {director} gives packets the mark of {key}, so {director} takes them itself"
    );
    Some(Cause::on(director, message).proof(match rules.as_slice() {
        [] => format!("no rule of nftables sets a mark on {director}"),
        rules => format!("rules that mark on {director}: {}", rules.join("; ")),
    }))
}

/// The mark that a rule sets, where it is one plain number.
fn sets(rule: &str) -> Option<u32> {
    let (_, value) = rule.split_once("mark set ")?;
    let word = value.split_whitespace().next()?;
    match word.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_mark_of_a_rule_that_sets_a_plain_one() {
        assert_eq!(sets("ip daddr 10.0.0.1 meta mark set 0x00000010"), Some(16));
        assert_eq!(sets("meta mark set 7 counter"), Some(7));
        assert_eq!(sets("meta mark set meta mark | 0x1"), None);
        assert_eq!(sets("tcp dport 80 accept"), None);
    }
}
