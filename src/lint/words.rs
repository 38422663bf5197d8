//! What to do about mistakes that a lab finds, too: the same words for both.

/// The ARP sysctls come before the VIP.
pub(crate) fn quiet_first(parameter: &str, interface: &str) -> String {
    format!("set `{parameter}` to 1 before the VIP goes onto {interface}")
}

/// Replies of masqueraded connections pass the director.
pub(crate) fn route_back(host: &str, director: &str) -> String {
    format!("with masquerading, {host}'s default route goes through {director}")
}

/// Why masquerading needs forwarding.
pub(crate) const FORWARDS: &str = "the director routes the replies of masqueraded connections";

/// Where the director has the VIP.
pub(crate) const OUTWARD: &str =
    "the director needs the VIP on the interface that faces the clients";

/// What `rp_filter` must be for what comes out of a tunnel.
pub(crate) const LOOSE: &str = "the larger of the two counts, and must be 0 or 2";

/// How a real server has the VIP.
pub(crate) const INWARD: &str = "a real server has the VIP on `lo`, as a /32";
/// The same in IPv6.
pub(crate) const INWARD_V6: &str = "a real server has the VIP on `lo`, as a /128";
