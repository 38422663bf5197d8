//! What cases share: the program, the labs, and what came of a trial.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The checkout.
pub(crate) const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A lab folder of this suite.
pub(crate) fn lab(name: &str) -> PathBuf {
    Path::new(ROOT).join("netns-tests/labs").join(name)
}

/// The program where lab hosts see it as well: they have a `/tmp` of their own, and a checkout
/// may be in the machine's. [`forget_program`] removes what this may have made.
pub(crate) fn program() -> &'static str {
    static PATH: LazyLock<String> = LazyLock::new(|| {
        let program = env!("CARGO_BIN_EXE_lvsmith");
        if !program.starts_with("/tmp/") {
            return program.to_owned();
        }
        std::fs::copy(program, copied()).expect("/var/tmp takes a copy of the program");
        copied().display().to_string()
    });
    &PATH
}

/// Removes the copy of the program, if one was made.
pub(crate) fn forget_program() {
    // Mostly there is none.
    let _ = std::fs::remove_file(copied());
}

fn copied() -> PathBuf {
    Path::new("/var/tmp").join(format!("lvsmith-under-test-{}", std::process::id()))
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
        // A lab that is skipped ends well, too.
        let skipped = &self.report["skipped"];
        ensure!(skipped.is_null(), "skipped: {skipped}");
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

    /// Every check that failed names this cause.
    pub(crate) fn because(&self, cause: &str) -> Result<&Self> {
        for check in self.checks().filter(|check| check["passed"] == false) {
            let lines = |key: &str| check[key].as_array().cloned().unwrap_or_default();
            let causes = lines("causes");
            let mut messages = causes.iter().map(|cause| &cause["message"]);
            // What a table lacks is said by the comparison itself.
            let problems = lines("problems");
            let named = messages
                .by_ref()
                .chain(&problems)
                .any(|text| text.as_str().is_some_and(|text| text.contains(cause)));
            ensure!(named, "{} has no cause `{cause}`\n{}", check["name"], self.text);
        }
        Ok(self)
    }

    /// What it printed holds this.
    pub(crate) fn says(&self, text: &str) -> Result<&Self> {
        ensure!(self.text.contains(text), "it does not say `{text}`\n{}", self.text);
        Ok(self)
    }

    /// What came of a check.
    pub(crate) fn check(&self, name: &str) -> Result<&Value> {
        let found = self.checks().find(|check| check["name"] == name);
        found.with_context(|| format!("no check `{name}`\n{}", self.text))
    }

    /// What came of a phase that must have run.
    pub(crate) fn phase(&self, name: &str) -> Result<Phase<'_>> {
        let phases = self.report["phases"].as_array().map(Vec::as_slice).unwrap_or_default();
        let found = phases.iter().find(|phase| phase["name"] == name);
        let phase = found.with_context(|| format!("no phase `{name}`\n{}", self.text))?;
        Ok(Phase { phase, text: &self.text })
    }

    fn checks(&self) -> impl Iterator<Item = &Value> {
        self.report["checks"].as_array().map(Vec::as_slice).unwrap_or_default().iter()
    }
}

/// One phase of a trial.
pub(crate) struct Phase<'a> {
    phase: &'a Value,
    text: &'a str,
}

impl Phase<'_> {
    /// It passed, or here is everything the trial said.
    pub(crate) fn passed(&self) -> Result<()> {
        ensure!(self.phase["passed"] == true, "{} failed\n{}", self.phase["name"], self.text);
        Ok(())
    }

    /// It failed, and its summary says this.
    pub(crate) fn failed(&self, why: &str) -> Result<()> {
        ensure!(self.phase["passed"] == false, "{} passed\n{}", self.phase["name"], self.text);
        let summary = self.phase["summary"].as_str().unwrap_or_default();
        ensure!(summary.contains(why), "`{summary}` does not say `{why}`\n{}", self.text);
        Ok(())
    }
}

/// Nothing of a lab is there any more.
pub(crate) fn nothing_left(name: &str) -> Result<()> {
    let output = lvsmith(&["lab", "list", "--json"])?;
    let labs: Value = serde_json::from_slice(&output.stdout)?;
    let left = labs.as_array().is_some_and(|labs| labs.iter().any(|lab| lab["name"] == name));
    ensure!(!left, "lab `{name}` is left: {labs}");
    Ok(())
}

/// What a program said on standard output; an error with all it said when it failed.
pub(crate) fn said(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?} starts"))?;
    ensure!(output.status.success(), "{command:?}: {}", told(&output));
    Ok(String::from_utf8(output.stdout)?)
}

/// Exit code and everything a program said.
pub(crate) fn told(output: &Output) -> String {
    format!(
        "exit {:?}\n{}{}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
