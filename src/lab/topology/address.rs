//! Subnets and addresses as a lab file writes them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most addresses that a range stands for.
const LIMIT: u32 = 4096;

/// The addresses of a network, such as `192.168.0.0/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
pub struct Subnet(#[schemars(with = "String")] IpNet);

impl Subnet {
    /// The network and its prefix length.
    #[must_use]
    pub fn net(self) -> IpNet {
        self.0
    }

    /// Whether two subnets share an address.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.0.contains(&other.0) || other.0.contains(&self.0)
    }

    /// The highest address that a host can have and that is not taken, with its prefix.
    pub(crate) fn free(self, taken: impl Fn(&IpAddr) -> bool) -> Option<IpNet> {
        let free = |address: &IpAddr| self.refuse(*address).is_none() && !taken(address);
        let address = self.0.hosts().rev().find(free)?;
        Some(self.of(address))
    }

    /// An address with the prefix that it has here.
    pub(super) fn of(self, address: IpAddr) -> IpNet {
        // A prefix that is valid for one address is so for all of its family.
        IpNet::new(address, self.0.prefix_len()).unwrap_or_else(|_| address.into())
    }

    /// Says why a host cannot have that address of the subnet, if it cannot.
    pub(super) fn refuse(self, address: IpAddr) -> Option<String> {
        let net = self.0;
        // With /31 and /32 (RFC 3021), /127 and /128 every address is a host's.
        if net.max_prefix_len() - net.prefix_len() < 2 {
            None
        } else if address == net.network() {
            Some(format!("`{address}` is the address of the network `{net}` itself"))
        } else if address.is_ipv4() && address == net.broadcast() {
            Some(format!("`{address}` is the broadcast address of `{net}`"))
        } else {
            None
        }
    }
}

impl TryFrom<String> for Subnet {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let Some((address, prefix)) = text.split_once('/') else {
            let address = parse(&text)?;
            let usual = if address.is_ipv4() { 24 } else { 64 };
            let hint = IpNet::new(address, usual).map(|net| net.trunc().to_string());
            let hint = hint.unwrap_or_default();
            return Err(format!("subnet `{text}` has no prefix\nhint: did you mean `{hint}`?"));
        };
        let address = parse(address)?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let net = prefix
            .parse::<u8>()
            .ok()
            .and_then(|prefix| IpNet::new(address, prefix).ok())
            .ok_or_else(|| {
                format!("`/{prefix}` is not a prefix\nhint: it counts bits, from 0 to {bits}")
            })?;
        if net.trunc() != net {
            let hint = net.trunc();
            return Err(format!(
                "`{text}` is an address inside a network\nhint: the network is `{hint}`"
            ));
        }
        Ok(Self(net))
    }
}

/// An address of a host in a network, without a prefix, which is the network's; or a range of
/// them such as `10.0.0.[100:150]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub(super) struct Addresses {
    first: IpAddr,
    count: u32,
}

impl Addresses {
    /// Those of the host with that number among several that are written as one, each of which
    /// goes on where the one before it ended; `None` when the numbers come to their end.
    pub fn of_host(self, ordinal: usize) -> Option<impl Iterator<Item = IpAddr>> {
        let from = u32::try_from(ordinal).ok()?.checked_mul(self.count)?;
        later(self.first, from.checked_add(self.count - 1)?)?;
        Some((0..self.count).filter_map(move |one| later(self.first, from + one)))
    }
}

impl TryFrom<String> for Addresses {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if let Some((address, _)) = text.split_once('/')
            && address.parse::<IpAddr>().is_ok()
        {
            return Err(format!(
                "`{text}` has a prefix\nhint: write `{address}`; the prefix is the network's"
            ));
        }
        let Some((before, range)) = text.split_once('[') else {
            return parse(&text).map(|first| Self { first, count: 1 });
        };
        let wrong = || {
            format!("`{text}` is not a range of addresses\nhint: write it like `10.0.0.[100:150]`")
        };
        let ends = range.strip_suffix(']').and_then(|range| range.split_once(':'));
        let (first, last) = ends.ok_or_else(wrong)?;
        let end = |end: &str| format!("{before}{end}").parse::<IpAddr>().map_err(|_| wrong());
        let (first, last) = (end(first)?, end(last)?);
        let distance = distance(first, last).ok_or_else(wrong)?;
        match u32::try_from(distance + 1).ok().filter(|count| *count <= LIMIT) {
            Some(count) => Ok(Self { first, count }),
            None => Err(format!(
                "`{text}` stands for more than {LIMIT} addresses\nhint: a range is one host's own"
            )),
        }
    }
}

fn later(address: IpAddr, by: u32) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => Some(Ipv4Addr::from_bits(address.to_bits().checked_add(by)?).into()),
        IpAddr::V6(address) => {
            Some(Ipv6Addr::from_bits(address.to_bits().checked_add(by.into())?).into())
        }
    }
}

/// How far one is behind the other, if it is.
fn distance(from: IpAddr, to: IpAddr) -> Option<u128> {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            to.to_bits().checked_sub(from.to_bits()).map(Into::into)
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            to.to_bits().checked_sub(from.to_bits()).filter(|distance| *distance < u128::MAX)
        }
        _ => None,
    }
}

fn parse(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("`{text}` is not an IPv4 or IPv6 address"))
}

/// The address of a next hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub(super) struct Gateway(pub IpAddr);

impl TryFrom<String> for Gateway {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        parse(&text).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_host(text: &str, ordinal: usize) -> Option<Vec<String>> {
        let addresses = Addresses::try_from(text.to_owned()).unwrap();
        Some(addresses.of_host(ordinal)?.map(|address| address.to_string()).collect())
    }

    #[test]
    fn every_host_goes_on_where_the_one_before_it_ended() {
        assert_eq!(of_host("10.0.0.11", 2).unwrap(), ["10.0.0.13"]);
        assert_eq!(of_host("10.0.0.[8:9]", 1).unwrap(), ["10.0.0.10", "10.0.0.11"]);
        assert_eq!(of_host("10.0.0.255", 1).unwrap(), ["10.0.1.0"]);
        assert_eq!(of_host("fd00::[e:10]", 0).unwrap(), ["fd00::e", "fd00::f", "fd00::10"]);
        assert_eq!(of_host("255.255.255.254", 2), None);
        assert_eq!(of_host("255.255.255.[253:254]", 1), None);
    }

    #[test]
    fn a_range_of_addresses_is_no_longer_than_anybody_wants() {
        let refused = |text: &str| Addresses::try_from(text.to_owned()).unwrap_err();
        for text in ["10.0.0.[9:8]", "10.0.0.[8:300]", "10.[0:1].0.1", "10.0.0.[8]", "[a:b]"] {
            assert!(refused(text).contains("not a range of addresses"), "{text}");
        }
        assert!(refused("fd00::[0:ffff]").contains("more than 4096"));
        assert!(refused("::[0:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]").contains("not a range"));
    }
}
