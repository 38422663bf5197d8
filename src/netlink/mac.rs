//! Hardware addresses as text, wherever people or JSON see them.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::MacAddress;

/// A text is not a hardware address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a hardware address such as `02:00:00:00:00:5a`")]
pub struct BadMacAddress(String);

impl FromStr for MacAddress {
    type Err = BadMacAddress;

    fn from_str(text: &str) -> Result<Self, BadMacAddress> {
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
            .ok_or_else(|| BadMacAddress(text.to_owned()))
    }
}

impl Serialize for MacAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MacAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_writes() {
        let mac = MacAddress([2, 0, 0, 0xab, 0, 0x5a]);
        assert_eq!(mac.to_string().parse(), Ok(mac));
        assert_eq!("02:00:00:AB:00:5A".parse(), Ok(mac));
        let json = serde_json::to_string(&mac).expect("a text");
        assert_eq!(json, "\"02:00:00:ab:00:5a\"");
        assert_eq!(serde_json::from_str::<MacAddress>(&json).expect("the same"), mac);
    }

    #[test]
    fn refuses_what_is_none() {
        for text in ["", "02", "02:00:00:00:00", "02:00:00:00:00:5a:00", "+2:00:00:00:00:5a", "é"]
        {
            assert!(text.parse::<MacAddress>().is_err(), "{text}");
        }
    }
}
