//! Routes: listing, adding, replacing and removing them.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteProtocol, RouteScope,
    RouteType, RouteVia,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Error, Handle, Scope};
use crate::netlink::InterfaceName;

/// A routing table, by its number.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Table(pub u32);

impl Table {
    /// Where routes are when nobody says otherwise.
    pub const MAIN: Self = Self(254);
    /// Where the kernel keeps the addresses of this host.
    pub const LOCAL: Self = Self(255);
}

/// What a route does with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteKind {
    /// Sends it on.
    #[default]
    Unicast,
    /// Takes it as meant for this host.
    Local,
    /// Drops it without a word.
    Blackhole,
    /// Drops it and says that the destination cannot be reached.
    Unreachable,
    /// Drops it and says that this is forbidden.
    Prohibit,
    /// Something else, that is read but never made.
    Other,
}

/// A route, as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Route {
    /// Where packets are going; a prefix of 0 is the default route.
    pub destination: IpNet,
    /// What happens to them.
    pub kind: RouteKind,
    /// The next hop.
    pub gateway: Option<IpAddr>,
    /// The index of the interface they leave through.
    pub interface: Option<u32>,
    /// The smaller, the sooner it is taken; 0 when IPv4 has none.
    pub metric: u32,
    /// Its table.
    pub table: Table,
    /// How far it reaches.
    pub scope: Scope,
    /// The source address it suggests.
    pub source: Option<IpAddr>,
    /// Whether the gateway is taken to be on the link whatever the addresses say.
    pub onlink: bool,
    /// Whether the kernel made it, for an address.
    pub from_kernel: bool,
    /// Whether it has several next hops.
    pub multipath: bool,
}

/// A route to be added, or to be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewRoute {
    /// Where packets are going.
    pub destination: IpNet,
    /// What happens to them.
    pub kind: RouteKind,
    /// The next hop; of IPv4 packets it may be an IPv6 one.
    pub gateway: Option<IpAddr>,
    /// The interface they leave through.
    pub interface: Option<InterfaceName>,
    /// The smaller, the sooner it is taken.
    pub metric: Option<u32>,
    /// Its table.
    pub table: Table,
    /// How far it reaches; by its gateway and kind when there is none.
    pub scope: Option<Scope>,
    /// The source address it suggests.
    pub source: Option<IpAddr>,
    /// Whether the gateway is taken to be on the link whatever the addresses say.
    pub onlink: bool,
}

impl NewRoute {
    /// A unicast route in the main table.
    #[must_use]
    pub fn new(destination: IpNet) -> Self {
        Self {
            destination: destination.trunc(),
            kind: RouteKind::Unicast,
            gateway: None,
            interface: None,
            metric: None,
            table: Table::MAIN,
            scope: None,
            source: None,
            onlink: false,
        }
    }

    /// Sends packets to a next hop.
    #[must_use]
    pub fn via(self, gateway: IpAddr) -> Self {
        Self { gateway: Some(gateway), ..self }
    }

    /// Sends packets through an interface.
    #[must_use]
    pub fn through(self, interface: InterfaceName) -> Self {
        Self { interface: Some(interface), ..self }
    }

    /// The metric it will have: IPv6 has a default of 1024 (`IP6_RT_PRIO_USER`).
    #[must_use]
    pub fn metric(&self) -> u32 {
        self.metric.unwrap_or(if self.destination.addr().is_ipv6() { 1024 } else { 0 })
    }

    /// The scope it will have, by the rule of `ip route`.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.scope.unwrap_or(match self.kind {
            _ if self.destination.addr().is_ipv6() => Scope::Global,
            RouteKind::Local => Scope::Host,
            RouteKind::Unicast if self.gateway.is_none() => Scope::Link,
            _ => Scope::Global,
        })
    }
}

impl Handle {
    /// Lists the routes of both families in every table.
    pub fn routes(&mut self) -> Result<Vec<Route>, Error> {
        let message = RouteNetlinkMessage::GetRoute(RouteMessage::default());
        let found = self.dump("list the routes", message)?;
        Ok(found.iter().filter_map(route).collect())
    }

    /// Adds a route; it is an error if there is one with that destination, metric and table.
    pub fn add_route(&mut self, new: &NewRoute) -> Result<(), Error> {
        let message = self.routed(new)?;
        self.change(
            || format!("add route `{new}`"),
            RouteNetlinkMessage::NewRoute(message),
            NLM_F_CREATE | NLM_F_EXCL,
        )
    }

    /// Adds a route, in the place of one with that destination, metric and table.
    pub fn replace_route(&mut self, new: &NewRoute) -> Result<(), Error> {
        let message = self.routed(new)?;
        self.change(
            || format!("set route `{new}`"),
            RouteNetlinkMessage::NewRoute(message),
            NLM_F_CREATE | NLM_F_REPLACE,
        )
    }

    /// Removes a route; what is given of it must fit.
    pub fn delete_route(&mut self, old: &NewRoute) -> Result<(), Error> {
        let mut message = self.routed(old)?;
        if old.scope.is_none() {
            message.header.scope = RouteScope::NoWhere;
        }
        // Whoever made it, and whatever it does unless that is given.
        message.header.protocol = RouteProtocol::Unspec;
        if old.kind == RouteKind::Unicast {
            message.header.kind = RouteType::Unspec;
        }
        self.change(|| format!("remove route `{old}`"), RouteNetlinkMessage::DelRoute(message), 0)
    }

    fn routed(&mut self, new: &NewRoute) -> Result<RouteMessage, Error> {
        let interface = match &new.interface {
            Some(name) => Some(self.existing_link(name)?.index),
            None => None,
        };
        let mut message = RouteMessage::default();
        message.header = RouteHeader {
            address_family: family(new.destination.addr()),
            destination_prefix_length: new.destination.prefix_len(),
            // The byte holds the small tables; the attribute holds them all.
            table: u8::try_from(new.table.0).unwrap_or(RouteHeader::RT_TABLE_UNSPEC),
            protocol: RouteProtocol::Static,
            scope: new.scope().into(),
            kind: new.kind.into(),
            flags: if new.onlink { RouteFlags::Onlink } else { RouteFlags::empty() },
            ..RouteHeader::default()
        };
        let attributes = &mut message.attributes;
        attributes.push(RouteAttribute::Table(new.table.0));
        if new.destination.prefix_len() > 0 {
            attributes.push(RouteAttribute::Destination(new.destination.addr().into()));
        }
        attributes.extend(new.gateway.map(|gateway| match (gateway, new.destination) {
            (IpAddr::V6(gateway), IpNet::V4(_)) => RouteAttribute::Via(RouteVia::Inet6(gateway)),
            _ => RouteAttribute::Gateway(gateway.into()),
        }));
        attributes.extend(interface.map(RouteAttribute::Oif));
        attributes.extend(new.metric.map(RouteAttribute::Priority));
        attributes.extend(new.source.map(|source| RouteAttribute::PrefSource(source.into())));
        Ok(message)
    }
}

fn family(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

fn route(message: &RouteNetlinkMessage) -> Option<Route> {
    let RouteNetlinkMessage::NewRoute(message) = message else { return None };
    let header = &message.header;
    let everything: IpAddr = match header.address_family {
        AddressFamily::Inet => std::net::Ipv4Addr::UNSPECIFIED.into(),
        AddressFamily::Inet6 => std::net::Ipv6Addr::UNSPECIFIED.into(),
        _ => return None,
    };
    let mut destination = everything;
    let mut route = Route {
        destination: IpNet::new(everything, header.destination_prefix_length).ok()?,
        kind: header.kind.into(),
        gateway: None,
        interface: None,
        metric: 0,
        table: Table(header.table.into()),
        scope: header.scope.into(),
        source: None,
        onlink: header.flags.contains(RouteFlags::Onlink),
        from_kernel: header.protocol == RouteProtocol::Kernel,
        multipath: false,
    };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(address) => destination = ip(address)?,
            RouteAttribute::Gateway(address) => route.gateway = ip(address),
            RouteAttribute::Via(RouteVia::Inet(address)) => route.gateway = Some((*address).into()),
            RouteAttribute::Via(RouteVia::Inet6(address)) => {
                route.gateway = Some((*address).into());
            }
            RouteAttribute::Oif(index) => route.interface = Some(*index),
            RouteAttribute::Priority(metric) => route.metric = *metric,
            RouteAttribute::Table(table) => route.table = Table(*table),
            RouteAttribute::PrefSource(address) => route.source = ip(address),
            RouteAttribute::MultiPath(_) => route.multipath = true,
            _ => {}
        }
    }
    route.destination = IpNet::new(destination, header.destination_prefix_length).ok()?;
    Some(route)
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some((*address).into()),
        RouteAddress::Inet6(address) => Some((*address).into()),
        _ => None,
    }
}

impl From<RouteScope> for Scope {
    fn from(scope: RouteScope) -> Self {
        match scope {
            RouteScope::Universe => Self::Global,
            RouteScope::Site => Self::Site,
            RouteScope::Link => Self::Link,
            RouteScope::Host => Self::Host,
            _ => Self::Nowhere,
        }
    }
}

impl From<Scope> for RouteScope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Global => Self::Universe,
            Scope::Site => Self::Site,
            Scope::Link => Self::Link,
            Scope::Host => Self::Host,
            Scope::Nowhere => Self::NoWhere,
        }
    }
}

impl From<RouteType> for RouteKind {
    fn from(kind: RouteType) -> Self {
        match kind {
            RouteType::Unicast => Self::Unicast,
            RouteType::Local => Self::Local,
            RouteType::BlackHole => Self::Blackhole,
            RouteType::Unreachable => Self::Unreachable,
            RouteType::Prohibit => Self::Prohibit,
            _ => Self::Other,
        }
    }
}

impl From<RouteKind> for RouteType {
    fn from(kind: RouteKind) -> Self {
        match kind {
            RouteKind::Unicast => Self::Unicast,
            RouteKind::Local => Self::Local,
            RouteKind::Blackhole => Self::BlackHole,
            RouteKind::Unreachable => Self::Unreachable,
            RouteKind::Prohibit => Self::Prohibit,
            RouteKind::Other => Self::Unspec,
        }
    }
}

/// As `ip route` writes it.
impl fmt::Display for NewRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.destination.prefix_len() {
            0 => f.write_str("default")?,
            _ => write!(f, "{}", self.destination)?,
        }
        if let Some(gateway) = self.gateway {
            write!(f, " via {gateway}")?;
        }
        if let Some(interface) = &self.interface {
            write!(f, " dev {interface}")?;
        }
        if let Some(source) = self.source {
            write!(f, " src {source}")?;
        }
        if let Some(metric) = self.metric {
            write!(f, " metric {metric}")?;
        }
        if self.table != Table::MAIN {
            write!(f, " table {}", self.table.0)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_ip_route_would_write_it() {
        let route = NewRoute {
            metric: Some(5),
            table: Table(100),
            ..NewRoute::new("0.0.0.0/0".parse().unwrap())
                .via("10.0.0.1".parse().unwrap())
                .through(InterfaceName::new("eth0").unwrap())
        };
        assert_eq!(route.to_string(), "default via 10.0.0.1 dev eth0 metric 5 table 100");
    }

    #[test]
    fn takes_the_defaults_of_the_kernel() {
        let cases = [("10.0.0.0/8", 0, Scope::Link), ("fd00::/64", 1024, Scope::Global)];
        for (destination, metric, scope) in cases {
            let route = NewRoute::new(destination.parse().unwrap());
            assert_eq!((route.metric(), route.scope()), (metric, scope), "{destination}");
        }
    }
}
