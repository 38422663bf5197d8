//! What roles say of their variables, from the outside.

use std::fs;

use super::{lvsmith, shown, site};

/// The same mistakes that ansible-core 2.19 finds in them, here at their places and before anything
/// is done.
#[test]
fn a_variable_that_is_not_as_its_role_says_is_shown_where_it_is_written() {
    let folder = site("- hosts: localhost\n  gather_facts: false\n  roles: [r]\n");
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("below the folder")).expect("made");
        fs::write(path, text).expect("written");
    };
    write(
        "roles/r/meta/argument_specs.yml",
        "argument_specs:\n  main:\n    options:\n      services:\n        type: list\n        elements: \
         dict\n        options:\n          port: {type: int}\n          protocol: {choices: [tcp, \
         udp]}\n      name: {required: true}\n",
    );
    write(
        "roles/r/tasks/main.yml",
        "- file: {path: \"{{ playbook_dir }}/touched\", state: touch}\n",
    );
    write(
        "group_vars/all.yml",
        "services:\n  - {port: \"80\", protocol: tcp}\n  - {port: 80x, protocl: tcp, protocol: sctp}\n",
    );
    let output = lvsmith(folder.path(), &["apply", "site.yml"]);
    let said = shown(&output);
    assert_eq!(output.status.code(), Some(4), "{said}");
    for (what, place) in [
        ("`services[1].port` must be a whole number, and is `80x`", "group_vars/all.yml:3:12"),
        ("`services[1].protocl` is not known", "group_vars/all.yml:3:17"),
        ("help: did you mean `protocol`?", "group_vars/all.yml:3:17"),
        ("`services[1].protocol` cannot be `sctp`", "group_vars/all.yml:3:41"),
        ("the role `r` needs the variable `name`", "site.yml:3:11"),
    ] {
        assert!(said.contains(what) && said.contains(place), "{what} at {place}:\n{said}");
    }
    assert!(!folder.path().join("touched").exists());

    write("group_vars/all.yml", "services: [{port: \"80\", protocol: udp}]\nname: r\n");
    let output = lvsmith(folder.path(), &["apply", "site.yml"]);
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
}

/// Hosts that are alike to a task are looked at once; the one that differs must be found all the same.
#[test]
fn a_bad_value_of_one_host_among_many_is_found() {
    let folder = site(
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - wait_for: {port: \"{{ port }}\"}\n",
    );
    let inventory =
        "all:\n  vars: {port: 80}\n  hosts:\n    'web[1:300]':\n    odd: {port: many}\n";
    fs::write(folder.path().join("inventory.yml"), inventory).expect("written");
    let output = lvsmith(folder.path(), &["apply", "site.yml"]);
    let said = shown(&output);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("found `many`") && said.contains("site.yml:4:"), "{said}");
    assert_eq!(said.matches("error:").count(), 1, "{said}");
}
