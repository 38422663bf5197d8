//! Which hosts the last `apply` of a playbook left unfinished, for `--retry-failed`. It is kept
//! in the user's folder for state, one file a playbook, and gone once all went well.

#![expect(clippy::disallowed_methods, reason = "the state is the user's own, on this machine")]

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::diagnostic::Diagnostic;

/// Where the last run of one playbook is remembered.
#[derive(Debug)]
pub(super) struct LastRun {
    playbook: PathBuf,
    file: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    playbook: PathBuf,
    hosts: Vec<String>,
}

impl LastRun {
    /// Of that playbook, wherever it is called from; `None` for a user without a home.
    pub(super) fn of(playbook: &Path) -> Option<Self> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
        let state =
            absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
        Some(Self::below(&state?.join("lvsmith"), playbook))
    }

    fn below(folder: &Path, playbook: &Path) -> Self {
        let playbook = playbook.canonicalize().unwrap_or_else(|_| playbook.to_owned());
        let digest = Sha256::digest(playbook.as_os_str().as_encoded_bytes());
        let name: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Self { file: folder.join("retry").join(format!("{name}.json")), playbook }
    }

    /// The hosts that it left unfinished.
    pub(super) fn unfinished(&self) -> Result<Vec<String>, Diagnostic> {
        let failed = |error: &dyn std::fmt::Display| {
            Diagnostic::new(format!("failed to read `{}`: {error}", self.file.display()))
        };
        let text = match fs::read(&self.file) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let shown = self.playbook.display();
                return Err(Diagnostic::new(format!("there is nothing to retry of `{shown}`"))
                    .hint("no `apply` of it was run here yet, or the last one went well"));
            }
            other => other.map_err(|error| failed(&error))?,
        };
        let record: Record = serde_json::from_slice(&text).map_err(|error| failed(&error))?;
        Ok(record.hosts)
    }

    /// Remembers hosts for the next time, or that there are none.
    pub(super) fn keep(&self, hosts: &[String]) -> Result<(), Diagnostic> {
        let written = if hosts.is_empty() { self.clear() } else { self.write(hosts) };
        written.map_err(|error| {
            let shown = self.file.display();
            Diagnostic::new(format!(
                "`--retry-failed` will not know of this run: `{shown}`: {error}"
            ))
        })
    }

    fn write(&self, hosts: &[String]) -> std::io::Result<()> {
        let folder = self.file.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let record = Record { playbook: self.playbook.clone(), hosts: hosts.to_vec() };
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&serde_json::to_vec(&record)?)?;
        file.persist(&self.file)?;
        Ok(())
    }

    fn clear(&self) -> std::io::Result<()> {
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_one_playbook_from_another_and_forgets() {
        let folder = tempfile::tempdir().unwrap();
        let of = |name: &str| LastRun::below(folder.path(), Path::new(name));
        let hosts = ["rs1".to_owned(), "rs2".to_owned()];
        assert!(of("/a/site.yml").unfinished().unwrap_err().message.contains("/a/site.yml"));
        of("/a/site.yml").keep(&hosts).unwrap();
        assert_eq!(of("/a/site.yml").unfinished().unwrap(), hosts);
        assert!(of("/b/site.yml").unfinished().is_err());
        of("/a/site.yml").keep(&[]).unwrap();
        assert!(of("/a/site.yml").unfinished().is_err());
        of("/a/site.yml").keep(&[]).unwrap();
    }
}
