//! Filters of addresses, as the collection `ansible.utils` has them.

use std::net::IpAddr;

use ipnet::IpNet;
use tera::{TeraResult, Value};

use super::super::python::{error, integer, text};
use super::super::table::{Given, Row};

pub(super) const ROWS: &[Row] = &[
    Row::filter("ipaddr", |value, given| ipaddr(value, given, None))
        .takes(&["query?"])
        .doc("The address or network, or false for what is none; a `query` asks for a part of it (`address`, `network`, `netmask`, `prefix`, `broadcast`, `net`, `host`, `size`, `version`, `first_usable`, …), for a kind (`private`, `public`, `loopback`, …), for membership in a network, or by a number for that address of it. Of a list: those that fit."),
    Row::filter("ipv4", |value, given| ipaddr(value, given, Some(4)))
        .takes(&["query?"])
        .doc("As `ipaddr`, for IPv4 only."),
    Row::filter("ipv6", |value, given| ipaddr(value, given, Some(6)))
        .takes(&["query?"])
        .doc("As `ipaddr`, for IPv6 only."),
    Row::filter("ipwrap", wrap)
        .takes(&["query?"])
        .doc("An IPv6 address in brackets, anything else as it is."),
    Row::filter("nthhost", |value, given| {
        let Some(parsed) = Parsed::of(&text(value)) else { return Ok(false.into()) };
        let at = given.integer("query")?.unwrap_or(0);
        Ok(parsed.nth(at).map_or_else(|| false.into(), |address| address.to_string().into()))
    })
    .takes(&["query?"])
    .doc("That address of a network, counted from 0, or from its end when negative."),
];

/// An address, and the network it stands in.
struct Parsed {
    net: IpNet,
    /// Whether the prefix was written.
    with_prefix: bool,
}

impl Parsed {
    fn of(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Self { net: IpNet::from(address), with_prefix: false });
        }
        let (address, mask) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let net = match mask.parse::<IpAddr>() {
            Ok(mask) => IpNet::with_netmask(address, mask).ok()?,
            Err(_) => IpNet::new(address, mask.parse().ok()?).ok()?,
        };
        Some(Self { net, with_prefix: true })
    }

    fn version(&self) -> i64 {
        if self.net.addr().is_ipv4() { 4 } else { 6 }
    }

    /// How many addresses the network has, less one: all of IPv6 does not fit.
    fn last(&self) -> u128 {
        let host_bits = u32::from(self.net.max_prefix_len() - self.net.prefix_len());
        u128::MAX.checked_shr(128 - host_bits).unwrap_or(0)
    }

    fn first_number(&self) -> u128 {
        number(self.net.network())
    }

    fn nth(&self, at: i64) -> Option<IpAddr> {
        let distance = u128::from(at.unsigned_abs());
        let offset = match at < 0 {
            true => self.last().checked_sub(distance - 1)?,
            false => distance,
        };
        (offset <= self.last()).then(|| self.address(self.first_number() + offset))
    }

    fn address(&self, number: u128) -> IpAddr {
        match self.net {
            IpNet::V4(_) => IpAddr::from(u32::try_from(number).unwrap_or(0).to_be_bytes()),
            IpNet::V6(_) => IpAddr::from(number.to_be_bytes()),
        }
    }

    /// Whether it stands for the network, not for one address in it.
    fn is_network(&self) -> bool {
        self.last() > 0 && self.net.addr() == self.net.network()
    }

    /// The first and the last address that a host may have.
    fn usable(&self) -> (u128, u128) {
        let first = self.first_number();
        match (self.net, self.last()) {
            (_, 0 | 1) => (first, first + self.last()),
            (IpNet::V4(_), last) => (first + 1, first + last - 1),
            (IpNet::V6(_), last) => (first + 1, first + last),
        }
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

fn ipaddr(value: &Value, given: &Given, version: Option<i64>) -> TeraResult<Value> {
    let query = given.text("query").unwrap_or_default();
    if let Some(items) = value.as_array() {
        let mut out = Vec::new();
        for item in items {
            let found = one(item, &query, version)?;
            if found.is_truthy() {
                out.push(found);
            }
        }
        return Ok(out.into());
    }
    one(value, &query, version)
}

fn one(value: &Value, query: &str, version: Option<i64>) -> TeraResult<Value> {
    let parsed = match value.as_str() {
        Some(text) => Parsed::of(text),
        None => None,
    };
    let Some(parsed) = parsed.filter(|one| version.is_none_or(|version| version == one.version()))
    else {
        return Ok(false.into());
    };
    let found = asked(&parsed, value, query)?;
    Ok(found.unwrap_or_else(|| if query.is_empty() { false.into() } else { Value::none() }))
}

/// The answer to a query; `None` where the address has none.
fn asked(parsed: &Parsed, value: &Value, query: &str) -> TeraResult<Option<Value>> {
    let net = parsed.net;
    let (address, prefix) = (net.addr(), net.prefix_len());
    let shown = |address: IpAddr| Value::from(address.to_string());
    let with = |address: IpAddr| Value::from(format!("{address}/{prefix}"));
    let when = |holds: bool| holds.then(|| value.clone());
    let host = !parsed.is_network();
    let (first, last) = parsed.usable();
    let usable = |number: u128| (parsed.last() > 0).then(|| shown(parsed.address(number)));
    Ok(match query {
        "" | "ipaddr" => Some(value.clone()),
        "address" | "ip" => host.then(|| shown(address)),
        "network" | "network_id" => Some(shown(net.network())),
        "netmask" => Some(shown(net.netmask())),
        "hostmask" | "wildcard" => Some(shown(net.hostmask())),
        "prefix" => Some(u64::from(prefix).into()),
        "broadcast" => (parsed.last() > 1).then(|| shown(net.broadcast())),
        "version" => Some(parsed.version().into()),
        "size" => {
            Some(integer(i128::try_from(parsed.last()).unwrap_or(i128::MAX).saturating_add(1))?)
        }
        "net" => parsed.is_network().then(|| with(net.network())),
        "subnet" | "network/prefix" | "cidr" => Some(with(net.network())),
        "host" if !parsed.with_prefix => Some(value.clone()),
        "host" | "host/prefix" | "address/prefix" | "ip/prefix" | "gateway" | "gw" => {
            (host && parsed.last() > 0).then(|| with(address))
        }
        "network/netmask" => Some(format!("{}/{}", net.network(), net.netmask()).into()),
        "ip/netmask" | "address/netmask" => {
            (host && parsed.last() > 0).then(|| format!("{address}/{}", net.netmask()).into())
        }
        "ip_netmask" => {
            (host && parsed.last() > 0).then(|| format!("{address} {}", net.netmask()).into())
        }
        "ip_wildcard" => {
            (host && parsed.last() > 0).then(|| format!("{address} {}", net.hostmask()).into())
        }
        "network_netmask" => Some(format!("{} {}", net.network(), net.netmask()).into()),
        "network_wildcard" => Some(format!("{} {}", net.network(), net.hostmask()).into()),
        "first_usable" => usable(first),
        "last_usable" => usable(last),
        "range_usable" => (parsed.last() > 0)
            .then(|| format!("{}-{}", parsed.address(first), parsed.address(last)).into()),
        "size_usable" => {
            Some(integer(i128::try_from(last - first).unwrap_or(i128::MAX).saturating_add(1))?)
        }
        "next_usable" => number(address)
            .checked_add(1)
            .filter(|next| (first..=last).contains(next))
            .and_then(usable),
        "previous_usable" => number(address)
            .checked_sub(1)
            .filter(|next| (first..=last).contains(next))
            .and_then(usable),
        "int" => Some(integer(i128::try_from(number(address)).unwrap_or(i128::MAX))?),
        "loopback" | "lo" => when(address.is_loopback()),
        "multicast" => when(address.is_multicast()),
        "unicast" => when(!address.is_multicast()),
        "link-local" => when(is_link_local(address)),
        "private" => when(is_private(address)),
        "public" => when(
            !is_private(address)
                && !address.is_loopback()
                && !address.is_multicast()
                && !is_link_local(address),
        ),
        "revdns" => Some(reverse_name(address).into()),
        "wrap" => Some(wrapped(&text(value)).into()),
        "bool" => Some(true.into()),
        _ => match (query.parse::<i64>(), Parsed::of(query)) {
            (Ok(at), _) => parsed.nth(at).map(with),
            (_, Some(around)) => {
                when(around.net.contains(&net.trunc()) || around.net.contains(&address))
            }
            _ => return Err(error(format!("`{query}` cannot be asked of an address"))),
        },
    })
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private(),
        IpAddr::V6(address) => address.segments()[0] & 0xfe00 == 0xfc00,
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.segments()[0] & 0xffc0 == 0xfe80,
    }
}

fn reverse_name(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa.")
        }
        IpAddr::V6(address) => {
            let digits = address
                .octets()
                .iter()
                .rev()
                .map(|byte| format!("{:x}.{:x}.", byte & 15, byte >> 4))
                .collect::<String>();
            format!("{digits}ip6.arpa.")
        }
    }
}

fn wrap(value: &Value, given: &Given) -> TeraResult<Value> {
    let query = given.text("query").unwrap_or_default();
    let wrapped_one = |value: &Value| -> TeraResult<Value> {
        if query.is_empty() {
            return Ok(wrapped(&text(value)).into());
        }
        let found = one(value, &query, None)?;
        Ok(if found.is_string() { wrapped(&text(&found)).into() } else { found })
    };
    match value.as_array() {
        Some(items) => {
            items.iter().map(wrapped_one).collect::<TeraResult<Vec<_>>>().map(Value::from)
        }
        None if value.is_string() => wrapped_one(value),
        None => Ok(value.clone()),
    }
}

fn wrapped(text: &str) -> String {
    match Parsed::of(text) {
        Some(parsed) if parsed.version() == 6 => match parsed.with_prefix {
            true => format!("[{}]/{}", parsed.net.addr(), parsed.net.prefix_len()),
            false => format!("[{}]", parsed.net.addr()),
        },
        _ => text.to_owned(),
    }
}
