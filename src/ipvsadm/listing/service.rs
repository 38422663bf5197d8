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

#[cfg(test)]
mod tests {
    use crate::ipvsadm::command::{Command, read};
    use crate::netlink::ipvs::{Request, Stats};

    use super::*;

    /// The row of the service that a rule adds.
    fn shown(rule: &str, columns: Columns) -> String {
        let words: Vec<&str> = rule.split(' ').collect();
        let service = match read("ipvsadm", &words, &Names::default()) {
            Ok(Command::Change(Request::AddService(service))) => service,
            other => panic!("{rule}: {other:?}"),
        };
        let stats = Stats { connections: 7, bytes_out: 123_456_789, ..Stats::default() };
        let state = ServiceState { service, stats, unknown: Vec::new() };
        let format = Format { columns, numeric: true, sorted: true, exact: false };
        row(&state, format, None)
    }

    #[test]
    fn shows_features_behind_the_scheduler() {
        let cases = [
            ("-A -t 10.0.0.1:80 -s rr", "TCP  10.0.0.1:80 rr"),
            (
                "-A --sctp-service [fd00::1]:80 -s sh -p 9 -M 64 -b sh-port",
                "SCTP [fd00::1]:80 sh (sh-port) persistent 9 mask 64",
            ),
            (
                "-A -u 10.0.0.1:5060 -s rr -p 60 --pe sip -o",
                "UDP  10.0.0.1:5060 rr persistent 60 pe sip ops",
            ),
            // Without persistence the engine does not show.
            ("-A -u 10.0.0.1:5060 -s rr --pe sip", "UDP  10.0.0.1:5060 rr"),
            ("-A -f 4294967295 -6 -s rr", "FWM  -1 IPv6 rr"),
        ];
        for (rule, expected) in cases {
            assert_eq!(shown(rule, Columns::Usual), expected);
            assert_eq!(shown(rule, Columns::Thresholds), expected);
        }
    }

    #[test]
    fn shows_counters_behind_the_name() {
        let expected =
            "TCP  10.0.0.1:80                         7        0        0        0  123456K";
        assert_eq!(shown("-A -t 10.0.0.1:80 -s rr", Columns::Stats), expected);
    }
}
