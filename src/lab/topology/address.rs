//! Subnets and addresses as a lab file writes them.

use std::net::IpAddr;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

    /// The highest address that a host can have and none of these has.
    pub(crate) fn free(self, taken: &[IpAddr]) -> Option<Address> {
        let free = |address: &IpAddr| self.refuse(*address).is_none() && !taken.contains(address);
        self.0.hosts().rev().find(free).map(Address)
    }

    /// Says why a host cannot have that address here, if it cannot.
    pub(super) fn refuse(self, address: IpAddr) -> Option<String> {
        let net = self.0;
        if !net.contains(&address) {
            return Some(format!("`{address}` is not in `{net}`"));
        }
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

/// The address of a host in a network, without a prefix, which is the network's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
pub struct Address(IpAddr);

impl Address {
    /// The address.
    #[must_use]
    pub fn ip(self) -> IpAddr {
        self.0
    }
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.split_once('/') {
            Some((address, _)) if address.parse::<IpAddr>().is_ok() => Err(format!(
                "`{text}` has a prefix\nhint: write `{address}`; the prefix is the network's"
            )),
            _ => parse(&text).map(Self),
        }
    }
}

fn parse(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("`{text}` is not an IPv4 or IPv6 address"))
}
