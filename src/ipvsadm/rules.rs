//! The format of rules, which `-S` writes and `-R` reads: the arguments that would make them.
//!
//! Thresholds, timeouts and sync daemons have no place in what `-S` writes.

use super::address;
use super::names::Names;
use crate::netlink::ipvs::{
    Checksum, Destination, Family, Forward, Netmask, Protocol, Service, ServiceKey, Tunnel,
};

/// `-t 10.0.0.1:80`: what names a service.
pub(super) fn name(key: &ServiceKey, names: Option<&Names>) -> String {
    match key {
        ServiceKey::Fwmark { family, mark } => {
            // A large mark is written as the negative number that it is not.
            let mark = mark.get().cast_signed();
            let family = if *family == Family::Ipv6 { " -6" } else { "" };
            format!("-f {mark}{family}")
        }
        ServiceKey::Address { protocol, address, port } => {
            let switch = match protocol {
                Protocol::Tcp => "-t",
                Protocol::Udp => "-u",
                Protocol::Sctp => "--sctp-service",
                Protocol::Other(_) => "--xxx-service",
            };
            format!("{switch} {}", address::write(*address, *port, Some(*protocol), names))
        }
    }
}

/// The rule that adds a service.
pub(super) fn service(service: &Service, names: Option<&Names>) -> String {
    let mut rule = format!("-A {} -s {}", name(&service.key, names), service.scheduler);
    if let Some(persistence) = &service.persistence {
        rule += &format!(" -p {}", persistence.timeout);
        if let Some(mask) = mask(service) {
            rule += &format!(" -M {mask}");
        }
    }
    if let Some(engine) = &service.engine {
        rule += &format!(" --pe {engine}");
    }
    if service.one_packet {
        rule += " -o";
    }
    if let Some(flags) = scheduler_flags(service) {
        rule += &format!(" -b {flags}");
    }
    rule
}

/// The rule that adds a destination to the service of that name.
pub(super) fn destination(
    destination: &Destination,
    service: &str,
    protocol: Option<Protocol>,
    names: Option<&Names>,
) -> String {
    let key = destination.key;
    let server = address::write(key.address, key.port, protocol, names);
    let switch = match destination.forward {
        Forward::Direct | Forward::Other(1) => "-g",
        Forward::Nat => "-m",
        Forward::Tunnel(_) => "-i",
        Forward::Other(_) => "(null)",
    };
    let weight = destination.weight.cast_signed();
    let mut rule = format!("-a {service} -r {server} {switch} -w {weight}");
    match destination.forward {
        Forward::Tunnel(Tunnel::Ipip) => rule += " --tun-type ipip",
        Forward::Tunnel(Tunnel::Gue { port, checksum }) => {
            let checksum = match checksum {
                Checksum::None => "--tun-nocsum",
                Checksum::Outer => "--tun-csum",
                Checksum::Remote => "--tun-remcsum",
            };
            rule += &format!(" --tun-type gue --tun-port {port} {checksum}");
        }
        Forward::Tunnel(Tunnel::Gre { checksum }) => {
            let checksum = if checksum { "--tun-csum" } else { "--tun-nocsum" };
            rule += &format!(" --tun-type gre {checksum}");
        }
        _ => {}
    }
    rule
}

/// Which clients are one to a persistent service, unless each is one of its own.
pub(super) fn mask(service: &Service) -> Option<String> {
    let netmask = service.persistence?.netmask;
    let written = match netmask {
        Netmask::V4(mask) => mask.to_string(),
        Netmask::V6(prefix) => prefix.to_string(),
    };
    (netmask != Netmask::single(service.key.family())).then_some(written)
}

/// The scheduler's flags by their names.
pub(super) fn scheduler_flags(service: &Service) -> Option<String> {
    let flags = service.scheduler_flags;
    let [first, second] = match service.scheduler.as_str() {
        "sh" => ["sh-fallback", "sh-port"],
        "mh" => ["mh-fallback", "mh-port"],
        _ => ["flag-1", "flag-2"],
    };
    let all = [(flags.first, first), (flags.second, second), (flags.third, "flag-3")];
    let set: Vec<&str> = all.into_iter().filter(|(set, _)| *set).map(|(_, name)| name).collect();
    (!set.is_empty()).then(|| set.join(","))
}

#[cfg(test)]
mod tests {
    use super::super::command::{Command, read};
    use super::*;
    use crate::netlink::ipvs::Request;

    /// Reads a rule and writes it again.
    fn again(rule: &str) -> String {
        let words: Vec<&str> = rule.split(' ').collect();
        match read("ipvsadm", &words, &Names::default()) {
            Ok(Command::Change(Request::AddService(read))) => service(&read, None),
            Ok(Command::Change(Request::AddDestination(key, read))) => {
                destination(&read, &name(&key, None), None, None)
            }
            other => panic!("{rule}: {other:?}"),
        }
    }

    #[test]
    fn writes_the_rules_it_reads() {
        for rule in [
            "-A -t 10.0.0.1:80 -s rr",
            "-A -t [fd00::1]:443 -s sh -p 300 -M 64 -b sh-fallback,sh-port",
            "-A -u 10.0.0.1:5060 -s rr -p 60 --pe sip -o",
            "-A --sctp-service 10.0.0.1:99 -s wlc -p 60 -M 255.255.255.0",
            "-A -t 10.0.0.1:0 -s mh -p 360 -b mh-port,flag-3",
            "-A -f 5 -6 -s wrr -b flag-1,flag-2",
            "-a -t 10.0.0.1:80 -r 192.168.1.6:80 -g -w 1",
            "-a -t 10.0.0.1:80 -r 192.168.1.6:8080 -m -w 2147483647",
            "-a -t 10.0.0.1:80 -r [fd00::2]:80 -i -w 0 --tun-type ipip",
            "-a -t 10.0.0.1:80 -r 10.9.0.1:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-csum",
            "-a -t 10.0.0.1:80 -r 10.9.0.1:80 -i -w 1 --tun-type gue --tun-port 1 --tun-remcsum",
            "-a -t 10.0.0.1:80 -r 10.9.0.1:80 -i -w 1 --tun-type gre --tun-nocsum",
            "-a -f 7 -r 10.9.0.1:80 -g -w 1",
        ] {
            assert_eq!(again(rule), rule);
        }
    }

    #[test]
    fn fills_in_what_is_not_given() {
        assert_eq!(again("-A -t 10.0.0.1:80"), "-A -t 10.0.0.1:80 -s wlc");
        assert_eq!(again("-A -f 4294967295 -p -s rr"), "-A -f -1 -s rr -p 360");
        assert_eq!(
            again("-a -t 10.0.0.1:80 -r 10.9.0.1:99 -g"),
            "-a -t 10.0.0.1:80 -r 10.9.0.1:80 -g -w 1"
        );
        assert_eq!(
            again("-a -r 10.9.0.1 -t 10.0.0.1:80 -m"),
            "-a -t 10.0.0.1:80 -r 10.9.0.1:0 -m -w 1"
        );
    }
}
