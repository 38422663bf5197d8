//! Echo requests of ICMP, and everything that came back for each: an answer, or an error and who
//! sent it.
//!
//! The socket is a raw one, since namespaces let nobody ping without privileges; it is connected,
//! so that the kernel hands over only what concerns the one address.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};
use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, Socket, Type};

use super::Seconds;
use super::packet::wait;
use crate::modules::Error;

mod echo;

pub use echo::{Echo, EchoError, Refused};

/// The header of an echo request.
const HEADER: usize = 8;

/// Who answers pings there?
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ping {
    /// The address.
    pub to: IpAddr,
    /// How many echo requests.
    pub count: u16,
    /// How long each packet is, in bytes, with its IP header.
    pub bytes: u32,
    /// The time from one to the next.
    pub interval: Seconds,
    /// How long to wait for answers after the last one.
    pub timeout: Seconds,
    /// Whether nobody may fragment them, the kernel included.
    pub whole: bool,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pinged {
    /// The address they were sent from, where there is a route.
    pub local: Option<IpAddr>,
    /// One for each echo request.
    pub echoes: Vec<Echo>,
}

impl Ping {
    /// How long a packet's headers are, of IP and of ICMP, in bytes.
    #[must_use]
    pub fn headers(to: IpAddr) -> u32 {
        if to.is_ipv4() { 28 } else { 48 }
    }

    pub(super) fn run(&self) -> Result<Pinged, Error> {
        let failed = |error: io::Error| {
            let told = Error::io(format!("failed to ping `{}`", self.to), &error);
            match error.kind() {
                ErrorKind::PermissionDenied => {
                    told.hint("pings are sent with CAP_NET_RAW only: run as root, or in a lab")
                }
                _ => told,
            }
        };
        let socket = self.socket().map_err(failed)?;
        if let Err(error) = socket.connect(&SocketAddr::new(self.to, 0).into()) {
            let refused = Refused { error: EchoError::of(&error), by: None, mtu: None };
            let echoes = vec![Echo::Refused(refused); self.count.into()];
            return Ok(Pinged { local: None, echoes });
        }
        let local = socket.local_addr().ok().and_then(|local| local.as_socket());
        let mut pinger = Pinger {
            socket,
            family: self.to,
            // The process has one pinger at a time, and a namespace few.
            id: u16::try_from(std::process::id() & 0xffff).unwrap_or(0),
            sent: Vec::new(),
            echoes: vec![Echo::Silence; self.count.into()],
        };
        for number in 0..self.count {
            pinger.send(number, self.payload()).map_err(failed)?;
            let pause = if number + 1 == self.count { self.timeout } else { self.interval };
            pinger.listen(Instant::now() + pause.0).map_err(failed)?;
        }
        Ok(Pinged { local: local.map(|local| local.ip()), echoes: pinger.echoes })
    }

    fn payload(&self) -> usize {
        usize::try_from(self.bytes.saturating_sub(Self::headers(self.to))).unwrap_or(0)
    }

    fn socket(&self) -> io::Result<Socket> {
        let (domain, protocol) = match self.to {
            IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
            IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
        };
        let socket = Socket::new(domain, Type::RAW, Some(protocol))?;
        if self.to.is_ipv4() {
            setsockopt(&socket, sockopt::Ipv4RecvErr, &true)?;
        } else {
            setsockopt(&socket, sockopt::Ipv6RecvErr, &true)?;
            setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true)?;
        }
        if self.whole {
            keep_whole(&socket, self.to)?;
        }
        Ok(socket)
    }
}

/// Sends packets as they are, whatever the kernel has heard of the path; one that its own
/// interface cannot send it refuses.
fn keep_whole(socket: &Socket, to: IpAddr) -> io::Result<()> {
    let (level, option, value) = match to {
        IpAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE),
        IpAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_PROBE),
    };
    // SAFETY: the value is a C int that outlives the call, and its length is given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            libc::socklen_t::try_from(size_of_val(&value)).unwrap_or(0),
        )
    };
    Errno::result(result)?;
    if to.is_ipv6() {
        setsockopt(socket, sockopt::Ipv6DontFrag, &true)?;
    }
    Ok(())
}

/// Echo requests on their way.
struct Pinger {
    socket: Socket,
    /// An address of the family.
    family: IpAddr,
    id: u16,
    /// When each was sent.
    sent: Vec<Instant>,
    /// What became of each.
    echoes: Vec<Echo>,
}

impl Pinger {
    fn send(&mut self, number: u16, payload: usize) -> io::Result<()> {
        let mut message = vec![0; HEADER + payload];
        echo::write_request(&mut message, self.family, self.id, number);
        self.sent.push(Instant::now());
        // An error that came back for an earlier one fails this call, and goes by being read.
        let sent = self.socket.send(&message).or_else(|_| {
            self.hear()?;
            self.socket.send(&message)
        });
        if let Err(error) = sent {
            let refused = Refused { error: EchoError::of(&error), by: None, mtu: None };
            self.note(number, Echo::Refused(refused));
            // What the kernel has to say about it is the same.
            self.hear()?;
        }
        Ok(())
    }

    /// Listens until then, or until something became of each that was sent.
    fn listen(&mut self, until: Instant) -> io::Result<()> {
        let last = self.sent.len() == self.echoes.len();
        loop {
            self.hear()?;
            let open = self.echoes.iter().take(self.sent.len()).any(|one| *one == Echo::Silence);
            if last && !open {
                return Ok(());
            }
            if open {
                if !wait(&self.socket, Some(until))? {
                    return Ok(());
                }
            } else {
                std::thread::sleep(until.saturating_duration_since(Instant::now()));
                return Ok(());
            }
        }
    }

    /// Takes what is there: errors first, since they fail every other call.
    fn hear(&mut self) -> io::Result<()> {
        while let Some((number, refused)) = echo::refusal(&self.socket, self.family, self.id)? {
            if let Some(number) = number {
                self.note(number, Echo::Refused(refused));
            }
        }
        while let Some(heard) = echo::answer(&self.socket, self.family, self.id)? {
            if let Some((number, ttl)) = heard {
                let since = self.sent.get(usize::from(number)).map(Instant::elapsed);
                let seconds = since.unwrap_or(Duration::ZERO).as_secs_f64();
                self.note(number, Echo::Answer { seconds, ttl });
            }
        }
        Ok(())
    }

    /// The first that came back for one counts.
    fn note(&mut self, number: u16, what: Echo) {
        if let Some(echo) = self.echoes.get_mut(usize::from(number))
            && *echo == Echo::Silence
        {
            *echo = what;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ping(bytes: u32) -> Ping {
        let to = [127, 0, 0, 1].into();
        let (interval, timeout) = (Seconds::from_millis(10), Seconds::from_millis(5_000));
        Ping { to, count: 1, bytes, interval, timeout, whole: true }
    }

    #[test]
    fn counts_the_headers_as_part_of_a_packet() {
        assert_eq!(ping(1_500).payload(), 1_472);
        assert_eq!(Ping { to: "fd00::1".parse().expect("ok"), ..ping(1_500) }.payload(), 1_452);
        assert_eq!(ping(3).payload(), 0);
    }
}
