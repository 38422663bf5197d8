//! What is told of files, links and nothing.

use std::os::unix::fs::symlink;

use super::*;

fn stat(arguments: Value) -> Value {
    let module: Stat = serde_json::from_value(arguments).unwrap();
    module.check().unwrap();
    let mut outcome = module.run(&mut Host::default(), Mode::default()).unwrap();
    assert!(!outcome.changed);
    outcome.result.remove("stat").unwrap()
}

#[test]
fn tells_of_a_file_and_its_checksum() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, "hello\n").unwrap();
    let told = stat(json!({"path": path}));
    // What `sha1sum` says of it.
    assert_eq!(told["checksum"], "f572d396fae9206628714fb2ce00f72e94f2258f");
    assert_eq!(
        (&told["exists"], &told["isreg"], &told["size"]),
        (&true.into(), &true.into(), &6.into())
    );
    assert_eq!(
        (&told["rusr"], &told["xoth"], &told["islnk"]),
        (&true.into(), &false.into(), &false.into())
    );
    let md5 = stat(json!({"path": path, "checksum": "md5"}));
    assert_eq!(md5["checksum"], "b1946ac92492d2347c6235b4d2611184");
    assert!(stat(json!({"path": path, "get_checksum": false})).get("checksum").is_none());
}

#[test]
fn follows_a_link_only_when_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link");
    symlink("file", &link).unwrap();
    let told = stat(json!({"path": link}));
    assert_eq!((&told["islnk"], &told["lnk_target"]), (&true.into(), &"file".into()));
    let file = folder.path().join("file");
    assert_eq!(told["lnk_source"], file.to_str().unwrap());
    assert_eq!(stat(json!({"path": link, "follow": true})), json!({"exists": false}));
    fs::write(&file, "x").unwrap();
    assert_eq!(stat(json!({"path": link, "follow": true}))["isreg"], true);
}

#[test]
fn refuses_what_it_does_not_find_out() {
    for argument in ["get_mime", "get_attributes"] {
        let module: Stat = serde_json::from_value(json!({"path": "/", argument: true})).unwrap();
        assert!(module.check().unwrap_err().hint.unwrap().contains("leave it out"));
        stat(json!({"path": "/", argument: false}));
    }
}

/// The names that ansible-core 2.19 gives a file and a link, but for those the docs leave out.
#[test]
fn has_the_names_that_ansible_has() {
    const NAMES: &str = "atime block_size blocks ctime dev device_type executable exists gid gr_name \
        inode isblk ischr isdir isfifo isgid islnk isreg issock isuid mode mtime nlink path pw_name \
        readable rgrp roth rusr size uid wgrp woth writeable wusr xgrp xoth xusr";
    let mut names: Vec<String> = stat(json!({"path": "/etc/passwd", "get_checksum": false}))
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    names.sort();
    assert_eq!(names, NAMES.split_whitespace().collect::<Vec<_>>());
}
