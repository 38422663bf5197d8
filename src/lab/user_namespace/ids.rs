//! The ids of a user namespace: its root is the user, and the rest are those that `/etc/subuid`
//! and `/etc/subgid` give to that user, see subuid(5). A helper that stays outside has them mapped.

use std::fmt::Write as _;
use std::fs;
use std::os::fd::AsFd;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::unistd::{User, getegid, geteuid, getuid};
use serde::{Deserialize, Serialize};

use super::super::channel::Channel;
use super::super::process::{self, Process};
use super::{Error, Lacking};
use crate::modules::process::which;

/// What the helper is called on its command line.
pub(in crate::lab) const ROLE: &str = "ids";

/// Where its channel is.
const CHANNEL: i32 = 3;

/// How many ids it takes: a machine has as many, and services run as any of them.
const COUNT: u32 = 65_535;

/// How long the helper may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who is who in a user namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ids {
    user: u32,
    group: u32,
    /// The first of the subordinate ids.
    users: u32,
    groups: u32,
}

impl Ids {
    /// Those of the user who runs this; or why there are none.
    pub(super) fn of_this_user() -> Result<Self, Lacking> {
        let (user, group) = (geteuid().as_raw(), getegid().as_raw());
        let name = User::from_uid(getuid()).ok().flatten().map(|user| user.name);
        let first = |path: &str, option: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            let found = first(&text, name.as_deref(), user);
            found.ok_or_else(|| Lacking {
                why: format!("`{path}` has no {COUNT} ids for this user"),
                remedy: {
                    let (from, user) = (free(&text), name.as_deref().unwrap_or("USER"));
                    format!("have some added: `usermod {option} {from}-{} {user}`", from + COUNT)
                },
            })
        };
        let users = first("/etc/subuid", "--add-subuids")?;
        let ids = Self { user, group, users, groups: first("/etc/subgid", "--add-subgids")? };
        for program in ["newuidmap", "newgidmap"] {
            if which(program).is_none() {
                return Err(Lacking {
                    why: format!("there is no `{program}`"),
                    remedy: "have the package `uidmap` installed".into(),
                });
            }
        }
        Ok(ids)
    }

    /// Starts the helper, which has to be outside of the namespace.
    pub(super) fn mapping(&self) -> Result<Mapping, Error> {
        let failed = |errno| Error::refused("start what maps ids", errno);
        let (channel, theirs) = Channel::pair().map_err(failed)?;
        let nothing = fs::File::options().read(true).write(true).open("/dev/null");
        let nothing = nothing.map_err(|error| Error::io("open `/dev/null`", &error))?;
        let descriptors = [nothing.as_fd(), nothing.as_fd(), nothing.as_fd(), theirs.as_fd()];
        let process = process::spawn(&["lab", ROLE], CloneFlags::empty(), &descriptors);
        Ok(Mapping { ids: self.clone(), channel, process: process.map_err(failed)? })
    }
}

/// A helper that waits for the namespace.
pub(super) struct Mapping {
    ids: Ids,
    channel: Channel,
    process: Process,
}

impl Mapping {
    /// Has the ids mapped for this process, which is in its new namespace by now.
    pub fn finish(self) -> Result<(), Error> {
        let failed = |errno| Error::refused("hear from what maps ids", errno);
        self.channel.patience(PATIENCE).map_err(failed)?;
        let order = Order { pid: std::process::id(), ids: self.ids };
        let answer = self.channel.send(&order, None).and_then(|()| self.channel.receive());
        let (mapped, _): (Result<(), String>, _) =
            answer.map_err(failed)?.ok_or_else(|| failed(Errno::ECONNRESET))?;
        self.process.ended_within(PATIENCE);
        mapped.map_err(|message| Error::Environment {
            message,
            hint: Some("let a micro-VM be root for you with `--vm`".into()),
        })
    }
}

#[derive(Serialize, Deserialize)]
struct Order {
    pid: u32,
    ids: Ids,
}

/// Is the helper.
pub(in crate::lab) fn run() -> ExitCode {
    let Some(channel) = process::inherited(CHANNEL).map(Channel::new) else {
        return process::by_hand();
    };
    let Ok(Some((order, _))) = channel.receive::<Order>() else { return process::by_hand() };
    let Order { pid, ids } = order;
    let mapped = mapped("newuidmap", pid, ids.user, ids.users)
        .and_then(|()| mapped("newgidmap", pid, ids.group, ids.groups));
    match channel.send(&mapped, None) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn mapped(program: &str, pid: u32, own: u32, first: u32) -> Result<(), String> {
    let numbers = [pid, 0, own, 1, 1, first, COUNT];
    let mut command = Command::new(which(program).unwrap_or_else(|| program.into()));
    command.args(numbers.map(|number| number.to_string())).stdin(Stdio::null());
    let output = command.output().map_err(|error| format!("failed to run `{program}`: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let mut message = format!("`{program}` refused to map ids");
    if let Some(line) = String::from_utf8_lossy(&output.stderr).lines().next() {
        let _ = write!(message, ": {line}");
    }
    Err(message)
}

/// The first of enough ids of a user, in lines such as `anna:100000:65536`.
fn first(text: &str, name: Option<&str>, id: u32) -> Option<u32> {
    let lines = text.lines().map(|line| line.split(':').map(str::trim).collect::<Vec<_>>());
    lines
        .filter_map(|fields| match *fields {
            [owner, first, count] => Some((owner, first.parse().ok()?, count.parse().ok()?)),
            _ => None,
        })
        .find(|(owner, _, count): &(&str, u32, u32)| {
            (Some(*owner) == name || owner.parse() == Ok(id)) && *count >= COUNT
        })
        .map(|(_, first, _)| first)
}

/// Where ids begin that are nobody's yet; Debian's first are 100000.
fn free(text: &str) -> u32 {
    let end = |line: &str| {
        let mut fields = line.rsplit(':').map(|field| field.trim().parse::<u32>().ok());
        let (count, first) = (fields.next()??, fields.next()??);
        first.checked_add(count).filter(|end| *end < u32::MAX - COUNT)
    };
    text.lines().filter_map(end).fold(100_000, u32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_enough_ids_of_a_user_by_name_and_by_number() {
        let text =
            "# of people\nroot:1:65536\nanna:100000:1000\nanna:165536:65536\n77:300000:65535\n";
        assert_eq!(first(text, Some("anna"), 1000), Some(165_536));
        assert_eq!(first(text, None, 77), Some(300_000));
        assert_eq!(first(text, Some("berta"), 1001), None);
        assert_eq!(first("anna:x:65536\nanna:1\n", Some("anna"), 1000), None);
    }

    #[test]
    fn proposes_ids_that_are_nobodys() {
        assert_eq!(free(""), 100_000);
        assert_eq!(free("anna:100000:65536\nberta:165536:65536\nx\n"), 231_072);
        assert_eq!(free("anna:4294967290:65536\n"), 100_000);
    }
}
