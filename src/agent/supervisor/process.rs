//! The processes of services: started apart from the agent, and found again later.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::unistd::{Gid, Uid, initgroups, setgid, setsid, setuid};

use super::unit::{Exec, Kind, Unit};
use crate::modules::Error;
use crate::modules::process::search_path;

/// Where records are kept: gone at the next boot, as the services are.
const RECORDS: &str = "/run/lvsmith/services";

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

    pub(super) fn read(service: &str) -> Option<Self> {
        let text = fs::read_to_string(path(service)).ok()?;
        let (pid, began) = text.trim().split_once(' ')?;
        Some(Self { pid: pid.parse().ok()?, began: began.parse().ok()? })
    }

    pub(super) fn write(&self, service: &str) -> Result<(), Error> {
        let path = path(service);
        fs::create_dir_all(RECORDS)
            .and_then(|()| fs::write(&path, format!("{} {}\n", self.pid, self.began)))
            .map_err(|error| Error::io(format!("failed to write `{}`", path.display()), &error))
    }

    pub(super) fn remove(service: &str) {
        // It may never have been there: services with a PID file need none.
        let _ = fs::remove_file(path(service));
    }
}

fn path(service: &str) -> PathBuf {
    Path::new(RECORDS).join(format!("{service}.pid"))
}

/// Whether a process runs; a zombie does not.
pub(super) fn alive(pid: i32) -> bool {
    matches!(stat(pid), Some((state, _)) if !matches!(state, 'Z' | 'X'))
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
    let log = Path::new(RECORDS).join(format!("{}.log", unit.name));
    let output = fs::create_dir_all(RECORDS)
        .and_then(|()| File::create(&log))
        .map_err(|error| failed(&error))?;
    let user = unit.user.as_deref().map(user).transpose()?;
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
    // SAFETY: setsid, setgid, initgroups and setuid are system calls; what they take was made
    // before the fork.
    unsafe {
        command.pre_exec(move || {
            setsid()?;
            if let Some((name, uid, gid)) = &user {
                initgroups(name, *gid)?;
                setgid(*gid)?;
                setuid(*uid)?;
            }
            Ok(())
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
    if let Ok(Some(status)) = child.try_wait() {
        let said = fs::read_to_string(&log).unwrap_or_default();
        let last: Vec<&str> = said.trim_end().lines().rev().take(10).collect();
        let last = last.into_iter().rev().collect::<Vec<_>>().join("\n");
        return Err(Error::new(format!(
            "`{}` ended as it was started ({status}): {last}",
            unit.name
        )));
    }
    if ready.is_some() && !came_up {
        let seconds = unit.timeout_start.as_secs();
        return Err(Error::new(format!("`{}` was not ready within {seconds} s", unit.name)));
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

/// Gives a folder to a user.
pub(super) fn give(path: &Path, name: &str) -> Result<(), Error> {
    let (_, uid, gid) = user(name)?;
    nix::unistd::chown(path, Some(uid), Some(gid)).map_err(|errno| {
        Error::io(format!("failed to give away `{}`", path.display()), &errno.into())
    })
}

/// A user in `/etc/passwd`; a static binary has no other way to look.
fn user(name: &str) -> Result<(CString, Uid, Gid), Error> {
    let mut text = String::new();
    let read = OpenOptions::new()
        .read(true)
        .open("/etc/passwd")
        .and_then(|mut file| io::Read::read_to_string(&mut file, &mut text));
    read.map_err(|error| Error::io("failed to read `/etc/passwd`", &error))?;
    let unknown = || Error::new(format!("there is no user `{name}`"));
    let line =
        text.lines().find(|line| line.split(':').next() == Some(name)).ok_or_else(unknown)?;
    let mut fields = line.split(':').skip(2);
    let mut number = || fields.next().and_then(|field| field.parse().ok()).ok_or_else(unknown);
    let (uid, gid) = (number()?, number()?);
    let name = CString::new(name).map_err(|_| unknown())?;
    Ok((name, Uid::from_raw(uid), Gid::from_raw(gid)))
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
