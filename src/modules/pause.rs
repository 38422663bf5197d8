//! `pause`: some time goes by. The controller does it.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Arguments, Error};

/// Waits for some seconds or minutes, once for all hosts. An interrupt ends it.
///
/// Nobody is asked for a key: without `seconds` or `minutes` it is refused. In check mode it
/// does not wait.
///
/// ```yaml
/// pause:
///   seconds: 1
///   prompt: the routers learn the new address
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// How long to wait, in seconds; as in Ansible, whole ones and at least one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// How long to wait, in minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<f64>,
    /// What is shown of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// Without effect, since nothing is typed.
    #[serde(default = "super::copy::yes")]
    pub echo: bool,
}

impl Arguments for Pause {
    fn check(&self) -> Result<(), Error> {
        match (self.seconds, self.minutes) {
            (Some(_), Some(_)) => Err(Error::new("`seconds` and `minutes` exclude each other")),
            (None, None) => Err(Error::new("`pause` does not wait for a key")
                .hint("give `seconds` or `minutes`, or end the playbook here and begin another")),
            (Some(time), None) | (None, Some(time)) if !(0.0..=1e6).contains(&time) => {
                Err(Error::new(format!("`{time}` is no time to wait")))
            }
            _ => Ok(()),
        }
    }
}

impl Pause {
    /// For how long.
    #[must_use]
    pub fn duration(&self) -> Duration {
        let minutes = self.minutes.map(|minutes| minutes.trunc() * 60.0);
        let seconds = minutes.or(self.seconds).unwrap_or_default().trunc().max(1.0);
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }

    /// How Ansible tells that it took `seconds`.
    #[must_use]
    pub fn told(&self, seconds: f64) -> String {
        let (time, unit) = match self.minutes {
            Some(_) => (seconds / 60.0, "minutes"),
            None => (seconds, "seconds"),
        };
        format!("Paused for {:?} {unit}", (time * 100.0).round() / 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_as_long_as_ansible_would() {
        let seconds = |seconds| Pause { seconds: Some(seconds), ..Pause::default() };
        for (asked, waited) in [(0.0, 1), (0.9, 1), (1.9, 1), (90.0, 90)] {
            assert_eq!(seconds(asked).duration(), Duration::from_secs(waited), "{asked}");
        }
        let minutes = Pause { minutes: Some(2.0), ..Pause::default() };
        assert_eq!(minutes.duration(), Duration::from_secs(120));
        assert_eq!(minutes.told(120.2), "Paused for 2.0 minutes");
        assert_eq!(seconds(1.0).told(1.004), "Paused for 1.0 seconds");
    }

    #[test]
    fn never_waits_for_a_key() {
        let hint = Pause::default().check().unwrap_err().hint.unwrap();
        assert!(hint.contains("`seconds` or `minutes`"), "{hint}");
        let endless = Pause { seconds: Some(f64::INFINITY), ..Pause::default() };
        assert!(endless.check().is_err());
    }
}
