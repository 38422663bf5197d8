//! The processes of services: started apart from the agent, and found again later.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::unistd::setsid;

use super::exec::Exec;
use super::unit::{Kind, Unit};
use crate::modules::Error;
use crate::modules::filesystem::{Accounts, Identity};
use crate::modules::process::search_path;

/// How long a process that was just started has to fail in.
const SETTLING: Duration = Duration::from_millis(150);

/// Which process a service is: the time it began tells it from a later one of that number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) pid: i32,
    began: u64,
}

impl Record {
    pub(super) fn of(pid: i32) -> Result<Self, Error> {
        let began = began(pid).ok_or_else(|| Error::new("the service ended as it was started"))?;
        Ok(Self { pid, began })
    }

    /// A oneshot has no process once it is done; process 1 stands for the boot it was done in.
    pub(super) fn of_this_boot() -> Self {
        Self { pid: 1, began: began(1).unwrap_or_default() }
    }

    pub(super) fn holds(&self) -> bool {
        alive(self.pid) && began(self.pid) == Some(self.began)
    }

    pub(super) fn read(unit: &Unit) -> Option<Self> {
        let text = fs::read_to_string(path(unit)).ok()?;
        let (pid, began) = text.trim().split_once(' ')?;
        Some(Self { pid: pid.parse().ok()?, began: began.parse().ok()? })
    }

    pub(super) fn write(&self, unit: &Unit) -> Result<(), Error> {
        let path = path(unit);
        fs::create_dir_all(&unit.records)
            .and_then(|()| fs::write(&path, format!("{} {}\n", self.pid, self.began)))
            .map_err(|error| Error::io(format!("failed to write `{}`", path.display()), &error))
    }

    pub(super) fn remove(unit: &Unit) {
        // It may never have been there.
        let _ = fs::remove_file(path(unit));
    }
}

fn path(unit: &Unit) -> PathBuf {
    unit.records.join(format!("{}.pid", unit.name))
}

/// The present, on the clock that start times are counted by.
pub(super) fn now() -> u64 {
    let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let (seconds, hundredths) =
        text.split(' ').next().and_then(|uptime| uptime.split_once('.')).unwrap_or(("0", "0"));
    // The kernel counts in USER_HZ towards programs, which is 100 on all but Alpha.
    100 * seconds.parse().unwrap_or(0) + hundredths.parse().unwrap_or(0)
}

/// Whether a process runs that began at that time or later.
pub(super) fn alive_since(pid: i32, when: u64) -> bool {
    alive(pid) && began(pid).is_some_and(|began| began >= when)
}

/// Whether a process runs; a zombie does not.
pub(super) fn alive(pid: i32) -> bool {
    matches!(stat(pid), Some((state, _)) if !matches!(state, 'Z' | 'X'))
}

/// Whether the process is one of these programs, by its file or by its command line.
pub(super) fn runs<'a>(pid: i32, programs: impl Iterator<Item = &'a str> + Clone) -> bool {
    let file = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    // An upgrade under a running daemon leaves it a file without a name.
    let file = file.to_string_lossy().trim_end_matches(" (deleted)").to_owned();
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line).into_owned();
    programs.clone().any(|program| {
        let real = fs::canonicalize(program).unwrap_or_else(|_| PathBuf::from(program));
        // The command line tells scripts, whose file is their interpreter's.
        real == Path::new(&file) || line.contains(program)
    })
}

/// The process and, if it leads a session, everything in that session.
pub(super) fn session(leader: i32) -> Vec<Record> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| *pid == leader || session_of(*pid) == Some(leader))
        .filter_map(|pid| Record::of(pid).ok())
        .collect()
}

fn session_of(pid: i32) -> Option<i32> {
    nix::unistd::getsid(Some(nix::unistd::Pid::from_raw(pid))).ok().map(nix::unistd::Pid::as_raw)
}

/// Whom a command of the unit runs as; `None` leaves it the agent's own user.
pub(super) fn identity(unit: &Unit, exec: &Exec) -> Result<Option<Identity>, Error> {
    if exec.privileged { Ok(None) } else { service_identity(unit) }
}

/// The unit's user and group.
pub(super) fn service_identity(unit: &Unit) -> Result<Option<Identity>, Error> {
    let (user, group) = (unit.user.as_deref(), unit.group.as_deref());
    if user.is_none() && group.is_none() {
        return Ok(None);
    }
    Accounts::read().identity(user.unwrap_or("root"), group).map(Some)
}

fn began(pid: i32) -> Option<u64> {
    stat(pid).map(|(_, began)| began)
}

/// State and start time; see proc(5). The name in parentheses may hold spaces.
fn stat(pid: i32) -> Option<(char, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?.chars().next()?;
    // State is field 3, the start time field 22.
    Some((state, fields.nth(18)?.parse().ok()?))
}

/// Starts a process that stays when the agent ends; an early end is an error with its words.
pub(super) fn spawn(unit: &Unit, exec: &Exec) -> Result<i32, Error> {
    let argv = exec.argv_with(None, &unit.environment);
    let Some((program, arguments)) = argv.split_first() else {
        return Err(Error::new(format!("the unit `{}` has an empty ExecStart", unit.name)));
    };
    let failed = |error: &io::Error| Error::io(format!("failed to start `{program}`"), error);
    let log = unit.records.join(format!("{}.log", unit.name));
    let output = fs::create_dir_all(&unit.records)
        .and_then(|()| File::create(&log))
        .map_err(|error| failed(&error))?;
    let identity = identity(unit, exec)?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("PATH", search_path())
        .envs(unit.environment.iter().cloned())
        .current_dir(unit.working_directory.as_deref().unwrap_or("/"))
        .stdin(Stdio::null())
        .stdout(output.try_clone().map_err(|error| failed(&error))?)
        .stderr(output);
    let ready = match unit.kind {
        Kind::Notify => Some(notify_socket(&mut command).map_err(|error| failed(&error))?),
        _ => None,
    };
    // SAFETY: between fork and exec only system calls are made, on what exists already.
    unsafe {
        command.pre_exec(move || {
            setsid()?;
            Ok(identity.as_ref().map_or(Ok(()), Identity::assume)?)
        });
    }
    let mut child = command.spawn().map_err(|error| failed(&error))?;
    let pid = i32::try_from(child.id()).map_err(|_| Error::new("a process number out of range"))?;
    let limit = if ready.is_some() { unit.timeout_start } else { SETTLING };
    let is_ready = || {
        ready.as_ref().is_some_and(|socket| {
            let mut bytes = [0; 4096];
            let length = socket.recv(&mut bytes).unwrap_or(0);
            String::from_utf8_lossy(&bytes[..length]).lines().any(|line| line == "READY=1")
        })
    };
    let came_up = super::wait(limit, || !alive(pid) || is_ready());
    let said = || last_lines(&fs::read_to_string(&log).unwrap_or_default());
    if let Ok(Some(status)) = child.try_wait() {
        let message = format!("`{}` ended as it was started ({status}): {}", unit.name, said());
        return Err(super::known(Error::new(message)));
    }
    if ready.is_some() && !came_up {
        // Nobody would find it again.
        let _ = child.kill();
        let _ = child.wait();
        let seconds = unit.timeout_start.as_secs();
        let message = format!("`{}` was not ready within {seconds} s: {}", unit.name, said());
        return Err(Error::new(message));
    }
    Ok(pid)
}

/// Where a `Type=notify` service says `READY=1`; see sd_notify(3).
fn notify_socket(command: &mut Command) -> io::Result<std::os::unix::net::UnixDatagram> {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    let name = format!("lvsmith/notify/{}-{:?}", std::process::id(), std::time::Instant::now());
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
    socket.set_nonblocking(true)?;
    command.env("NOTIFY_SOCKET", format!("@{name}"));
    Ok(socket)
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_holds_only_for_the_process_it_is_of() {
        let own = i32::try_from(std::process::id()).expect("a process number");
        let record = Record::of(own).expect("we are alive");
        assert!(record.holds());
        assert!(!Record { began: record.began + 1, ..record }.holds());
        assert!(!Record { pid: i32::MAX, began: 1 }.holds());
    }

    #[test]
    fn a_zombie_is_not_alive() {
        let child = Command::new("true").spawn().expect("starts");
        let pid = i32::try_from(child.id()).expect("a process number");
        assert!(super::super::wait(Duration::from_secs(5), || !alive(pid)));
        drop(child);
    }
}
