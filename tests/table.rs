//! The table of modules, held against its files, its docs and its examples.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test's panic is its message")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use lvsmith::diagnostic::Source;
use lvsmith::modules::{self, Module, TABLE};
use lvsmith::yaml::{self, Node};
use serde_json::Value;

/// Files of `src/modules` that are no modules.
const NOT_MODULES: [&str; 3] = ["mod", "host", "around"];

fn schema(module: &Module) -> Value {
    serde_json::to_value((module.schema)()).unwrap()
}

/// The `yaml` blocks in the docs of the module's arguments.
fn examples(module: &Module) -> Vec<String> {
    let schema = schema(module);
    let docs = schema["description"].as_str().unwrap_or_default();
    let blocks = docs.split("```yaml\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

/// Reads `module: {arguments}` and hands back the node of the arguments.
fn arguments(module: &Module, example: &str) -> Node {
    let source = Source { name: format!("{}.yml", module.name), text: example.to_owned() };
    let node = yaml::read(&Arc::new(source)).unwrap_or_else(|error| panic!("{error}"));
    node.get(module.name).unwrap_or_else(|| panic!("no `{}:` in {example}", module.name)).clone()
}

#[test]
fn has_a_row_for_every_file_and_a_file_for_every_row() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/modules");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| !NOT_MODULES.contains(&name.as_str()))
        .collect();
    let rows: BTreeSet<String> = TABLE.iter().map(|module| module.name.to_owned()).collect();
    assert_eq!(files, rows);
}

#[test]
fn is_sorted_and_knows_each_name_once() {
    assert!(TABLE.is_sorted_by_key(|module| module.name));
    let names = TABLE
        .iter()
        .flat_map(|module| std::iter::once(module.name).chain(module.aliases.iter().copied()));
    let mut seen = BTreeSet::new();
    for name in names {
        assert!(seen.insert(name), "`{name}` stands for two modules");
        assert!(modules::find(name).is_some());
    }
}

#[test]
fn explains_every_module_and_every_argument() {
    for module in TABLE {
        let schema = schema(module);
        assert!(schema["description"].is_string(), "{} has no docs", module.name);
        for (name, argument) in schema["properties"].as_object().into_iter().flatten() {
            let docs = argument["description"].as_str().unwrap_or_default();
            assert!(!docs.is_empty(), "{}: `{name}` has no docs", module.name);
        }
    }
}

#[test]
fn decodes_every_example_to_what_it_decodes_to() {
    for module in TABLE {
        let examples = examples(module);
        assert!(!examples.is_empty(), "{} has no example", module.name);
        for example in examples {
            let node = arguments(module, &example);
            let once = (module.decode)(&node).unwrap_or_else(|error| panic!("{error}"));
            let again = (module.decode)(&Node::from_json(&once, &node.span));
            assert_eq!(again.unwrap(), once, "{}", module.name);
        }
    }
}

#[test]
fn refuses_an_argument_that_no_module_has() {
    for module in TABLE.iter().filter(|module| !module.takes_any_argument()) {
        let mut example = examples(module).swap_remove(0);
        example.push_str("  no_such_argument: 1\n");
        let error = (module.decode)(&arguments(module, &example)).unwrap_err();
        assert!(error.message.contains("no_such_argument"), "{}: {error}", module.name);
        assert!(error.span.is_some(), "{}: {error} has no place", module.name);
    }
}

/// What Ansible's modules take and these do not comes with something to do instead.
#[test]
fn refuses_what_only_ansible_takes_with_a_way_out() {
    for module in TABLE {
        for (name, instead) in module.refused.iter().copied().flatten() {
            assert!(!module.arguments().iter().any(|known| known == name), "{}", module.name);
            let mistake = module.mistaken(name).unwrap_or_else(|| panic!("{name} is taken"));
            assert_eq!(mistake.hint.as_deref(), Some(*instead), "{}: {name}", module.name);
        }
    }
    let copy = modules::find("copy").unwrap();
    let error = (copy.decode)(&arguments(copy, "copy: {content: a, dest: /c, attr: +i}\n"));
    let error = error.unwrap_err().to_string();
    assert!(error.starts_with("copy.yml:1:30: the argument `attr` is not supported"), "{error}");
}

#[test]
fn takes_a_plain_line_for_a_command() {
    for (name, line) in [("command", "nginx -t"), ("shell", "true")] {
        let module = modules::find(name).unwrap();
        let node = arguments(module, &format!("{name}: {line}\n"));
        let decoded = (module.decode)(&node).unwrap();
        assert_eq!(decoded["cmd"], line);
    }
}

#[test]
fn keeps_the_digits_of_a_mode_that_is_not_quoted() {
    let file = modules::find("file").unwrap();
    for mode in ["0644", "'0644'", "644"] {
        let node = arguments(file, &format!("file: {{path: /x, mode: {mode}}}\n"));
        let decoded = (file.decode)(&node).unwrap();
        assert!(["0644", "644"].contains(&decoded["mode"].as_str().unwrap()), "{decoded}");
    }
}

#[test]
fn places_a_contradiction_at_the_arguments() {
    let copy = modules::find("copy").unwrap();
    let node = arguments(copy, "copy: {src: a, content: b, dest: /c}\n");
    let error = (copy.decode)(&node).unwrap_err();
    assert_eq!(error.to_string(), "copy.yml:1:7: `src` and `content` exclude each other");
}
