//! All forms of `-L`, and `-S`: a head, then each service with its destinations.

mod destination;
mod figure;
mod service;

use std::io::Write;

use super::command::{Columns, Format};
use super::error::Failure;
use super::names::Names;
use super::{rules, sort};
use crate::netlink::ipvs::{
    Daemon, DaemonRole, Handle, Protocol, ServiceKey, ServiceState, VirtualService,
};

/// What lists are made with.
pub(super) struct Lister<'a> {
    pub(super) ipvs: &'a mut Handle,
    /// `None` where numbers are wanted.
    pub(super) names: Option<&'a Names>,
    pub(super) out: &'a mut dyn Write,
}

impl Lister<'_> {
    /// Lists the whole table.
    pub(super) fn table(&mut self, format: Format) -> Result<(), Failure> {
        let info = self.ipvs.info().map_err(|error| Failure::of_reading(&error))?;
        let (major, minor, patch) = info.version;
        let size = info.table_size.cast_signed();
        writeln!(self.out, "IP Virtual Server version {major}.{minor}.{patch} (size={size})")?;
        let mut services = self.ipvs.services().map_err(|error| Failure::of_reading(&error))?;
        if format.sorted {
            services = sort::services(services, |state| &state.service.key);
        }
        self.out.write_all(head(format.columns).as_bytes())?;
        services.iter().try_for_each(|service| self.rows(service, format))
    }

    /// Lists one service.
    pub(super) fn service(&mut self, key: &ServiceKey, format: Format) -> Result<(), Failure> {
        let found = self.ipvs.service(key).map_err(|error| Failure::of_reading(&error))?;
        let service = found.ok_or_else(Failure::no_such_service)?;
        self.out.write_all(head(format.columns).as_bytes())?;
        self.rows(&service, format)
    }

    /// Writes the table as rules, which takes no counters and is therefore faster.
    pub(super) fn rules(&mut self) -> Result<(), Failure> {
        let table = self.ipvs.declared().map_err(|error| Failure::of_reading(&error))?;
        for VirtualService { service, destinations } in
            sort::services(table, |declared| &declared.service.key)
        {
            writeln!(self.out, "{}", rules::service(&service, self.names))?;
            let name = rules::name(&service.key, self.names);
            let protocol = protocol(&service.key);
            for destination in sort::destinations(destinations, |destination| &destination.key) {
                let rule = rules::destination(&destination, &name, protocol, self.names);
                writeln!(self.out, "{rule}")?;
            }
        }
        Ok(())
    }

    fn rows(&mut self, state: &ServiceState, format: Format) -> Result<(), Failure> {
        let key = &state.service.key;
        let found = self.ipvs.destinations(key);
        let mut destinations = found.map_err(|error| Failure::of_reading(&error))?;
        if format.sorted {
            destinations = sort::destinations(destinations, |state| &state.destination.key);
        }
        writeln!(self.out, "{}", service::row(state, format, self.names))?;
        for state in &destinations {
            writeln!(self.out, "{}", destination::row(state, key, format, self.names))?;
        }
        Ok(())
    }

    /// Writes the timeouts.
    pub(super) fn timeouts(&mut self) -> Result<(), Failure> {
        let timeouts = self.ipvs.timeouts().map_err(|error| Failure::of_reading(&error))?;
        let all = [timeouts.tcp, timeouts.tcp_fin, timeouts.udp];
        let [tcp, tcp_fin, udp] = all.map(|timeout| timeout.unwrap_or(0).cast_signed());
        writeln!(self.out, "Timeout (tcp tcpfin udp): {tcp} {tcp_fin} {udp}")?;
        Ok(())
    }

    /// Writes the sync daemons, the master first.
    pub(super) fn daemons(&mut self) -> Result<(), Failure> {
        let daemons = self.ipvs.daemons().map_err(|error| Failure::of_reading(&error))?;
        for role in [DaemonRole::Master, DaemonRole::Backup] {
            for daemon in daemons.iter().filter(|daemon| daemon.key.role == role) {
                writeln!(self.out, "{}", daemon_line(daemon))?;
            }
        }
        Ok(())
    }
}

/// The protocol that names ports; a mark has none.
fn protocol(key: &ServiceKey) -> Option<Protocol> {
    match key {
        ServiceKey::Address { protocol, .. } => Some(*protocol),
        ServiceKey::Fwmark { .. } => None,
    }
}

/// Cuts a name where its column ends, as is done unless it is of IPv6.
fn cut(name: &mut String, width: usize) {
    if let Some((end, _)) = name.char_indices().nth(width) {
        name.truncate(end);
    }
}

fn head(columns: Columns) -> String {
    let title = "Prot LocalAddress:Port";
    match columns {
        Columns::Usual => format!(
            "{title} Scheduler Flags\n\
             \x20 -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n"
        ),
        Columns::Tunnel => format!(
            "{title} Scheduler Flags\n\
             \x20 -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn InActConn\n"
        ),
        Columns::Stats => counters(title, ["Conns", "InPkts", "OutPkts", "InBytes", "OutBytes"]),
        Columns::Rate => counters(title, ["CPS", "InPPS", "OutPPS", "InBPS", "OutBPS"]),
        Columns::Thresholds => format!(
            "{title:<33} {:<10} {:<10} {:<10} {:<10}\n  -> RemoteAddress:Port\n",
            "Uthreshold", "Lthreshold", "ActiveConn", "InActConn"
        ),
        Columns::Persistent => format!(
            "{title:<33} {:<9} {:<11} {:<10} {:<10}\n  -> RemoteAddress:Port\n",
            "Weight", "PersistConn", "ActiveConn", "InActConn"
        ),
    }
}

fn counters(title: &str, columns: [&str; 5]) -> String {
    let columns: String = columns.iter().map(|column| format!(" {column:>8}")).collect();
    format!("{title:<33}{columns}\n  -> RemoteAddress:Port\n")
}

fn daemon_line(daemon: &Daemon) -> String {
    let mut line = format!(
        "{} sync daemon (mcast={}, syncid={}",
        daemon.key.role, daemon.interface, daemon.key.sync_id
    );
    let more = [
        ("maxlen", daemon.max_length.filter(|length| *length != 0).map(|n| n.to_string())),
        ("group", daemon.group.map(super::address::plain)),
        ("port", daemon.port.filter(|port| *port != 0).map(|n| n.to_string())),
        ("ttl", daemon.ttl.filter(|ttl| *ttl != 0).map(|n| n.to_string())),
    ];
    for (name, value) in more {
        if let Some(value) = value {
            line += &format!(", {name}={value}");
        }
    }
    line + ")"
}
