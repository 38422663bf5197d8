//! One run at a time changes a machine. The lock is the kernel's (`flock`), so that it ends
//! with the agents that hold it, however they end; the file says whose it is.
//!
//! All agents of a run share the lock. The folder is locked for the moment in which it is
//! taken, since the kernel cannot turn one kind of lock into the other in one step.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::geteuid;
use serde::{Deserialize, Serialize};

use crate::modules::Error;

/// Who wants to change the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The same in all agents of a run, and in no other run.
    pub run: String,
    /// `user@controller`.
    pub who: String,
    /// The controller's process there.
    pub pid: u32,
    /// What it applies.
    pub playbook: PathBuf,
}

/// Who does so already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Whoever it is.
    #[serde(flatten)]
    pub claim: Claim,
    /// Since when, in seconds of the machine's own clock since 1970.
    pub since: u64,
    /// For how long, in seconds.
    #[serde(default)]
    pub seconds: u64,
}

/// A machine that is held.
#[derive(Debug)]
pub(super) struct Lock {
    _file: Flock<File>,
}

/// Takes the lock, or says who has it.
pub(super) fn take(claim: &Claim) -> Result<Result<Lock, Holder>, Error> {
    take_below(&folder()?, claim)
}

fn take_below(folder: &Path, claim: &Claim) -> Result<Result<Lock, Holder>, Error> {
    let path = folder.join("apply.lock");
    let failed =
        |error: &std::io::Error| Error::io(format!("failed to lock `{}`", path.display()), error);
    let refused = |errno: Errno| failed(&errno.into());
    let guard = File::open(folder).map_err(|error| failed(&error))?;
    let _guard =
        Flock::lock(guard, FlockArg::LockExclusive).map_err(|(_, errno)| refused(errno))?;
    let open = || {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .open(&path)
    };
    let file = open().map_err(|error| failed(&error))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(mut file) => {
            write(&mut file, claim).map_err(|error| failed(&error))?;
            file.relock(FlockArg::LockShared).map_err(refused)?;
            Ok(Ok(Lock { _file: file }))
        }
        Err((mut file, Errno::EWOULDBLOCK)) => {
            let holder = read(&mut file).map_err(|error| failed(&error))?;
            if holder.claim.run != claim.run {
                return Ok(Err(holder));
            }
            let shared = Flock::lock(file, FlockArg::LockSharedNonblock);
            Ok(Ok(Lock { _file: shared.map_err(|(_, errno)| refused(errno))? }))
        }
        Err((_, errno)) => Err(refused(errno)),
    }
}

fn write(file: &mut File, claim: &Claim) -> std::io::Result<()> {
    let holder = Holder { claim: claim.clone(), since: now(), seconds: 0 };
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(&serde_json::to_vec(&holder)?)
}

fn read(file: &mut File) -> std::io::Result<Holder> {
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    let holder: Holder = serde_json::from_slice(&text)?;
    Ok(Holder { seconds: now().saturating_sub(holder.since), ..holder })
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.as_ref().map_or(0, Duration::as_secs)
}

/// A folder of this user's own that is gone after a boot; for root there is one on every machine.
fn folder() -> Result<PathBuf, Error> {
    let user = geteuid();
    let runtime = match user.is_root() {
        true => Some(PathBuf::from("/run")),
        false => {
            let named = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
            let usual = PathBuf::from(format!("/run/user/{user}"));
            [usual].into_iter().chain(named).find(|folder| folder.is_dir())
        }
    };
    let mode = if user.is_root() { 0o755 } else { 0o700 };
    let runtime = runtime.map(|folder| folder.join("lvsmith"));
    let mut last = None;
    for folder in runtime.into_iter().chain([format!("/tmp/lvsmith-{user}").into()]) {
        match own(&folder, mode) {
            Ok(()) => return Ok(folder),
            Err(error) => {
                last =
                    Some(Error::io(format!("no folder for a lock: `{}`", folder.display()), &error))
            }
        }
    }
    Err(last.unwrap_or_else(|| Error::new("no folder for a lock")))
}

/// Makes the folder, unless it is there and this user's.
fn own(folder: &Path, mode: u32) -> std::io::Result<()> {
    match DirBuilder::new().mode(mode).create(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        other => return other,
    }
    let found = fs::symlink_metadata(folder)?;
    if !found.is_dir() || found.uid() != geteuid().as_raw() {
        let message = "it is there, and not a folder of this user's";
        return Err(std::io::Error::new(ErrorKind::PermissionDenied, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(run: &str) -> Claim {
        Claim { run: run.into(), who: "alice@ctl".into(), pid: 42, playbook: "site.yml".into() }
    }

    #[test]
    fn is_shared_by_a_run_and_refused_to_another_until_the_last_agent_ends() {
        let folder = tempfile::tempdir().unwrap();
        let take = |run| take_below(folder.path(), &claim(run)).unwrap();
        let first = take("one").unwrap();
        let second = take("one").unwrap();
        let holder = take("two").unwrap_err();
        assert_eq!(holder.claim, claim("one"));
        assert!(holder.seconds < 60);
        drop(first);
        assert!(take("two").is_err());
        drop(second);
        let other = take("two").unwrap();
        assert_eq!(take("one").unwrap_err().claim.run, "two");
        drop(other);
    }

    #[test]
    fn a_folder_of_somebody_else_is_not_trusted() {
        let folder = tempfile::tempdir().unwrap();
        assert!(own(&folder.path().join("mine"), 0o700).is_ok());
        assert!(own(&folder.path().join("mine"), 0o700).is_ok());
        std::os::unix::fs::symlink("/", folder.path().join("link")).unwrap();
        assert!(own(&folder.path().join("link"), 0o700).is_err());
        assert!(own(&folder.path().join("not/there"), 0o700).is_err());
    }
}
