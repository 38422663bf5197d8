//! The corpus as a regression test, and the folder `fuzz/` held against the table.

use std::path::Path;

use super::*;

fn folder(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let name = |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let mut names: Vec<String> = entries.map(|entry| name(entry.unwrap())).collect();
    names.sort();
    names
}

#[test]
fn the_folder_has_each_target_and_no_other() {
    let targets: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names(&folder("corpus")), targets);
    let files: Vec<String> = targets.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(names(&folder("fuzz_targets")), files);
    let manifest = std::fs::read_to_string(folder("Cargo.toml")).unwrap();
    for name in targets {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        let program = std::fs::read_to_string(folder(&format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(program.contains(&format!("lvsmith::fuzz::{name}(data)")), "{name}");
    }
}

#[test]
fn every_file_of_the_corpus_is_survived() {
    for (target, run) in TARGETS {
        let corpus = folder("corpus").join(target);
        let files = names(&corpus);
        assert!(files.len() >= 3, "{target} has but {}", files.len());
        for name in files {
            let data = std::fs::read(corpus.join(&name)).unwrap();
            let begun = std::time::Instant::now();
            run(&data);
            let took = begun.elapsed();
            assert!(took.as_secs() < 20, "{target}/{name} took {took:?}");
        }
    }
}
