//! As whom a task acts: what the task, the play around it or the inventory says of `become`.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::connection::{Become, Method, Secret};
use crate::diagnostic::Diagnostic;
use crate::inventory::Vars;
use crate::modules::Error;
use crate::playbook::{Inherited, Setting};
use crate::template::Renderer;

/// What the playbook says of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Said {
    r#become: Option<bool>,
    user: Option<String>,
    method: Option<String>,
}

impl Said {
    /// What a task inherits, with the variables of a renderer.
    pub(super) fn of(inherited: &Inherited, renderer: &Renderer<'_>) -> Result<Self, Diagnostic> {
        let Inherited { r#become, become_user, become_method, .. } = inherited;
        Ok(Self {
            r#become: said(r#become.as_ref(), renderer)?,
            user: said(become_user.as_ref(), renderer)?,
            method: said(become_method.as_ref(), renderer)?,
        })
    }

    /// The user to become, or `None` for whoever the login gives.
    pub(super) fn wanted(
        &self,
        vars: &Vars,
        asked: Option<&Secret>,
    ) -> Result<Option<Become>, Error> {
        let text =
            |names: &[&str]| names.iter().find_map(|name| vars.get(*name)).and_then(Value::as_str);
        let inventory = match vars.get("ansible_become") {
            Some(Value::Bool(on)) => Some(*on),
            Some(Value::String(word)) => {
                Some(matches!(word.to_lowercase().as_str(), "true" | "yes" | "on" | "1"))
            }
            _ => None,
        };
        if self.r#become.or(inventory) != Some(true) {
            return Ok(None);
        }
        let method = self.method.as_deref();
        let method = method.or_else(|| text(&["ansible_become_method"]));
        let method = method.map_or(Ok(Method::default()), str::parse)?;
        let user = self.user.as_deref();
        let user = user.or_else(|| text(&["ansible_become_user"])).unwrap_or("root");
        let password = text(&["ansible_become_password", "ansible_become_pass"]).map(Secret::new);
        Become::new(method, user, password.or_else(|| asked.cloned())).map(Some)
    }
}

/// What a keyword says, if anything.
pub(super) fn said<T: DeserializeOwned + Clone>(
    setting: Option<&Setting<T>>,
    renderer: &Renderer<'_>,
) -> Result<Option<T>, Diagnostic> {
    setting.map_or(Ok(None), |setting| setting.value(renderer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(declared: Option<bool>, named: Option<&str>) -> Said {
        Said { r#become: declared, user: named.map(str::to_owned), method: None }
    }

    fn user(declared: Option<bool>, named: Option<&str>, vars: &Value) -> Option<String> {
        let found = said(declared, named).wanted(vars.as_object().unwrap(), None).unwrap();
        found.map(|identity| identity.user().to_owned())
    }

    #[test]
    fn the_task_has_the_last_word() {
        assert_eq!(user(None, None, &json!({})), None);
        assert_eq!(user(Some(true), None, &json!({})), Some("root".into()));
        assert_eq!(user(None, None, &json!({"ansible_become": "yes"})), Some("root".into()));
        assert_eq!(user(Some(false), None, &json!({"ansible_become": true})), None);
        let vars = json!({"ansible_become_user": "nginx"});
        assert_eq!(user(Some(true), None, &vars), Some("nginx".into()));
        assert_eq!(user(Some(true), Some("www-data"), &vars), Some("www-data".into()));
    }

    #[test]
    fn names_a_method_there_is_not() {
        let vars = json!({"ansible_become_method": "runas"});
        let error = said(Some(true), None).wanted(vars.as_object().unwrap(), None).unwrap_err();
        assert!(error.message.contains("`runas`"), "{error}");
    }
}
