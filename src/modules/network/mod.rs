//! What the modules about links, addresses, routes and IPVS have in common: the address of
//! one host as an argument, and netlink's errors as a module's.

use std::fmt;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Error;
use crate::diagnostic::Remark;
use crate::netlink::ipvs::{self, check_host};
use crate::netlink::route;

/// The address of one host: neither unspecified nor multicast nor broadcast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct HostAddress(pub IpAddr);

impl TryFrom<String> for HostAddress {
    type Error = Remark;

    fn try_from(text: String) -> Result<Self, Remark> {
        let address = text.trim().parse().map_err(|_| {
            let message = format!("`{text}` is not an IP address");
            match text.split_once('/') {
                Some(_) => Remark::new(message).hint("leave the prefix length out here"),
                None => Remark::new(message).hint("such as 192.168.0.89 or fd00::89"),
            }
        })?;
        check_host(address, "address")?;
        Ok(Self(address))
    }
}

impl From<HostAddress> for String {
    fn from(address: HostAddress) -> Self {
        address.0.to_string()
    }
}

impl fmt::Display for HostAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<ipvs::Error> for Error {
    fn from(error: ipvs::Error) -> Self {
        let hint = error.hint().map(String::from);
        Self { hint, ..Self::new(error.to_string()) }
    }
}

impl From<route::Error> for Error {
    fn from(error: route::Error) -> Self {
        let hint = error.hint().map(String::from);
        Self { hint, ..Self::new(error.to_string()) }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use super::*;
    use crate::diagnostic::{Diagnostic, Source};

    /// Decodes a task's arguments as the controller does.
    pub fn decode<T: DeserializeOwned>(text: &str) -> Result<T, Diagnostic> {
        let source = Arc::new(Source { name: "t.yml".into(), text: text.into() });
        crate::yaml::read(&source).expect("the test's YAML reads").decode()
    }

    /// Decodes them, sends them to the agent and back, and checks that nothing got lost.
    pub fn travelled<T: Serialize + DeserializeOwned>(text: &str) -> T {
        let there = serde_json::to_value(decode::<T>(text).unwrap()).unwrap();
        let back: T = serde_json::from_value(there.clone()).unwrap();
        assert_eq!(serde_json::to_value(&back).unwrap(), there, "{text}");
        back
    }

    /// The one line that a mistake in arguments is told with.
    pub fn mistake<T: DeserializeOwned + fmt::Debug>(text: &str) -> String {
        decode::<T>(text).expect_err(text).to_string()
    }

    #[test]
    fn refuses_addresses_that_are_not_of_one_host() {
        for (text, part) in [
            ("0.0.0.0", "the unspecified address"),
            ("::", "the unspecified address"),
            ("224.0.0.1", "a multicast address"),
            ("255.255.255.255", "the broadcast address"),
            ("10.0.0.300", "`10.0.0.300` is not an IP address"),
            ("10.0.0.1/24", "leave the prefix length out"),
        ] {
            let error = mistake::<HostAddress>(&format!("'{text}'"));
            assert!(error.starts_with("t.yml:1:1: ") && error.contains(part), "{error}");
        }
        assert_eq!(travelled::<HostAddress>("'fd00::1'").to_string(), "fd00::1");
    }
}
