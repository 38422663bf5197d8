//! What runs the guest: KVM where that works, else qemu's emulation. That there is a
//! `/dev/kvm` does not mean that it works; only a boot tells, and its outcome is remembered
//! for as long as this machine runs.

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::cache;

/// How long a guest under KVM may take to answer; where it works it takes about a second.
pub const KVM_DEADLINE: Duration = Duration::from_secs(6);

/// The choice of what runs the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
pub enum Acceleration {
    /// KVM if it works.
    #[default]
    Auto,
    /// KVM or nothing.
    Kvm,
    /// Emulation, which works everywhere.
    Tcg,
}

/// Whether KVM is worth a try: the device can be opened, and did not fail since this machine
/// was started.
#[must_use]
pub fn kvm_is_promising() -> bool {
    let opens = OpenOptions::new().read(true).write(true).open("/dev/kvm").is_ok();
    opens && remembered().is_none_or(|(_, works)| works)
}

/// Notes for this boot of the machine whether KVM works.
pub fn remember_kvm(works: bool) {
    let Some((file, boot)) = place() else { return };
    if remembered().is_some_and(|(_, known)| known == works) {
        return;
    }
    let text = format!("{boot} {}\n", if works { "works" } else { "fails" });
    // What cannot be remembered is found out again the next time. The text is shorter than a
    // block, so that nobody reads half of it.
    let made = file.parent().is_some_and(|folder| std::fs::create_dir_all(folder).is_ok());
    if made {
        let _ = std::fs::write(file, text);
    }
}

fn remembered() -> Option<(PathBuf, bool)> {
    let (file, boot) = place()?;
    let text = std::fs::read_to_string(&file).ok()?;
    let works = match text.trim().strip_prefix(&boot)?.trim() {
        "works" => true,
        "fails" => false,
        _ => return None,
    };
    Some((file, works))
}

fn place() -> Option<(PathBuf, String)> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some((cache::folder()?.join("kvm"), boot.trim().to_owned()))
}
