//! Facts of the site's own: files in `/etc/ansible/facts.d`, each JSON, INI, or a program that
//! prints one of them. They stand below `local`, by the name of the file.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::Facts;
use crate::modules::process::Program;

const FOLDER: &str = "/etc/ansible/facts.d";

/// How long a program may take.
const DEADLINE: Duration = Duration::from_secs(10);

pub(super) fn add(facts: &mut Facts) {
    facts.insert("local".into(), read(Path::new(FOLDER)).into());
}

fn read(folder: &Path) -> Facts {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "fact"))
        .collect();
    files.sort();
    files
        .iter()
        .filter_map(|path| {
            let name = path.file_stem()?.to_string_lossy().into_owned();
            // As in Ansible, what went wrong stands where the facts would.
            Some((name, fact(path).unwrap_or_else(Value::from)))
        })
        .collect()
}

fn fact(path: &Path) -> Result<Value, String> {
    let name = path.display();
    let mode = fs::metadata(path).map_err(|error| format!("failed to read {name}: {error}"))?;
    let text = if mode.permissions().mode() & 0o100 == 0 {
        fs::read_to_string(path).map_err(|error| format!("failed to read {name}: {error}"))?
    } else {
        let output = Program::new([name.to_string()]).timeout(DEADLINE).run();
        let output = output.map_err(|error| error.message)?;
        if !output.success() {
            return Err(output.error(&format!("the program {name}")).message);
        }
        output.stdout
    };
    serde_json::from_str(&text)
        .ok()
        .or_else(|| ini(&text))
        .ok_or_else(|| format!("error loading facts as JSON or ini - please check content: {name}"))
}

/// Sections of `name = value` or `name: value`, names in lower case.
fn ini(text: &str) -> Option<Value> {
    let mut sections = Facts::new();
    let mut section: Option<&str> = None;
    for line in text.lines() {
        let line = line.trim_end();
        if line.trim_start().is_empty() || line.trim_start().starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.split(']').next()) {
            section = Some(name);
            sections.entry(name).or_insert_with(|| Facts::new().into());
            continue;
        }
        let (name, value) = line.split_once(['=', ':'])?;
        let Some(Value::Object(values)) = sections.get_mut(section?) else { return None };
        values.insert(name.trim().to_lowercase(), value.trim().into());
    }
    Some(sections.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn files_are_json_or_ini_or_programs() {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text, mode) in [
            ("a.fact", "{\"x\": 1}", 0o644),
            ("b.fact", "[General]\nRole = lb\nrack: 7\n", 0o644),
            ("c.fact", "#!/bin/sh\necho '[1, 2]'\n", 0o755),
            ("d.fact", "neither", 0o644),
            ("e.fact", "#!/bin/sh\necho no >&2; exit 1\n", 0o755),
            ("f.txt", "{}", 0o644),
        ] {
            let path = folder.path().join(name);
            fs::write(&path, text).expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
        }
        let found = Value::from(read(folder.path()));
        assert_eq!(found["a"], json!({"x": 1}));
        assert_eq!(found["b"], json!({"General": {"role": "lb", "rack": "7"}}));
        assert_eq!(found["c"], json!([1, 2]));
        assert!(found["d"].as_str().is_some_and(|text| text.contains("d.fact")), "{found}");
        assert!(found["e"].as_str().is_some_and(|text| text.contains("no")), "{found}");
        assert_eq!(found.as_object().map(Facts::len), Some(5));
    }
}
