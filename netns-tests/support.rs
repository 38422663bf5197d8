//! What cases share: the program, the labs, and what came of a trial.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The checkout.
pub(crate) const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A lab folder of this suite.
pub(crate) fn lab(name: &str) -> PathBuf {
    Path::new(ROOT).join("netns-tests/labs").join(name)
}

/// Runs the program.
pub(crate) fn lvsmith(arguments: &[&str]) -> Result<Output> {
    Command::new(env!("CARGO_BIN_EXE_lvsmith"))
        .args(arguments)
        .current_dir(ROOT)
        .env("NO_COLOR", "1")
        .output()
        .context("the program starts")
}

/// What came of a trial.
pub(crate) struct Trial {
    pub(crate) exit: Option<i32>,
    pub(crate) report: Value,
    pub(crate) text: String,
}

/// Tries a lab, with more arguments.
pub(crate) fn trial(folder: &Path, more: &[&str]) -> Result<Trial> {
    let temporary = tempfile::tempdir()?;
    let json = temporary.path().join("report.json");
    let (folder, file) = (folder.display().to_string(), json.display().to_string());
    let mut arguments = vec!["lab", "test", &folder, "--json", &file];
    arguments.extend(more);
    let output = lvsmith(&arguments)?;
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let report = match std::fs::read(&json) {
        Ok(bytes) => serde_json::from_slice(&bytes)?,
        Err(_) => Value::Null,
    };
    Ok(Trial { exit: output.status.code(), report, text })
}

impl Trial {
    /// It passed, or here is everything it said.
    pub(crate) fn passed(&self) -> Result<&Self> {
        ensure!(self.exit == Some(0), "exit {:?}\n{}", self.exit, self.text);
        Ok(self)
    }

    /// Exactly these checks failed, and nothing before them.
    pub(crate) fn failed_in(&self, names: &[&str]) -> Result<&Self> {
        ensure!(self.exit == Some(3), "exit {:?}\n{}", self.exit, self.text);
        let failed: Vec<&str> = self
            .checks()
            .filter(|check| check["passed"] == false)
            .filter_map(|check| check["name"].as_str())
            .collect();
        ensure!(failed == names, "failed: {failed:?}, not {names:?}\n{}", self.text);
        Ok(self)
    }

    /// Some failed check names this cause.
    pub(crate) fn because(&self, cause: &str) -> Result<&Self> {
        let mut causes = self
            .checks()
            .flat_map(|check| check["causes"].as_array().cloned().unwrap_or_default().into_iter());
        let named = causes
            .any(|known| known["message"].as_str().is_some_and(|message| message.contains(cause)));
        ensure!(named, "no cause says `{cause}`\n{}", self.text);
        Ok(self)
    }

    /// What it printed holds this.
    pub(crate) fn says(&self, text: &str) -> Result<&Self> {
        ensure!(self.text.contains(text), "it does not say `{text}`\n{}", self.text);
        Ok(self)
    }

    fn checks(&self) -> impl Iterator<Item = &Value> {
        self.report["checks"].as_array().map(Vec::as_slice).unwrap_or_default().iter()
    }
}

/// The program as it is left after a lab: nothing of it may be there.
pub(crate) fn nothing_left() -> Result<()> {
    let output = lvsmith(&["lab", "list", "--json"])?;
    let labs: Value = serde_json::from_slice(&output.stdout)?;
    ensure!(labs == serde_json::json!([]), "labs are left: {labs}");
    let links = std::fs::read_to_string("/proc/net/dev")?;
    ensure!(!links.contains("veth"), "a veth pair is left:\n{links}");
    Ok(())
}
