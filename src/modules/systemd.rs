//! `systemd`: a unit, whether it may run at all, and systemd itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::service::manager::{Wanted, Whose, daemon};
use super::service::{State, is_a_unit, made_so};
use super::{Action, Error, Host, Mode, Outcome, Refused};

/// Starts, stops, restarts or reloads a unit, has it started at boot or not, or keeps it from being
/// started at all; and has systemd read its unit files again.
///
/// `register` keeps `state`, `enabled` and, as `status`, what `systemctl show` told before. In a lab
/// host, where no systemd runs, the unit file says what to do; there is nothing to reload then, so
/// that `daemon_reload` does nothing and succeeds.
///
/// Unit files and drop-ins are written by `copy` or `template`, as into
/// `/etc/systemd/system/nginx.service.d/`.
///
/// ```yaml
/// systemd:
///   name: nginx
///   daemon_reload: true
///   state: started
///   enabled: true
///   masked: false
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Systemd {
    /// The unit's name, with or without `.service`. None is needed to reload systemd.
    #[serde(default, alias = "service", alias = "unit", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether it runs; `restarted` and `reloaded` act every time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Whether it is started at boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Whether nothing and nobody can start it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masked: Option<bool>,
    /// Whether systemd reads its unit files again first. No change by itself.
    #[serde(default, alias = "daemon-reload")]
    pub daemon_reload: bool,
    /// Whether systemd starts itself anew first. No change by itself.
    #[serde(default, alias = "daemon-reexec")]
    pub daemon_reexec: bool,
    /// Whose units: the machine's, those of the user that the task acts as, or of all users.
    #[serde(default)]
    pub scope: Scope,
    /// Without effect: what is started is waited for.
    #[serde(default)]
    pub no_block: bool,
}

/// Whose units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The machine's.
    #[default]
    System,
    /// Those of the user that the task acts as.
    User,
    /// Those of every user: they can be enabled and masked, not started.
    Global,
}

impl Action for Systemd {
    const REFUSED: &'static [Refused] =
        &[&[("force", "remove the link that is in the way, with `file` and `state: absent`")]];

    fn check(&self) -> Result<(), Error> {
        let asks = self.state.is_some() || self.enabled.is_some() || self.masked.is_some();
        match &self.name {
            None if asks => Err(Error::new("`state`, `enabled` and `masked` need a `name`")),
            None if !self.daemon_reload && !self.daemon_reexec => {
                Err(Error::new("`systemd` is asked for nothing")
                    .hint("give `state`, `enabled` or `masked`, or `daemon_reload: true`"))
            }
            Some(_) if self.scope == Scope::Global && self.state.is_some() => {
                Err(Error::new("the units of all users cannot be started or stopped")
                    .hint("leave `state` out, or use `scope: user`"))
            }
            Some(name) => is_a_unit(name),
            None => Ok(()),
        }
    }

    fn run(&self, host: &mut Host, mode: Mode) -> Result<Outcome, Error> {
        self.check()?;
        let whose = match self.scope {
            Scope::System => Whose::System,
            Scope::User => Whose::User,
            Scope::Global => Whose::Global,
        };
        for (asked, verb) in
            [(self.daemon_reload, "daemon-reload"), (self.daemon_reexec, "daemon-reexec")]
        {
            if asked && !mode.check {
                daemon(host.kind, whose, verb)?;
            }
        }
        let Some(name) = &self.name else {
            let result = Map::from_iter([
                ("name".to_owned(), Value::Null),
                ("status".to_owned(), Map::new().into()),
            ]);
            return Ok(Outcome { result, ..Outcome::default() });
        };
        let wanted = Wanted { state: self.state, enabled: self.enabled, masked: self.masked };
        let (mut outcome, seen) = made_so(name, wanted, host.kind, whose, mode)?;
        outcome.result.insert("name".into(), name.clone().into());
        outcome.result.insert("status".into(), seen.properties.into());
        if let Some(state) = self.state {
            let word = if state == State::Stopped { "stopped" } else { "started" };
            outcome.result.insert("state".into(), word.into());
        }
        if let Some(enabled) = self.enabled {
            outcome.result.insert("enabled".into(), enabled.into());
        }
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::HostKind;
    use crate::modules::service::manager::{Change, Seen};

    #[test]
    fn masks_and_unmasks_before_it_starts() {
        let wanted =
            Wanted { state: Some(State::Started), enabled: Some(true), masked: Some(false) };
        let seen = Seen { masked: true, ..Seen::default() };
        assert_eq!(wanted.changes(&seen), [Change::Unmask, Change::Enable, Change::Start]);
        let seen = Seen { running: true, enabled: true, ..Seen::default() };
        assert!(wanted.changes(&seen).is_empty());
        let masked = Wanted { masked: Some(true), ..Wanted::default() };
        assert_eq!(masked.changes(&seen), [Change::Mask]);
        assert!(masked.verify("nginx", &seen).is_err());
    }

    #[test]
    fn reloads_without_a_unit_and_without_a_systemd() {
        let reload: Systemd =
            serde_json::from_value(serde_json::json!({"daemon-reload": true})).unwrap();
        reload.check().unwrap();
        let mut lab = Host::new(HostKind::Lab);
        assert!(!reload.run(&mut lab, Mode::default()).unwrap().changed);
    }

    #[test]
    fn knows_no_services_of_users_without_systemd() {
        let user = Systemd {
            name: Some("x".into()),
            state: Some(State::Started),
            scope: Scope::User,
            ..Systemd::default()
        };
        let error = user.run(&mut Host::new(HostKind::Lab), Mode::default()).unwrap_err();
        assert!(error.message.contains("services of users"), "{error}");
    }

    #[test]
    fn refuses_what_makes_no_sense() {
        for wrong in [
            serde_json::json!({}),
            serde_json::json!({"state": "started"}),
            serde_json::json!({"name": "x"  , "state": "started", "scope": "global"}),
            serde_json::json!({"name": "-x", "state": "started"}),
        ] {
            let systemd: Systemd = serde_json::from_value(wrong.clone()).unwrap();
            assert!(systemd.check().is_err(), "{wrong}");
        }
    }
}
