//! An inventory that is a program: `FILE --list` prints groups and hosts as JSON.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexSet;
use serde_json::Value;

use super::{Inventory, Vars};
use crate::diagnostic::{Diagnostic, Source, Span};
use crate::modules::process::Program;

/// How long a program may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// Runs the program, and adds what it tells.
pub(super) fn read(inventory: &mut Inventory, path: &Path) -> Result<(), Diagnostic> {
    let program = Script::new(path);
    let said = program.run(inventory, &["--list"])?;
    let mut hosts = IndexSet::new();
    let mut known = None;
    for (name, group) in said.mapping("the answer", &said.value)? {
        if name != "_meta" {
            add_group(inventory, &said, name, group, &mut hosts)?;
        } else if let Some(vars) = group.get("hostvars") {
            known = Some(said.mapping("`_meta.hostvars`", vars)?);
        }
    }
    for name in hosts {
        let more = match known {
            Some(known) => match known.get(&name) {
                Some(vars) => said.mapping(&format!("`_meta.hostvars.{name}`"), vars)?.clone(),
                None => Vars::new(),
            },
            None => {
                let said = program.run(inventory, &["--host", &name])?;
                said.mapping("the answer", &said.value)?.clone()
            }
        };
        super::extend(&mut inventory.host(&name, None).vars, &more);
    }
    Ok(())
}

fn add_group(
    inventory: &mut Inventory,
    said: &Said,
    name: &str,
    group: &Value,
    hosts: &mut IndexSet<String>,
) -> Result<(), Diagnostic> {
    inventory.group(name, None);
    let Value::Object(parts) = group else {
        return add_hosts(inventory, said, name, name, group, hosts);
    };
    // Ansible takes anything else for the variables of a host of that name.
    if !["hosts", "vars", "children"].iter().any(|key| parts.contains_key(*key)) {
        let alone = Value::from(vec![name]);
        add_hosts(inventory, said, name, name, &alone, hosts)?;
        super::extend(&mut inventory.group(name, None).vars, parts);
        return Ok(());
    }
    if let Some(list) = parts.get("hosts") {
        add_hosts(inventory, said, name, &format!("{name}.hosts"), list, hosts)?;
    }
    if let Some(vars) = parts.get("vars") {
        for (key, value) in said.mapping(&format!("`{name}.vars`"), vars)? {
            inventory
                .set_in_group(name, key, value.clone())
                .map_err(|error| error.at(&said.span()))?;
        }
    }
    if let Some(children) = parts.get("children") {
        for child in said.names(&format!("{name}.children"), children)? {
            inventory.group(&child, None);
            inventory.group(name, None).children.insert(child);
        }
    }
    Ok(())
}

fn add_hosts(
    inventory: &mut Inventory,
    said: &Said,
    group: &str,
    what: &str,
    list: &Value,
    hosts: &mut IndexSet<String>,
) -> Result<(), Diagnostic> {
    let names = said.names(what, list)?;
    if hosts.len() + names.len() > super::MOST {
        let mistake = Diagnostic::new(format!("there are more than {} hosts", super::MOST));
        return Err(mistake.at(&said.span()));
    }
    for name in names {
        inventory.host(&name, None);
        inventory.group(group, None).hosts.insert(name.clone());
        hosts.insert(name);
    }
    Ok(())
}

/// What a program answered.
struct Said {
    source: Arc<Source>,
    value: Value,
}

impl Said {
    fn span(&self) -> Span {
        Span { source: Arc::clone(&self.source), start: 0, end: 0 }
    }

    fn mapping<'a>(&self, what: &str, value: &'a Value) -> Result<&'a Vars, Diagnostic> {
        value.as_object().ok_or_else(|| self.expected(what, "a mapping"))
    }

    fn names(&self, what: &str, value: &Value) -> Result<Vec<String>, Diagnostic> {
        let names = value.as_array().and_then(|list| {
            list.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        });
        names.ok_or_else(|| self.expected(&format!("`{what}`"), "a list of names"))
    }

    fn expected(&self, what: &str, wanted: &str) -> Diagnostic {
        Diagnostic::new(format!("{what} is not {wanted}")).at(&self.span())
    }
}

struct Script {
    name: String,
    path: String,
}

impl Script {
    fn new(path: &Path) -> Self {
        // A bare name would be looked for in `PATH`.
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Self { name: path.display().to_string(), path: absolute.display().to_string() }
    }

    fn run(&self, inventory: &mut Inventory, arguments: &[&str]) -> Result<Said, Diagnostic> {
        let called = format!("{} {}", self.name, arguments.join(" "));
        let argv = std::iter::once(self.path.as_str()).chain(arguments.iter().copied());
        let output = Program::new(argv).timeout(DEADLINE).run().map_err(|error| {
            let mistake = Diagnostic::new(format!("the inventory `{called}`: {}", error.message));
            match error.hint {
                Some(hint) => mistake.hint(hint),
                None => mistake,
            }
        })?;
        if !output.success() {
            let what = format!("the inventory `{called}`");
            return Err(Diagnostic::new(output.error(&what).message));
        }
        let complaint = output.stderr.trim();
        if !complaint.is_empty() {
            inventory.warnings.push(format!("`{called}` says: {complaint}"));
        }
        let name = format!("output of `{called}`");
        let source = Arc::new(Source { name, text: output.stdout });
        if source.text.trim().is_empty() && arguments.len() > 1 {
            return Ok(Said { source, value: Value::Object(Vars::new()) });
        }
        match serde_json::from_str(&source.text) {
            Ok(value) => Ok(Said { source, value }),
            Err(error) => Err(not_json(source, &error)),
        }
    }
}

fn not_json(source: Arc<Source>, error: &serde_json::Error) -> Diagnostic {
    let lines = source.text.split_inclusive('\n').take(error.line().saturating_sub(1));
    let start = lines.map(str::len).sum::<usize>() + error.column().saturating_sub(1);
    let message = error.to_string();
    let what = message.split(" at line ").next().unwrap_or_default().to_owned();
    let span = Span { source, start, end: start + 1 };
    Diagnostic::new(format!("not valid JSON: {what}"))
        .at(&span)
        .hint("an inventory that is a program prints JSON, and nothing else, when it gets `--list`")
}
