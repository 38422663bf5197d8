//! What the kernel takes although it makes no sense, and this program therefore refuses.
//!
//! Each rule here was seen to be missing from the kernel; the others are left to it.

use std::net::IpAddr;

use super::destination::{Destination, Forward, Tunnel};
use super::service::{Family, Netmask, Protocol, Service, ServiceKey};
use crate::diagnostic::Remark;

/// Why something is not sent to the kernel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    /// What is wrong.
    pub message: String,
    /// What to do instead.
    pub hint: Option<String>,
}

/// The most that `ipvsadm` takes, and far below where the kernel's arithmetic overflows.
const LONGEST_PERSISTENCE: u32 = 31 * 24 * 60 * 60;

impl Refused {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl From<Refused> for Remark {
    fn from(refused: Refused) -> Self {
        let remark = Self::new(refused.message);
        match refused.hint {
            Some(hint) => remark.hint(hint),
            None => remark,
        }
    }
}

impl ServiceKey {
    /// Checks that a client can send something to it.
    pub fn check(&self) -> Result<(), Refused> {
        let Self::Address { protocol, address, .. } = self else { return Ok(()) };
        if let Protocol::Other(number) = protocol {
            return Err(Refused::new(format!("IPVS cannot balance protocol {number}"))
                .hint("it balances tcp, udp and sctp"));
        }
        check_host(*address, "VIP")
    }
}

impl Service {
    /// Checks what the kernel does not.
    pub fn check(&self) -> Result<(), Refused> {
        self.key.check()?;
        match self.key {
            ServiceKey::Address { port: 0, .. } if self.persistence.is_none() => {
                return Err(Refused::new("port 0, which means every port, needs persistence")
                    .hint("give a port, or set `persistent`"));
            }
            ServiceKey::Address { protocol, .. }
                if self.one_packet && protocol != Protocol::Udp =>
            {
                return Err(Refused::new(format!("one-packet scheduling is not for {protocol}"))
                    .hint("it is for udp and for marked packets"));
            }
            _ => {}
        }
        if self.engine.is_some() && self.persistence.is_none() {
            return Err(Refused::new("a persistence engine needs persistence")
                .hint("set `persistent` to a number of seconds"));
        }
        let Some(persistence) = self.persistence else { return Ok(()) };
        if persistence.timeout.get() > LONGEST_PERSISTENCE {
            return Err(Refused::new(format!(
                "a persistence of {} seconds is longer than 31 days",
                persistence.timeout
            )));
        }
        match (self.key.family(), persistence.netmask) {
            (Family::Ipv4, Netmask::V4(mask)) if !mask.is_unspecified() => Ok(()),
            (Family::Ipv6, Netmask::V6(1..=128)) => Ok(()),
            (family, netmask) => {
                Err(Refused::new(format!("`{netmask}` is not a netmask for {family}")))
            }
        }
    }
}

impl Destination {
    /// Checks what the kernel does not, given the service it is for.
    pub fn check(&self, service: &ServiceKey) -> Result<(), Refused> {
        check_host(self.key.address, "destination")?;
        match self.forward {
            Forward::Direct | Forward::Tunnel(_) if self.key.port != service.port() => {
                let method = if self.forward == Forward::Direct { "direct" } else { "tunnel" };
                let message = format!(
                    "destination `{}` has another port than `{service}`, and `{method}` does \
                     not translate ports",
                    self.key
                );
                return Err(Refused::new(message)
                    .hint("leave the destination's port out, or forward by `nat`"));
            }
            Forward::Tunnel(Tunnel::Other(kind)) => {
                return Err(Refused::new(format!("there is no tunnel type {kind}")));
            }
            Forward::Other(method) => {
                return Err(Refused::new(format!("there is no forwarding method {method}"))
                    .hint("there are direct, nat and tunnel"));
            }
            _ => {}
        }
        let mixed = Family::of(self.key.address) != service.family();
        if mixed && !matches!(self.forward, Forward::Tunnel(_)) {
            return Err(Refused::new(format!(
                "destination `{}` is of another family than `{service}`",
                self.key
            ))
            .hint("only `tunnel` reaches a destination of another family"));
        }
        if self.weight > i32::MAX as u32 {
            return Err(Refused::new(format!("weight {} is above {}", self.weight, i32::MAX)));
        }
        match (self.upper_threshold, self.lower_threshold) {
            (Some(upper), Some(lower)) if lower > upper => Err(Refused::new(format!(
                "the lower threshold {lower} is above the upper one {upper}"
            ))),
            (None, Some(lower)) => {
                Err(Refused::new(format!("the lower threshold {lower} has no upper one above it"))
                    .hint("set `upper_threshold` too"))
            }
            _ => Ok(()),
        }
    }
}

/// Checks that an address can be that of one host.
pub(crate) fn check_host(address: IpAddr, role: &str) -> Result<(), Refused> {
    let what = match address {
        _ if address.is_unspecified() => "the unspecified address",
        _ if address.is_multicast() => "a multicast address",
        IpAddr::V4(address) if address.is_broadcast() => "the broadcast address",
        _ => return Ok(()),
    };
    Err(Refused::new(format!("{role} `{address}` is {what}"))
        .hint("it must be the address of one host"))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::super::{Engine, Persistence, Scheduler};
    use super::*;

    fn service(protocol: Protocol, address: &str, port: u16) -> Service {
        let key = ServiceKey::Address { protocol, address: address.parse().unwrap(), port };
        Service::new(key, Scheduler::new("rr").unwrap())
    }

    fn persistence(timeout: u32, netmask: Netmask) -> Option<Persistence> {
        Some(Persistence { timeout: NonZeroU32::new(timeout).unwrap(), netmask })
    }

    #[test]
    fn refuses_services_the_kernel_would_take() {
        let good = service(Protocol::Tcp, "10.0.0.1", 80);
        assert_eq!(good.check(), Ok(()));
        let single = Netmask::single(Family::Ipv4);
        let bad = [
            (service(Protocol::Other(1), "10.0.0.1", 80), "cannot balance protocol 1"),
            (service(Protocol::Tcp, "0.0.0.0", 80), "unspecified"),
            (service(Protocol::Tcp, "::", 80), "unspecified"),
            (service(Protocol::Tcp, "224.0.0.1", 80), "multicast"),
            (service(Protocol::Tcp, "ff02::1", 80), "multicast"),
            (service(Protocol::Tcp, "255.255.255.255", 80), "broadcast"),
            (service(Protocol::Tcp, "10.0.0.1", 0), "port 0"),
            (Service { one_packet: true, ..good.clone() }, "not for tcp"),
            (Service { engine: Engine::new("sip").ok(), ..good.clone() }, "needs persistence"),
            (
                Service { persistence: persistence(u32::MAX, single), ..good.clone() },
                "longer than 31 days",
            ),
            (
                Service { persistence: persistence(1, Netmask::V6(64)), ..good.clone() },
                "not a netmask for ipv4",
            ),
            (
                Service {
                    persistence: persistence(1, Netmask::V6(0)),
                    ..service(Protocol::Tcp, "fd00::1", 80)
                },
                "not a netmask for ipv6",
            ),
        ];
        for (service, part) in bad {
            let refused = service.check().expect_err(part);
            assert!(refused.message.contains(part), "{refused} does not say `{part}`");
        }
    }

    #[test]
    fn takes_port_0_with_persistence_and_one_packet_for_udp() {
        let every_port = Service {
            persistence: persistence(300, Netmask::single(Family::Ipv4)),
            ..service(Protocol::Tcp, "10.0.0.1", 0)
        };
        assert_eq!(every_port.check(), Ok(()));
        let dns = Service { one_packet: true, ..service(Protocol::Udp, "10.0.0.1", 53) };
        assert_eq!(dns.check(), Ok(()));
    }

    #[test]
    fn refuses_destinations_the_kernel_would_take() {
        let key = ServiceKey::address(Protocol::Tcp, [10, 0, 0, 1], 80);
        let rs = |forward| Destination::new([10, 0, 0, 2], 80, forward);
        let ipip = Forward::Tunnel(Tunnel::Ipip);
        for forward in [Forward::Direct, Forward::Nat, ipip] {
            assert_eq!(rs(forward).check(&key), Ok(()), "{forward}");
        }
        let elsewhere = |port, forward| Destination::new([10, 0, 0, 2], port, forward);
        assert_eq!(elsewhere(8080, Forward::Nat).check(&key), Ok(()));
        let v6 = |forward| Destination::new([0xfd00, 0, 0, 0, 0, 0, 0, 2], 80, forward);
        assert_eq!(v6(ipip).check(&key), Ok(()));
        let some = NonZeroU32::new;
        let bad = [
            (elsewhere(8080, Forward::Direct), "another port"),
            (elsewhere(8080, ipip), "another port"),
            (rs(Forward::Other(4)), "no forwarding method 4"),
            (rs(Forward::Other(7)), "no forwarding method 7"),
            (rs(Forward::Tunnel(Tunnel::Other(9))), "no tunnel type 9"),
            (v6(Forward::Nat), "another family"),
            (v6(Forward::Direct), "another family"),
            (Destination::new([0, 0, 0, 0], 80, Forward::Nat), "unspecified"),
            (Destination { weight: 1 << 31, ..rs(Forward::Nat) }, "weight"),
            (Destination { lower_threshold: some(1), ..rs(Forward::Nat) }, "no upper"),
            (
                Destination {
                    lower_threshold: some(3),
                    upper_threshold: some(2),
                    ..rs(Forward::Nat)
                },
                "above the upper",
            ),
        ];
        for (destination, part) in bad {
            let refused = destination.check(&key).expect_err(part);
            assert!(refused.message.contains(part), "{refused} does not say `{part}`");
        }
    }

    #[test]
    fn gives_no_port_to_direct_destinations_of_marked_packets() {
        let key = ServiceKey::Fwmark { family: Family::Ipv4, mark: NonZeroU32::MIN };
        let rs = |port, forward| Destination::new([10, 0, 0, 2], port, forward);
        assert_eq!(rs(0, Forward::Direct).check(&key), Ok(()));
        assert_eq!(rs(80, Forward::Nat).check(&key), Ok(()));
        assert!(rs(80, Forward::Direct).check(&key).is_err());
    }
}
