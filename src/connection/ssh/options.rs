//! The command line of `ssh` for a host, from Ansible's connection variables.

use std::fs::DirBuilder;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::connection::Unreachable;
use crate::inventory::Vars;
use crate::modules::process::split;

/// The longest path of a socket (`sun_path` of `unix(7)`), less what ssh adds for a moment.
const SOCKET_PATH: usize = 108 - 18;

/// What `%C` of a `ControlPath` becomes: a SHA-1 in hexadecimal digits.
const HASH: usize = 40;

/// The program and its arguments, all but the far command. What comes `first` counts most, as
/// ssh has it.
pub(super) fn command(
    host: &str,
    vars: &Vars,
    first: &[String],
    sockets: Option<&Path>,
) -> Result<(String, Vec<String>), Unreachable> {
    refuse_passwords(vars)?;
    let options = Options { vars };
    let mut arguments: Vec<String> = vec!["-T".into()];
    arguments.extend_from_slice(first);
    let mut set = |option: String| arguments.extend(["-o".to_owned(), option]);
    // A question would wait for an answer that nobody can give: hosts are many.
    set("BatchMode=yes".into());
    set(format!(
        "ConnectTimeout={}",
        options.text(&["ansible_timeout", "ansible_ssh_timeout"]).unwrap_or_else(|| "10".into())
    ));
    set("ServerAliveInterval=5".into());
    set("ServerAliveCountMax=3".into());
    if let Some(port) = options.text(&["ansible_port", "ansible_ssh_port"]) {
        set(format!("Port={port}"));
    }
    if let Some(user) = options.text(&["ansible_user", "ansible_ssh_user"]) {
        set(format!("User={user}"));
    }
    if let Some(key) = options.text(&["ansible_ssh_private_key_file", "ansible_private_key_file"]) {
        set(format!("IdentityFile={}", quoted(&key)));
    }
    if options.off(&["ansible_host_key_checking", "ansible_ssh_host_key_checking"]) {
        set("StrictHostKeyChecking=no".into());
    }
    match options.words("ansible_ssh_args")? {
        Some(words) => arguments.extend(words),
        None => arguments.extend(sockets.map(shared_connection).unwrap_or_default()),
    }
    for name in ["ansible_ssh_common_args", "ansible_ssh_extra_args"] {
        arguments.extend(options.words(name)?.unwrap_or_default());
    }
    let address = options.text(&["ansible_host", "ansible_ssh_host"]);
    let address = address.unwrap_or_else(|| host.to_owned());
    if address.is_empty() || address.starts_with('-') {
        return Err(Unreachable::new(format!("`{address}` is not the address of a host")));
    }
    arguments.extend(["--".to_owned(), address]);
    let program = options.text(&["ansible_ssh_executable"]).unwrap_or_else(|| "ssh".into());
    Ok((program, arguments))
}

fn refuse_passwords(vars: &Vars) -> Result<(), Unreachable> {
    let names = ["ansible_password", "ansible_ssh_pass", "ansible_ssh_password"];
    match names.iter().find(|name| vars.contains_key(**name)) {
        Some(name) => Err(Unreachable::new(format!("`{name}` is not supported"))
            .hint("use a key or an ssh agent; passwords in an inventory are read by others")),
        None => Ok(()),
    }
}

/// One connection for all runs of the next minute.
fn shared_connection(folder: &Path) -> Vec<String> {
    let path = format!("ControlPath={}/%C", quoted_text(&folder.to_string_lossy()));
    ["-o", "ControlMaster=auto", "-o", "ControlPersist=60s", "-o", &path].map(str::to_owned).into()
}

/// A private place for the sockets of shared connections, where there can be one.
pub(super) fn sockets() -> Option<PathBuf> {
    let folder = runtime_folder()?;
    if folder.as_os_str().as_bytes().len() + 1 + HASH > SOCKET_PATH {
        return None;
    }
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).ok()?;
    Some(folder)
}

/// A folder of the user's own, gone after a boot where there is such a one.
fn runtime_folder() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    set("XDG_RUNTIME_DIR")
        .map(|folder| PathBuf::from(folder).join("lvsmith/ssh"))
        .or_else(|| Some(PathBuf::from(set("HOME")?).join(".cache/lvsmith/ssh")))
}

/// An option's value as ssh reads it: white space ends it unless it is quoted.
fn quoted(value: &str) -> String {
    format!("\"{}\"", quoted_text(value))
}

/// `%` begins something of ssh's own.
fn quoted_text(value: &str) -> String {
    value.replace('%', "%%")
}

struct Options<'a> {
    vars: &'a Vars,
}

impl Options<'_> {
    /// The first of these variables that is set, as text.
    fn text(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| match self.vars.get(*name)? {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        })
    }

    /// Whether one of these variables is there and says no.
    fn off(&self, names: &[&str]) -> bool {
        let text = self.text(names).unwrap_or_default();
        matches!(text.to_lowercase().as_str(), "false" | "no" | "off" | "0")
    }

    /// A variable that holds several arguments.
    fn words(&self, name: &str) -> Result<Option<Vec<String>>, Unreachable> {
        let Some(text) = self.text(&[name]) else { return Ok(None) };
        split(&text)
            .map(Some)
            .map_err(|reason| Unreachable::new(format!("`{name}`: cannot split it: {reason}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn arguments(vars: Value) -> String {
        let Value::Object(vars) = vars else { panic!("{vars}") };
        command("web1", &vars, &[], Some(Path::new("/run/x"))).unwrap().1.join(" ")
    }

    #[test]
    fn understands_ansibles_variables() {
        let line = arguments(json!({
            "ansible_host": "10.0.0.1", "ansible_port": 2222, "ansible_user": "admin",
            "ansible_ssh_private_key_file": "/keys/a key",
            "ansible_ssh_common_args": "-o ProxyJump='gate way'",
        }));
        for part in [
            "Port=2222",
            "User=admin",
            "IdentityFile=\"/keys/a key\"",
            "ProxyJump=gate way",
            "BatchMode=yes",
        ] {
            assert!(line.contains(part), "{part}: {line}");
        }
        assert!(line.ends_with(" -- 10.0.0.1"), "{line}");
        assert!(!line.contains("StrictHostKeyChecking"), "{line}");
    }

    #[test]
    fn weakens_nothing_unless_told_to() {
        let line = arguments(json!({"ansible_host_key_checking": false}));
        assert!(line.contains("StrictHostKeyChecking=no"), "{line}");
        assert!(line.ends_with(" -- web1"), "{line}");
    }

    #[test]
    fn leaves_sharing_a_connection_to_who_sets_it() {
        let line = arguments(json!({"ansible_ssh_args": "-o ControlMaster=no"}));
        assert!(line.contains("ControlMaster=no") && !line.contains("ControlPersist"), "{line}");
    }

    #[test]
    fn refuses_what_would_be_an_option_and_passwords() {
        let vars = |vars: Value| vars.as_object().unwrap().clone();
        let command = |of| command("web1", &vars(of), &[], None);
        assert!(command(json!({"ansible_host": "-oProxyCommand=x"})).is_err());
        let error = command(json!({"ansible_password": "secret"})).unwrap_err();
        assert!(!format!("{error:?}").contains("secret"));
    }
}
