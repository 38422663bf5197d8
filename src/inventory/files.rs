//! `group_vars` and `host_vars`: which files count for a group or a host, and in which order.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Inventory, Vars, extend};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::yaml::{self, Node};

/// What a file of variables may end with; the first that is there is read, and no other.
const ENDINGS: [&str; 4] = ["", ".yml", ".yaml", ".json"];

/// How deep folders in `group_vars` may nest.
const DEPTH: usize = 16;

/// The variables of one group or host in files, by the number of the folder beside which they
/// were found.
#[derive(Debug, Clone, Default)]
pub(super) struct Files(Vec<(usize, Vars)>);

impl Files {
    /// The names that they give values.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|(_, vars)| vars.keys().map(String::as_str))
    }

    /// All of them, those of later folders over those of earlier ones.
    pub(super) fn add_to(&self, vars: &mut Vars) {
        self.0.iter().for_each(|(_, more)| extend(vars, more));
    }

    /// Those of several groups: the folder counts more than the group.
    pub(super) fn add_all<'a>(groups: impl Iterator<Item = &'a Self> + Clone, vars: &mut Vars) {
        let folders = groups.clone().flat_map(|files| &files.0).map(|(folder, _)| folder + 1).max();
        for folder in 0..folders.unwrap_or(0) {
            for (_, more) in groups.clone().flat_map(|files| &files.0).filter(|(n, _)| *n == folder)
            {
                extend(vars, more);
            }
        }
    }
}

impl Inventory {
    /// Reads `group_vars` and `host_vars` in a folder, where they exist, over all that was read
    /// before.
    pub fn read_vars_beside(&mut self, folder: &Path) -> Result<(), Diagnostics> {
        let mut mistakes = Diagnostics::default();
        self.read_folder(folder, &mut mistakes);
        mistakes.finish(())
    }

    pub(super) fn read_folder(&mut self, folder: &Path, mistakes: &mut Diagnostics) {
        let real = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        if self.folders.last() == Some(&real) {
            return;
        }
        let number = self.folders.len();
        self.folders.push(real);
        let groups = Shelf::open(folder.join("group_vars"), &mut self.warnings);
        for (name, group) in self.groups.iter_mut().filter(|_| groups.is_some()) {
            let files =
                groups.as_ref().map(|shelf| shelf.files(name, &mut self.warnings, mistakes));
            group.files.0.extend(read_files(files.unwrap_or_default(), number, mistakes));
        }
        let hosts = Shelf::open(folder.join("host_vars"), &mut self.warnings);
        for (name, host) in self.hosts.iter_mut().filter(|_| hosts.is_some()) {
            let files = hosts.as_ref().map(|shelf| shelf.files(name, &mut self.warnings, mistakes));
            host.files.0.extend(read_files(files.unwrap_or_default(), number, mistakes));
        }
    }
}

fn read_files(
    files: Vec<PathBuf>,
    number: usize,
    mistakes: &mut Diagnostics,
) -> Option<(usize, Vars)> {
    let mut vars = Vars::new();
    for file in files {
        vars.extend(mistakes.keep(read_vars(&file)).unwrap_or_default());
    }
    (!vars.is_empty()).then_some((number, vars))
}

/// A folder `group_vars` or `host_vars`, listed once: most groups and hosts have no file in it.
struct Shelf {
    folder: PathBuf,
    names: HashSet<OsString>,
}

impl Shelf {
    fn open(folder: PathBuf, warnings: &mut Vec<String>) -> Option<Self> {
        match fs::read_dir(&folder) {
            Ok(entries) => {
                let names = entries.flatten().map(|entry| entry.file_name()).collect();
                Some(Self { folder, names })
            }
            Err(_) if folder.is_file() => {
                warnings.push(format!("`{}` is not read: it is no folder", folder.display()));
                None
            }
            Err(_) => None,
        }
    }

    /// `NAME`, `NAME.yml`, `NAME.yaml` or `NAME.json`; a folder `NAME` with all that is in it.
    fn files(
        &self,
        name: &str,
        warnings: &mut Vec<String>,
        mistakes: &mut Diagnostics,
    ) -> Vec<PathBuf> {
        let candidates = ENDINGS.map(|ending| format!("{name}{ending}"));
        let mut found =
            candidates.iter().filter(|name| self.names.contains(&OsString::from(name.as_str())));
        let Some(first) = found.next() else { return Vec::new() };
        let path = self.folder.join(first);
        for other in found {
            let other = self.folder.join(other);
            let (other, path) = (other.display(), path.display());
            warnings.push(format!("`{other}` is not read, since `{path}` is there"));
        }
        let mut files = Vec::new();
        match path.is_dir() {
            true => collect(&path, 0, &mut files, mistakes),
            false => files.push(path),
        }
        files
    }
}

/// The files of variables in a folder, and in the folders inside it, by name.
fn collect(folder: &Path, depth: usize, into: &mut Vec<PathBuf>, mistakes: &mut Diagnostics) {
    if depth > DEPTH {
        let mistake = format!("folders nest deeper than {DEPTH} levels at `{}`", folder.display());
        return mistakes.push(Diagnostic::new(mistake));
    }
    for name in sorted_names(folder, mistakes) {
        if name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        let path = folder.join(&name);
        let ending = path.extension().map(|ending| format!(".{}", ending.to_string_lossy()));
        let ending = ending.unwrap_or_default();
        if path.is_dir() && ending.is_empty() {
            collect(&path, depth + 1, into, mistakes);
        } else if path.is_file() && ENDINGS.contains(&ending.as_str()) {
            into.push(path);
        }
    }
}

/// What is in a folder, in alphabetical order.
pub(super) fn sorted_names(folder: &Path, mistakes: &mut Diagnostics) -> Vec<String> {
    let read = fs::read_dir(folder).and_then(|entries| {
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    });
    let mut names: Vec<String> = mistakes
        .keep(read.map_err(|error| {
            Diagnostic::new(format!("failed to read `{}`: {error}", folder.display()))
        }))
        .unwrap_or_default();
    names.sort_unstable();
    names
}

/// Reads a file of variables.
pub fn read_vars(path: &Path) -> Result<Vars, Diagnostic> {
    let source = yaml::source(path)?;
    if source.text.starts_with("$ANSIBLE_VAULT;") {
        let span = crate::diagnostic::Span { source, start: 0, end: 14 };
        return Err(Diagnostic::new("what `ansible-vault` has encrypted is not supported")
            .at(&span)
            .hint("decrypt it to a file that `-e @FILE` names, or keep the secret on the host"));
    }
    Node::variables(&yaml::read(&source)?)
}
