//! `lvsmith ipvsadm`, as far as it goes without IPVS: how it is called.

use std::path::Path;
use std::process::Command;

use super::{lvsmith, shown};

const VERSION: &str = "exit: 0
----- stdout -----
ipvsadm v1.31 2019/12/24 (compiled with popt and IPVS v1.2.1)
----- stderr -----
";

#[test]
fn hands_its_arguments_on() {
    assert_eq!(shown(&lvsmith(Path::new("/"), &["ipvsadm", "-v"])), VERSION);
    assert_eq!(shown(&lvsmith(Path::new("/"), &["ipvsadm", "--version"])), VERSION);
    let help = shown(&lvsmith(Path::new("/"), &["ipvsadm", "-h"]));
    assert!(help.contains("\n  lvsmith ipvsadm -A|E virtual-service [-s scheduler]"), "{help}");
}

#[test]
fn answers_to_the_name_of_a_link() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let link = folder.path().join("ipvsadm");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_lvsmith"), &link).expect("linked");
    let said = |arguments: &[&str]| {
        shown(&Command::new(&link).args(arguments).output().expect("the program starts"))
    };
    assert_eq!(said(&["-v"]), VERSION);
    let help = said(&["--help"]);
    assert!(help.contains(&format!("\n  {} -A|E virtual-service", link.display())), "{help}");
}
