//! Addresses of interfaces: listing, adding and removing them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Error, Handle};
use crate::netlink::InterfaceName;

/// How far an address or a route reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Everywhere.
    Global,
    /// This site, of which IPv6 no longer makes use.
    Site,
    /// This link.
    Link,
    /// This host.
    Host,
    /// Nowhere; another number than these, too.
    Nowhere,
}

/// An address, as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Address {
    /// The index of the interface that has it.
    pub interface: u32,
    /// The address.
    pub address: IpAddr,
    /// The length of its network's prefix.
    pub prefix: u8,
    /// How far it reaches.
    pub scope: Scope,
    /// Its label, which only IPv4 has: the name of the interface unless another was given.
    pub label: Option<String>,
    /// The broadcast address, if one was set.
    pub broadcast: Option<Ipv4Addr>,
    /// The other side, when that is another address.
    pub peer: Option<IpAddr>,
    /// Whether it goes when the first address of its network goes.
    pub secondary: bool,
    /// Whether it cannot be used yet, because duplicates are being looked for.
    pub tentative: bool,
    /// Whether it cannot be used, because somebody else was found to have it.
    pub duplicate: bool,
}

/// An address to be added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewAddress {
    /// The address.
    pub address: IpAddr,
    /// The length of its network's prefix.
    pub prefix: u8,
    /// How far it reaches; host for 127.0.0.0/8, otherwise global.
    pub scope: Option<Scope>,
    /// A label, for IPv4; the name of the interface when there is none.
    pub label: Option<String>,
    /// Whether an IPv6 address may be used at once, without looking for duplicates.
    pub no_duplicate_detection: bool,
}

impl NewAddress {
    /// An address with the kernel's defaults.
    #[must_use]
    pub fn new(address: IpAddr, prefix: u8) -> Self {
        Self { address, prefix, scope: None, label: None, no_duplicate_detection: false }
    }

    /// The scope it will have.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.scope.unwrap_or(match self.address {
            IpAddr::V4(address) if address.is_loopback() => Scope::Host,
            _ => Scope::Global,
        })
    }

    /// The broadcast address that the usual tools set: the last of the network, unless the
    /// network is too small to have one or does not leave the host.
    fn broadcast(&self) -> Option<Ipv4Addr> {
        match self.address {
            IpAddr::V4(address) if self.prefix < 31 && self.scope() != Scope::Host => {
                Some(ipnet::Ipv4Net::new(address, self.prefix).ok()?.broadcast())
            }
            _ => None,
        }
    }
}

impl Handle {
    /// Lists the addresses of every interface.
    pub fn addresses(&mut self) -> Result<Vec<Address>, Error> {
        let message = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        let found = self.dump("list the addresses", message)?;
        Ok(found.iter().filter_map(address).collect())
    }

    /// Lists the addresses of one interface.
    pub fn addresses_of(&mut self, interface: &InterfaceName) -> Result<Vec<Address>, Error> {
        let index = self.existing_link(interface)?.index;
        let mut addresses = self.addresses()?;
        addresses.retain(|address| address.interface == index);
        Ok(addresses)
    }

    /// Adds an address; it is an error if the interface has it already.
    pub fn add_address(
        &mut self,
        interface: &InterfaceName,
        new: &NewAddress,
    ) -> Result<(), Error> {
        let link = self.existing_link(interface)?;
        let mut message = addressed(link.index, new.address, new.prefix);
        message.header.scope = new.scope().into();
        message.attributes.extend(new.label.clone().map(AddressAttribute::Label));
        if !link.loopback {
            message.attributes.extend(new.broadcast().map(AddressAttribute::Broadcast));
        }
        if new.no_duplicate_detection {
            message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
        }
        self.change(
            || format!("add address `{}/{}` to `{interface}`", new.address, new.prefix),
            RouteNetlinkMessage::NewAddress(message),
            NLM_F_CREATE | NLM_F_EXCL,
        )
    }

    /// Removes an address. With an IPv4 network's first address its others go too, unless
    /// the interface promotes them (`net.ipv4.conf.….promote_secondaries`).
    pub fn delete_address(
        &mut self,
        interface: &InterfaceName,
        address: IpAddr,
        prefix: u8,
    ) -> Result<(), Error> {
        let index = self.existing_link(interface)?.index;
        let message = RouteNetlinkMessage::DelAddress(addressed(index, address, prefix));
        self.change(
            || format!("remove address `{address}/{prefix}` from `{interface}`"),
            message,
            0,
        )
    }
}

fn addressed(index: u32, address: IpAddr, prefix: u8) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message.header.index = index;
    message.header.prefix_len = prefix;
    message.attributes = vec![AddressAttribute::Local(address), AddressAttribute::Address(address)];
    message
}

fn address(message: &RouteNetlinkMessage) -> Option<Address> {
    let RouteNetlinkMessage::NewAddress(message) = message else { return None };
    let (mut local, mut other, mut label, mut broadcast) = (None, None, None, None);
    let mut flags = AddressFlags::from_bits_retain(u32::from(message.header.flags.bits()));
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(address) => local = Some(*address),
            AddressAttribute::Address(address) => other = Some(*address),
            AddressAttribute::Label(text) => label = Some(text.clone()),
            AddressAttribute::Broadcast(address) => broadcast = Some(*address),
            AddressAttribute::Flags(all) => flags = *all,
            _ => {}
        }
    }
    let address = local.or(other)?;
    Some(Address {
        interface: message.header.index,
        address,
        prefix: message.header.prefix_len,
        scope: message.header.scope.into(),
        label,
        broadcast,
        peer: other.filter(|other| *other != address),
        // In IPv6 the same bit means something else: a temporary address.
        secondary: address.is_ipv4() && flags.contains(AddressFlags::Secondary),
        tentative: flags.contains(AddressFlags::Tentative),
        duplicate: flags.contains(AddressFlags::Dadfailed),
    })
}

impl From<AddressScope> for Scope {
    fn from(scope: AddressScope) -> Self {
        match scope {
            AddressScope::Universe => Self::Global,
            AddressScope::Site => Self::Site,
            AddressScope::Link => Self::Link,
            AddressScope::Host => Self::Host,
            _ => Self::Nowhere,
        }
    }
}

impl From<Scope> for AddressScope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Global => Self::Universe,
            Scope::Site => Self::Site,
            Scope::Link => Self::Link,
            Scope::Host => Self::Host,
            Scope::Nowhere => Self::Nowhere,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Global => "global",
            Self::Site => "site",
            Self::Link => "link",
            Self::Host => "host",
            Self::Nowhere => "nowhere",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasts_where_there_is_something_to_broadcast_to() {
        let cases = [
            ("192.168.0.90", 24, Some("192.168.0.255")),
            ("10.1.2.3", 30, Some("10.1.2.3")),
            ("10.1.2.3", 31, None),
            ("10.1.2.3", 32, None),
            ("127.0.0.2", 8, None),
            ("fd00::1", 64, None),
        ];
        for (address, prefix, broadcast) in cases {
            let new = NewAddress::new(address.parse().unwrap(), prefix);
            assert_eq!(new.broadcast().map(|b| b.to_string()).as_deref(), broadcast, "{address}");
        }
    }
}
