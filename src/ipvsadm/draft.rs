//! A command line half read: each switch changes it, in the order they stand in.
//!
//! The order matters, as it does to the real one: `-r` takes the service's port only when the
//! service stands before it, and `-M` reads a prefix once the service is known to be IPv6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;

use super::address::{self, Endpoint};
use super::error::Mistake;
use super::names::Names;
use super::number;
use super::options::{Means, Method, Subject, Verb};
use crate::netlink::ipvs::{DaemonRole, Family, Netmask, Protocol, SchedulerFlags, Timeouts};

/// 31 days, in seconds.
const LONGEST_TIMEOUT: i64 = 86_400 * 31;

/// The persistence of a `-p` alone, in seconds.
const USUAL_PERSISTENCE: NonZeroU32 = NonZeroU32::new(360).expect("it is not zero");

/// The types of tunnels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TunnelType {
    Ipip,
    Gue,
    Gre,
}

/// What was read so far.
#[derive(Debug)]
pub(super) struct Draft {
    given: u64,
    pub(super) protocol: Option<Protocol>,
    pub(super) family: Option<Family>,
    pub(super) address: IpAddr,
    pub(super) port: u16,
    pub(super) mark: Option<NonZeroU32>,
    pub(super) scheduler: String,
    scheduler_flags: String,
    pub(super) persistence: Option<NonZeroU32>,
    pub(super) netmask: Netmask,
    pub(super) engine: String,
    pub(super) server: (IpAddr, u16),
    pub(super) method: Method,
    pub(super) weight: u32,
    pub(super) upper_threshold: u32,
    pub(super) lower_threshold: u32,
    pub(super) tunnel: TunnelType,
    pub(super) tunnel_port: u16,
    pub(super) role: DaemonRole,
    pub(super) interface: String,
    pub(super) sync_id: u8,
    pub(super) max_length: Option<u16>,
    pub(super) group: Option<IpAddr>,
    pub(super) mcast_port: Option<u16>,
    pub(super) ttl: Option<u8>,
    pub(super) timeouts: Timeouts,
}

impl Draft {
    /// Begins with a command, and the role that a daemon's has.
    pub(super) fn new(verb: Verb, role: Option<&str>) -> Result<Self, Mistake> {
        let role = match (verb, role) {
            (Verb::StartDaemon | Verb::StopDaemon, Some("backup")) => DaemonRole::Backup,
            (Verb::StartDaemon, other) if other != Some("master") => {
                return Err(Mistake::Value("start-daemon parameter"));
            }
            (Verb::StopDaemon, other) if other != Some("master") => {
                return Err(Mistake::Value("start_daemon"));
            }
            _ => DaemonRole::Master,
        };
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Ok(Self {
            given: 0,
            protocol: None,
            family: None,
            address: nowhere,
            port: 0,
            mark: None,
            scheduler: String::new(),
            scheduler_flags: String::new(),
            persistence: None,
            netmask: Netmask::single(Family::Ipv4),
            engine: String::new(),
            server: (nowhere, 0),
            method: Method::Direct,
            weight: 1,
            upper_threshold: 0,
            lower_threshold: 0,
            tunnel: TunnelType::Ipip,
            tunnel_port: 0,
            role,
            interface: String::new(),
            sync_id: 0,
            max_length: None,
            group: None,
            mcast_port: None,
            ttl: None,
            timeouts: Timeouts::default(),
        })
    }

    /// The subjects of the options that were given, a bit each.
    pub(super) fn given(&self) -> u64 {
        self.given
    }

    /// Whether an option was given.
    pub(super) fn has(&self, subject: Subject) -> bool {
        self.given & (1 << subject as u64) != 0
    }

    fn note(&mut self, subject: Subject) -> Result<(), Mistake> {
        if self.has(subject) {
            return Err(Mistake::Repeated(subject));
        }
        self.given |= 1 << subject as u64;
        Ok(())
    }

    /// Takes a switch with its value.
    pub(super) fn take(
        &mut self,
        means: Means,
        value: Option<&str>,
        names: &Names,
    ) -> Result<(), Mistake> {
        let text = value.unwrap_or_default();
        match means {
            Means::Service(protocol) => {
                self.note(Subject::Service)?;
                self.protocol = Some(protocol);
                let Endpoint { address, port } = address::endpoint(text, self.protocol, names)
                    .ok_or(Mistake::Value("virtual server address[:port]"))?;
                self.family = Some(Family::of(address));
                if address.is_ipv6() {
                    self.netmask = Netmask::single(Family::Ipv6);
                }
                self.address = address;
                self.port = port.unwrap_or(0);
            }
            Means::Fwmark => {
                self.note(Subject::Service)?;
                self.protocol = Some(Protocol::Tcp);
                self.family = Some(Family::Ipv4);
                let mark = number::between(text, 1, u32::MAX.into());
                let mark = mark.and_then(|mark| NonZeroU32::new(u32::try_from(mark).ok()?));
                self.mark = Some(mark.ok_or_else(|| Mistake::Fwmark(text.to_owned()))?);
            }
            Means::Ipv6 if self.mark.is_none() => return Err(Mistake::Ipv6First),
            Means::Ipv6 => {
                self.family = Some(Family::Ipv6);
                self.netmask = Netmask::single(Family::Ipv6);
            }
            Means::Forward(method) => {
                self.note(Subject::Forward)?;
                self.method = method;
            }
            Means::Option(subject) => {
                self.note(subject)?;
                self.set(subject, value, names)?;
            }
            Means::Sort | Means::Command(_) => {}
        }
        Ok(())
    }

    fn set(&mut self, subject: Subject, value: Option<&str>, names: &Names) -> Result<(), Mistake> {
        let text = value.unwrap_or_default();
        let most = i32::MAX.into();
        match subject {
            Subject::Scheduler => self.scheduler = short(text),
            Subject::Engine => self.engine = short(text),
            Subject::SchedulerFlags => self.scheduler_flags = text.to_owned(),
            Subject::Persistent => {
                self.persistence = match value {
                    Some(text) => NonZeroU32::new(timeout(text, 1)?),
                    None => Some(USUAL_PERSISTENCE),
                };
            }
            Subject::Netmask => self.netmask = self.netmask(text, names)?,
            Subject::Server => {
                let Endpoint { address, port } = address::endpoint(text, self.protocol, names)
                    .ok_or(Mistake::Value("real server address[:port]"))?;
                self.server = (address, port.unwrap_or(self.port));
            }
            Subject::Weight => self.weight = in_range(text, 0, most, "weight")?,
            Subject::UpperThreshold => {
                self.upper_threshold = in_range(text, 0, most, "u_threshold")?;
            }
            Subject::LowerThreshold => {
                self.lower_threshold = in_range(text, 0, most, "l_threshold")?;
            }
            Subject::TunType => {
                self.tunnel = match text {
                    "ipip" => TunnelType::Ipip,
                    "gue" => TunnelType::Gue,
                    "gre" => TunnelType::Gre,
                    _ => return Err(Mistake::Value("tunnel type")),
                };
            }
            Subject::TunPort => self.tunnel_port = in_range(text, 1, 65535, "tunnel port")?,
            Subject::McastInterface => self.interface = short(text),
            Subject::McastGroup => self.group = Some(group(text)?),
            Subject::McastPort => {
                self.mcast_port = Some(in_range(text, 1, 65535, "mcast-port")?);
            }
            Subject::McastTtl => self.ttl = Some(in_range(text, 1, 255, "mcast-ttl")?),
            Subject::SyncId => self.sync_id = in_range(text, 0, 255, "syncid")?,
            // A datagram without the headers of IP and UDP.
            Subject::SyncMaxLength => {
                self.max_length = Some(in_range(text, 1, 65535 - 20 - 8, "sync-maxlen")?);
            }
            _ => {}
        }
        Ok(())
    }

    fn netmask(&self, value: &str, names: &Names) -> Result<Netmask, Mistake> {
        if self.family == Some(Family::Ipv6) {
            let prefix = u8::try_from(number::leading(value)).ok();
            let prefix = prefix.filter(|prefix| (1..=128).contains(prefix));
            return prefix.map(Netmask::V6).ok_or(Mistake::Value("ipv6 netmask"));
        }
        let mask = address::ipv4(value, names);
        mask.map(Netmask::V4).ok_or(Mistake::Value("virtual server persistent mask"))
    }

    /// Takes the three timeouts of `--set`, and hands back what stands behind them.
    pub(super) fn take_timeouts<'a, 'b>(
        &mut self,
        others: &'a [&'b str],
    ) -> Result<&'a [&'b str], Mistake> {
        let [tcp, tcp_fin, udp, rest @ ..] = others else { return Err(Mistake::ThreeTimeouts) };
        self.timeouts = Timeouts {
            tcp: Some(timeout(tcp, 0)?),
            tcp_fin: Some(timeout(tcp_fin, 0)?),
            udp: Some(timeout(udp, 0)?),
        };
        Ok(rest)
    }

    /// The scheduler's flags, which are checked only when everything was read.
    pub(super) fn scheduler_flags(&self) -> Result<SchedulerFlags, Mistake> {
        let mut flags = SchedulerFlags::default();
        for name in self.scheduler_flags.split(',').filter(|name| !name.is_empty()) {
            let scheduler = match name {
                "sh-fallback" | "sh-port" => "sh",
                "mh-fallback" | "mh-port" => "mh",
                _ => &self.scheduler,
            };
            if scheduler != self.scheduler {
                return Err(Mistake::IncompatibleFlag(name.to_owned()));
            }
            match name {
                "flag-1" | "sh-fallback" | "mh-fallback" => flags.first = true,
                "flag-2" | "sh-port" | "mh-port" => flags.second = true,
                "flag-3" => flags.third = true,
                _ => return Err(Mistake::SchedulerFlag(name.to_owned())),
            }
        }
        Ok(flags)
    }
}

/// The kernel's fields hold 15 bytes; the rest is dropped.
fn short(name: &str) -> String {
    let mut name = name.to_owned();
    while name.len() > 15 {
        name.pop();
    }
    name
}

fn timeout(value: &str, least: i64) -> Result<u32, Mistake> {
    let seconds = number::between(value, least, LONGEST_TIMEOUT);
    let seconds = seconds.and_then(|seconds| u32::try_from(seconds).ok());
    seconds.ok_or_else(|| Mistake::Timeout(value.to_owned()))
}

fn in_range<T: TryFrom<i64>>(
    value: &str,
    least: i64,
    most: i64,
    what: &'static str,
) -> Result<T, Mistake> {
    let number = number::between(value, least, most);
    number.and_then(|number| T::try_from(number).ok()).ok_or(Mistake::Value(what))
}

fn group(value: &str) -> Result<IpAddr, Mistake> {
    let (family, group) = if value.contains(':') {
        ("IPv6", value.parse::<Ipv6Addr>().ok().map(IpAddr::V6))
    } else {
        ("IPv4", value.parse::<Ipv4Addr>().ok().map(IpAddr::V4))
    };
    let group = group.filter(IpAddr::is_multicast);
    group.ok_or_else(|| Mistake::Group(family, value.to_owned()))
}
