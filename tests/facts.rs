//! Facts of this machine against what ansible-core's `setup` gathers here.

#![expect(clippy::disallowed_methods, reason = "both programs are run")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value};

/// What Ansible tells and lvsmith does not, by the beginnings of the names.
const ABSENT: &[&str] = &[
    "ansible_device",
    "ansible_fibre_channel",
    "ansible_form_factor",
    "ansible_hostnqn",
    "ansible_iscsi",
    "ansible_lvm",
    "ansible_python",
    "ansible_selinux_python_present",
    "ansible_ssh_host_key",
    "ansible_system_capabilities",
    "gather_subset",
    "module_setup",
];

/// What changes from one moment to the next; only its shape is compared.
const MOVING: &[&str] = &[
    "ansible_date_time",
    "ansible_env",
    "ansible_loadavg",
    "ansible_memfree_mb",
    "ansible_memory_mb",
    "ansible_mounts",
    "ansible_swapfree_mb",
    "ansible_uptime_seconds",
];

/// `LVSMITH_ANSIBLE`, or the one that the benchmarks use.
fn ansible() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench-python/bin/ansible");
    std::env::var_os("LVSMITH_ANSIBLE").map_or(built, PathBuf::from)
}

fn facts(command: &mut Command, inside: &str) -> Map<String, Value> {
    let output = command.output().expect("runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let start = text.find('{').expect("JSON");
    let told: Value = serde_json::from_str(&text[start..]).expect("JSON");
    told[inside].as_object().expect("facts").clone()
}

/// Lists that Ansible tells in no order.
fn ordered(mut value: Value) -> Value {
    if let Value::Array(items) = &mut value {
        items.sort_by_key(Value::to_string);
    }
    value
}

#[test]
#[ignore = "needs ansible-core: `LVSMITH_ANSIBLE` is its program `ansible`"]
fn facts_are_those_of_ansible() {
    let mut setup = Command::new(ansible());
    let setup = setup.args(["localhost", "-m", "setup", "-c", "local"]).current_dir("/");
    let expected = facts(setup, "ansible_facts");
    let mut own = Command::new(env!("CARGO_BIN_EXE_lvsmith"));
    let told = facts(own.args(["facts", "--format", "json"]).current_dir("/"), "localhost");
    let mut wrong = Vec::new();
    for (name, value) in expected {
        if ABSENT.iter().any(|absent| name.starts_with(absent)) {
            continue;
        }
        match told.get(&name) {
            None => wrong.push(format!("{name} is missing")),
            Some(_) if MOVING.contains(&name.as_str()) => {}
            Some(other) if ordered(other.clone()) == ordered(value.clone()) => {}
            Some(other) => wrong.push(format!("{name} is {other}, not {value}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
