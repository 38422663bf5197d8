//! The parameters of IPVS under `net.ipv4.vs.`: what each does, since when, and what fits it.
//!
//! After `net/netfilter/ipvs/ip_vs_ctl.c` and `Documentation/networking/ipvs-sysctl.rst`, which
//! leaves some out. A test holds the table against the kernel that it runs on.

use std::fmt;

use serde::Serialize;

use super::refused::Refused;

mod table;

pub use table::SETTINGS;

/// One parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its name, without `net.ipv4.vs.`.
    pub name: &'static str,
    /// What a new network namespace begins with; `None` where that depends on the machine.
    pub default: Option<&'static str>,
    /// What fits it.
    pub range: Range,
    /// The first kernel that has it.
    pub since: Release,
    /// What a kernel must be built with, or have loaded, to have it.
    pub needs: Option<&'static str>,
    /// What it does.
    pub about: &'static str,
}

/// What fits a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Range {
    /// 0, or anything else for on.
    Switch,
    /// A whole number from the first to the second.
    Between(i32, i32),
    /// A power of two, from 1.
    PowerOfTwo,
    /// Packets and a period: two numbers of which the first is below the second, or a period
    /// of 0.
    Threshold,
    /// CPUs, as in `0-3,8`; empty for none.
    Processors,
}

/// The release of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Release(pub u16, pub u16, pub u16);

impl Release {
    /// Takes `6.1.0-37-amd64` apart; what cannot be read is 0.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let digits = |c: char| !c.is_ascii_digit();
        let mut parts = text.splitn(3, '.').map(|part| {
            part.split(digits).next().and_then(|number| number.parse().ok()).unwrap_or(0)
        });
        let mut next = || parts.next().unwrap_or(0);
        Self(next(), next(), next())
    }
}

/// `4.19`, `2.6.37`.
impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(major, minor, 0) => write!(f, "{major}.{minor}"),
            Self(major, minor, patch) => write!(f, "{major}.{minor}.{patch}"),
        }
    }
}

/// Finds a parameter, with `net.ipv4.vs.` before its name or without.
#[must_use]
pub fn setting(name: &str) -> Option<&'static Setting> {
    let name = name.strip_prefix("net.ipv4.vs.").unwrap_or(name);
    SETTINGS.iter().find(|setting| setting.name == name)
}

impl Setting {
    /// Checks that a value fits, before the kernel refuses it without a word, or takes it.
    pub fn check(&self, value: &str) -> Result<(), Refused> {
        let value = value.trim();
        let number = || value.parse::<i32>().ok();
        let fits = match self.range {
            Range::Switch => number().is_some(),
            Range::Between(least, most) => number().is_some_and(|n| (least..=most).contains(&n)),
            Range::PowerOfTwo => value.parse::<u32>().is_ok_and(u32::is_power_of_two),
            Range::Threshold => match value.split_whitespace().collect::<Vec<_>>()[..] {
                [packets, period] => {
                    let pair = packets.parse::<u32>().ok().zip(period.parse::<u32>().ok());
                    pair.is_some_and(|(packets, period)| packets < period || period == 0)
                }
                _ => false,
            },
            Range::Processors => {
                value.chars().all(|c| c.is_ascii_digit() || matches!(c, ',' | '-'))
            }
        };
        if fits {
            return Ok(());
        }
        Err(Refused::new(format!("`{value}` does not fit `net.ipv4.vs.{}`", self.name))
            .hint(format!("it takes {}", self.range)))
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switch => f.write_str("0 or 1"),
            Self::Between(0, i32::MAX) => f.write_str("a number that is not negative"),
            Self::Between(least, most) => write!(f, "a number from {least} to {most}"),
            Self::PowerOfTwo => f.write_str("a power of two"),
            Self::Threshold => f.write_str("two numbers, the first below the second"),
            Self::Processors => f.write_str("a list of CPUs such as 0-3,8"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_sorted_and_has_defaults_that_fit() {
        assert!(SETTINGS.is_sorted_by_key(|setting| setting.name));
        for setting in SETTINGS {
            assert_eq!(setting.check(setting.default.unwrap_or("1")), Ok(()), "{}", setting.name);
            assert!(setting.about.ends_with('.'), "{}", setting.name);
        }
        assert_eq!(setting("net.ipv4.vs.conntrack"), setting("conntrack"));
        assert_eq!(setting("no_such"), None);
    }

    #[test]
    fn refuses_what_does_not_fit() {
        for (name, bad) in [
            ("conntrack", "yes"),
            ("drop_entry", "4"),
            ("drop_entry", "-1"),
            ("sync_ports", "3"),
            ("sync_ports", "0"),
            ("sync_threshold", "50 50"),
            ("sync_threshold", "3"),
            ("sync_retries", "4"),
            ("est_cpulist", "all"),
            ("est_nice", "20"),
        ] {
            let refused = setting(name).unwrap().check(bad).expect_err(name);
            assert!(refused.hint.unwrap().starts_with("it takes "), "{name}");
        }
        assert_eq!(setting("sync_threshold").unwrap().check("3\t50\n"), Ok(()));
        assert_eq!(setting("sync_threshold").unwrap().check("3 0"), Ok(()));
    }

    #[test]
    fn compares_releases() {
        assert_eq!(Release::parse("6.1.0-37-amd64"), Release(6, 1, 0));
        assert_eq!(Release::parse("7.2.3"), Release(7, 2, 3));
        assert_eq!(Release::parse("5.15-rc1+"), Release(5, 15, 0));
        assert!(Release::parse("4.18.0") < Release(4, 19, 0));
        assert_eq!(Release(2, 6, 37).to_string(), "2.6.37");
        assert_eq!(Release(5, 15, 0).to_string(), "5.15");
    }
}
