//! What goes wrong with links, addresses and routes, in words and with a remedy.

use nix::errno::Errno;

/// Why a request about links, addresses or routes failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No socket.
    #[error("failed to open a route netlink socket")]
    Open(#[source] std::io::Error),
    /// The kernel refused.
    #[error("failed to {what}: {}{}", errno.desc().to_lowercase(), said(.message.as_deref()))]
    Kernel {
        /// What was to be done, as a verb and its object.
        what: String,
        /// The kernel's answer.
        errno: Errno,
        /// The kernel's own words, when it had any.
        message: Option<String>,
    },
    /// There is no interface of that name.
    #[error("no interface `{0}`")]
    NoInterface(super::super::InterfaceName),
    /// The kernel kept changing what was read.
    #[error("failed to {what}: it kept changing while it was read")]
    Unsteady {
        /// What was to be done.
        what: String,
    },
    /// The answer could not be understood.
    #[error("failed to {what}: the kernel's answer could not be decoded")]
    Undecodable {
        /// What was to be done.
        what: String,
    },
    /// The socket broke.
    #[error("failed to {what}: the netlink socket is closed")]
    Closed {
        /// What was to be done.
        what: String,
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
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoInterface(_) => Some("`ip link` lists the interfaces there are"),
            Self::Kernel { errno: Errno::EPERM, .. } => {
                Some("run as root, set `become: true`, or try it in a lab")
            }
            Self::Kernel { errno: Errno::EOPNOTSUPP, .. } => {
                Some("the kernel lacks the driver: load its module, or run with `--vm`")
            }
            // What the kernel says of a queue that it has no module for.
            Self::Kernel { errno: Errno::ENOENT, message: Some(said), .. }
                if said.contains("qdisc kind is unknown") =>
            {
                Some("the kernel lacks `sch_netem`: load it, or run with `--vm`")
            }
            Self::Kernel { errno: Errno::ENETUNREACH, .. } => {
                Some("the gateway must be in a network that an interface has an address in")
            }
            Self::Kernel { errno: Errno::ENETDOWN, .. } => Some("set the interface up first"),
            _ => None,
        }
    }
}

fn said(message: Option<&str>) -> String {
    message.map(|message| format!(" ({})", message.trim_end_matches('.'))).unwrap_or_default()
}

/// A failed exchange that does not know yet what it was for.
pub(super) enum Failure {
    Kernel { errno: Errno, message: Option<String> },
    Closed,
}

impl Failure {
    /// Reads the kernel's answer: a negative error number and, behind the request's header
    /// (16 bytes, since answers are capped), attributes of which the first kind is text.
    pub(super) fn kernel(code: i32, payload: &[u8]) -> Self {
        const NLMSGERR_ATTR_MSG: u16 = 1;
        let message = payload.get(16..).and_then(|attributes| {
            netlink_packet_core::NlasIterator::new(attributes)
                .map_while(Result::ok)
                .find(|attribute| attribute.kind() == NLMSGERR_ATTR_MSG)
                .and_then(|attribute| netlink_packet_core::parse_string(attribute.value()).ok())
        });
        Self::Kernel { errno: Errno::from_raw(code.saturating_neg()), message }
    }

    pub(super) fn into_error(self, what: String) -> Error {
        match self {
            Self::Kernel { errno, message } => Error::Kernel { what, errno, message },
            Self::Closed => Error::Closed { what },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_kernels_own_words() {
        let mut payload = vec![0; 16];
        payload.extend([12, 0, 1, 0]); // length 12, NLMSGERR_ATTR_MSG
        payload.extend(b"too big\0");
        let error = Failure::kernel(-22, &payload).into_error("set the MTU of `eth0`".into());
        assert_eq!(
            error.to_string(),
            "failed to set the MTU of `eth0`: invalid argument (too big)"
        );
    }

    #[test]
    fn survives_hostile_error_payloads() {
        for payload in [&[][..], &[0; 15], &[0; 20], &[255; 40]] {
            let error = Failure::kernel(i32::MIN, payload).into_error("x".into());
            assert!(error.to_string().starts_with("failed to x: "), "{error}");
        }
    }

    #[test]
    fn hints_at_privileges() {
        let error = Failure::kernel(-1, &[]).into_error("add a link".into());
        assert!(error.hint().is_some_and(|hint| hint.contains("root")));
    }
}
