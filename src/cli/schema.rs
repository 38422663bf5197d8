//! `lvsmith schema`: JSON Schema, for editors.

use std::io::Write;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::Exit;
use super::defaults::Defaults;
use crate::schema;

/// Print the JSON Schema of a kind of file, for editors
///
/// `lvsmith schema playbook > playbook.schema.json`; then, in the first line of a playbook,
/// `# yaml-language-server: $schema=playbook.schema.json`, or under `yaml.schemas` in VS Code's
/// settings.
#[derive(Debug, Args)]
pub(super) struct Schema {
    /// The kind of file
    #[arg(value_name = "KIND")]
    kind: Kind,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// A list of plays
    Playbook,
    /// Hosts and groups, in YAML
    Inventory,
    /// lab.yml
    Lab,
    /// lvsmith.toml
    Defaults,
}

impl Schema {
    pub(super) fn run(self) -> Exit {
        let schema = match self.kind {
            Kind::Playbook => schema::playbook(),
            Kind::Inventory => schema::inventory(),
            Kind::Lab => schema::lab(),
            Kind::Defaults => defaults(),
        };
        // A reader that has seen enough is no error.
        let _ = writeln!(std::io::stdout(), "{schema:#}");
        Exit::Declared
    }
}

fn defaults() -> Value {
    let mut schema = schemars::generate::SchemaSettings::draft07()
        .into_generator()
        .into_root_schema_for::<Defaults>()
        .to_value();
    schema["title"] = json!("Defaults of lvsmith");
    schema
}
