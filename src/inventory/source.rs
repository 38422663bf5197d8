//! What `-i` names: a file in YAML or INI, a program, a folder of such, or hosts with commas
//! between them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{Inventory, Vars, files, folder_of, ini, range, script};
use crate::diagnostic::{Diagnostic, Diagnostics, Source, Span};
use crate::yaml::{self, Kind};

/// What is taken for the inventory beside a playbook; the first that is there.
pub const BESIDE: [&str; 4] = ["inventory.yml", "inventory.ini", "inventory", "hosts"];

/// Endings of files that are no inventories, in a folder of them.
const IGNORED: [&str; 12] =
    [".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry"];

/// How deep folders of inventories may nest.
const DEPTH: usize = 16;

/// The inventory in a folder, when there is one; of [`BESIDE`] the first.
#[must_use]
pub fn beside(folder: &Path) -> Option<PathBuf> {
    BESIDE.iter().map(|name| folder.join(name)).find(|path| path.exists())
}

/// The folder that `group_vars` and `host_vars` of an inventory lie in; names of hosts have none.
pub(super) fn folder(source: &str) -> Option<PathBuf> {
    let path = Path::new(source);
    match path.is_dir() {
        _ if is_list(source) => None,
        true => Some(path.to_owned()),
        false => Some(folder_of(path)),
    }
}

fn is_list(source: &str) -> bool {
    source.contains(',') && !Path::new(source).exists()
}

impl Inventory {
    pub(super) fn read_source(&mut self, source: &str, mistakes: &mut Diagnostics) {
        let path = Path::new(source);
        if is_list(source) {
            self.read_list(source, mistakes);
        } else if path.is_dir() {
            let before = mistakes.0.len();
            if self.read_inventories(path, 0, mistakes) == 0 && mistakes.0.len() == before {
                mistakes.push(Diagnostic::new(format!("there is no inventory in `{source}`")));
            }
        } else {
            self.read_inventory(path, mistakes);
        }
    }

    /// `web1,web2,`: the comma is what tells it from the name of a file.
    fn read_list(&mut self, text: &str, mistakes: &mut Diagnostics) {
        let source = Source { name: "-i".into(), text: text.into() }.into();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let start = word.as_ptr().addr() - text.as_ptr().addr();
            let span =
                Span { source: std::sync::Arc::clone(&source), start, end: start + word.len() };
            // Names that are there already stay what they are, and a range is none here.
            let known = self.hosts.contains_key(range::split_port(word).0);
            if word.contains('[') && range::split_port(word).0 == word {
                mistakes.push(
                    Diagnostic::new(format!("`{word}` is not the name of a host"))
                        .at(&span)
                        .hint("ranges are for inventories in files"),
                );
            } else if !known {
                mistakes.keep(self.add_hosts("ungrouped", word, &Vars::new(), &span));
            }
        }
    }

    /// Every inventory in a folder by name, and how many there were.
    fn read_inventories(
        &mut self,
        folder: &Path,
        depth: usize,
        mistakes: &mut Diagnostics,
    ) -> usize {
        if depth > DEPTH {
            let name = folder.display();
            let mistake = format!("folders nest deeper than {DEPTH} levels at `{name}`");
            mistakes.push(Diagnostic::new(mistake));
            return 0;
        }
        let mut count = 0;
        for name in files::sorted_names(folder, mistakes) {
            let other = matches!(name.as_str(), "host_vars" | "group_vars" | "vars_plugins");
            if other || name.starts_with('.') || IGNORED.iter().any(|end| name.ends_with(end)) {
                continue;
            }
            let path = folder.join(name);
            if path.is_dir() {
                count += self.read_inventories(&path, depth + 1, mistakes);
            } else {
                self.read_inventory(&path, mistakes);
                count += 1;
            }
        }
        count
    }

    fn read_inventory(&mut self, path: &Path, mistakes: &mut Diagnostics) {
        self.reading = Some(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).into());
        if is_program(path) {
            mistakes.keep(script::read(self, path));
            return;
        }
        let Some(source) = mistakes.keep(yaml::source(path)) else { return };
        let ending = path.extension().map(|ending| ending.to_string_lossy().into_owned());
        match ending.as_deref() {
            Some("yml" | "yaml" | "json") => match yaml::read(&source) {
                Ok(node) => self.decode_groups(&node, mistakes),
                Err(error) if looks_like_ini(&source.text) => {
                    mistakes.push(error.hint("this looks like INI: name the file `.ini`"));
                }
                Err(error) => mistakes.push(error),
            },
            Some("toml") => mistakes.push(
                Diagnostic::new(format!("`{}` is TOML, which is not supported", path.display()))
                    .hint("write the inventory in YAML or INI"),
            ),
            Some(_) => self.read_ini(&source, mistakes),
            // A name alone tells nothing, so the text has to.
            None => match yaml::read(&source) {
                Ok(node) if matches!(node.kind, Kind::Mapping(_)) => {
                    self.decode_groups(&node, mistakes);
                }
                Err(error) if looks_like_yaml(&source.text) => mistakes.push(error),
                _ => self.read_ini(&source, mistakes),
            },
        }
    }

    fn read_ini(&mut self, source: &std::sync::Arc<Source>, mistakes: &mut Diagnostics) {
        let start = Span { source: std::sync::Arc::clone(source), start: 0, end: 2 };
        if source.text.starts_with("#!") {
            let mistake = Diagnostic::new("this is a program, and may not be run").at(&start);
            mistakes.push(mistake.hint(format!("make it executable: `chmod +x {}`", source.name)));
        } else if looks_like_yaml(&source.text) {
            let mistake = Diagnostic::new("this looks like YAML, and is read as INI").at(&start);
            mistakes.push(mistake.hint("let its name end with `.yml`"));
        } else {
            ini::read(self, source, mistakes);
        }
    }
}

/// Whether the system would run it: an executable file without `#!` is text by accident.
fn is_program(path: &Path) -> bool {
    let executable = fs::metadata(path)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0);
    executable && begins_like_a_program(path).unwrap_or(false)
}

fn begins_like_a_program(path: &Path) -> std::io::Result<bool> {
    use std::io::Read;

    let mut beginning = Vec::new();
    fs::File::open(path)?.take(4).read_to_end(&mut beginning)?;
    Ok(beginning.starts_with(b"#!") || beginning == b"\x7fELF")
}

/// The first line that is no comment.
fn first_line(text: &str) -> &str {
    let mut lines = text.lines().map(str::trim_end);
    lines.find(|line| !line.is_empty() && !line.starts_with(['#', ';'])).unwrap_or_default()
}

fn looks_like_yaml(text: &str) -> bool {
    let line = first_line(text);
    line == "---" || line.ends_with(':') && !line.contains(['=', ' '])
}

fn looks_like_ini(text: &str) -> bool {
    let line = first_line(text);
    line.starts_with('[') && line.ends_with(']')
}
