//! Runs programs for modules: argument vectors only, output captured, errors that name
//! the program.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl;
use nix::sys::signal::Signal;

use super::filesystem::Identity;
use super::{Error, around};

mod free_form;
mod timestamp;
mod words;

pub(crate) use free_form::free_form;
pub(crate) use timestamp::Timestamp;
pub(crate) use words::split;

/// Where programs are looked for after the agent's own `PATH`, which over ssh or in a
/// lab host often lacks the sbin folders.
const FALLBACK_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Output kept of one stream, in bytes; the rest is dropped, so that an answer fits a frame.
const OUTPUT_LIMIT: u64 = 8 << 20;

/// A program to run once, to its end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Program {
    argv: Vec<String>,
    directory: Option<PathBuf>,
    input: Option<Vec<u8>>,
    environment: Vec<(String, String)>,
    timeout: Option<Duration>,
    identity: Option<Identity>,
    outlives: bool,
}

/// How a program ended, and what it said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Output {
    /// The exit code; 128 and the signal's number after a signal, as a shell counts.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

impl Output {
    pub(crate) fn success(&self) -> bool {
        self.code == 0
    }

    /// The last lines it said, on standard error or else on standard output. What is said
    /// several times in a row, as nginx does when it tries again, is told once.
    pub(crate) fn last_words(&self) -> String {
        let said = if self.stderr.trim().is_empty() { &self.stdout } else { &self.stderr };
        let mut lines: Vec<&str> = said.trim_end().lines().collect();
        // nginx tries to bind five times, and says so each time.
        lines.dedup();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }

    /// The program's failure in its own words.
    pub(crate) fn error(&self, what: &str) -> Error {
        match self.last_words() {
            words if words.is_empty() => {
                Error::new(format!("{what} failed with exit code {}", self.code))
            }
            words => Error::new(format!("{what} failed: {words}")),
        }
    }
}

impl Program {
    /// A program with its arguments. The first word is looked up in `PATH`.
    pub(crate) fn new<W: Into<String>>(argv: impl IntoIterator<Item = W>) -> Self {
        Self { argv: argv.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    pub(crate) fn directory(mut self, directory: Option<&str>) -> Self {
        self.directory = directory.map(PathBuf::from);
        self
    }

    pub(crate) fn input(mut self, input: Option<&str>) -> Self {
        self.input = input.map(|text| text.as_bytes().to_vec());
        self
    }

    pub(crate) fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    pub(crate) fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Runs it as somebody else.
    pub(crate) fn identity(mut self, identity: Option<Identity>) -> Self {
        self.identity = identity;
        self
    }

    /// Lets it end its work when the agent dies: half an installation is worse than a whole.
    pub(crate) fn outlive_the_agent(mut self) -> Self {
        self.outlives = true;
        self
    }

    /// Asks for messages that do not depend on the machine's language.
    pub(crate) fn plain_language(self) -> Self {
        self.environment("LC_ALL", "C.UTF-8")
    }

    /// Runs it to its end. An exit code other than 0 is an output, not an error.
    pub(crate) fn run(self) -> Result<Output, Error> {
        let Some((name, arguments)) = self.argv.split_first() else {
            return Err(Error::new("there is no program to run"));
        };
        let failed = |error: &io::Error| spawn_error(name, self.directory.as_ref(), error);
        // Files in memory rather than pipes: a daemon that the program leaves behind keeps
        // the descriptor, and with a pipe we would wait for the daemon's end.
        let stdout = capture().map_err(|error| failed(&error))?;
        let stderr = capture().map_err(|error| failed(&error))?;
        let mut expression = duct::cmd(name, arguments.iter().map(OsString::from))
            .env("PATH", search_path())
            .stdout_file(stdout.try_clone().map_err(|error| failed(&error))?)
            .stderr_file(stderr.try_clone().map_err(|error| failed(&error))?)
            .unchecked()
            .before_spawn(prepare(self.identity.clone(), self.outlives));
        expression = match self.input.clone() {
            Some(bytes) => expression.stdin_bytes(bytes),
            None => expression.stdin_null(),
        };
        if let Some(directory) = &self.directory {
            expression = expression.dir(directory);
        }
        // That of the controller, which a lab host with a `/tmp` of its own does not have.
        if std::env::var_os("TMPDIR").is_some_and(|folder| !PathBuf::from(folder).is_dir()) {
            expression = expression.env_remove("TMPDIR");
        }
        let around = around::environment();
        for (key, value) in around.iter().chain(self.environment.iter().map(|(k, v)| (k, v))) {
            expression = expression.env(key, value);
        }
        let handle = expression.start().map_err(|error| failed(&error))?;
        let limit = self.timeout.into_iter().chain(around::time_left()).min();
        let status = match limit {
            None => Some(handle.wait().map_err(|error| failed(&error))?.status),
            Some(limit) => {
                handle.wait_timeout(limit).map_err(|error| failed(&error))?.map(|out| out.status)
            }
        };
        let Some(status) = status else {
            // Its own message matters more than whether it could be killed.
            let _ = handle.kill();
            around::check_time()?;
            let said = Output { stderr: text(&stderr), stdout: text(&stdout), code: -1 };
            let seconds = self.timeout.unwrap_or_default().as_secs();
            return Err(Error::new(match said.last_words() {
                words if words.is_empty() => format!("`{name}` did not end within {seconds} s"),
                words => format!("`{name}` did not end within {seconds} s: {words}"),
            }));
        };
        let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
        Ok(Output { code: code.unwrap_or(-1), stdout: text(&stdout), stderr: text(&stderr) })
    }
}

/// The agent's `PATH` and after it the folders that have to be in it.
pub(crate) fn search_path() -> String {
    match std::env::var("PATH") {
        Ok(path) if !path.is_empty() => format!("{path}:{FALLBACK_PATH}"),
        _ => FALLBACK_PATH.into(),
    }
}

/// Finds a program as [`Program::run`] would.
pub(crate) fn which(name: &str) -> Option<PathBuf> {
    search_path().split(':').map(|folder| PathBuf::from(folder).join(name)).find(|p| p.is_file())
}

/// What happens in the child, just before it becomes the program.
fn prepare(
    identity: Option<Identity>,
    outlives: bool,
) -> impl Fn(&mut std::process::Command) -> io::Result<()> + Send + Sync {
    move |command| {
        let identity = identity.clone();
        // SAFETY: between fork and exec only system calls are made, on what exists already.
        unsafe {
            command.pre_exec(move || {
                if let Some(identity) = &identity {
                    identity.assume()?;
                }
                // After the change of user, which would forget it.
                if outlives {
                    return Ok(());
                }
                prctl::set_pdeathsig(Signal::SIGTERM).map_err(io::Error::from)
            });
        }
        Ok(())
    }
}

fn capture() -> io::Result<File> {
    Ok(File::from(memfd_create(c"output", MFdFlags::MFD_CLOEXEC)?))
}

/// Reads without moving the offset, which a process left behind may still write at.
fn text(file: &File) -> String {
    let length = file.metadata().map_or(0, |metadata| metadata.len()).min(OUTPUT_LIMIT);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => String::new(),
    }
}

/// Says which program, since the cause itself only says "No such file or directory".
fn spawn_error(name: &str, directory: Option<&PathBuf>, error: &io::Error) -> Error {
    if let Some(directory) = directory.filter(|directory| !directory.is_dir()) {
        return Error::new(format!(
            "failed to run `{name}` in `{}`: there is no such folder",
            directory.display()
        ));
    }
    // A folder in `PATH` that may not be read turns "not found" into "permission denied".
    let nowhere = !name.contains('/') && which(name).is_none();
    if error.kind() == io::ErrorKind::NotFound || nowhere {
        let error = Error::new(format!("failed to run `{name}`: there is no such program"));
        return match package_of(name) {
            Some(package) => error.hint(format!("install the package `{package}`")),
            None if name.contains(' ') => {
                error.hint("`command` runs no shell: write the words apart, or use `shell`")
            }
            None => error,
        };
    }
    Error::io(format!("failed to run `{name}`"), error)
}

/// The Debian package of the programs that modules themselves run.
fn package_of(program: &str) -> Option<&'static str> {
    Some(match program.rsplit('/').next()? {
        "modprobe" => "kmod",
        "ip" | "ss" => "iproute2",
        "nft" => "nftables",
        "nginx" => "nginx",
        "ipvsadm" => "ipvsadm",
        "curl" => "curl",
        "systemctl" => "systemd",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_both_streams_and_the_code() {
        let output = Program::new(["sh", "-c", "echo out; echo err >&2; exit 3"]).run().unwrap();
        assert_eq!(output, Output { code: 3, stdout: "out\n".into(), stderr: "err\n".into() });
    }

    #[test]
    fn last_words_are_not_repeated() {
        let script = "for n in 1 2 3; do echo busy >&2; done; echo gave up >&2; exit 1";
        let output = Program::new(["sh", "-c", script]).run().unwrap();
        assert_eq!(output.last_words(), "busy\ngave up");
    }

    #[test]
    fn names_the_program_that_is_missing() {
        let error = Program::new(["no-such-program-at-all"]).run().unwrap_err();
        assert!(error.message.contains("`no-such-program-at-all`"), "{error}");
    }

    #[test]
    fn names_the_folder_that_is_missing() {
        let error = Program::new(["true"]).directory(Some("/no/such")).run().unwrap_err();
        assert!(error.message.contains("`/no/such`"), "{error}");
    }

    #[test]
    fn does_not_wait_for_what_a_program_leaves_behind() {
        let started = std::time::Instant::now();
        let output = Program::new(["sh", "-c", "sleep 3 & echo done"]).run().unwrap();
        assert_eq!(output.stdout, "done\n");
        assert!(started.elapsed() < Duration::from_secs(2));
    }

    #[test]
    fn ends_a_program_at_its_deadline() {
        let error = Program::new(["sh", "-c", "echo busy >&2; exec sleep 20"])
            .timeout(Duration::from_millis(300))
            .run()
            .unwrap_err();
        assert!(error.message.contains("busy"), "{error}");
    }

    #[test]
    fn counts_a_signal_as_a_shell_does() {
        assert_eq!(Program::new(["sh", "-c", "kill -9 $$"]).run().unwrap().code, 137);
    }
}
