//! The words of `ipvs_service`'s arguments, each valid once it exists.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::diagnostic::Remark;
use crate::netlink::ipvs::{self, Family, Protocol};

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
