//! The one way in which a file is written: under a temporary name in the same folder, on
//! disk, with its final mode and owner, checked, and only then under its own name.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::attributes::establish;
use super::{Attributes, Owned};
use crate::modules::Error;
use crate::modules::process::{Program, split};

/// New bytes for a path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Replacement<'a> {
    pub(crate) path: &'a Path,
    pub(crate) content: &'a [u8],
    /// What the file has now; what is not declared is kept.
    pub(crate) now: Option<&'a Owned>,
    pub(crate) attributes: Attributes<'a>,
    /// A command with `%s` for the new file, which may refuse it.
    pub(crate) validate: Option<&'a str>,
    /// Whether to keep a copy of what was there.
    pub(crate) backup: bool,
}

impl Replacement<'_> {
    /// Writes the file, all of it or not at all; says where a backup is, if one was kept.
    pub(crate) fn write(&self) -> Result<Option<String>, Error> {
        let shown = self.path.display();
        let failed =
            |error: &std::io::Error| Error::io(format!("failed to write `{shown}`"), error);
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        if !folder.is_dir() {
            return Err(Error::new(format!(
                "failed to write `{shown}`: there is no folder `{}`",
                folder.display()
            ))
            .hint("create it first with `file` and `state: directory`"));
        }
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let mut temporary = tempfile::Builder::new()
            .prefix(&format!(".{name}."))
            .suffix(".lvsmith")
            .tempfile_in(folder)
            .map_err(|error| failed(&error))?;
        temporary.write_all(self.content).map_err(|error| failed(&error))?;
        establish(temporary.path(), self.now, self.attributes)?;
        temporary.as_file().sync_all().map_err(|error| failed(&error))?;
        if let Some(command) = self.validate {
            validate(command, temporary.path(), self.path)?;
        }
        let backup = if self.backup { keep(self.path)? } else { None };
        temporary.persist(self.path).map_err(|error| match error.error.kind() {
            ErrorKind::ResourceBusy => failed(&error.error)
                .hint("the file itself is a mount point, as in containers; write another path"),
            ErrorKind::IsADirectory => failed(&error.error).hint("it is a folder"),
            _ => failed(&error.error),
        })?;
        // The name is safe only once the folder is on disk; not every filesystem can.
        if let Ok(folder) = File::open(folder) {
            let _ = folder.sync_all();
        }
        Ok(backup)
    }
}

fn validate(command: &str, file: &Path, wanted: &Path) -> Result<(), Error> {
    let shown = wanted.display();
    if !command.contains("%s") {
        return Err(Error::new(format!("`validate: {command}` lacks `%s`"))
            .hint("`%s` stands for the file that is to be checked"));
    }
    let words = split(command)
        .map_err(|reason| Error::new(format!("cannot split `{command}`: {reason}")))?;
    let file = file.to_string_lossy();
    let output = Program::new(words.iter().map(|word| word.replace("%s", &file))).run()?;
    if output.success() {
        return Ok(());
    }
    // The program names the temporary file; its reader knows the final one.
    let words = output.last_words().replace(&*file, &wanted.to_string_lossy());
    let words = if words.is_empty() { format!("exit code {}", output.code) } else { words };
    Err(Error::new(format!("`{command}` refused the new `{shown}`: {words}"))
        .hint("the file that was there is untouched"))
}

/// Copies what is there to `NAME.PID.SECONDS~`.
fn keep(path: &Path) -> Result<Option<String>, Error> {
    if !path.exists() {
        return Ok(None);
    }
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let copy = format!("{}.{}.{seconds}~", path.display(), std::process::id());
    fs::copy(path, &copy)
        .map_err(|error| Error::io(format!("failed to keep a backup as `{copy}`"), &error))?;
    Ok(Some(copy))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn replacement<'a>(path: &'a Path, content: &'a [u8]) -> Replacement<'a> {
        Replacement {
            path,
            content,
            now: None,
            attributes: Attributes::default(),
            validate: None,
            backup: false,
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn leaves_nothing_but_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.conf");
        replacement(&path, b"new").write().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["a.conf"]);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    }

    #[test]
    fn shows_why_the_validator_refused_and_keeps_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.conf");
        fs::write(&path, "old").unwrap();
        let refusing = Replacement {
            validate: Some("sh -c 'echo \"$0: line 1: bad\" >&2; exit 1' %s"),
            ..replacement(&path, b"new")
        };
        let error = refusing.write().unwrap_err();
        assert!(error.message.contains(&format!("{}: line 1: bad", path.display())), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a.conf"]);
    }

    #[test]
    fn demands_the_placeholder_of_a_validator() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.conf");
        let error = Replacement { validate: Some("true"), ..replacement(&path, b"x") }.write();
        assert!(error.unwrap_err().message.contains("lacks `%s`"));
        assert!(!path.exists());
    }

    #[test]
    fn keeps_a_backup_of_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.conf");
        fs::write(&path, "old").unwrap();
        Replacement { backup: true, ..replacement(&path, b"new") }.write().unwrap();
        let kept = names(folder.path()).into_iter().find(|name| name.ends_with('~')).unwrap();
        assert_eq!(fs::read(folder.path().join(kept)).unwrap(), b"old");
    }

    #[test]
    fn names_the_folder_that_is_missing() {
        let path = Path::new("/no/such/folder/file");
        let error = replacement(path, b"").write().unwrap_err();
        assert!(error.message.contains("`/no/such/folder`"), "{error}");
        assert!(error.hint.unwrap().contains("state: directory"));
    }
}
