//! `lvsmith inventory`: hosts, groups and variables as they are read, in the shapes that
//! `ansible-inventory` prints.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use serde_json::{Value, ser::PrettyFormatter};

use super::{Exit, complain_at};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::{self, Inventory};

/// Which inventories there are.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct InventoryArgs {
    /// An inventory: a file in YAML or INI, a program, a folder of such, or `host,host,`; of
    /// several the later ones win. Without it the first that is there of `inventory.yml`,
    /// `inventory.ini`, `inventory` and `hosts` beside the playbook, or else this machine alone
    #[arg(short, long, value_name = "FILE")]
    inventory: Vec<String>,
}

impl InventoryArgs {
    /// As if these had been named.
    pub(super) fn of(names: &[String]) -> Self {
        Self { inventory: names.to_vec() }
    }

    /// What was named.
    pub(super) fn names(&self) -> &[String] {
        &self.inventory
    }

    /// These, or where none is named the one that is the default.
    pub(super) fn or(self, default: Option<&Path>) -> Self {
        match (self.inventory.as_slice(), default) {
            ([], Some(path)) => Self { inventory: vec![path.display().to_string()] },
            _ => self,
        }
    }

    /// The inventories named, or the one in a folder, when there is one.
    pub(super) fn read(&self, folder: &Path) -> Result<Option<Inventory>, Diagnostics> {
        let sources = match self.inventory.as_slice() {
            [] => inventory::beside(folder).map(|path| path.display().to_string()),
            _ => return Inventory::read_all(&self.inventory).map(Some),
        };
        sources.map(|source| Inventory::read_all(&[source])).transpose()
    }

    /// Those named, or the one in this folder, of which there must be one.
    pub(super) fn read_here(&self) -> Result<Inventory, Diagnostics> {
        let missing = || {
            Diagnostic::new("there is no inventory in this folder").hint(format!(
                "name one with `-i`; without it {} is read, the first that is there",
                inventory::BESIDE.map(|name| format!("`{name}`")).join(", ")
            ))
        };
        let inventory = self.read(Path::new("."))?.ok_or_else(missing)?;
        warn(&inventory);
        Ok(inventory)
    }
}

/// Tells what is no mistake and yet worth knowing.
pub(super) fn warn(inventory: &Inventory) {
    for warning in &inventory.warnings {
        anstream::eprintln!("warning: {warning}");
    }
}

/// Show hosts, groups and variables as they are read
#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    inventory: InventoryArgs,
    #[command(flatten)]
    what: What,
    /// Print YAML instead of JSON
    #[arg(short, long, conflicts_with = "graph")]
    yaml: bool,
    /// Draw variables, too
    #[arg(long, requires = "graph")]
    vars: bool,
    /// Only these hosts, of `--list`
    #[arg(short, long, value_name = "PATTERN", requires = "list")]
    limit: Option<String>,
    /// Read `group_vars` and `host_vars` in this folder, too, as beside a playbook
    #[arg(long, value_name = "FOLDER")]
    playbook_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct What {
    /// All groups and hosts, and what is known of each host
    #[arg(long)]
    list: bool,
    /// What is known of one host
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// A drawing of the groups inside GROUP
    #[arg(long, value_name = "GROUP", num_args = 0..=1, default_missing_value = "all")]
    graph: Option<String>,
}

impl Show {
    pub(super) fn run(self) -> ExitCode {
        match self.text() {
            Ok(text) => {
                // A closed pipe has seen enough.
                let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
                Exit::Declared.into()
            }
            Err(mistakes) => complain_at(&mistakes).into(),
        }
    }

    fn text(&self) -> Result<String, Diagnostics> {
        let mut inventory = self.inventory.read_here()?;
        if let Some(folder) = &self.playbook_dir {
            inventory.read_vars_beside(folder)?;
        }
        if let Some(group) = &self.what.graph {
            return Ok(inventory.graph(group, self.vars)?);
        }
        let only = self.limit.as_ref().map(|limit| inventory::limit(&inventory, limit));
        let only = only.transpose()?;
        let shown = match &self.what.host {
            Some(host) => inventory.host_vars(host)?,
            None if self.yaml => inventory.nested(only.as_deref()),
            None => inventory.list(only.as_deref()),
        };
        Ok(if self.yaml { yaml(&shown)? } else { json(&shown)? })
    }
}

/// JSON as Python's `json.dumps(indent=4, sort_keys=True)` lays it out.
pub(super) fn json(value: &Value) -> Result<String, Diagnostic> {
    let mut bytes = Vec::new();
    let formatter = PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    sorted(value)
        .serialize(&mut serializer)
        .map_err(|error| Diagnostic::new(format!("this cannot be told as JSON: {error}")))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// YAML with its keys in order.
pub(super) fn yaml(value: &Value) -> Result<String, Diagnostic> {
    serde_yaml::to_string(&sorted(value))
        .map_err(|error| Diagnostic::new(format!("this cannot be told as YAML: {error}")))
}

fn sorted(value: &Value) -> Value {
    let mut value = value.clone();
    value.sort_all_objects();
    value
}
