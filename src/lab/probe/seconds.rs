//! Durations as people write them: a number of seconds.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A length of time, written in seconds: `5`, `0.25`. At most a day, so that a deadline
/// reckoned from it always exists.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "f64", into = "f64")]
pub struct Seconds(pub Duration);

impl Seconds {
    /// So many milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }
}

/// A number is not a usable length of time.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("`{0}` is not a number of seconds from 0.001 to 86400")]
pub struct NotSeconds(f64);

impl TryFrom<f64> for Seconds {
    type Error = NotSeconds;

    fn try_from(seconds: f64) -> Result<Self, NotSeconds> {
        if (0.001..=86_400.0).contains(&seconds) {
            Ok(Self(Duration::from_secs_f64(seconds)))
        } else {
            Err(NotSeconds(seconds))
        }
    }
}

impl From<Seconds> for f64 {
    fn from(seconds: Seconds) -> Self {
        seconds.0.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_no_deadline_can_be_made_of() {
        for number in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert!(Seconds::try_from(number).is_err(), "{number}");
        }
        assert_eq!(Seconds::try_from(0.25), Ok(Seconds::from_millis(250)));
    }
}
