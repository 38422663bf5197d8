//! Groups that nest, whose variables win, what is wrong at its place; and many hosts at once.

use std::time::Instant;

use super::*;
use crate::yaml::Node;

fn inventory(text: &str) -> Result<Inventory, Diagnostics> {
    let source =
        Arc::new(crate::diagnostic::Source { name: "inventory.yml".into(), text: text.into() });
    Inventory::decode(&crate::yaml::read(&source).expect("reads"))
}

const CLUSTER: &str = "
all:
  vars: {a: all, b: all}
  children:
    lb: {hosts: {lb1: {a: host}}}
    web:
      vars: {b: web}
      hosts: {'rs[1:3]': }
    cluster: {children: {lb: , web: }, vars: {b: cluster}}
  hosts: {client: }
";

#[test]
fn groups_nest_and_inner_ones_win() {
    let inventory = inventory(CLUSTER).expect("reads");
    assert_eq!(inventory.members("cluster"), ["lb1", "rs1", "rs2", "rs3"]);
    assert_eq!(inventory.members("ungrouped"), ["client"]);
    assert_eq!(inventory.groups_of("rs2"), ["all", "cluster", "web"]);
    let vars = inventory.vars_of("rs2");
    assert_eq!((&vars["a"], &vars["b"]), (&"all".into(), &"web".into()));
    assert_eq!(inventory.vars_of("lb1")["a"], "host");
}

#[test]
fn a_priority_decides_between_groups_of_one_level() {
    let text = "a: {hosts: {h: }, vars: {x: a, ansible_group_priority: 10}}\nb: {hosts: {h: }, vars: {x: b}}\n";
    let found = inventory(text).expect("reads");
    assert_eq!(found.vars_of("h"), Vars::from_iter([("x".to_owned(), "a".into())]));
    let error = inventory("a: {vars: {ansible_group_priority: high}}").expect_err("no number");
    assert_eq!(error.to_string(), "inventory.yml:1:36: the priority of `a` is no whole number");
}

#[test]
fn mistakes_have_places() {
    let error = inventory("all:\n  host:\n    a:\n").expect_err("must fail").to_string();
    assert_eq!(
        error,
        "inventory.yml:2:3: unknown key `host` in the group `all` (did you mean `hosts`?)"
    );
    let error = inventory("").expect_err("must fail").to_string();
    assert!(error.contains("inventory is empty"), "{error}");
    let error = inventory("all: {children: {x: , a: {children: {b: {children: {a: , c: }}}}}}")
        .expect_err("must fail");
    assert!(error.to_string().contains("is inside itself"), "{error}");
    let many: String = (0..2).map(|n| format!("    'n{n}-[1:65536]':\n")).collect();
    let error = inventory(&format!("all:\n  hosts:\n{many}")).expect_err("too many");
    assert!(error.to_string().contains("more than 100000 hosts"), "{error}");
    let error = inventory("plugin: aws_ec2\nregions: [x]").expect_err("a plugin").to_string();
    assert!(error.contains("1:1: inventory plugins are not supported"), "{error}");
}

#[test]
fn many_ways_to_a_group_and_long_ones_take_no_time() {
    // Two groups on each of 40 levels, each with both of the next: 2^40 ways.
    let mut text = String::from("top: {children: {a0: , b0: }}\n");
    for level in 0..40 {
        let next = level + 1;
        for side in ["a", "b"] {
            text += &format!("{side}{level}: {{children: {{a{next}: , b{next}: }}}}\n");
        }
    }
    text += "a40: {hosts: {rs1: }}\n";
    let found = inventory(&text).expect("reads");
    assert_eq!(found.groups_of("rs1").last(), Some(&"a40"));
    assert!(found.graph("all", false).is_err(), "2^40 lines");
    let chain: String =
        (0..20_000).map(|n| format!("g{n}: {{children: {{g{}: }}}}\n", n + 1)).collect();
    let error = inventory(&chain).expect_err("too deep").to_string();
    assert_eq!(error, "groups nest deeper than 128 levels");
}

/// In a debug build, and on a busy machine; `benches` has the figure.
#[test]
fn what_is_asked_of_every_host_walks_through_no_other() {
    let begun = Instant::now();
    let mut text = String::from("all:\n  vars: {a: 1, b: 2}\n  children:\n");
    for site in 0..10 {
        text += &format!("    site{site}:\n      children:\n");
        for rack in 0..50 {
            text += &format!("        s{site}r{rack}:\n          vars: {{rack: {rack}}}\n");
            text += &format!("          hosts: {{'s{site}r{rack}h[01:10]': {{x: y}}}}\n");
        }
    }
    let found = inventory(&text).expect("reads");
    assert_eq!(found.hosts.len(), 5_000);
    let vars: usize = found.hosts.keys().map(|name| found.vars_of(name).len()).sum();
    assert_eq!(vars, 20_000);
    let took = begun.elapsed();
    assert!(took.as_secs() < 5, "{took:?}");
}

/// A folder with files; a name that ends with `!` is a program.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name.trim_end_matches('!'));
        #[expect(clippy::disallowed_methods, reason = "inventories to read")]
        {
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(&path, text).expect("written");
        }
        if name.ends_with('!') {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(&path, mode).expect("executable");
        }
    }
    folder
}

fn read(folder: &tempfile::TempDir, names: &[&str]) -> Result<Inventory, Diagnostics> {
    let path = |name: &&str| match name.contains(',') {
        true => (*name).to_owned(),
        false => folder.path().join(name).display().to_string(),
    };
    Inventory::read_all(&names.iter().map(path).collect::<Vec<_>>())
}

#[test]
fn later_inventories_win_and_a_folder_is_read_by_name() {
    let folder = folder(&[
        ("a/hosts.ini", "[web]\nrs1 x=1 y=1\n"),
        ("b/20.yml", "web: {hosts: {rs1: {x: 3}}}\n"),
        ("b/10.yml", "web: {hosts: {rs1: {x: 2, z: 2}}}\n"),
        ("b/notes.txt", "nothing to read"),
        ("b/group_vars/web.yml", "y: file\nw: 1\n"),
        ("a/group_vars/web.yml", "w: 0\n"),
    ]);
    let found = read(&folder, &["a/hosts.ini", "b", "rs2:2222,rs1,"]).expect("reads");
    let vars = found.vars_of("rs1");
    let shown: Vec<_> = ["x", "y", "z", "w"].iter().map(|name| vars[*name].clone()).collect();
    assert_eq!(shown, [3, 1, 2, 1]);
    assert_eq!(found.vars_of("rs2")["ansible_port"], 2222);
    assert!(vars["inventory_dir"].as_str().expect("a folder").ends_with("/a"));
}

#[test]
fn a_text_is_read_as_what_it_looks_like() {
    let both = folder(&[("yaml", "all:\n  hosts:\n    rs1:\n"), ("ini", "[web]\nrs1 x=1\n")]);
    assert_eq!(read(&both, &["yaml"]).expect("YAML").members("all"), ["rs1"]);
    assert_eq!(read(&both, &["ini"]).expect("INI").members("web"), ["rs1"]);
    let wrong = folder(&[
        ("a.ini", "all:\n  hosts:\n"),
        ("b.yml", "[web]\nrs1 x=1\n"),
        ("c", "all:\n  hosts: [\n"),
        ("d.py", "#!/usr/bin/python3\n"),
        ("e.toml", "[web]"),
    ]);
    for (name, expected) in [
        ("a.ini", "looks like YAML"),
        ("b.yml", "looks like INI"),
        ("c", "not valid YAML"),
        ("d.py", "chmod +x"),
        ("e.toml", "TOML"),
        ("f", "failed to read"),
    ] {
        let error = read(&wrong, &[name]).expect_err(name).to_string();
        assert!(error.contains(expected), "{name}: {error}");
    }
}

#[test]
fn a_program_tells_groups_and_hosts() {
    let meta = "#!/bin/sh\necho '{\"web\": {\"hosts\": [\"rs1\"], \"vars\": {\"x\": 1}}, \"top\": {\"children\": [\"web\"]}, \"plain\": [\"rs2\"], \"_meta\": {\"hostvars\": {\"rs1\": {\"y\": 2}}}}'\necho careful >&2\n";
    let each = "#!/bin/sh\n[ $1 = --host ] && echo \"{\\\"me\\\": \\\"$2\\\"}\" && exit\necho '{\"web\": [\"rs1\", \"rs2\"]}'\n";
    let folder = folder(&[
        ("meta.sh!", meta),
        ("each!", each),
        ("fails!", "#!/bin/sh\necho no token >&2\nexit 3\n"),
        ("words!", "#!/bin/sh\necho '{\"web\":'\necho oops\n"),
        ("shape!", "#!/bin/sh\necho '{\"web\": {\"hosts\": \"rs1\"}}'\n"),
    ]);
    let found = read(&folder, &["meta.sh"]).expect("reads");
    assert_eq!((found.members("top"), found.members("plain")), (vec!["rs1"], vec!["rs2"]));
    assert_eq!((&found.vars_of("rs1")["x"], &found.vars_of("rs1")["y"]), (&1.into(), &2.into()));
    assert!(found.warnings[0].ends_with("says: careful"), "{:?}", found.warnings);
    let found = read(&folder, &["each"]).expect("reads");
    assert_eq!(found.vars_of("rs2")["me"], "rs2");
    for (name, expected) in [
        ("fails", "--list` failed: no token"),
        ("words", ":2:1: not valid JSON: expected value"),
        ("shape", "`web.hosts` is not a list of names"),
    ] {
        let error = read(&folder, &[name]).expect_err(name).to_string();
        assert!(error.contains(expected), "{name}: {error}");
    }
}

#[test]
fn one_file_of_variables_is_read_and_folders_whole() {
    let folder = folder(&[
        ("hosts", "[web]\nrs1\n"),
        ("group_vars/web/b.yml", "x: b\n"),
        ("group_vars/web/a/deep", "x: deep\ny: deep\n"),
        ("group_vars/web/c.txt", "not read"),
        ("group_vars/web.yml", "x: not read\n"),
        ("host_vars/rs1.json", "{\"z\": 1}"),
        ("host_vars/localhost", "here: true\n"),
    ]);
    let found = read(&folder, &["hosts"]).expect("reads");
    let vars = found.vars_of("rs1");
    assert_eq!((&vars["x"], &vars["y"], &vars["z"]), (&"b".into(), &"deep".into(), &1.into()));
    assert!(found.warnings[0].contains("web.yml` is not read"), "{:?}", found.warnings);
    assert_eq!(found.vars_of("localhost")["here"], true);
    assert_eq!(found.members("all"), ["rs1"]);
}

#[test]
fn what_a_file_of_variables_has_wrong_is_shown_there() {
    let folder = folder(&[
        ("hosts", "rs1\n"),
        ("group_vars/all.yml", "- x\n"),
        ("host_vars/rs1", "$ANSIBLE_VAULT;1.1;AES256\n61\n"),
    ]);
    let error = read(&folder, &["hosts"]).expect_err("both").to_string();
    assert!(error.contains("group_vars/all.yml:1:1: expected a mapping"), "{error}");
    assert!(error.contains("host_vars/rs1:1:1: what `ansible-vault` has encrypted"), "{error}");
}

#[test]
fn a_node_is_no_inventory_by_itself() {
    let list = Node::from_json(&serde_json::json!(["rs1"]), &Span::nowhere());
    let error = Inventory::decode(&list).expect_err("a list").to_string();
    assert!(error.contains("an inventory is a mapping of groups"), "{error}");
}
