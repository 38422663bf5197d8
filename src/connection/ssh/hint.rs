//! What went wrong on the way to an agent, in words: `ssh` says it on standard error, and what it
//! says is known.

use std::time::Duration;

use crate::connection::Unreachable;

/// How far it came.
#[derive(Debug)]
pub(super) enum Problem {
    /// The connection ended before the script had its turn.
    Ended,
    /// There is no build for that kind of processor.
    Processor(String),
    /// There is no place where a program may be put and run.
    Nowhere,
    /// What arrived is not what was sent.
    Damaged,
    /// The script said what it never says.
    Nonsense(String),
    /// The agent started, and that was that.
    Agent(Unreachable),
}

/// What a text on standard error means, and what to do about it.
const KNOWN: &[(&str, &str)] = &[
    (
        "you have requested strict checking",
        "it was set up anew, or another machine answers in its place: compare its key before you \
         put it into known_hosts",
    ),
    (
        "Host key verification failed",
        "connect once with `ssh` and compare the host's key, or put it into known_hosts",
    ),
    ("Permission denied", "`ssh HOST true` must work without a question: use a key or an agent"),
    ("Could not resolve hostname", "set `ansible_host` to its address"),
    ("Connection refused", "is sshd running there, and at that port (`ansible_port`)?"),
    ("Connection timed out", "is it up, and is a firewall in between?"),
    ("No route to host", "is it up, and in a network that is reached from here?"),
    ("Operation timed out", "is it up, and is a firewall in between?"),
    ("Bad owner or permissions", "ssh reads no file that others may write"),
    ("GLIBC_", "this build needs a newer libc there: `make dist` builds one that needs none"),
    ("No space left on device", "make room in the home folder or in /var/tmp"),
    ("Disk quota exceeded", "make room in the home folder or in /var/tmp"),
];

/// An error for the user.
pub(super) fn explain(
    host: &str,
    problem: Problem,
    late: Option<Duration>,
    words: &str,
) -> Unreachable {
    if let Some(patience) = late {
        let seconds = patience.as_secs();
        return with_words(format!("`{host}` did not answer within {seconds} s"), words)
            .hint("it accepted the connection, or its network swallows packets");
    }
    let error = match problem {
        Problem::Ended => with_words(format!("no connection to `{host}`"), words),
        Problem::Processor(machine) => {
            return Unreachable::new(format!("`{host}` is a machine of kind `{machine}`")).hint(
                "there is no agent for it beside this program: `make dist` builds those it can",
            );
        }
        Problem::Nowhere => with_words(
            format!("no place for the agent on `{host}`: neither the home folder nor /var/tmp"),
            words,
        ),
        Problem::Damaged => {
            with_words(format!("the agent did not arrive whole on `{host}`"), words)
        }
        Problem::Nonsense(said) => {
            Unreachable::new(format!("`{host}` answered something else: {said}"))
        }
        Problem::Agent(error) => error,
    };
    let known = KNOWN.iter().find(|(text, _)| words.contains(text));
    match (known, &error.hint) {
        (Some((_, hint)), None) => error.hint(*hint),
        _ => error,
    }
}

fn with_words(what: String, words: &str) -> Unreachable {
    let last: Vec<&str> = words.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = last[last.len().saturating_sub(3)..].join("; ");
    Unreachable::new(if last.is_empty() { what } else { format!("{what}: {last}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_ssh_said_and_what_to_do() {
        let words = "web1: Permission denied (publickey).\r\n";
        let error = explain("web1", Problem::Ended, None, words);
        assert_eq!(error.message, "no connection to `web1`: web1: Permission denied (publickey).");
        assert!(error.hint.unwrap().contains("without a question"));
    }

    #[test]
    fn a_deadline_explains_everything_else() {
        let late = Some(Duration::from_secs(40));
        let error = explain("web1", Problem::Ended, late, "");
        assert_eq!(error.message, "`web1` did not answer within 40 s");
    }
}
