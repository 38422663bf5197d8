//! A host is changed by one run at a time: its agents hold it, or the host is left alone.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::unistd::{User, geteuid, gethostname};

use super::{HostState, Shared, interrupted};
use crate::agent::{Claim, Holder};
use crate::connection::{AgentClient, CallError, Unreachable};
use crate::playbook::Playbook;

/// How long to wait at first before asking again; twice as long each time, up to the second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

/// Agents of a run that has just ended, at the far end of a link, may take a moment to notice.
const LINGERING: Duration = Duration::from_millis(500);

/// A wait that is shorter is not worth a word.
const SHORT: Duration = Duration::from_secs(2);

/// Who we are to whoever finds a host held.
pub(super) fn claim(playbook: &Playbook) -> Claim {
    let user = User::from_uid(geteuid()).ok().flatten().map(|user| user.name);
    let user = user.unwrap_or_else(|| geteuid().to_string());
    let host = gethostname().unwrap_or_default().to_string_lossy().into_owned();
    let (who, pid) = (format!("{user}@{host}"), std::process::id());
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let run = format!("{who} {pid} {}", now.unwrap_or_default().as_nanos());
    let playbook = std::path::absolute(&playbook.path).unwrap_or_else(|_| PathBuf::new());
    Claim { run, who, pid, playbook }
}

/// Holds the host, once whoever has it lets go; waits no longer than the options say.
pub(super) fn take(
    agent: &mut AgentClient,
    shared: &Shared<'_>,
    host: &HostState,
    claim: &Claim,
) -> Result<(), CallError> {
    let (begun, patience) = (Instant::now(), shared.options.lock_timeout.max(LINGERING));
    let (mut told, mut pause) = (false, PAUSES.0);
    loop {
        let Err(holder) = agent.hold(claim)? else { return Ok(()) };
        let busy = busy(&holder);
        let left = patience.saturating_sub(begun.elapsed());
        if left.is_zero() || interrupted() {
            let hint = "wait until it ends; `--lock-timeout SECONDS` waits for you";
            return Err(Unreachable::new(busy).hint(hint).into());
        }
        if !told && begun.elapsed() > SHORT {
            told = true;
            shared.waits().push((host.name.to_owned(), busy));
        }
        std::thread::sleep(left.min(pause));
        pause = (pause * 2).min(PAUSES.1);
    }
}

fn busy(holder: &Holder) -> String {
    let Claim { who, pid, playbook, .. } = &holder.claim;
    let (playbook, since) = (playbook.display(), duration(holder.seconds));
    format!(
        "another run changes this host: {who}, process {pid}, has been applying `{playbook}` for {since}"
    )
}

fn duration(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_for_how_long() {
        assert_eq!(duration(59), "59 s");
        assert_eq!(duration(61), "1 min 1 s");
        assert_eq!(duration(7260), "2 h 1 min");
    }
}
