//! Names and hardware addresses of interfaces, valid once they exist.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of a network interface, as the kernel accepts it.
///
/// The rule is the kernel's own, `dev_valid_name` in `net/core/dev.c`: 1 to 15 bytes, not `.`
/// or `..`, no slash, no colon, no white space.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
pub struct InterfaceName(String);

/// Why a text is not the name of an interface.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadInterfaceName {
    /// Nothing at all.
    #[error("an interface name must not be empty")]
    Empty,
    /// More than the kernel's 15 bytes.
    #[error("interface name `{0}` is longer than 15 bytes")]
    TooLong(String),
    /// A byte, or the whole name, that the kernel reserves.
    #[error("interface name `{0}` must not be `.` or `..` nor contain a slash, colon or space")]
    Reserved(String),
}

impl InterfaceName {
    /// Checks the kernel's rule.
    pub fn new(name: impl Into<String>) -> Result<Self, BadInterfaceName> {
        let name = name.into();
        if name.is_empty() {
            return Err(BadInterfaceName::Empty);
        }
        if name.len() > 15 {
            return Err(BadInterfaceName::TooLong(name));
        }
        let reserved = |c: char| c == '/' || c == ':' || c == '\0' || c.is_whitespace();
        if name == "." || name == ".." || name.contains(reserved) {
            return Err(BadInterfaceName::Reserved(name));
        }
        Ok(Self(name))
    }

    /// The loopback interface, which every network namespace has.
    #[must_use]
    pub fn loopback() -> Self {
        Self("lo".into())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for InterfaceName {
    type Err = BadInterfaceName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::new(name)
    }
}

impl TryFrom<String> for InterfaceName {
    type Error = BadInterfaceName;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(name)
    }
}

impl From<InterfaceName> for String {
    fn from(name: InterfaceName) -> Self {
        name.0
    }
}

/// A 48-bit hardware address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddress(pub [u8; 6]);

impl From<MacAddress> for String {
    fn from(mac: MacAddress) -> Self {
        mac.to_string()
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_the_kernel_takes() {
        for name in ["lo", "eth0", "eth0.100", "a", "123456789012345", "wlp0s20f3"] {
            assert_eq!(InterfaceName::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn refuses_what_the_kernel_refuses() {
        use BadInterfaceName::{Empty, Reserved, TooLong};
        assert_eq!(InterfaceName::new(""), Err(Empty));
        assert_eq!(InterfaceName::new("1234567890123456"), Err(TooLong("1234567890123456".into())));
        for name in [".", "..", "a/b", "eth0:1", "a b", "a\tb", "a\0b"] {
            assert_eq!(InterfaceName::new(name), Err(Reserved(name.into())));
        }
    }

    #[test]
    fn says_in_json_what_is_wrong() {
        let error = serde_json::from_str::<InterfaceName>("\"eth0:1\"").unwrap_err();
        assert!(error.to_string().contains("`eth0:1`"), "{error}");
    }

    #[test]
    fn prints_a_hardware_address_as_ip_does() {
        assert_eq!(MacAddress([2, 0, 0xa, 0xff, 0, 1]).to_string(), "02:00:0a:ff:00:01");
    }
}
