//! The words of `ipvs_service`'s arguments, each valid once it exists.

use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::network::Remark;
use crate::netlink::ipvs::{self, Family, Netmask, Protocol, SchedulerFlags};

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP.
    #[serde(alias = "TCP")]
    Tcp,
    /// UDP.
    #[serde(alias = "UDP")]
    Udp,
    /// SCTP.
    #[serde(alias = "SCTP")]
    Sctp,
}

impl From<Transport> for Protocol {
    fn from(transport: Transport) -> Self {
        match transport {
            Transport::Tcp => Self::Tcp,
            Transport::Udp => Self::Udp,
            Transport::Sctp => Self::Sctp,
        }
    }
}

/// The family of marked packets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MarkedFamily {
    /// IPv4.
    #[default]
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl From<MarkedFamily> for Family {
    fn from(family: MarkedFamily) -> Self {
        match family {
            MarkedFamily::Ipv4 => Self::Ipv4,
            MarkedFamily::Ipv6 => Self::Ipv6,
        }
    }
}

/// A scheduler of the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Scheduler(String);

impl Scheduler {
    /// The codec's name of it.
    pub fn name(&self) -> Result<ipvs::Scheduler, Remark> {
        Ok(ipvs::Scheduler::new(self.0.as_str())?)
    }
}

/// What `ipvsadm` takes when nothing is said.
impl Default for Scheduler {
    fn default() -> Self {
        Self("wlc".into())
    }
}

impl TryFrom<String> for Scheduler {
    type Error = Remark;

    fn try_from(name: String) -> Result<Self, Remark> {
        if ipvs::SCHEDULERS.contains(&name.as_str()) {
            return Ok(Self(name));
        }
        // Long names of the how-tos come out as what they mean.
        let long = LONG_NAMES.iter().find(|(long, _)| long.eq_ignore_ascii_case(&name));
        let remark = Remark::new(format!("unknown scheduler `{name}`"));
        Err(match long {
            Some((_, short)) => remark.hint(format!("did you mean `{short}`?")),
            None => remark.did_you_mean(&name, ipvs::SCHEDULERS),
        })
    }
}

impl From<Scheduler> for String {
    fn from(scheduler: Scheduler) -> Self {
        scheduler.0
    }
}

const LONG_NAMES: &[(&str, &str)] = &[
    ("round-robin", "rr"),
    ("roundrobin", "rr"),
    ("round_robin", "rr"),
    ("weighted-round-robin", "wrr"),
    ("least-connection", "lc"),
    ("leastconn", "lc"),
    ("least_conn", "lc"),
    ("weighted-least-connection", "wlc"),
    ("source-hash", "sh"),
    ("destination-hash", "dh"),
    ("maglev", "mh"),
];

/// A switch of a scheduler, by the words of `ipvsadm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SchedulerFlag {
    /// With `sh`: another server when the chosen one is out.
    ShFallback,
    /// With `sh`: the client's port counts too.
    ShPort,
    /// With `mh`: another server when the chosen one is out.
    MhFallback,
    /// With `mh`: the client's port counts too.
    MhPort,
    /// The first switch of any scheduler.
    #[serde(rename = "flag-1")]
    First,
    /// The second.
    #[serde(rename = "flag-2")]
    Second,
    /// The third.
    #[serde(rename = "flag-3")]
    Third,
}

/// Puts the switches together; those with a scheduler's name are only for that scheduler.
pub fn scheduler_flags(
    scheduler: &Scheduler,
    flags: &[SchedulerFlag],
) -> Result<SchedulerFlags, Remark> {
    let mut all = SchedulerFlags::default();
    for flag in flags {
        let owner = match flag {
            SchedulerFlag::ShFallback | SchedulerFlag::ShPort => Some("sh"),
            SchedulerFlag::MhFallback | SchedulerFlag::MhPort => Some("mh"),
            _ => None,
        };
        if let Some(owner) = owner.filter(|owner| *owner != scheduler.0) {
            return Err(Remark::new(format!(
                "a scheduler flag of `{owner}` does nothing with scheduler `{}`",
                scheduler.0
            )));
        }
        match flag {
            SchedulerFlag::ShFallback | SchedulerFlag::MhFallback | SchedulerFlag::First => {
                all.first = true;
            }
            SchedulerFlag::ShPort | SchedulerFlag::MhPort | SchedulerFlag::Second => {
                all.second = true;
            }
            SchedulerFlag::Third => all.third = true,
        }
    }
    Ok(all)
}

/// A persistence engine of the kernel, which has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// Tells clients apart by SIP's Call-ID.
    Sip,
}

impl Engine {
    /// The codec's name of it.
    pub fn name(self) -> Result<ipvs::Engine, Remark> {
        match self {
            Self::Sip => Ok(ipvs::Engine::new("sip")?),
        }
    }
}

/// How packets reach a destination; both words for a method are understood.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Direct routing.
    #[default]
    #[serde(alias = "gatewaying", alias = "dr")]
    Direct,
    /// Masquerading.
    #[serde(alias = "masquerading", alias = "masq")]
    Nat,
    /// In another packet.
    #[serde(alias = "ipip", alias = "tun")]
    Tunnel,
}

/// A netmask, dotted or as a number of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub enum Mask {
    /// `255.255.255.0`.
    Dotted(Ipv4Addr),
    /// `24`, or `64` for IPv6.
    Bits(u8),
}

impl Mask {
    /// As it counts for a service of that family.
    pub fn of(self, family: Family) -> Result<Netmask, Remark> {
        let wrong = |what: String| {
            let example = match family {
                Family::Ipv4 => "such as 255.255.255.0 or 24",
                Family::Ipv6 => "a number of bits from 1 to 128",
            };
            Err(Remark::new(format!("netmask `{what}` does not fit {family}")).hint(example))
        };
        match (family, self) {
            (Family::Ipv4, Self::Dotted(mask)) => Ok(Netmask::V4(mask)),
            (Family::Ipv4, Self::Bits(bits @ 1..=32)) => {
                Ok(Netmask::V4(Ipv4Addr::from(u32::MAX << (32 - u32::from(bits)))))
            }
            (Family::Ipv6, Self::Bits(bits @ 1..=128)) => Ok(Netmask::V6(bits)),
            (_, mask) => wrong(mask.into()),
        }
    }
}

impl TryFrom<String> for Mask {
    type Error = Remark;

    fn try_from(text: String) -> Result<Self, Remark> {
        let digits = text.strip_prefix('/').unwrap_or(&text);
        if let Ok(bits) = digits.parse() {
            return Ok(Self::Bits(bits));
        }
        let wrong = || Remark::new(format!("`{text}` is not a netmask"));
        let mask: Ipv4Addr =
            text.parse().map_err(|_| wrong().hint("such as 255.255.255.0 or 24"))?;
        let ones = u32::from(mask).leading_ones();
        if ones == 0 || u32::from(mask) != u32::MAX << (32 - ones) {
            return Err(wrong().hint("a netmask is some ones and then zeros"));
        }
        Ok(Self::Dotted(mask))
    }
}

impl From<Mask> for String {
    fn from(mask: Mask) -> Self {
        match mask {
            Mask::Dotted(mask) => mask.to_string(),
            Mask::Bits(bits) => bits.to_string(),
        }
    }
}
