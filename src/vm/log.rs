//! What qemu and the guest's kernel said, and what it means.

use std::io;
use std::process::ExitStatus;

use super::error::Error;
use super::guest::FAILED;

/// As much of each text as is kept, in bytes; the last of it.
const KEPT: usize = 64 << 10;

/// Lines shown of a console.
const SHOWN: usize = 12;

/// The console of a guest, the errors of its qemu, and how that ended.
#[derive(Debug, Default)]
pub struct Log {
    console: Vec<u8>,
    errors: Vec<u8>,
    /// How qemu ended, once it has.
    pub status: Option<io::Result<ExitStatus>>,
}

impl Log {
    /// Takes down more of the console, or of qemu's errors.
    pub fn append(&mut self, errors: bool, bytes: &[u8]) {
        let text = if errors { &mut self.errors } else { &mut self.console };
        text.extend_from_slice(bytes);
        if text.len() > 2 * KEPT {
            text.drain(..text.len() - KEPT);
        }
    }

    /// Whether qemu has met something that KVM cannot do; it then neither goes on nor exits.
    pub fn kvm_gave_up(&self) -> bool {
        let line = b"KVM internal error";
        self.errors.windows(line.len()).any(|window| window == line)
    }

    /// The end of the console.
    pub fn last_words(&self) -> String {
        let lines = self.lines();
        lines[lines.len().saturating_sub(SHOWN)..].join("\n")
    }

    /// Why the machine ended.
    pub fn diagnose(&self) -> Error {
        let errors = String::from_utf8_lossy(&self.errors).trim().to_owned();
        if self.kvm_gave_up() {
            let reason = errors.lines().next().unwrap_or_default();
            return Error::Kvm(reason.trim_start_matches("KVM internal error.").trim().to_owned());
        }
        let lines = self.lines();
        if let Some(reason) = lines.iter().find_map(|line| line.split_once(FAILED)) {
            return Error::Guest(reason.1.to_owned());
        }
        if let Some(panic) = lines.iter().position(|line| line.contains("Kernel panic")) {
            // What led to it stands before it.
            let tells = |line: &String| line.contains("BUG:") || line.contains("Oops");
            let from = lines[..panic].iter().position(tells).unwrap_or(panic);
            return Error::Panic(lines[from..lines.len().min(from + SHOWN)].join("\n"));
        }
        match &self.status {
            _ if !errors.is_empty() => Error::Qemu(errors),
            Some(Ok(status)) if !status.success() => Error::Qemu(status.to_string()),
            _ => Error::Died { console: self.last_words() },
        }
    }

    /// The console's lines without their times.
    fn lines(&self) -> Vec<String> {
        String::from_utf8_lossy(&self.console)
            .lines()
            .map(|line| {
                match line.trim_start().strip_prefix('[').and_then(|l| l.split_once("] ")) {
                    Some((time, rest)) if time.trim().parse::<f64>().is_ok() => rest,
                    _ => line,
                }
            })
            .map(|line| line.trim_end().to_owned())
            .filter(|line| !line.is_empty())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn log(console: &str, errors: &str) -> Log {
        let mut log = Log::default();
        log.append(false, console.as_bytes());
        log.append(true, errors.as_bytes());
        log
    }

    #[test]
    fn a_panic_is_told_with_what_led_to_it() {
        let console = "[    1.0] nothing of note\r\n\
                       [    2.1] BUG: kernel NULL pointer dereference\r\n\
                       [    2.2] Kernel panic - not syncing: Fatal exception\r\n";
        let Error::Panic(text) = log(console, "").diagnose() else { panic!("it is a panic") };
        assert_eq!(
            text,
            "BUG: kernel NULL pointer dereference\nKernel panic - not syncing: Fatal exception"
        );
    }

    #[test]
    fn init_tells_why_it_gave_up() {
        let console = format!("{FAILED}failed to mount `root` (9p) on `/lower`\r\n");
        let error = log(&console, "").diagnose().to_string();
        assert_eq!(error, "the guest failed to boot: failed to mount `root` (9p) on `/lower`");
    }

    #[test]
    fn qemu_tells_why_it_gave_up() {
        let error = log("", "qemu-system-x86_64: -m: bad size\n").diagnose().to_string();
        assert_eq!(error, "qemu failed: qemu-system-x86_64: -m: bad size");
    }

    #[test]
    fn a_qemu_that_is_killed_is_not_a_guest_that_switched_itself_off() {
        let mut log = log("", "");
        assert!(matches!(log.diagnose(), Error::Died { .. }));
        log.status = Some(Ok(ExitStatus::from_raw(9)));
        assert_eq!(log.diagnose().to_string(), "qemu failed: signal: 9 (SIGKILL)");
    }

    #[test]
    fn kvm_that_stands_still_is_told_apart() {
        let log = log("", "KVM internal error. Suberror: 1\nemulation failure\nRAX=0\n");
        assert!(log.kvm_gave_up());
        assert_eq!(log.diagnose().to_string(), "KVM does not work here: Suberror: 1");
    }

    #[test]
    fn a_chatty_console_does_not_fill_the_memory() {
        let mut log = Log::default();
        for _ in 0..1000 {
            log.append(false, &[b'x'; 4096]);
        }
        assert!(log.console.len() <= 2 * KEPT);
    }
}
