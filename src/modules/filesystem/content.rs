//! The bytes of a file, in forms that go through JSON.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// What is sent along without asking, in bytes: asking costs a round trip.
const INLINE: usize = 8 << 10;

/// Bytes that travel as base64 and are not spelled out in a log.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    /// The text, when it is one that can be shown.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok().filter(|text| !text.contains('\0'))
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        STANDARD.decode(text).map(Self).map_err(D::Error::custom)
    }
}

/// Where a file's bytes come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// They are this text.
    Text(String),
    /// They are these bytes.
    Base64(#[schemars(with = "String")] Bytes),
    /// They are those of a file on the host itself.
    Remote(String),
    /// They are at their place already, or else have to be asked for.
    Digest(ContentDigest),
}

/// What is known of bytes that were not sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ContentDigest {
    /// Their SHA-256, in hexadecimal.
    pub sha256: String,
    /// How many they are.
    pub size: u64,
}

impl ContentDigest {
    /// Of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let sha256 = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { sha256, size: bytes.len() as u64 }
    }
}

impl Content {
    /// The same by its digest, and the bytes, which are for whoever lacks them; `None` for
    /// what is small, or not here.
    #[must_use]
    pub fn parted(&self) -> Option<(Self, Bytes)> {
        let bytes = match self {
            Self::Text(text) => text.as_bytes(),
            Self::Base64(Bytes(bytes)) => bytes,
            Self::Remote(_) | Self::Digest(_) => return None,
        };
        (bytes.len() > INLINE)
            .then(|| (Self::Digest(ContentDigest::of(bytes)), Bytes(bytes.to_vec())))
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) => Self::Text(text),
            Err(error) => Self::Base64(Bytes(error.into_bytes())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_through_json_and_back() {
        for bytes in [b"text\n".to_vec(), vec![0xff, 0, 1]] {
            let content = Content::from(bytes);
            let json = serde_json::to_string(&content).unwrap();
            assert_eq!(serde_json::from_str::<Content>(&json).unwrap(), content);
        }
    }
}
