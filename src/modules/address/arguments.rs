//! The arguments of `address` as they are written, and what they declare.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::Presence;
use super::super::network::HostAddress;
use super::Address;
use crate::diagnostic::Remark;
use crate::netlink::InterfaceName;
use crate::netlink::route::{NewAddress, Scope};

/// The arguments of `address`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// The interface, which must exist.
    #[serde(alias = "dev")]
    interface: InterfaceName,
    /// The address, with or without a prefix length: `192.168.0.89` or `192.168.0.89/32`.
    #[serde(alias = "vip")]
    address: WithPrefix,
    /// The prefix length, if `address` does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prefix: Option<u8>,
    /// A label of an IPv4 address, such as `eth0:1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<InterfaceLabel>,
    /// How far the address reaches; by default `host` for 127.0.0.0/8, otherwise `global`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<Scope>,
    /// Whether the interface has it.
    #[serde(default)]
    state: Presence,
}

/// An address, perhaps with a prefix length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
struct WithPrefix {
    address: HostAddress,
    prefix: Option<u8>,
}

/// A label: at most 15 bytes (`IFNAMSIZ`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
struct InterfaceLabel(String);

impl TryFrom<String> for WithPrefix {
    type Error = Remark;

    fn try_from(text: String) -> Result<Self, Remark> {
        let Some((address, prefix)) = text.split_once('/') else {
            return Ok(Self { address: text.try_into()?, prefix: None });
        };
        let address = HostAddress::try_from(address.to_string())?;
        let prefix = prefix
            .parse()
            .map_err(|_| Remark::new(format!("`/{prefix}` is not a prefix length")))?;
        Ok(Self { address, prefix: Some(fitting(address.0, prefix)?) })
    }
}

impl From<WithPrefix> for String {
    fn from(WithPrefix { address, prefix }: WithPrefix) -> Self {
        prefix.map_or_else(|| address.to_string(), |prefix| format!("{address}/{prefix}"))
    }
}

impl TryFrom<String> for InterfaceLabel {
    type Error = Remark;

    fn try_from(label: String) -> Result<Self, Remark> {
        match label.len() {
            1..=15 => Ok(Self(label)),
            _ => Err(Remark::new(format!("label `{label}` must have 1 to 15 bytes"))),
        }
    }
}

impl From<InterfaceLabel> for String {
    fn from(label: InterfaceLabel) -> Self {
        label.0
    }
}

/// The number of bits of an address.
fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn fitting(address: IpAddr, prefix: u8) -> Result<u8, Remark> {
    if prefix <= bits(address) {
        return Ok(prefix);
    }
    Err(Remark::new(format!("a prefix of {prefix} bits is longer than the address `{address}`"))
        .hint(format!("the longest is /{}", bits(address))))
}

impl TryFrom<Arguments> for Address {
    type Error = Remark;

    fn try_from(arguments: Arguments) -> Result<Self, Remark> {
        let Arguments { interface, address, prefix, label, scope, state } = arguments;
        let WithPrefix { address: HostAddress(address), prefix: written } = address;
        let prefix = match (written, prefix) {
            (Some(written), Some(prefix)) if written != prefix => {
                return Err(Remark::new(format!(
                    "`address` ends in /{written} but `prefix` is {prefix}"
                ))
                .hint("give only one of them"));
            }
            (one, other) => one.or(other).unwrap_or(bits(address)),
        };
        let prefix = fitting(address, prefix)?;
        if let Some(InterfaceLabel(label)) = &label {
            if address.is_ipv6() {
                return Err(Remark::new("an IPv6 address has no label"));
            }
            // Nothing but `ip` and `ifconfig` insist on it, but without it they misread the label.
            if !label.starts_with(interface.as_str()) {
                return Err(Remark::new(format!(
                    "label `{label}` does not begin with `{interface}`"
                ))
                .hint(format!("such as `{interface}:0`")));
            }
        }
        let label = label.map(|label| label.0);
        let declared = NewAddress { label, scope, ..NewAddress::new(address, prefix) };
        Ok(Self { interface, declared, state })
    }
}

impl From<Address> for Arguments {
    fn from(Address { interface, declared, state }: Address) -> Self {
        Self {
            interface,
            address: WithPrefix {
                address: HostAddress(declared.address),
                prefix: Some(declared.prefix),
            },
            prefix: None,
            label: declared.label.map(InterfaceLabel),
            scope: declared.scope,
            state,
        }
    }
}
