//! The row of a service.

use super::cut;
use super::figure::figure;
use crate::ipvsadm::command::{Columns, Format};
use crate::ipvsadm::names::Names;
use crate::ipvsadm::{address, rules};
use crate::netlink::ipvs::{Family, Protocol, Service, ServiceKey, ServiceState};

/// `TCP  10.0.0.1:80 wlc persistent 360`, or the counters behind its name.
pub(super) fn row(state: &ServiceState, format: Format, names: Option<&Names>) -> String {
    let service = &state.service;
    let stats = state.stats;
    let counters = match format.columns {
        Columns::Stats => [
            stats.connections,
            stats.packets_in,
            stats.packets_out,
            stats.bytes_in,
            stats.bytes_out,
        ],
        Columns::Rate => [
            stats.connection_rate,
            stats.packet_rate_in,
            stats.packet_rate_out,
            stats.byte_rate_in,
            stats.byte_rate_out,
        ],
        _ => return format!("{} {}", name(&service.key, names), features(service)),
    };
    let counters: String = counters.iter().map(|counter| figure(*counter, format.exact)).collect();
    format!("{:<33}{counters}", name(&service.key, names))
}

fn name(key: &ServiceKey, names: Option<&Names>) -> String {
    match key {
        ServiceKey::Fwmark { family, mark } => {
            let family = if *family == Family::Ipv6 { " IPv6" } else { "" };
            format!("FWM  {}{family}", mark.get().cast_signed())
        }
        ServiceKey::Address { protocol, address, port } => {
            let word = match protocol {
                Protocol::Tcp => "TCP",
                Protocol::Udp => "UDP",
                Protocol::Sctp => "SCTP",
                Protocol::Other(_) => "?",
            };
            let written = address::write(*address, *port, Some(*protocol), names);
            let mut name = format!("{word:<4} {written}");
            if address.is_ipv4() {
                cut(&mut name, 33);
            }
            name
        }
    }
}

fn features(service: &Service) -> String {
    let mut features = service.scheduler.to_string();
    if let Some(flags) = rules::scheduler_flags(service) {
        features += &format!(" ({flags})");
    }
    if let Some(persistence) = &service.persistence {
        features += &format!(" persistent {}", persistence.timeout);
        if let Some(mask) = rules::mask(service) {
            features += &format!(" mask {mask}");
        }
        if let Some(engine) = &service.engine {
            features += &format!(" pe {engine}");
        }
    }
    if service.one_packet {
        features += " ops";
    }
    features
}
