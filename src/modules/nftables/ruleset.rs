//! What the agent does for `nftables`: try, compare, load, keep.

use std::fmt;
use std::fs;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::listing::Tables;
use super::nft;
use crate::modules::filesystem::Placed;
use crate::modules::{Error, Host, Resource, TextDiff};

/// Rules with the file that keeps them, or a table that is to be gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ruleset {
    /// The rules are loaded, and in their file.
    Loaded {
        /// In nft's language.
        text: String,
        /// The file.
        placed: Box<Placed>,
    },
    /// The table is gone, and so is a file.
    Gone {
        /// Family and name.
        table: String,
        /// The file, if one is to go.
        file: Option<String>,
    },
}

/// What is loaded, and what is in the file.
#[derive(Debug, Clone, Serialize)]
pub struct Observed {
    /// What the rules make of an empty namespace.
    wanted: Tables,
    /// The same tables here, or all, where the rules begin by flushing all.
    loaded: Tables,
    placed: Option<<Placed as Resource>::Observed>,
    /// Whether the file that is to go is there.
    file_exists: bool,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Change {
    /// Load the rules; these are their tables.
    Load(Vec<String>),
    /// Do something about the file.
    File(<Placed as Resource>::Change),
    /// Remove the table.
    RemoveTable(String),
    /// Remove the file.
    RemoveFile(String),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(tables) if tables.is_empty() => f.write_str("flush the ruleset"),
            Self::Load(tables) => write!(f, "load table {}", tables.join(", table ")),
            Self::File(change) => change.fmt(f),
            Self::RemoveTable(table) => write!(f, "remove table {table}"),
            Self::RemoveFile(path) => write!(f, "remove `{path}`"),
        }
    }
}

impl Resource for Ruleset {
    type Observed = Observed;
    type Change = Change;

    fn observe(&self, host: &mut Host) -> Result<Observed, Error> {
        match self {
            Self::Loaded { text, placed } => {
                let wanted = nft::tried(text, &placed.dest, host)?;
                let mut loaded = nft::loaded()?;
                if !flushes_all(text) {
                    loaded.retain(|table, _| wanted.contains_key(table));
                }
                let placed = Some(placed.observe(host)?);
                Ok(Observed { wanted, loaded, placed, file_exists: false })
            }
            Self::Gone { table, file } => {
                let mut loaded = nft::loaded()?;
                loaded.retain(|name, _| name == table);
                let file_exists =
                    file.as_ref().is_some_and(|path| Path::new(path).symlink_metadata().is_ok());
                Ok(Observed { wanted: Tables::new(), loaded, placed: None, file_exists })
            }
        }
    }

    fn diff(&self, observed: &Observed) -> Vec<Change> {
        match self {
            Self::Loaded { placed, .. } => {
                let differs = observed.wanted != observed.loaded;
                let load = differs.then(|| Change::Load(observed.wanted.keys().cloned().collect()));
                let file = observed.placed.as_ref().map(|seen| placed.diff(seen));
                let file = file.into_iter().flatten().map(Change::File);
                load.into_iter().chain(file).collect()
            }
            Self::Gone { file, .. } => {
                let tables = observed.loaded.keys().cloned().map(Change::RemoveTable);
                let file = file.clone().filter(|_| observed.file_exists).map(Change::RemoveFile);
                tables.chain(file).collect()
            }
        }
    }

    fn apply(&self, host: &mut Host, change: &Change) -> Result<(), Error> {
        match (self, change) {
            (Self::Loaded { text, placed }, Change::Load(tables)) => {
                nft::feed(&in_their_place(text, tables), &placed.dest)
            }
            (Self::Loaded { placed, .. }, Change::File(change)) => {
                if let Some(folder) = Path::new(&placed.dest).parent() {
                    fs::create_dir_all(folder).map_err(|error| {
                        let shown = folder.display();
                        Error::io(format!("failed to create the folder `{shown}`"), &error)
                    })?;
                }
                placed.apply(host, change)
            }
            (_, Change::RemoveTable(table)) => nft::feed(&format!("delete table {table}\n"), table),
            (_, Change::RemoveFile(path)) => fs::remove_file(path)
                .map_err(|error| Error::io(format!("failed to remove `{path}`"), &error)),
            (Self::Gone { .. }, Change::Load(_) | Change::File(_)) => Ok(()),
        }
    }

    /// The rules where they differ, else the file.
    fn preview(&self, observed: &Observed) -> Option<TextDiff> {
        if observed.wanted != observed.loaded {
            let text = |tables: &Tables| tables.values().cloned().collect::<String>();
            let (before, after) = (text(&observed.loaded), text(&observed.wanted));
            return Some(TextDiff { name: "nft list ruleset".into(), before, after });
        }
        match (self, &observed.placed) {
            (Self::Loaded { placed, .. }, Some(seen)) => placed.preview(seen),
            _ => None,
        }
    }

    fn report(&self, observed: &Observed) -> Map<String, Value> {
        let mut map = match (self, &observed.placed) {
            (Self::Loaded { placed, .. }, Some(seen)) => placed.report(seen),
            _ => Map::new(),
        };
        map.insert("tables".into(), observed.loaded.keys().cloned().collect());
        map
    }
}

/// The rules, after what takes away the tables that they are about: one transaction, so that no
/// packet meets half of them.
fn in_their_place(text: &str, tables: &[String]) -> String {
    if flushes_all(text) {
        return text.to_owned();
    }
    // Naming a table makes it where it is missing, so that it can be deleted in any case. Blanks
    // instead of line breaks leave the numbers of lines in messages as they are.
    let away = tables.iter().map(|table| format!("table {table}; delete table {table}; "));
    away.chain([text.to_owned()]).collect()
}

/// Whether the rules begin by taking away all others.
fn flushes_all(text: &str) -> bool {
    let commands = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let mut commands = commands.flat_map(|line| line.split(';'));
    commands.any(|command| command.split_whitespace().eq(["flush", "ruleset"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_away_only_its_own_tables() {
        let text = "table inet lvs {\n}\n";
        assert_eq!(
            in_their_place(text, &["inet lvs".into()]),
            format!("table inet lvs; delete table inet lvs; {text}")
        );
        let all = "#!/usr/sbin/nft -f\nflush  ruleset # all\n";
        assert_eq!(in_their_place(all, &["inet lvs".into()]), all);
        assert!(!flushes_all("# flush ruleset\n"));
    }
}
