//! Services where no systemd runs, as in a lab host: reads the real unit file and does what
//! it says. It keeps no process of its own: a service is found again by its PID file, or by
//! the record that starting it left under `/run`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::modules::Error;
use crate::modules::process::{Output, Program};

mod process;
mod unit;

pub use unit::{Kind, Unit};

use process::Record;
use unit::Exec;

/// How long to wait for a daemon's PID file after its start command has ended.
const PID_FILE: Duration = Duration::from_secs(5);

/// The main process of a service, when it runs.
#[must_use]
pub fn main_pid(unit: &Unit) -> Option<i32> {
    match &unit.pid_file {
        Some(path) => {
            let pid = fs::read_to_string(path).ok()?.trim().parse().ok()?;
            process::alive(pid).then_some(pid)
        }
        None => Record::read(&unit.name).filter(Record::holds).map(|record| record.pid),
    }
}

/// Starts a service and returns once it runs.
pub fn start(unit: &Unit) -> Result<(), Error> {
    make_folders(unit)?;
    for command in &unit.exec_start_pre {
        complete(unit, command, "ExecStartPre")?;
    }
    let Some(command) = unit.exec_start.first() else {
        return Err(Error::new(format!("the unit `{}` has no ExecStart", unit.name)));
    };
    match unit.kind {
        Kind::Forking => {
            complete(unit, command, "ExecStart")?;
            wait_for_pid_file(unit)?;
        }
        Kind::Oneshot => {
            for command in &unit.exec_start {
                complete(unit, command, "ExecStart")?;
            }
            Record::of_this_boot().write(&unit.name)?;
        }
        Kind::Simple | Kind::Notify => {
            let pid = process::spawn(unit, command)?;
            Record::of(pid)?.write(&unit.name)?;
        }
    }
    for command in &unit.exec_start_post {
        complete(unit, command, "ExecStartPost")?;
    }
    Ok(())
}

/// Stops a service and returns once its main process is gone.
pub fn stop(unit: &Unit) -> Result<(), Error> {
    let pid = main_pid(unit);
    for command in &unit.exec_stop {
        complete(unit, command, "ExecStop")?;
    }
    if let Some(pid) = pid {
        let gone = || !process::alive(pid);
        for signal in [unit.kill_signal, Signal::SIGKILL] {
            if gone() || wait(Duration::from_millis(50), gone) {
                break;
            }
            // One that has just ended by itself is what was wanted.
            let _ = kill(Pid::from_raw(pid), signal);
            wait(unit.timeout_stop, gone);
        }
        if !gone() {
            return Err(Error::new(format!("`{}` does not end, not even by SIGKILL", unit.name)));
        }
    }
    Record::remove(&unit.name);
    Ok(())
}

/// Has a service read its configuration again.
pub fn reload(unit: &Unit) -> Result<(), Error> {
    if unit.exec_reload.is_empty() {
        return Err(Error::new(format!("the unit `{}` has no ExecReload", unit.name))
            .hint("use `state: restarted`"));
    }
    unit.exec_reload.iter().try_for_each(|command| complete(unit, command, "ExecReload"))
}

/// Runs one of the unit's commands to its end.
fn complete(unit: &Unit, command: &Exec, key: &str) -> Result<(), Error> {
    let mut program = Program::new(command.argv_with(main_pid(unit), &unit.environment))
        .timeout(if key == "ExecStop" { unit.timeout_stop } else { unit.timeout_start })
        .directory(unit.working_directory.as_deref());
    for (name, value) in &unit.environment {
        program = program.environment(name, value);
    }
    let output: Output = match program.run() {
        Ok(output) => output,
        Err(_) if command.ignore_failure => return Ok(()),
        Err(error) => return Err(error),
    };
    if output.success() || command.ignore_failure {
        return Ok(());
    }
    let error = output.error(&format!("{key} of `{}`", unit.name));
    Err(if error.message.contains("Address already in use") {
        error.hint("another program has the port; `ss -ltnp` on that host says which")
    } else {
        error
    })
}

fn wait_for_pid_file(unit: &Unit) -> Result<(), Error> {
    let Some(path) = &unit.pid_file else {
        return Err(Error::new(format!(
            "the unit `{}` is of `Type=forking` and names no PIDFile",
            unit.name
        ))
        .hint("without systemd its main process cannot be found; name one in a drop-in"));
    };
    if wait(PID_FILE, || main_pid(unit).is_some()) {
        return Ok(());
    }
    Err(Error::new(format!(
        "`{}` was started, but `{}` names no process",
        unit.name,
        path.display()
    ))
    .hint("its own log says why it ended"))
}

fn make_folders(unit: &Unit) -> Result<(), Error> {
    for folder in &unit.runtime_directory {
        let path = Path::new("/run").join(folder);
        fs::create_dir_all(&path)
            .map_err(|error| Error::io(format!("failed to make `{}`", path.display()), &error))?;
        if let Some(user) = &unit.user {
            process::give(&path, user)?;
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
