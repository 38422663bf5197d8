//! `service`: a daemon that runs or not, by systemd or, where none runs, by the agent's own
//! supervisor.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Action, Error, Host, HostKind, Mode, Outcome, Refused};
use manager::{Manager, Seen, Wanted, Whose};

pub(super) mod manager;

/// Starts, stops, restarts or reloads a service, and has it started at boot or not.
///
/// In a lab host, where no systemd runs, the service's own unit file says what to do.
///
/// ```yaml
/// service:
///   name: nginx
///   state: started
///   enabled: true
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The unit's name, with or without `.service`.
    #[serde(alias = "service", alias = "unit")]
    pub name: String,
    /// Whether it runs; `restarted` and `reloaded` act every time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Whether it is started at boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Whether systemd reads its unit files again first.
    #[serde(default)]
    pub daemon_reload: bool,
}

/// Whether a service runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It runs.
    Started,
    /// It does not.
    Stopped,
    /// It is stopped and started.
    Restarted,
    /// It reads its configuration again; it is started when it does not run.
    Reloaded,
}

impl Action for Service {
    const REFUSED: &'static [Refused] = &[&[
        ("arguments", "give them in the unit file, or in a drop-in written by `copy`"),
        ("args", "give them in the unit file, or in a drop-in written by `copy`"),
        ("pattern", "leave it out: systemd knows what runs"),
        ("runlevel", "leave it out: systemd has targets"),
        ("sleep", "leave it out: a stop ends when the service has"),
        ("use", "leave it out: it is systemd, or the unit file where none runs"),
    ]];

    fn check(&self) -> Result<(), Error> {
        if self.state.is_none() && self.enabled.is_none() {
            return Err(Error::new("`service` needs `state` or `enabled`"));
        }
        is_a_unit(&self.name)
    }

    fn run(&self, host: &mut Host, mode: Mode) -> Result<Outcome, Error> {
        self.check()?;
        let wanted = Wanted { state: self.state, enabled: self.enabled, masked: None };
        if self.daemon_reload && !mode.check {
            manager::daemon(host.kind, Whose::System, "daemon-reload")?;
        }
        let (mut outcome, _) = made_so(&self.name, wanted, host.kind, Whose::System, mode)?;
        outcome.result.insert("name".into(), self.name.clone().into());
        Ok(outcome)
    }
}

/// Refuses names that no unit has, and those that `systemctl` would take for an option.
pub(super) fn is_a_unit(name: &str) -> Result<(), Error> {
    let fits = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    if name.is_empty() || name.starts_with('-') || !name.chars().all(fits) {
        return Err(Error::new(format!("`{name}` cannot be a unit's name")));
    }
    Ok(())
}

/// Makes a service what is declared of it; says what was done, and how it was before.
pub(super) fn made_so(
    name: &str,
    wanted: Wanted,
    kind: HostKind,
    whose: Whose,
    mode: Mode,
) -> Result<(Outcome, Seen), Error> {
    let look = || {
        let manager = Manager::of(kind, whose, name)?;
        manager.observe(name).map(|seen| (manager, seen))
    };
    let known = look();
    let seen = match &known {
        Ok((_, seen)) => seen.clone(),
        // A plan goes on: an earlier task of it may bring the unit.
        Err(_) if mode.check => Seen::default(),
        Err(error) => return Err(error.clone()),
    };
    let changes = wanted.changes(&seen);
    if known.is_ok() && !mode.check {
        for change in &changes {
            // Masking changes what the name stands for.
            Manager::of(kind, whose, name)?.apply(name, *change)?;
        }
        wanted.verify(name, &look()?.1)?;
    }
    let note = known.as_ref().err().map(absence).unwrap_or_default();
    let shown = changes.iter().map(|change| format!("{} `{name}`{note}", change.verb()));
    let outcome =
        Outcome { changed: !changes.is_empty(), changes: shown.collect(), ..Outcome::default() };
    Ok((outcome, seen))
}

/// What a plan adds for a service that cannot be found.
fn absence(error: &Error) -> String {
    match error.hint.as_deref().filter(|hint| hint.starts_with("did you mean")) {
        Some(hint) => format!(", which is not there yet ({hint})"),
        None => ", which is not there yet".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::manager::Change;
    use super::*;

    fn service(state: Option<State>, enabled: Option<bool>) -> Service {
        Service { name: "nginx".into(), state, enabled, daemon_reload: false }
    }

    #[test]
    fn does_only_what_differs() {
        use Change::{Disable, Enable, Reload, Restart, Start, Stop};
        type Row<'a> = (Option<State>, Option<bool>, bool, bool, &'a [Change]);
        let table: &[Row<'_>] = &[
            (Some(State::Started), None, true, false, &[]),
            (Some(State::Started), Some(true), false, false, &[Enable, Start]),
            (Some(State::Stopped), None, false, true, &[]),
            (Some(State::Stopped), Some(false), true, true, &[Disable, Stop]),
            (Some(State::Restarted), None, true, true, &[Restart]),
            (Some(State::Restarted), None, false, true, &[Start]),
            (Some(State::Reloaded), None, true, true, &[Reload]),
            (Some(State::Reloaded), None, false, true, &[Start]),
            (None, Some(true), false, true, &[]),
        ];
        for (state, enabled, runs, boots, expected) in table {
            let wanted = Wanted { state: *state, enabled: *enabled, masked: None };
            let seen = Seen { running: *runs, enabled: *boots, ..Seen::default() };
            assert_eq!(wanted.changes(&seen), *expected, "{state:?}");
        }
    }

    #[test]
    fn plans_for_a_service_that_an_earlier_task_would_bring() {
        let service = Service { name: "no-such-service-yet".into(), ..service(None, Some(true)) };
        let mut lab = Host::new(HostKind::Lab);
        let outcome = service.run(&mut lab, Mode { check: true, diff: false }).expect("a plan");
        assert_eq!(outcome.changes, ["enable `no-such-service-yet`, which is not there yet"]);
        let error = service.run(&mut lab, Mode::default()).expect_err("nothing to enable");
        assert!(error.message.contains("there is no service `no-such-service-yet`"), "{error}");
    }

    #[test]
    fn refuses_names_that_are_none() {
        for name in ["", "-x", "a b", "a/b"] {
            let service = Service { name: name.into(), ..service(Some(State::Started), None) };
            assert!(service.check().is_err(), "{name}");
        }
    }
}
