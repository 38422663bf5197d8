//! What ipvsadm says when it refuses, in its words, and the exit codes that go with it.

use nix::errno::Errno;

use super::options::{Subject, Verb};
use super::parse::Problem;
use crate::netlink::ipvs::{self, Refused, Request};

/// What goes wrong between the command line and the kernel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Mistake {
    #[error("Try `{0} -h' or '{0} --help' for more information.")]
    NoCommand(String),
    #[error("{0}: {1}")]
    Switch(String, Problem),
    #[error("invalid option `{0}'")]
    SecondCommand(String),
    #[error("multiple '{0}' options specified")]
    Repeated(Subject),
    #[error("unexpected argument {0}")]
    Unexpected(String),
    #[error("You need to supply the '{0}' option for the {1}")]
    Missing(Subject, Of),
    #[error("Illegal '{0}' option with the {1}")]
    Illegal(Subject, Of),
    #[error("The option '{0}' conflicts with the '{1}' option in the {2}")]
    Conflict(Subject, Subject, Of),
    #[error("options conflicts in the list command")]
    ListConflict,
    #[error("--set option requires 3 timeout values")]
    ThreeTimeouts,
    #[error("invalid timeout value `{0}' specified")]
    Timeout(String),
    #[error("invalid fwmark value `{0}' specified")]
    Fwmark(String),
    // The line feed is the real one's.
    #[error("-6 used before -f\n")]
    Ipv6First,
    #[error("illegal {0} specified")]
    Value(&'static str),
    #[error("invalid scheduler flag `{0}'")]
    SchedulerFlag(String),
    #[error("incompatible scheduler flag `{0}'")]
    IncompatibleFlag(String),
    #[error("invalid {0} mcast-group `{1}'")]
    Group(&'static str, String),
    #[error("Zero port specified for non-persistent service")]
    ZeroPort,
    #[error("One-Packet Scheduling is only for UDP virtual services")]
    OnePacket,
    #[error("Different address family is allowed only for tunneling servers")]
    OtherFamily,
    #[error("Tunnel options conflict with forward method")]
    NoTunnel,
    /// A name that no kernel can have; said as the kernel's own answer would be.
    #[error("{0}")]
    NoSuchName(String),
    /// What the real one would send, and the kernel would take, although it makes no sense.
    #[error("{}{}", .0.message, .0.hint.as_ref().map_or(String::new(), |hint| format!("; {hint}")))]
    Refused(Refused),
}

/// What a rule is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Of {
    #[error("'{}' command", .0.name())]
    Command(Verb),
    #[error("'{0}' tunnel type")]
    Tunnel(&'static str),
}

/// A change that the kernel refused, and what else ends with 255.
const REFUSED: u8 = 255;
/// Wrong use.
const USAGE: u8 = 2;
/// A list that could not be had.
const LISTING: u8 = 1;

impl Mistake {
    /// The exit code.
    fn code(&self) -> u8 {
        match self {
            Self::NoCommand(_) | Self::Switch(..) | Self::NoSuchName(_) | Self::Refused(_) => {
                REFUSED
            }
            _ => USAGE,
        }
    }

    /// Whether a restore goes on with the next line.
    fn is_passed_over(&self) -> bool {
        matches!(self, Self::Switch(..) | Self::NoSuchName(_) | Self::Refused(_))
    }
}

/// How a command line failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// The exit code.
    pub(super) code: u8,
    /// What is told on standard error; nothing when empty.
    pub(super) message: String,
    /// Whether a restore goes on with the next line.
    pub(super) is_passed_over: bool,
}

impl Failure {
    /// Something that could not be listed.
    pub(super) fn of_listing(message: String) -> Self {
        Self { code: LISTING, message, is_passed_over: false }
    }

    /// The kernel did not tell what was to be listed.
    pub(super) fn of_reading(error: &ipvs::Error) -> Self {
        Self::of_listing(said(Asked::Service, error))
    }

    /// The rules to restore cannot be read to their end.
    pub(super) fn of_input(error: &std::io::Error) -> Self {
        Self::of_listing(format!("failed to read rules: {error}"))
    }

    /// The service to be listed is not there.
    pub(super) fn no_such_service() -> Self {
        Self::of_listing(said_of(Asked::Service, Errno::ESRCH))
    }

    /// There is no IPVS, or it must not be used.
    pub(super) fn of_opening(error: &ipvs::Error) -> Self {
        let message = format!(
            "Can't initialize ipvs: {}\n\
             Are you sure that IP Virtual Server is built in the kernel or as module?",
            said(Asked::Other, error)
        );
        Self { code: USAGE, message, is_passed_over: false }
    }

    /// The kernel did not make a change.
    pub(super) fn of_change(request: &Request, error: &ipvs::Error) -> Self {
        let message = said(Asked::Change(request), error);
        Self { code: REFUSED, message, is_passed_over: true }
    }
}

impl From<Mistake> for Failure {
    fn from(mistake: Mistake) -> Self {
        let is_passed_over = mistake.is_passed_over();
        Self { code: mistake.code(), message: mistake.to_string(), is_passed_over }
    }
}

/// The output cannot be written; that its reader has seen enough is not worth a word.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::of_listing(match error.kind() {
            std::io::ErrorKind::BrokenPipe => String::new(),
            _ => format!("failed to write: {error}"),
        })
    }
}

/// What was asked of the kernel, as far as its answers are said differently.
#[derive(Debug, Clone, Copy)]
enum Asked<'a> {
    Change(&'a Request),
    Service,
    Other,
}

/// What an error of the netlink room is called here.
fn said(asked: Asked<'_>, error: &ipvs::Error) -> String {
    match error {
        ipvs::Error::Kernel { errno, .. } => said_of(asked, *errno),
        ipvs::Error::NoIpvs => said_of(asked, Errno::ENOPROTOOPT),
        // ipvsadm has no word for it, since it knows only the other interface.
        ipvs::Error::UserNamespace { .. } => {
            format!("{error}\n{}", error.hint().unwrap_or_default())
        }
        other => other.to_string(),
    }
}

/// What a number of the kernel is called here.
fn said_of(asked: Asked<'_>, errno: Errno) -> String {
    use Request::{
        AddDestination, AddService, EditDestination, EditService, RemoveDestination, RemoveService,
        StartDaemon, StopDaemon, Zero,
    };
    let known = match (asked, errno) {
        (Asked::Change(AddService(_)), Errno::EEXIST) => "Service already exists",
        (Asked::Change(AddService(_) | EditService(_)), Errno::ENOENT) => {
            "Scheduler or persistence engine not found"
        }
        (Asked::Change(EditService(_) | RemoveService(_) | Zero(_)), Errno::ESRCH)
        | (Asked::Service, Errno::ESRCH) => "No such service",
        (
            Asked::Change(AddDestination(..) | EditDestination(..) | RemoveDestination(..)),
            Errno::ESRCH,
        ) => "Service not defined",
        (Asked::Change(AddDestination(..)), Errno::EEXIST) => "Destination already exists",
        (Asked::Change(EditDestination(..) | RemoveDestination(..)), Errno::ENOENT) => {
            "No such destination"
        }
        (Asked::Change(StartDaemon(_)), Errno::EEXIST) => "Daemon has already run",
        (Asked::Change(StopDaemon(_)), Errno::ESRCH) => "No daemon is running",
        (_, Errno::EPERM) => "Permission denied (you must be root)",
        (_, Errno::EINVAL) => {
            "Invalid operation.  Possibly wrong module version, address not unicast, ..."
        }
        (_, Errno::ENOPROTOOPT) => "Protocol not available",
        (_, Errno::ENOMEM) => "Memory allocation problem",
        (_, Errno::EOPNOTSUPP) => "Operation not supported with IPv6",
        (_, Errno::EAFNOSUPPORT) => "Operation not supported with specified address family",
        (_, Errno::EMSGSIZE) => "Module is wrong version",
        (_, errno) => return described(errno),
    };
    known.into()
}

/// What the C library says of a number.
fn described(errno: Errno) -> String {
    let number = errno as i32;
    let text = std::io::Error::from_raw_os_error(number).to_string();
    text.trim_end_matches(&format!(" (os error {number})")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::ipvs::{Protocol, Scheduler, Service, ServiceKey};

    #[test]
    fn says_the_same_number_differently() {
        let key = ServiceKey::address(Protocol::Tcp, [10, 0, 0, 1], 80);
        let service = Service::new(key, Scheduler::new("rr").unwrap());
        let add = Request::AddService(service);
        assert_eq!(said_of(Asked::Change(&add), Errno::EEXIST), "Service already exists");
        let stop = Request::RemoveService(key);
        assert_eq!(said_of(Asked::Change(&stop), Errno::ESRCH), "No such service");
        assert_eq!(said_of(Asked::Other, Errno::ESRCH), "No such process");
        assert_eq!(said_of(Asked::Other, Errno::ERANGE), "Numerical result out of range");
    }

    #[test]
    fn knows_where_a_rule_stands() {
        let missing = Mistake::Missing(Subject::Service, Of::Command(Verb::Add));
        assert_eq!(
            missing.to_string(),
            "You need to supply the 'service-address' option for the 'add-service' command"
        );
        let tunnel = Mistake::Illegal(Subject::TunPort, Of::Tunnel("gre"));
        assert_eq!(tunnel.to_string(), "Illegal 'tun-port' option with the 'gre' tunnel type");
    }
}
