//! The words that a service is written with, each valid once it exists.

use std::fmt;
use std::net::Ipv4Addr;
use std::num::NonZeroU16;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;
use serde::{Deserialize, Serialize};

use crate::diagnostic::Remark;
use crate::netlink::ipvs::{
    Checksum, Family, Forward, Netmask, Refused, Scheduler, SchedulerFlags, Tunnel,
};

/// A switch of a scheduler, by the words of `ipvsadm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SchedulerFlag {
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

impl SchedulerFlag {
    /// The words for those that are set: with `sh` and `mh` the first two have names.
    pub(crate) fn all_of(flags: SchedulerFlags, scheduler: &Scheduler) -> Vec<Self> {
        let [first, second] = match scheduler.as_str() {
            "sh" => [Self::ShFallback, Self::ShPort],
            "mh" => [Self::MhFallback, Self::MhPort],
            _ => [Self::First, Self::Second],
        };
        let all = [(flags.first, first), (flags.second, second), (flags.third, Self::Third)];
        all.into_iter().filter(|(set, _)| *set).map(|(_, word)| word).collect()
    }
}

impl fmt::Display for SchedulerFlag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ShFallback => "sh-fallback",
            Self::ShPort => "sh-port",
            Self::MhFallback => "mh-fallback",
            Self::MhPort => "mh-port",
            Self::First => "flag-1",
            Self::Second => "flag-2",
            Self::Third => "flag-3",
        })
    }
}

/// Puts the switches together; those with a scheduler's name are only for that scheduler.
pub(crate) fn scheduler_flags(
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
        if let Some(owner) = owner.filter(|owner| *owner != scheduler.as_str()) {
            return Err(Remark::new(format!(
                "a scheduler flag of `{owner}` does nothing with scheduler `{}`",
                scheduler.as_str()
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

/// How packets reach a destination; both words for a method are understood.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Method {
    /// Direct routing.
    #[default]
    #[serde(alias = "gatewaying", alias = "gateway", alias = "dr")]
    Direct,
    /// Masquerading.
    #[serde(alias = "masquerading", alias = "masq")]
    Nat,
    /// In another packet.
    #[serde(alias = "ipip", alias = "tun")]
    Tunnel,
}

impl Method {
    /// Puts the packet around the packet to it, which only a tunnel has.
    pub(crate) fn with(self, tunnel: Option<TunnelWords>) -> Result<Forward, Remark> {
        match (self, tunnel) {
            (Self::Tunnel, None) => Ok(Forward::Tunnel(Tunnel::Ipip)),
            (Self::Tunnel, Some(tunnel)) => Ok(Forward::Tunnel(tunnel.tunnel()?)),
            (Self::Direct, None) => Ok(Forward::Direct),
            (Self::Nat, None) => Ok(Forward::Nat),
            (_, Some(_)) => Err(Remark::new("only what is forwarded by a tunnel has a `tunnel`")
                .hint("say `forward: tunnel`")),
        }
    }
}

/// Either word for a method: `direct` or `gatewaying`, `nat` or `masquerading`, `tunnel` or
/// `ipip`. A tunnel is one of IP in IP then.
impl FromStr for Forward {
    type Err = Refused;

    fn from_str(word: &str) -> Result<Self, Refused> {
        let input: StrDeserializer<'_, serde::de::value::Error> = word.into_deserializer();
        match Method::deserialize(input) {
            Ok(Method::Direct) => Ok(Self::Direct),
            Ok(Method::Nat) => Ok(Self::Nat),
            Ok(Method::Tunnel) => Ok(Self::Tunnel(Tunnel::Ipip)),
            Err(_) => Err(Refused::new(format!("there is no forwarding method `{word}`"))
                .hint("there are direct, nat and tunnel")),
        }
    }
}

/// A netmask, dotted or as a number of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum Mask {
    /// `255.255.255.0`.
    Dotted(Ipv4Addr),
    /// `24`, or `64` for IPv6.
    Bits(u8),
}

impl Mask {
    /// As it counts for a service of that family.
    pub(crate) fn of(self, family: Family) -> Result<Netmask, Remark> {
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

impl From<Netmask> for Mask {
    fn from(netmask: Netmask) -> Self {
        match netmask {
            Netmask::V4(mask) => Self::Dotted(mask),
            Netmask::V6(prefix) => Self::Bits(prefix),
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

/// The packet around the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TunnelWords {
    /// `ipip`, which is the default, `gue` or `gre`.
    #[serde(default, rename = "type")]
    kind: TunnelKind,
    /// The UDP port that the real server takes `gue` at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    port: Option<NonZeroU16>,
    /// What `gue` and `gre` sum: `none`, `outer`, or, only `gue`, `remote`.
    #[serde(default, skip_serializing_if = "SumWord::is_none")]
    checksum: SumWord,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TunnelKind {
    #[default]
    Ipip,
    Gue,
    Gre,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SumWord {
    #[default]
    None,
    Outer,
    Remote,
}

impl SumWord {
    fn is_none(&self) -> bool {
        *self == Self::None
    }
}

impl TunnelWords {
    /// The words for a tunnel; none for IP in IP, which needs none.
    pub(crate) fn of(tunnel: Tunnel) -> Result<Option<Self>, Remark> {
        Ok(Some(match tunnel {
            Tunnel::Ipip => return Ok(None),
            Tunnel::Gue { port, checksum } => {
                let checksum = match checksum {
                    Checksum::None => SumWord::None,
                    Checksum::Outer => SumWord::Outer,
                    Checksum::Remote => SumWord::Remote,
                };
                Self { kind: TunnelKind::Gue, port: Some(port), checksum }
            }
            Tunnel::Gre { checksum } => {
                let checksum = if checksum { SumWord::Outer } else { SumWord::None };
                Self { kind: TunnelKind::Gre, port: None, checksum }
            }
            Tunnel::Other(kind) => {
                return Err(Remark::new(format!("tunnel type {kind} has no name")));
            }
        }))
    }

    pub(crate) fn tunnel(self) -> Result<Tunnel, Remark> {
        match (self.kind, self.port, self.checksum) {
            (TunnelKind::Ipip, None, SumWord::None) => Ok(Tunnel::Ipip),
            (TunnelKind::Ipip, ..) => {
                Err(Remark::new("an `ipip` tunnel has neither a port nor a checksum")
                    .hint("say `type: gue` or `type: gre`"))
            }
            (TunnelKind::Gue, None, _) => Err(Remark::new("a `gue` tunnel needs a `port`")),
            (TunnelKind::Gue, Some(port), sum) => {
                let checksum = match sum {
                    SumWord::None => Checksum::None,
                    SumWord::Outer => Checksum::Outer,
                    SumWord::Remote => Checksum::Remote,
                };
                Ok(Tunnel::Gue { port, checksum })
            }
            (TunnelKind::Gre, Some(_), _) => Err(Remark::new("a `gre` tunnel has no port")),
            (TunnelKind::Gre, None, SumWord::Remote) => {
                Err(Remark::new("a `gre` tunnel has no remote checksum"))
            }
            (TunnelKind::Gre, None, sum) => Ok(Tunnel::Gre { checksum: sum == SumWord::Outer }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn understands_both_words_for_a_method() {
        let ipip = Forward::Tunnel(Tunnel::Ipip);
        for (words, forward) in [
            (&["direct", "gatewaying", "gateway", "dr"][..], Forward::Direct),
            (&["nat", "masquerading", "masq"], Forward::Nat),
            (&["tunnel", "ipip", "tun"], ipip),
        ] {
            assert!(words.iter().all(|word| word.parse() == Ok(forward)), "{words:?}");
        }
        assert!("magic".parse::<Forward>().is_err());
    }

    #[test]
    fn writes_the_names_of_flags_that_it_reads() {
        for name in
            ["sh-fallback", "sh-port", "mh-fallback", "mh-port", "flag-1", "flag-2", "flag-3"]
        {
            let flag: SchedulerFlag = serde_json::from_value(name.into()).unwrap();
            assert_eq!(flag.to_string(), name);
        }
    }
}
