//! `ping`: whether an agent works on the host.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Action, Error, Host, Mode, Outcome};

/// Answers, which shows that the host can be reached and that the agent runs there.
///
/// Changes nothing, and sends no ICMP. `register` keeps the answer as `ping`.
///
/// ```yaml
/// ping:
///   data: pong
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ping {
    /// What to answer; `crash` fails, to try what happens then.
    #[serde(default = "pong")]
    pub data: String,
}

fn pong() -> String {
    "pong".into()
}

impl Action for Ping {
    fn run(&self, _host: &mut Host, _mode: Mode) -> Result<Outcome, Error> {
        if self.data == "crash" {
            return Err(Error::new("boom"));
        }
        let mut outcome = Outcome::default();
        outcome.result.insert("ping".into(), self.data.clone().into());
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_what_it_was_given_or_fails_when_asked_to() {
        let run =
            |data: &str| Ping { data: data.into() }.run(&mut Host::default(), Mode::default());
        let outcome = run(&pong()).unwrap();
        assert_eq!(outcome.result["ping"], "pong");
        assert!(!outcome.changed);
        assert_eq!(run("crash").unwrap_err().message, "boom");
    }
}
