//! What every kind of inventory does: it names groups, puts them into one another, and gives them
//! hosts and variables.

use std::sync::Arc;

use indexmap::map::Entry;
use serde_json::Value;

use super::{Group, Host, Inventory, MOST, MOST_PLACED, Vars, range};
use crate::diagnostic::{Diagnostic, Diagnostics, Span};
#[cfg(any(test, fuzzing))]
use crate::{diagnostic::Source, yaml::Node};

/// How deep groups may nest.
const DEEPEST: usize = 128;

impl Inventory {
    /// Takes the text of a YAML inventory apart, without what lies beside it.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn decode(node: &Node) -> Result<Self, Diagnostics> {
        let mut mistakes = Diagnostics::default();
        let mut inventory = Self::default();
        inventory.decode_groups(node, &mut mistakes);
        inventory.completed(mistakes)
    }

    /// Takes the text of an INI inventory apart.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn decode_ini(source: &Arc<Source>) -> Result<Self, Diagnostics> {
        let mut mistakes = Diagnostics::default();
        let mut inventory = Self::default();
        super::ini::read(&mut inventory, source, &mut mistakes);
        inventory.completed(mistakes)
    }

    /// The inventory that was read, unless something in it is wrong.
    pub(super) fn completed(mut self, mut mistakes: Diagnostics) -> Result<Self, Diagnostics> {
        self.reading = None;
        self.complete();
        if let Some(cycle) = self.cycle() {
            mistakes.push(cycle);
        } else if self.kin.deepest() > DEEPEST {
            let mistake = format!("groups nest deeper than {DEEPEST} levels");
            mistakes.push(Diagnostic::new(mistake));
        }
        mistakes.finish(self)
    }

    /// The group of that name, which is made where there is none.
    pub(super) fn group(&mut self, name: &str, span: Option<&Span>) -> &mut Group {
        if !self.groups.contains_key(name) {
            self.groups.insert(name.to_owned(), Group::default());
        }
        let group = self.groups.get_mut(name).expect("it is there now");
        if group.span.is_none() {
            group.span = span.cloned();
        }
        group
    }

    pub(super) fn host(&mut self, name: &str, span: Option<&Span>) -> &mut Host {
        match self.hosts.entry(name.to_owned()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(Host {
                span: span.cloned(),
                file: self.reading.as_ref().map(Arc::clone),
                ..Host::default()
            }),
        }
    }

    /// Gives a group the hosts that a word stands for: a name, a range of them, a port behind.
    pub(super) fn add_hosts(
        &mut self,
        group: &str,
        word: &str,
        vars: &Vars,
        span: &Span,
    ) -> Result<(), Diagnostic> {
        if self.is_full() {
            return Ok(());
        }
        let (name, port) = range::split_port(word);
        let names = range::expand(name).map_err(|error| error.at(span))?;
        self.placed += names.len();
        if self.hosts.len() + names.len() > MOST || self.placed > MOST_PLACED {
            self.placed = usize::MAX;
            return Err(Diagnostic::new(format!("there are more than {MOST} hosts")).at(span));
        }
        for name in names {
            if name.is_empty() {
                return Err(Diagnostic::new("the name of a host is empty").at(span));
            }
            let is_new = !self.hosts.contains_key(&name);
            let host = self.host(&name, Some(span));
            if let Some(port) = port.filter(|_| is_new) {
                host.vars.insert("ansible_port".into(), port.into());
            }
            super::extend(&mut host.vars, vars);
            self.group(group, Some(span)).hosts.insert(name);
        }
        Ok(())
    }

    /// Whether there were too many hosts, which has been told.
    fn is_full(&self) -> bool {
        self.placed == usize::MAX
    }

    /// Sets a group's variable; its priority is no variable.
    pub(super) fn set_in_group(
        &mut self,
        group: &str,
        name: &str,
        value: Value,
    ) -> Result<(), Diagnostic> {
        if name != "ansible_group_priority" {
            self.group(group, None).vars.insert(name.to_owned(), value);
            return Ok(());
        }
        let number = match &value {
            Value::String(text) => text.trim().parse().ok(),
            other => other.as_i64(),
        };
        let wrong = || Diagnostic::new(format!("the priority of `{group}` is no whole number"));
        let number = number.ok_or_else(wrong)?;
        self.group(group, None).priority = (number != 1).then_some(number);
        Ok(())
    }
}
