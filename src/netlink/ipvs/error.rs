//! What goes wrong with IPVS, in words and with a remedy.
//!
//! The kernel's generic netlink interface sends nothing but a number, which means something
//! else with each command; `include/net/ip_vs.h` and `ip_vs_ctl.c` say what.

use nix::errno::Errno;

use super::feature::scheduler_since;
use super::message::Request;
use super::refused::Refused;
use super::service::Family;
use super::settings::Release;
use crate::netlink::socket;

/// Why something about IPVS failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel has no IPVS, or its module is not loaded and cannot be.
    #[error("this kernel has no IPVS")]
    NoIpvs,
    /// It makes no sense, though the kernel might have taken it.
    #[error("failed to {what}: {refused}")]
    Refused {
        /// What was to be done, as a verb and its object.
        what: String,
        /// What is wrong with it.
        #[source]
        refused: Refused,
    },
    /// The kernel refused.
    #[error("failed to {what}: {reason}")]
    Kernel {
        /// What was to be done.
        what: String,
        /// The kernel's answer.
        errno: Errno,
        /// What that means here.
        reason: String,
        /// What to do about it, where that is known.
        hint: Option<String>,
    },
    /// The kernel took it, and left out what it does not know.
    #[error("failed to {what}: {feature} came with kernel {since}, and this one is {running}")]
    TooOld {
        /// What was to be done.
        what: String,
        /// What this kernel lacks.
        feature: &'static str,
        /// The first kernel that has it.
        since: Release,
        /// The kernel that runs.
        running: Release,
    },
    /// The interface that the kernel has for a user namespace cannot say it.
    #[error("failed to {what}: IPVS of a user namespace {lacks}")]
    UserNamespace {
        /// What was to be done.
        what: String,
        /// What is missing there.
        lacks: &'static str,
    },
    /// The exchange with the kernel failed.
    #[error("failed to {what}: {source}")]
    Socket {
        /// What was to be done.
        what: String,
        /// How it failed.
        source: socket::Error,
    },
}

impl Error {
    /// The kernel's error number, when the kernel refused.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Kernel { errno, .. } => Some(*errno),
            _ => None,
        }
    }

    /// What to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::NoIpvs => Some("load it with `modprobe ip_vs`, or run in a micro-VM with `--vm`"),
            Self::Refused { refused, .. } => refused.hint.as_deref(),
            Self::Kernel { hint, .. } => hint.as_deref(),
            Self::TooOld { .. } => Some("boot a newer kernel, or try it in a lab with `--vm`"),
            Self::UserNamespace { .. } => Some(
                "the kernel has only its older interface there, which cannot say it: run as root \
                 outside of the user namespace, or in a micro-VM (of a lab: `--vm`)",
            ),
            Self::Socket { .. } => None,
        }
    }

    /// A failed exchange that only read.
    pub(super) fn reading(what: impl Into<String>, error: socket::Error) -> Self {
        match error {
            socket::Error::Kernel(errno) => {
                let (reason, hint) = general(errno);
                Self::Kernel { what: what.into(), errno, reason, hint }
            }
            source => Self::Socket { what: what.into(), source },
        }
    }

    /// A failed request that was to change something.
    pub(super) fn changing(request: &Request, error: socket::Error) -> Self {
        match error {
            socket::Error::Kernel(errno) => Self::answered(request, errno),
            source => Self::Socket { what: request.to_string(), source },
        }
    }

    /// The kernel's answer to a request that was to change something.
    pub(super) fn answered(request: &Request, errno: Errno) -> Self {
        let (reason, hint) = meaning(request, errno).unwrap_or_else(|| general(errno));
        Self::Kernel { what: request.to_string(), errno, reason, hint }
    }
}

type Meaning = (String, Option<String>);

fn general(errno: Errno) -> Meaning {
    match errno {
        Errno::EPERM => (
            "not permitted".into(),
            Some(
                "IPVS needs CAP_NET_ADMIN in the initial user namespace: run as root, or in a \
                 micro-VM with `--vm`"
                    .into(),
            ),
        ),
        errno => (errno.desc().to_lowercase(), None),
    }
}

fn meaning(request: &Request, errno: Errno) -> Option<Meaning> {
    use Request::{
        AddDestination, AddService, EditDestination, EditService, RemoveDestination, RemoveService,
        StartDaemon, StopDaemon, Zero,
    };
    let said = |reason: &str| Some((reason.to_string(), None));
    let hinted = |reason: &str, hint: String| Some((reason.to_string(), Some(hint)));
    match (request, errno) {
        (AddService(_), Errno::EEXIST) => said("it is there already"),
        (AddDestination(..), Errno::EEXIST) => said("it is there already"),
        (EditService(_) | RemoveService(_) | Zero(Some(_)), Errno::ESRCH) => {
            said("there is no such service")
        }
        (AddDestination(key, _) | EditDestination(key, _), Errno::ESRCH)
        | (RemoveDestination(key, _), Errno::ESRCH) => {
            hinted("there is no such service", format!("add the service `{key}` first"))
        }
        (EditDestination(..) | RemoveDestination(..), Errno::ENOENT) => {
            said("there is no such destination")
        }
        (AddService(new) | EditService(new), Errno::ENOENT) => match &new.engine {
            Some(engine) => hinted(
                &format!("scheduler `{}` or engine `{engine}` is not available", new.scheduler),
                format!("try `modprobe ip_vs_{}` and `modprobe ip_vs_pe_{engine}`", new.scheduler),
            ),
            None => {
                let since = match scheduler_since(new.scheduler.as_str()) {
                    Some(since) => format!("; kernels have it since {since}"),
                    None => String::new(),
                };
                hinted(
                    &format!("scheduler `{}` is not available", new.scheduler),
                    format!("try `modprobe ip_vs_{}`{since}", new.scheduler),
                )
            }
        },
        (AddDestination(key, new), Errno::EINVAL)
            if Family::of(new.key.address) != key.family() =>
        {
            hinted(
                "a destination of another family is not taken here",
                "there must be no sync daemon running, and an interface with an address of \
                 that family"
                    .into(),
            )
        }
        (AddDestination(_, new) | EditDestination(_, new), Errno::EINVAL) => hinted(
            &format!("`{}` is neither a local nor a unicast address here", new.key.address),
            "it is a broadcast or link-local address, or no interface here has an address yet"
                .into(),
        ),
        (AddDestination(..) | EditDestination(..), Errno::ERANGE) => {
            said("the weight or a threshold is out of range")
        }
        (AddService(new) | EditService(new), Errno::EAFNOSUPPORT) => {
            said(&format!("this IPVS does not know {}", new.key.family()))
        }
        (StartDaemon(_), Errno::EEXIST) => said("one is running already"),
        (StopDaemon(_), Errno::ESRCH) => said("none is running"),
        (StartDaemon(daemon), Errno::ENODEV) => {
            said(&format!("there is no interface `{}`", daemon.interface))
        }
        (StartDaemon(_), Errno::EINVAL) => hinted(
            "the group or the length does not fit, or a destination is of another family",
            "the group must be a multicast address; there is no synchronisation while a \
             destination is of another family than its service"
                .into(),
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        Destination, Engine, Forward, Persistence, Protocol, Scheduler, Service, ServiceKey,
    };
    use super::*;

    #[test]
    fn says_what_a_number_means_with_each_command() {
        let key = ServiceKey::address(Protocol::Tcp, [10, 0, 0, 1], 80);
        let service = Service::new(key, Scheduler::new("mh").unwrap());
        let sip = Service {
            engine: Engine::new("sip").ok(),
            persistence: None::<Persistence>,
            ..service.clone()
        };
        let rs = Destination::new([10, 0, 0, 2], 80, Forward::Direct);
        let cases = [
            (Request::AddService(service.clone()), Errno::EEXIST, "it is there already", ""),
            (
                Request::AddService(service.clone()),
                Errno::ENOENT,
                "scheduler `mh` is not available",
                "modprobe ip_vs_mh`; kernels have it since 4.18",
            ),
            (Request::AddService(sip), Errno::ENOENT, "or engine `sip`", "ip_vs_pe_sip"),
            (Request::EditService(service.clone()), Errno::ESRCH, "no such service", ""),
            (Request::AddDestination(key, rs), Errno::ESRCH, "no such service", "first"),
            (Request::EditDestination(key, rs), Errno::ENOENT, "no such destination", ""),
            (
                Request::AddDestination(key, rs),
                Errno::EINVAL,
                "`10.0.0.2` is neither",
                "no interface",
            ),
            (Request::Flush, Errno::EPERM, "not permitted", "run as root"),
            (Request::Flush, Errno::ENOMEM, "out of memory", ""),
        ];
        for (request, errno, message, hint) in cases {
            let error = Error::answered(&request, errno);
            let text = error.to_string();
            assert!(text.contains(message), "{text} does not say `{message}`");
            assert!(text.starts_with(&format!("failed to {request}: ")), "{text}");
            assert!(error.hint().unwrap_or("").contains(hint), "{text}: {:?}", error.hint());
        }
    }
}
