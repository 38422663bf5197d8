//! `route`: a route in the kernel's tables.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::network::HostAddress;
use super::{Error, Host, Presence, Resource};
use crate::diagnostic::Remark;
use crate::netlink::InterfaceName;
use crate::netlink::route::{NewRoute, RouteKind, Table};

/// Sends packets for a network through a gateway or an interface.
///
/// The destination, the table and the metric make a route the one it is; what else is given
/// is compared, and a route that differs is replaced in one step. With `state: absent` every
/// route goes that has all that is given.
///
/// ```yaml
/// route:
///   destination: 198.51.100.0/24
///   interface: lo
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Arguments", into = "Arguments")]
pub struct Route {
    arguments: Arguments,
    declared: NewRoute,
}

/// The arguments of `route`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// The network, `10.0.0.0/8`, one address, or `default`.
    #[serde(alias = "to")]
    destination: Destination,
    /// The family of `default` when there is no gateway to tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    family: Option<Family>,
    /// The next hop.
    #[serde(default, alias = "via", skip_serializing_if = "Option::is_none")]
    gateway: Option<HostAddress>,
    /// The interface that packets leave through.
    #[serde(default, alias = "dev", skip_serializing_if = "Option::is_none")]
    interface: Option<InterfaceName>,
    /// The smaller, the sooner it is taken; the kernel's default is 0, or 1024 for IPv6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metric: Option<u32>,
    /// The number of the routing table; 254, which is `main`, by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    table: Option<u32>,
    /// The source address that it suggests.
    #[serde(default, alias = "src", skip_serializing_if = "Option::is_none")]
    source: Option<HostAddress>,
    /// Whether the gateway counts as on the link whatever the addresses say.
    #[serde(default)]
    onlink: bool,
    /// Whether it is there.
    #[serde(default)]
    state: Presence,
}

/// A network, an address, or everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
struct Destination(Option<IpNet>);

/// The family of a default route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl TryFrom<String> for Destination {
    type Error = Remark;

    fn try_from(text: String) -> Result<Self, Remark> {
        if text == "default" {
            return Ok(Self(None));
        }
        let network: IpNet =
            text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).map_err(|_| {
                Remark::new(format!("`{text}` is not a network"))
                    .hint("such as 10.0.0.0/8, fd00::/64, 10.0.0.1 or default")
            })?;
        if network.trunc() != network {
            return Err(Remark::new(format!("`{text}` is an address in a network"))
                .hint(format!("the network is {}", network.trunc())));
        }
        Ok(Self(Some(network)))
    }
}

impl From<Destination> for String {
    fn from(Destination(network): Destination) -> Self {
        network.map_or_else(|| "default".into(), |network| network.to_string())
    }
}

impl TryFrom<Arguments> for Route {
    type Error = Remark;

    fn try_from(arguments: Arguments) -> Result<Self, Remark> {
        let any_v4 = IpNet::from(ipnet::Ipv4Net::default());
        let any_v6 = IpNet::from(ipnet::Ipv6Net::default());
        let gateway = arguments.gateway.map(|gateway| gateway.0);
        let destination = match (arguments.destination.0, arguments.family, gateway) {
            (Some(network), _, _) => network,
            (None, Some(Family::Ipv6), _) => any_v6,
            (None, None, Some(gateway)) if gateway.is_ipv6() => any_v6,
            (None, _, _) => any_v4,
        };
        let is_v6 = destination.addr().is_ipv6();
        let given = arguments.family.is_some_and(|family| (family == Family::Ipv6) != is_v6);
        if given {
            return Err(Remark::new("`family` and `destination` do not agree"));
        }
        if is_v6 && gateway.is_some_and(|gateway| gateway.is_ipv4()) {
            return Err(Remark::new("IPv6 packets cannot go through an IPv4 gateway"));
        }
        let source = arguments.source.map(|source| source.0);
        if source.is_some_and(|source| source.is_ipv6() != is_v6) {
            return Err(Remark::new("`source` is of another family than `destination`"));
        }
        let present = arguments.state == Presence::Present;
        if present && gateway.is_none() && arguments.interface.is_none() {
            return Err(Remark::new("a route needs a `gateway` or an `interface`"));
        }
        if arguments.onlink && (gateway.is_none() || arguments.interface.is_none()) {
            return Err(Remark::new("`onlink` needs a `gateway` and an `interface`"));
        }
        let declared = NewRoute {
            gateway,
            interface: arguments.interface.clone(),
            metric: arguments.metric,
            table: arguments.table.map_or(Table::MAIN, Table),
            source,
            onlink: arguments.onlink,
            ..NewRoute::new(destination)
        };
        Ok(Self { arguments, declared })
    }
}

impl From<Route> for Arguments {
    fn from(route: Route) -> Self {
        route.arguments
    }
}

/// A route to the destination in the table, as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// The next hop.
    pub gateway: Option<IpAddr>,
    /// The name of the interface.
    pub interface: Option<String>,
    /// Its metric.
    pub metric: u32,
    /// The source address that it suggests.
    pub source: Option<IpAddr>,
    /// Whether the gateway counts as on the link.
    pub onlink: bool,
    /// Whether it sends packets on to one next hop, rather than to several or to none.
    pub plain: bool,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Change {
    /// Add the route.
    Add(NewRoute),
    /// Put the route in the place of another one.
    Replace(NewRoute),
    /// Remove the route.
    Remove(NewRoute),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add(route) => write!(f, "add route {route}"),
            Self::Replace(route) => write!(f, "change route to {route}"),
            Self::Remove(route) => write!(f, "remove route {route}"),
        }
    }
}

impl Route {
    /// Whether a route that was found has all that is given of the declared one.
    fn fits(&self, found: &Found) -> bool {
        let declared = &self.declared;
        let interface = declared.interface.as_ref().map(InterfaceName::as_str);
        (interface.is_none() || interface == found.interface.as_deref())
            && (declared.source.is_none() || declared.source == found.source)
            && (!declared.onlink || found.onlink)
    }
}

impl Resource for Route {
    type Observed = Vec<Found>;
    type Change = Change;

    fn observe(&self, host: &mut Host) -> Result<Vec<Found>, Error> {
        let routes = host.routes()?;
        let links = routes.links()?;
        let name = |index| links.iter().find(|link| link.index == index).map(|l| l.name.clone());
        let found = routes.routes()?;
        let here = found.into_iter().filter(|route| {
            route.destination == self.declared.destination && route.table == self.declared.table
        });
        Ok(here
            .map(|route| Found {
                gateway: route.gateway,
                interface: route.interface.and_then(name),
                metric: route.metric,
                source: route.source,
                onlink: route.onlink,
                plain: route.kind == RouteKind::Unicast && !route.multipath,
            })
            .collect())
    }

    fn diff(&self, observed: &Vec<Found>) -> Vec<Change> {
        let declared = &self.declared;
        if self.arguments.state == Presence::Absent {
            let gone = observed.iter().filter(|found| {
                self.fits(found)
                    && (declared.gateway.is_none() || declared.gateway == found.gateway)
                    && declared.metric.is_none_or(|metric| metric == found.metric)
            });
            return gone
                .map(|found| {
                    let metric = Some(found.metric);
                    Change::Remove(NewRoute { metric, ..declared.clone() })
                })
                .collect();
        }
        let mut same = observed.iter().filter(|found| found.metric == declared.metric());
        let equal =
            |found: &&Found| found.plain && found.gateway == declared.gateway && self.fits(found);
        if same.clone().any(|found| equal(&found)) {
            Vec::new()
        } else if same.next().is_some() {
            vec![Change::Replace(declared.clone())]
        } else {
            vec![Change::Add(declared.clone())]
        }
    }

    fn apply(&self, host: &mut Host, change: &Change) -> Result<(), Error> {
        let routes = host.routes()?;
        match change {
            Change::Add(route) => routes.add_route(route)?,
            Change::Replace(route) => routes.replace_route(route)?,
            Change::Remove(route) => routes.delete_route(route)?,
        }
        Ok(())
    }

    fn report(&self, observed: &Vec<Found>) -> Map<String, Value> {
        let mut map = Map::new();
        map.insert("destination".into(), self.declared.destination.to_string().into());
        // A list of plain values always has a form in JSON.
        map.insert("routes".into(), serde_json::to_value(observed).unwrap_or_default());
        map
    }
}

#[cfg(test)]
mod tests {
    use super::super::network::tests::{mistake, travelled};
    use super::*;

    fn found(gateway: &str, interface: &str, metric: u32) -> Found {
        Found {
            gateway: gateway.parse().ok(),
            interface: Some(interface.into()),
            metric,
            source: None,
            onlink: false,
            plain: true,
        }
    }

    fn shown(yaml: &str, observed: Vec<Found>) -> Vec<String> {
        let changes = travelled::<Route>(yaml).diff(&observed);
        changes.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn does_only_what_differs() {
        let yaml = "{destination: default, gateway: 10.0.0.1}";
        assert_eq!(shown(yaml, vec![]), ["add route default via 10.0.0.1"]);
        assert!(shown(yaml, vec![found("10.0.0.1", "eth0", 0)]).is_empty());
        let other = vec![found("10.0.0.2", "eth0", 0)];
        assert_eq!(shown(yaml, other), ["change route to default via 10.0.0.1"]);
        let elsewhere = "{destination: default, gateway: 10.0.0.1, interface: eth1}";
        assert_eq!(
            shown(elsewhere, vec![found("10.0.0.1", "eth0", 0)]),
            ["change route to default via 10.0.0.1 dev eth1"]
        );
    }

    #[test]
    fn leaves_a_route_of_another_metric_alone() {
        let yaml = "{destination: default, gateway: 10.0.0.1}";
        let dhcp = vec![found("10.0.0.254", "eth0", 100)];
        assert_eq!(shown(yaml, dhcp), ["add route default via 10.0.0.1"]);
        let v6 = "{destination: default, gateway: 'fd00::1'}";
        assert!(shown(v6, vec![found("fd00::1", "eth0", 1024)]).is_empty());
    }

    #[test]
    fn replaces_what_has_several_next_hops_or_none() {
        let yaml = "{destination: 10.9.0.0/16, interface: eth0}";
        let blackhole = Found { plain: false, ..found("", "eth0", 0) };
        assert_eq!(shown(yaml, vec![blackhole]), ["change route to 10.9.0.0/16 dev eth0"]);
    }

    #[test]
    fn removes_every_route_that_has_all_that_is_given() {
        let two = || vec![found("10.0.0.1", "eth0", 0), found("10.0.0.2", "eth1", 50)];
        let all = "{destination: default, state: absent}";
        assert_eq!(
            shown(all, two()),
            ["remove route default metric 0", "remove route default metric 50"]
        );
        let one = "{destination: default, gateway: 10.0.0.2, state: absent}";
        assert_eq!(shown(one, two()), ["remove route default via 10.0.0.2 metric 50"]);
        assert!(shown(all, vec![]).is_empty());
    }

    #[test]
    fn says_where_a_mistake_is_and_what_to_do() {
        let cases = [
            ("destination: 10.0.0.1/24\ninterface: eth0", "t.yml:1:14: `10.0.0.1/24` is an"),
            ("destination: 10.0.0.0/33\ninterface: eth0", "is not a network"),
            ("destination: 10.0.0.0/8", "needs a `gateway` or an `interface`"),
            ("destination: fd00::/64\ngateway: 10.0.0.1", "through an IPv4 gateway"),
            ("destination: 10.0.0.0/8\ngateway: 0.0.0.0", "t.yml:2:10: address `0.0.0.0` is"),
            ("destination: 10.0.0.0/8\ngateway: 10.0.0.1\nsource: fd00::1", "another family"),
            ("destination: default\ngateway: 10.0.0.1\nonlink: yes", "needs a `gateway` and"),
            ("destination: 10.0.0.0/8\ninterface: a\nfamily: ipv6", "do not agree"),
        ];
        for (yaml, part) in cases {
            let error = mistake::<Route>(yaml);
            assert!(error.contains(part), "{error} does not say `{part}`");
        }
    }
}
