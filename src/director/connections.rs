//! Connections that somebody asks for, and how they are drawn.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use anstyle::Style;

use super::grid::{Align, Cell, Grid};
use super::listing::HEADING;
use crate::netlink::ipvs::{Connection, ServiceKey};

const COLUMNS: [(&str, Align); 6] = [
    ("PROTOCOL", Align::Left),
    ("CLIENT", Align::Left),
    ("SERVICE", Align::Left),
    ("DESTINATION", Align::Left),
    ("STATE", Align::Left),
    ("EXPIRES", Align::Right),
];

/// Which connections are wanted; all of what is said must fit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Through this service.
    pub service: Option<ServiceKey>,
    /// From this address, and this port if there is one.
    pub client: Option<Place>,
    /// To this address, and this port if there is one.
    pub destination: Option<Place>,
}

/// An address, with a port or for every port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The address.
    pub address: IpAddr,
    /// The port.
    pub port: Option<u16>,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(both) = text.parse::<SocketAddr>() {
            return Ok(Self { address: both.ip(), port: Some(both.port()) });
        }
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        let wrong = |_| "write it as `10.0.0.1`, `10.0.0.1:80`, `fd00::1` or `[fd00::1]:80`".into();
        bare.parse().map(|address| Self { address, port: None }).map_err(wrong)
    }
}

impl Place {
    fn fits(&self, place: SocketAddr) -> bool {
        self.address == place.ip() && self.port.is_none_or(|port| port == place.port())
    }
}

impl Wanted {
    /// Whether a connection is one of those that are wanted.
    #[must_use]
    pub fn fits(&self, connection: &Connection) -> bool {
        self.service.is_none_or(|service| goes_through(connection, &service))
            && self.client.is_none_or(|client| client.fits(connection.client))
            && self.destination.is_none_or(|one| one.fits(connection.destination))
    }
}

/// A service of every port has connections of each. A connection does not tell of a mark: of
/// a marked service there is only what persistence remembers.
fn goes_through(connection: &Connection, service: &ServiceKey) -> bool {
    match (connection.key(), *service) {
        (
            Some(ServiceKey::Address { protocol, address, .. }),
            ServiceKey::Address { protocol: wanted, address: vip, port: 0 },
        ) => protocol == wanted && address == vip,
        (key, service) => key == Some(service),
    }
}

/// Draws connections, a line for each, those of a service together.
#[must_use]
pub fn connection_table(connections: &[Connection]) -> String {
    if connections.is_empty() {
        return "no connections\n".into();
    }
    let mut sorted: Vec<&Connection> = connections.iter().collect();
    sorted.sort_by_key(|one| (one.service, one.destination, one.client));
    let mut grid = Grid::new(&COLUMNS, HEADING);
    for one in sorted {
        let service = match one.key() {
            Some(key @ ServiceKey::Fwmark { .. }) => key.to_string(),
            _ => one.service.to_string(),
        };
        let (state, style) = if one.is_template() {
            ("persistence".to_owned(), Style::new().dimmed())
        } else {
            (one.state.clone(), Style::new())
        };
        let engine = one.engine.as_ref().map(|engine| format!(" {} {}", engine.name, engine.data));
        grid.row(vec![
            Cell::new(if service.contains("://") {
                String::new()
            } else {
                one.protocol.to_string()
            }),
            Cell::new(one.client.to_string()),
            Cell::new(service),
            Cell::new(one.destination.to_string()),
            Cell::styled(state + engine.as_deref().unwrap_or_default(), style),
            Cell::new(format!("{} s", one.expires)),
        ]);
    }
    grid.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the kernel writes them.
    const LINES: [&str; 7] = [
        "TCP C0A8000A BB2E C0A80059 0050 C0A8005D 1F90 ESTABLISHED     899",
        "TCP C0A8000A BB2F C0A80059 0050 C0A8005E 1F90 FIN_WAIT         59",
        "TCP C0A8000A 0000 C0A80059 0050 C0A8005D 0050 NONE            300",
        "TCP C0A8000A BB30 C0A80059 01BB C0A8005D 01BB ESTABLISHED     899",
        "UDP fd00:0000:0000:0000:0000:0000:0000:0009 1234 \
         fd00:0000:0000:0000:0000:0000:0000:0001 13C4 \
         fd00:0000:0000:0000:0000:0000:0000:0002 13C4 UDP             300",
        "UDP C0A8000A 0000 C0A80059 13C4 C0A8005D 13C4 NONE             60 sip 61626364",
        "IP  C0A8000A 0000 00000007 0000 C0A8005D 0000 NONE             60",
    ];

    fn all() -> Vec<Connection> {
        LINES.iter().map(|line| Connection::parse(line).expect("it is the kernel's")).collect()
    }

    #[test]
    fn draws_connections_and_what_persistence_remembers() {
        let drawn = connection_table(&all());
        insta::assert_snapshot!(anstream::adapter::strip_str(&drawn).to_string());
        assert_eq!(connection_table(&[]), "no connections\n");
    }

    #[test]
    fn finds_those_that_are_wanted() {
        let found = |wanted: Wanted| all().iter().filter(|one| wanted.fits(one)).count();
        let service = |text: &str| Wanted { service: text.parse().ok(), ..Wanted::default() };
        assert_eq!(found(Wanted::default()), 7);
        for (text, count) in [
            ("192.168.0.89:80", 3),
            ("192.168.0.89:0", 4),
            ("udp://192.168.0.89:80", 0),
            ("udp://[fd00::1]:5060", 1),
            ("fwmark://7", 1),
            ("fwmark://8", 0),
        ] {
            assert_eq!(found(service(text)), count, "{text}");
        }
        for (text, count) in [("192.168.0.10", 6), ("192.168.0.10:47918", 1), ("[fd00::9]", 1)] {
            let client = Wanted { client: text.parse().ok(), ..Wanted::default() };
            assert_eq!(found(client), count, "{text}");
        }
        let destination = "192.168.0.94".parse().ok();
        assert_eq!(found(Wanted { destination, ..service("192.168.0.89:80") }), 1);
        assert_eq!(found(Wanted { destination, ..service("192.168.0.89:443") }), 0);
    }

    #[test]
    fn reads_addresses_with_and_without_a_port() {
        for text in ["[fd00::1]", "fd00::1", "[fd00::1]:80", "10.0.0.1", "10.0.0.1:80"] {
            assert!(text.parse::<Place>().is_ok(), "{text}");
        }
        for text in ["", "rs1", "10.0.0.1:x", "10.0.0", "[10.0.0.1"] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
    }
}
