//! What a line does to packets, as a lab file writes it: `20ms`, `1%`, `10mbit`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::netlink::route::Netem;

/// The longest latency.
const LONGEST: Duration = Duration::from_secs(60);

/// What a cable does to packets; nothing where nothing is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wire {
    /// How long a packet takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// How many packets are lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
    /// How much passes in a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
}

impl Wire {
    /// Whether it is like any other.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// This one, and where it says nothing what another one says.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            latency: self.latency.or(other.latency),
            loss: self.loss.or(other.loss),
            rate: self.rate.or(other.rate),
        }
    }

    pub(in crate::lab) fn netem(self) -> Netem {
        Netem {
            latency: self.latency.map_or(Duration::ZERO, |latency| latency.0),
            loss: self.loss.map_or(0, |loss| loss.0),
            rate: self.rate.map(|rate| rate.0),
        }
    }
}

/// How long a packet takes, one way: `20ms`, `1.5ms`, `200us`, `1s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Latency(#[schemars(with = "String")] pub Duration);

/// How many packets are lost, such as `1%`; as a part of 2^32, which is how the kernel counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Loss(#[schemars(with = "String")] pub u32);

/// How much passes in a second, such as `10mbit`; in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Rate(#[schemars(with = "String")] pub u64);

/// A number and the unit behind it.
fn split(text: &str) -> Option<(f64, &str)> {
    let unit = text.find(|c: char| c.is_ascii_alphabetic() || c == '%')?;
    let number: f64 = text[..unit].trim().parse().ok()?;
    (number >= 0.0).then(|| (number, text[unit..].trim()))
}

impl TryFrom<String> for Latency {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let seconds = split(&text).and_then(|(number, unit)| match unit {
            "us" => Some(number / 1e6),
            "ms" => Some(number / 1e3),
            "s" => Some(number),
            _ => None,
        });
        let seconds = seconds.ok_or_else(|| {
            format!("`{text}` is no latency\nhint: write it like `20ms`; units: us, ms, s")
        })?;
        let latency = Duration::try_from_secs_f64(seconds).ok().filter(|all| *all <= LONGEST);
        latency
            .map(Self)
            .ok_or_else(|| format!("`{text}` is more than the {} s allowed", LONGEST.as_secs()))
    }
}

impl From<Latency> for String {
    fn from(latency: Latency) -> Self {
        format!("{}ms", latency.0.as_secs_f64() * 1e3)
    }
}

impl TryFrom<String> for Loss {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match split(&text) {
            // 100 % is all of them: the cast stops at the largest number.
            Some((percent, "%")) if percent <= 100.0 => {
                Ok(Self((percent / 100.0 * f64::from(u32::MAX)).round() as u32))
            }
            _ => Err(format!("`{text}` is no loss\nhint: from `0%` to `100%`, such as `0.5%`")),
        }
    }
}

impl From<Loss> for String {
    fn from(loss: Loss) -> Self {
        let percent = f64::from(loss.0) / f64::from(u32::MAX) * 100.0;
        format!("{}%", (percent * 1e4).round() / 1e4)
    }
}

impl TryFrom<String> for Rate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is no rate\nhint: write it like `10mbit`; units: bit, kbit, mbit, gbit"
            )
        };
        let (number, unit) = split(&text).ok_or_else(wrong)?;
        let bits = match unit {
            "bit" => 1.0,
            "kbit" => 1e3,
            "mbit" => 1e6,
            "gbit" => 1e9,
            _ => return Err(wrong()),
        };
        let bytes = number * bits / 8.0;
        match (1.0..=1e12).contains(&bytes) {
            true => Ok(Self(bytes as u64)),
            false => Err(format!("`{text}` is no usable rate\nhint: at least `8bit` in a second")),
        }
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        let bits = rate.0 * 8;
        let units = [(1_000_000_000, "gbit"), (1_000_000, "mbit"), (1000, "kbit")];
        match units.into_iter().find(|(size, _)| bits.is_multiple_of(*size)) {
            Some((size, unit)) => format!("{}{unit}", bits / size),
            None => format!("{bits}bit"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write_and_writes_it_again() {
        let latency = |text: &str| Latency::try_from(text.to_owned());
        assert_eq!(latency("20ms"), Ok(Latency(Duration::from_millis(20))));
        assert_eq!(latency("1.5 ms").map(String::from), Ok("1.5ms".into()));
        assert_eq!(latency("200us").map(String::from), Ok("0.2ms".into()));
        let loss = |text: &str| Loss::try_from(text.to_owned());
        assert_eq!(loss("1%"), Ok(Loss(42_949_673)));
        assert_eq!(loss("100%"), Ok(Loss(u32::MAX)));
        assert_eq!(loss("0.5%").map(String::from), Ok("0.5%".into()));
        let rate = |text: &str| Rate::try_from(text.to_owned());
        assert_eq!(rate("10mbit"), Ok(Rate(1_250_000)));
        assert_eq!(rate("1.5gbit").map(String::from), Ok("1500mbit".into()));
    }

    #[test]
    fn says_what_is_no_quantity() {
        for text in ["20", "ms", "-1ms", "1h", "61s", "NaNms"] {
            assert!(Latency::try_from(text.to_owned()).is_err(), "{text}");
        }
        for text in ["1", "101%", "-1%", "x%"] {
            assert!(Loss::try_from(text.to_owned()).is_err(), "{text}");
        }
        for text in ["10", "10mb", "0bit", "-1mbit", "inf gbit"] {
            assert!(Rate::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
