//! Ethernet addresses, as text wherever people or JSON see them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An Ethernet address, written `02:00:00:00:00:5a`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A text is not an Ethernet address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an Ethernet address such as `02:00:00:00:00:5a`")]
pub struct NotAMac(String);

impl FromStr for Mac {
    type Err = NotAMac;

    fn from_str(text: &str) -> Result<Self, NotAMac> {
        let bytes: Option<Vec<u8>> = text
            .split(':')
            .map(|pair| {
                // `from_str_radix` alone would take a sign.
                let hexadecimal = pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit());
                hexadecimal.then(|| u8::from_str_radix(pair, 16).ok()).flatten()
            })
            .collect();
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| NotAMac(text.to_owned()))
    }
}

impl TryFrom<String> for Mac {
    type Error = NotAMac;

    fn try_from(text: String) -> Result<Self, NotAMac> {
        text.parse()
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> Self {
        mac.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_writes() {
        let mac = Mac([2, 0, 0, 0xab, 0, 0x5a]);
        assert_eq!(mac.to_string(), "02:00:00:ab:00:5a");
        assert_eq!(mac.to_string().parse(), Ok(mac));
        assert_eq!("02:00:00:AB:00:5A".parse(), Ok(mac));
    }

    #[test]
    fn refuses_what_is_none() {
        for text in ["", "02", "02:00:00:00:00", "02:00:00:00:00:5a:00", "+2:00:00:00:00:5a", "é"]
        {
            assert!(text.parse::<Mac>().is_err(), "{text}");
        }
    }
}
