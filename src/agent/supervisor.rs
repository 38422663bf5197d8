//! Services where no systemd runs, as in a lab host: reads the real unit file and does what
//! it says. It keeps no process of its own: a service is found again by its PID file, or by
//! the record that starting it left under `/run`.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::modules::Error;
use crate::modules::filesystem::Identity;
use crate::modules::process::{Output, Program};

mod exec;
mod process;
mod unit;

pub use unit::{Kind, Unit};

use exec::Exec;
use process::Record;
use unit::KillMode;

/// How long to wait for a daemon's PID file after its start command has ended.
const PID_FILE: Duration = Duration::from_secs(5);

/// How long the other processes have to follow their main process.
const GRACE: Duration = Duration::from_millis(500);

/// How long the kernel may take to end what was killed.
const KILLED: Duration = Duration::from_secs(5);

/// The main process of a service, when it runs.
#[must_use]
pub fn main_pid(unit: &Unit) -> Option<i32> {
    let record = Record::read(unit);
    let Some(path) = &unit.pid_file else {
        return record.filter(Record::holds).map(|record| record.pid);
    };
    let pid = recorded(path)?;
    // A PID file outlives its daemon, and the number may be another process's by now.
    let ours = match record {
        Some(record) if record.pid == pid => record.holds(),
        _ => process::alive(pid) && process::runs(pid, unit.programs()),
    };
    ours.then_some(pid)
}

fn recorded(pid_file: &Path) -> Option<i32> {
    fs::read_to_string(pid_file).ok()?.trim().parse().ok()
}

/// Starts a service and returns once it runs. What was begun of it is stopped on a failure.
pub fn start(unit: &Unit) -> Result<(), Error> {
    if unit.masked {
        return Err(Error::new(format!("the unit `{}` is masked", unit.name))
            .hint(format!("`{}` leads to /dev/null; remove that link", unit.path.display())));
    }
    make_folders(unit)?;
    for command in &unit.exec_start_pre {
        complete(unit, command, "ExecStartPre")?;
    }
    begin(unit)
        .and_then(|()| {
            let mut commands = unit.exec_start_post.iter();
            commands.try_for_each(|command| complete(unit, command, "ExecStartPost").map(drop))
        })
        .inspect_err(|_| {
            // Why it failed to start matters more than whether its rest ends.
            let _ = stop(unit);
        })
}

fn begin(unit: &Unit) -> Result<(), Error> {
    let Some(command) = unit.exec_start.first() else {
        return Err(Error::new(format!("the unit `{}` has no ExecStart", unit.name)));
    };
    match unit.kind {
        Kind::Forking => {
            let when = process::now();
            let output = complete(unit, command, "ExecStart")?;
            wait_for_pid_file(unit, when, &output)
        }
        Kind::Oneshot => {
            for command in &unit.exec_start {
                complete(unit, command, "ExecStart")?;
            }
            if unit.remains { Record::of_this_boot().write(unit) } else { Ok(()) }
        }
        Kind::Simple | Kind::Notify => {
            let pid = process::spawn(unit, command)?;
            Record::of(pid)?.write(unit)
        }
    }
}

/// Stops a service and returns once its processes are gone.
pub fn stop(unit: &Unit) -> Result<(), Error> {
    let main = main_pid(unit);
    let mut members = main.map(process::session).unwrap_or_default();
    let mut refused = None;
    if main.is_some() {
        for command in &unit.exec_stop {
            // As systemd does: what the command cannot end, signals will.
            refused = complete(unit, command, "ExecStop").err();
        }
    }
    // A oneshot that remains has process 1 for its record: nothing to signal.
    if let Some(main) = main.filter(|pid| *pid != 1) {
        members.retain(|record| unit.kill_mode != KillMode::Process || record.pid == main);
        let gone = || !members.iter().any(Record::holds);
        if !wait(Duration::from_millis(20), gone) {
            let first = members
                .iter()
                .filter(|record| unit.kill_mode == KillMode::ControlGroup || record.pid == main);
            signal(first, unit.kill_signal);
            if !wait(unit.timeout_stop, || !process::alive(main)) || !wait(GRACE, gone) {
                signal(members.iter(), Signal::SIGKILL);
            }
        }
        if !wait(KILLED, gone) {
            let error = Error::new(format!("`{}` does not end, not even by SIGKILL", unit.name));
            return Err(match refused {
                Some(refused) => error.hint(refused.message),
                None => error,
            });
        }
    }
    Record::remove(unit);
    Ok(())
}

fn signal<'a>(members: impl Iterator<Item = &'a Record>, signal: Signal) {
    for record in members.filter(|record| record.holds()) {
        // One that has just ended by itself is what was wanted.
        let _ = kill(Pid::from_raw(record.pid), signal);
    }
}

/// Has a service read its configuration again.
pub fn reload(unit: &Unit) -> Result<(), Error> {
    if unit.exec_reload.is_empty() {
        return Err(Error::new(format!("the unit `{}` has no ExecReload", unit.name))
            .hint("use `state: restarted`"));
    }
    for command in &unit.exec_reload {
        complete(unit, command, "ExecReload")?;
    }
    Ok(())
}

/// Runs one of the unit's commands to its end.
fn complete(unit: &Unit, command: &Exec, key: &str) -> Result<Output, Error> {
    let mut program = Program::new(command.argv_with(main_pid(unit), &unit.environment))
        .timeout(if key == "ExecStop" { unit.timeout_stop } else { unit.timeout_start })
        .identity(process::identity(unit, command)?)
        .directory(unit.working_directory.as_deref());
    for (name, value) in &unit.environment {
        program = program.environment(name, value);
    }
    let output: Output = match program.run() {
        Ok(output) => output,
        Err(_) if command.ignore_failure => return Ok(Output::default()),
        Err(error) => return Err(error),
    };
    if output.success() || command.ignore_failure {
        return Ok(output);
    }
    Err(known(output.error(&format!("{key} of `{}`", unit.name))))
}

/// Adds what is known of a daemon's own words.
fn known(error: Error) -> Error {
    let error_says = |words: &str| error.message.contains(words);
    if error_says("Address already in use") {
        error.hint("another program has the port; `ss -ltnp` on that host says which")
    } else if error_says("Cannot assign requested address") {
        error.hint("no interface of that host has the address; add it first, with `address`")
    } else {
        error
    }
}

/// Waits for the PID file of a daemon that was started at `when`.
fn wait_for_pid_file(unit: &Unit, when: u64, output: &Output) -> Result<(), Error> {
    let Some(path) = &unit.pid_file else {
        return Err(Error::new(format!(
            "the unit `{}` is of `Type=forking` and names no PIDFile",
            unit.name
        ))
        .hint("without systemd its main process cannot be found; name one in a drop-in"));
    };
    // One that is new is it, even if a script started another program than itself.
    let daemon = || recorded(path).filter(|pid| process::alive_since(*pid, when));
    if wait(PID_FILE, || daemon().is_some()) {
        return daemon().map_or(Ok(()), |pid| Record::of(pid)?.write(unit));
    }
    let message = format!("`{}` was started, but `{}` names no process", unit.name, path.display());
    let error = match output.last_words() {
        words if words.is_empty() => Error::new(message),
        words => Error::new(format!("{message}: {words}")),
    };
    Err(error.hint("its own log says why it ended"))
}

fn make_folders(unit: &Unit) -> Result<(), Error> {
    let identity = unit.user.as_deref().map(|_| process::service_identity(unit)).transpose()?;
    for path in &unit.directories {
        fs::create_dir_all(path)
            .map_err(|error| Error::io(format!("failed to make `{}`", path.display()), &error))?;
        if let Some((uid, gid)) = identity.as_ref().and_then(Option::as_ref).map(Identity::ids) {
            chown(path, Some(uid), Some(gid)).map_err(|error| {
                Error::io(format!("failed to give away `{}`", path.display()), &error)
            })?;
        }
    }
    Ok(())
}

/// Waits until something holds; whether it came to hold in time.
fn wait(limit: Duration, holds: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    while !holds() {
        if start.elapsed() > limit {
            return false;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
    true
}

/// Whether a service is started at boot.
#[must_use]
pub fn enabled(unit: &Unit) -> bool {
    unit.wants_links().iter().any(|link| link.symlink_metadata().is_ok())
}

/// Has a service started at boot, or not.
pub fn enable(unit: &Unit, enabled: bool) -> Result<(), Error> {
    let links: Vec<PathBuf> = unit.wants_links();
    if links.is_empty() {
        return Err(Error::new(format!("the unit `{}` has no [Install] section", unit.name)));
    }
    for link in links {
        let failed = |error: &std::io::Error| {
            Error::io(format!("failed to change `{}`", link.display()), error)
        };
        match link.symlink_metadata() {
            Ok(_) if !enabled => fs::remove_file(&link).map_err(|error| failed(&error))?,
            Err(_) if enabled => {
                if let Some(folder) = link.parent() {
                    fs::create_dir_all(folder).map_err(|error| failed(&error))?;
                }
                std::os::unix::fs::symlink(&unit.path, &link).map_err(|error| failed(&error))?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Where a unit that may not be started leads.
const NOTHING: &str = "/dev/null";

/// Keeps a service from being started, or takes that back.
pub fn mask(unit: &Unit, masked: bool) -> Result<(), Error> {
    let link = Path::new("/etc/systemd/system").join(format!("{}.service", unit.name));
    let failed =
        |error: &std::io::Error| Error::io(format!("failed to change `{}`", link.display()), error);
    let leads_nowhere = fs::read_link(&link).is_ok_and(|to| to == Path::new(NOTHING));
    match masked {
        true if leads_nowhere => Ok(()),
        true if link.symlink_metadata().is_ok() => {
            Err(Error::new(format!("`{}` is in the way of a mask", link.display()))
                .hint("a unit file of one's own is not masked but removed"))
        }
        true => std::os::unix::fs::symlink(NOTHING, &link).map_err(|error| failed(&error)),
        false if leads_nowhere => fs::remove_file(&link).map_err(|error| failed(&error)),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests;
