//! Defaults: read, refused, and lent to hosts.

#![expect(clippy::disallowed_methods, reason = "tests write files")]

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::*;

fn read(text: &str) -> Result<Defaults, Diagnostics> {
    let source = Arc::new(Source { name: FILE.into(), text: text.into() });
    Ok(toml::read(&source)?.decode()?)
}

fn mistake(text: &str) -> String {
    read(text).unwrap_err().render(false)
}

#[test]
fn says_what_is_wrong_and_where() {
    insta::assert_snapshot!(mistake("forks = 5\nlock_timout = 3\n"), @r"
    error: unknown key `lock_timout`
     --> lvsmith.toml:2:1
      |
    2 | lock_timout = 3
      | ^^^^^^^^^^^
      |
      = help: did you mean `lock_timeout`?
    ");
    insta::assert_snapshot!(mistake("[ssh]\nprot = 22\n"), @r"
    error: unknown key `prot`
     --> lvsmith.toml:2:1
      |
    2 | prot = 22
      | ^^^^
      |
      = help: did you mean `port`?
    ");
    insta::assert_snapshot!(mistake("forks = \"many\"\n"), @r#"
    error: expected a whole number, 0 or more, found `many`
     --> lvsmith.toml:1:9
      |
    1 | forks = "many"
      |         ^^^^^^
    "#);
    insta::assert_snapshot!(mistake("format = \"jsn\"\n"), @r#"
    error: `jsn` is not known here
     --> lvsmith.toml:1:10
      |
    1 | format = "jsn"
      |          ^^^^^
      |
      = help: did you mean `json`?
    "#);
    insta::assert_snapshot!(mistake("forks = = 1\ndiff = tru\n"), @r"
    error: extra `=`, expected nothing
     --> lvsmith.toml:1:9
      |
    1 | forks = = 1
      |         ^

    error: unexpected key or value, expected newline, `#`
     --> lvsmith.toml:1:11
      |
    1 | forks = = 1
      |           ^

    error: invalid boolean, expected `true`
     --> lvsmith.toml:2:8
      |
    2 | diff = tru
      |        ^^^
    ");
    insta::assert_snapshot!(mistake("forks = 1\nforks = 2\n"), @r"
    error: duplicate key
     --> lvsmith.toml:2:1
      |
    2 | forks = 2
      | ^^^^^
    ");
}

#[test]
fn variables_count_more_than_the_file() {
    let mut defaults = read("forks = 5\ndiff = true\n[ssh]\nuser = 'a'\nport = 1\n").unwrap();
    let set = |name: &str| match name {
        "LVSMITH_FORKS" => Some("7".to_owned()),
        "LVSMITH_SSH_USER" => Some("b".to_owned()),
        "LVSMITH_DIFF" => Some("no".to_owned()),
        "LVSMITH_FORMAT" => Some(String::new()),
        _ => None,
    };
    defaults.overrule(from_environment(&set).unwrap());
    let expected = json!({"forks": 7, "diff": false, "ssh": {"user": "b", "port": 1}});
    assert_eq!(Value::Object(values(&defaults)), expected);
    let set = |name: &str| (name == "LVSMITH_FORKS").then(|| "a few".to_owned());
    let error = from_environment(&set).unwrap_err().to_string();
    assert!(error.starts_with("LVSMITH_FORKS:1:1: "), "{error}");
}

#[test]
fn gives_hosts_what_they_lack() {
    let mut inventory = Inventory::default();
    let vars = |value: Value| value.as_object().unwrap().clone();
    inventory.place("a", &[], vars(json!({"ansible_ssh_user": "root"})));
    inventory.place("b", &[], vars(json!({})));
    inventory.complete();
    read("become = true\n[ssh]\nuser = \"admin\"\nport = 2222\n").unwrap().lend(&mut inventory);
    let a = json!({"ansible_ssh_user": "root", "ansible_become": true, "ansible_port": 2222});
    let b = json!({"ansible_become": true, "ansible_user": "admin", "ansible_port": 2222});
    assert_eq!(Value::Object(inventory.hosts["a"].vars.clone()), a);
    assert_eq!(Value::Object(inventory.hosts["b"].vars.clone()), b);
}

#[test]
fn every_key_of_ssh_stands_for_a_variable() {
    let keys = |schema: schemars::Schema| -> Vec<String> {
        schema.get("properties").unwrap().as_object().unwrap().keys().cloned().collect()
    };
    for key in keys(schemars::schema_for!(Ssh)) {
        assert!(VARIABLES.iter().any(|(name, _)| *name == format!("ssh.{key}")), "{key}");
    }
}

/// The README says of each key what its rustdoc says.
#[test]
fn the_readme_lists_every_key() {
    let readme =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let rows = |schema: schemars::Schema, prefix: &str| -> Vec<String> {
        let keys = schema.get("properties").unwrap().as_object().unwrap().clone();
        let row = |(key, own): (&String, &Value)| {
            let text = own["description"].as_str().unwrap().replace('\n', " ");
            format!("| `{prefix}{key}` | {text} |")
        };
        keys.iter().filter(|(key, _)| *key != "ssh").map(row).collect()
    };
    let defaults = rows(schemars::schema_for!(Defaults), "");
    for row in defaults.into_iter().chain(rows(schemars::schema_for!(Ssh), "ssh.")) {
        assert!(readme.contains(&row), "README.md has no row {row}");
    }
}

#[test]
fn is_found_above_the_playbook_but_not_above_the_repository() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("site/plays");
    std::fs::create_dir_all(&inner).unwrap();
    let file = folder.path().join(FILE);
    std::fs::write(&file, "forks = 1\n").unwrap();
    let playbook = inner.join("site.yml");
    assert_eq!(find(&playbook), None);
    std::fs::create_dir(folder.path().join(".git")).unwrap();
    assert_eq!(find(&playbook), Some(file.canonicalize().unwrap()));
    std::fs::create_dir(folder.path().join("site/.git")).unwrap();
    assert_eq!(find(&playbook), None);
    let nearer = inner.join(FILE);
    std::fs::write(&nearer, "inventory = \"hosts.yml\"\n").unwrap();
    assert_eq!(find(&playbook), Some(nearer.canonicalize().unwrap()));
    assert_eq!(find(&inner), Some(nearer.canonicalize().unwrap()));
    let inventory = Defaults::read_file(&nearer).unwrap().inventory;
    assert_eq!(inventory, Some(inner.join("hosts.yml")));
    std::fs::set_permissions(&nearer, std::fs::Permissions::from_mode(0o666)).unwrap();
    let error = Defaults::read_file(&nearer).unwrap_err().to_string();
    assert!(error.contains("may be written by anybody"), "{error}");
}
