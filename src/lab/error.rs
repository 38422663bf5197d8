//! What goes wrong with labs, in words and with a remedy.
//!
//! The variants are what a caller must tell apart. They cross a socket from the keeper and the
//! hosts, so causes are kept as words.

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use crate::diagnostic::Diagnostic;

/// Why something about a lab did not work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Error {
    /// The machine lacks something: a permission, a kernel feature, room.
    #[error("{message}")]
    Environment {
        /// What happened.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// A lab of that name is there already.
    #[error("lab `{name}` is up already, from `{folder}`")]
    AlreadyUp {
        /// Its name.
        name: String,
        /// The folder it was started from.
        folder: String,
    },
    /// A lab of that name is being started by somebody else right now.
    #[error("lab `{0}` is just coming up")]
    ComingUp(String),
    /// No lab of that name or folder is up.
    #[error("no lab {}is up", asked.as_ref().map_or_else(String::new, |name| format!("`{name}` ")))]
    NotUp {
        /// What was asked for, if anything was.
        asked: Option<String>,
        /// The labs that are up.
        up: Vec<String>,
    },
    /// Several labs could be meant.
    #[error("{} labs are up: {}", up.len(), up.join(", "))]
    Ambiguous {
        /// The labs that are up.
        up: Vec<String>,
    },
    /// The lab has no host of that name.
    #[error("lab `{lab}` has no host `{host}`")]
    NoHost {
        /// The lab.
        lab: String,
        /// The host that was asked for.
        host: String,
        /// The hosts it has.
        hosts: Vec<String>,
    },
    /// The first process of the host is gone, and with it the host.
    #[error("lab host `{0}` has ended")]
    HostEnded(String),
    /// A command could not be started in a host.
    #[error("failed to run `{program}` on `{host}`: {message}")]
    Command {
        /// The host.
        host: String,
        /// The program.
        program: String,
        /// Why.
        message: String,
        /// Whether there is no such program.
        missing: bool,
    },
    /// The lab's keeper does not answer as it should.
    #[error("the keeper of lab `{lab}` {what}")]
    Keeper {
        /// The lab.
        lab: String,
        /// What it did.
        what: String,
    },
    /// The lab was told to end, and something keeps it.
    #[error("lab `{0}` did not end: one of its processes is not reaped")]
    Held(String),
}

impl Error {
    /// Says what the kernel refused, and what to do about it where that is known.
    pub(super) fn refused(what: impl std::fmt::Display, errno: Errno) -> Self {
        let hint = match errno {
            Errno::EPERM | Errno::EACCES => {
                Some("run as root, or let a micro-VM be root for you with `--vm`")
            }
            Errno::ENODEV | Errno::EOPNOTSUPP => {
                Some("the kernel lacks this: load its module, or run with `--vm`")
            }
            Errno::EINVAL | Errno::ENOSYS => {
                Some("the kernel may be too old or lack this: run with `--vm`")
            }
            Errno::ENOSPC => Some(
                "a filesystem in memory is full, or a limit in `/proc/sys/user` is reached, such as \
                 max_net_namespaces",
            ),
            Errno::EMSGSIZE => Some("a lab as large as this takes root, or `--vm`"),
            Errno::ENOMEM | Errno::EAGAIN => Some("the machine is short of memory or processes"),
            _ => None,
        };
        Self::Environment {
            message: format!("failed to {what}: {}", errno.desc().to_lowercase()),
            hint: hint.map(Into::into),
        }
    }

    /// Says what failed on files or sockets.
    pub(super) fn io(what: impl std::fmt::Display, error: &std::io::Error) -> Self {
        match error.raw_os_error() {
            Some(code) => Self::refused(what, Errno::from_raw(code)),
            None => Self::Environment { message: format!("failed to {what}: {error}"), hint: None },
        }
    }

    /// What to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let list = |names: &[String]| names.join(", ");
        match self {
            Self::Environment { hint, .. } => hint.clone(),
            Self::AlreadyUp { name, .. } => Some(format!("`lvsmith lab down {name}` ends it")),
            Self::ComingUp(_) => Some("wait for it, then see `lvsmith lab list`".into()),
            Self::NotUp { up, .. } if up.is_empty() => {
                Some("`lvsmith lab up FOLDER` starts one".into())
            }
            Self::NotUp { up, .. } => Some(format!("up are: {}", list(up))),
            Self::Ambiguous { .. } => Some("say which one is meant".into()),
            Self::NoHost { host, hosts, .. } => {
                Diagnostic::new("").did_you_mean(host, hosts.iter().map(String::as_str)).hint
            }
            Self::HostEnded(_) => Some("take the lab down and up again".into()),
            Self::Command { missing: true, .. } => {
                Some("a lab host has the programs of this machine; install it here".into())
            }
            Self::Held(_) => Some("end the connections to its hosts first".into()),
            Self::Command { .. } | Self::Keeper { .. } => None,
        }
    }
}

impl From<crate::netlink::route::Error> for Error {
    fn from(error: crate::netlink::route::Error) -> Self {
        Self::Environment { message: error.to_string(), hint: error.hint().map(Into::into) }
    }
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        let hint = error.hint();
        let diagnostic = Self::new(error.to_string());
        match hint {
            Some(hint) => diagnostic.hint(hint),
            None => diagnostic,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_refuses_comes_with_a_remedy() {
        let error = Error::refused("start a host", Errno::EPERM);
        assert_eq!(error.to_string(), "failed to start a host: operation not permitted");
        assert!(error.hint().is_some_and(|hint| hint.contains("root")));
        let error = Error::refused("mount a filesystem of the kind `overlay`", Errno::ENODEV);
        assert!(error.hint().is_some_and(|hint| hint.contains("--vm")));
    }

    #[test]
    fn says_which_labs_and_hosts_there_are() {
        let none = Error::NotUp { asked: None, up: Vec::new() };
        assert_eq!(none.to_string(), "no lab is up");
        let other = Error::NotUp { asked: Some("dr".into()), up: vec!["lvs-dr".into()] };
        assert_eq!(other.to_string(), "no lab `dr` is up");
        assert_eq!(other.hint().as_deref(), Some("up are: lvs-dr"));
        let hosts = vec!["rs1".into(), "lb1".into()];
        let host = Error::NoHost { lab: "dr".into(), host: "rs2".into(), hosts };
        assert_eq!(host.hint().as_deref(), Some("did you mean `rs1`?"));
    }

    #[test]
    fn survives_the_way_from_the_keeper() {
        let error = Error::Environment { message: "x".into(), hint: Some("y".into()) };
        let text = serde_json::to_string(&error).expect("encodes");
        assert_eq!(serde_json::from_str::<Error>(&text).expect("decodes"), error);
    }
}
