//! What goes out and what comes back as bytes: echo requests, answers, and the errors that the
//! kernel keeps beside them.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::IpAddr;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};
use serde::{Deserialize, Serialize};
use socket2::Socket;

/// So much of a packet is looked at: an IPv4 header with options, and the header of an echo.
const ROOM: usize = 128;

/// What became of an echo request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Echo {
    /// It was answered.
    Answer {
        /// After so long.
        seconds: f64,
        /// The time to live, or hop limit, that the answer had left.
        ttl: Option<u8>,
    },
    /// An error came back, or it could not be sent.
    Refused(Refused),
    /// Nothing came back.
    Silence,
}

impl Echo {
    /// Whether it was answered.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        matches!(self, Self::Answer { .. })
    }
}

/// An error in place of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// What is wrong.
    pub error: EchoError,
    /// Who said so; nobody where the own kernel did not even send.
    pub by: Option<IpAddr>,
    /// The largest packet that the next link takes, as it was said, in bytes.
    pub mtu: Option<u32>,
}

/// What can be wrong with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EchoError {
    /// There is no route.
    NoRoute,
    /// There is one, and nobody at its end: address resolution failed.
    HostUnreachable,
    /// It is too large, and may not be fragmented.
    TooBig,
    /// A firewall forbids it.
    Prohibited,
    /// It was forwarded too often.
    TooManyHops,
    /// Another one, by its number.
    Other(i32),
}

impl EchoError {
    /// What an error of a system call means.
    pub(super) fn of(error: &io::Error) -> Self {
        match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ENETUNREACH) => Self::NoRoute,
            Some(Errno::EHOSTUNREACH) => Self::HostUnreachable,
            Some(Errno::EMSGSIZE) => Self::TooBig,
            Some(Errno::EPERM | Errno::EACCES) => Self::Prohibited,
            Some(other) => Self::Other(other as i32),
            None => Self::Other(0),
        }
    }

    /// What an ICMP error means, by type and code.
    fn heard(error: &libc::sock_extended_err) -> Self {
        match (error.ee_origin, error.ee_type, error.ee_code) {
            (libc::SO_EE_ORIGIN_ICMP, 3, 0 | 6) | (libc::SO_EE_ORIGIN_ICMP6, 1, 0) => Self::NoRoute,
            (libc::SO_EE_ORIGIN_ICMP, 3, 1 | 7) | (libc::SO_EE_ORIGIN_ICMP6, 1, 3) => {
                Self::HostUnreachable
            }
            (libc::SO_EE_ORIGIN_ICMP, 3, 4) | (libc::SO_EE_ORIGIN_ICMP6, 2, _) => Self::TooBig,
            (libc::SO_EE_ORIGIN_ICMP, 3, 9 | 10 | 13)
            | (libc::SO_EE_ORIGIN_ICMP6, 1, 1 | 5 | 6) => Self::Prohibited,
            (libc::SO_EE_ORIGIN_ICMP, 11, _) | (libc::SO_EE_ORIGIN_ICMP6, 3, _) => {
                Self::TooManyHops
            }
            _ => Self::of(&io::Error::from_raw_os_error(
                i32::try_from(error.ee_errno).unwrap_or_default(),
            )),
        }
    }
}

impl fmt::Display for EchoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoRoute => "no route",
            Self::HostUnreachable => "host unreachable",
            Self::TooBig => "too large for the next link",
            Self::Prohibited => "prohibited",
            Self::TooManyHops => "too many hops",
            Self::Other(number) => {
                return write!(f, "{}", io::Error::from_raw_os_error(*number));
            }
        })
    }
}

/// The types of an echo request and of its answer.
fn types(family: IpAddr) -> (u8, u8) {
    if family.is_ipv4() { (8, 0) } else { (128, 129) }
}

/// Fills the header of a request; the kernel computes the checksum of IPv6 alone.
pub(super) fn write_request(message: &mut [u8], family: IpAddr, id: u16, number: u16) {
    if let Some(header) = message.first_chunk_mut::<8>() {
        let ([a, b], [c, d]) = (id.to_be_bytes(), number.to_be_bytes());
        *header = [types(family).0, 0, 0, 0, a, b, c, d];
    }
    if family.is_ipv4() {
        let [high, low] = checksum(message).to_be_bytes();
        if let Some(field) = message.get_mut(2..4) {
            field.copy_from_slice(&[high, low]);
        }
    }
}

/// The internet checksum.
fn checksum(bytes: &[u8]) -> u16 {
    let word = |pair: &[u8]| match pair {
        [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
        [high] => u32::from(*high) << 8,
        _ => 0,
    };
    // A packet has at most 32768 words, whose sum has room.
    let sum: u32 = bytes.chunks(2).map(word).sum();
    let folded = (sum >> 16) + (sum & 0xffff);
    let folded = (folded >> 16) + (folded & 0xffff);
    !u16::try_from(folded).unwrap_or(u16::MAX)
}

/// The number in an echo of this type and id.
fn number(message: &[u8], kind: u8, id: u16) -> Option<u16> {
    let [found, 0, _, _, a, b, c, d] = *message.first_chunk::<8>()? else { return None };
    (found == kind && u16::from_be_bytes([a, b]) == id).then(|| u16::from_be_bytes([c, d]))
}

/// Takes the next error that is there, with the number of the request it is about, where it says
/// so: those of the own kernel do not.
pub(super) fn refusal(
    socket: &Socket,
    family: IpAddr,
    id: u16,
) -> io::Result<Option<(Option<u16>, Refused)>> {
    let mut buffer = [0; ROOM];
    let mut control = nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6, [u8; 64]);
    let mut parts = [IoSliceMut::new(&mut buffer)];
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let message =
        recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags);
    let message = match message {
        Ok(message) => message,
        Err(Errno::EAGAIN) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    };
    let told = message.cmsgs()?.find_map(|one| match one {
        ControlMessageOwned::Ipv4RecvErr(error, by) => {
            Some((error, by.map(|by| IpAddr::from(u32::from_be(by.sin_addr.s_addr).to_be_bytes()))))
        }
        ControlMessageOwned::Ipv6RecvErr(error, by) => {
            Some((error, by.map(|by| IpAddr::from(by.sin6_addr.s6_addr))))
        }
        _ => None,
    });
    let length = message.bytes;
    let Some((error, by)) = told else {
        let refused = Refused { error: EchoError::Other(0), by: None, mtu: None };
        return Ok(Some((None, refused)));
    };
    let about = number(buffer.get(..length).unwrap_or(&buffer), types(family).0, id);
    let error_kind = EchoError::heard(&error);
    let mtu = (error_kind == EchoError::TooBig).then_some(error.ee_info);
    let refused = Refused { error: error_kind, by: by.filter(|by| !by.is_unspecified()), mtu };
    Ok(Some((about, refused)))
}

/// The number of an answer and its time to live; nothing of another packet.
type Heard = Option<(u16, Option<u8>)>;

/// Takes the next packet that is there; of an answer, its number and its time to live.
pub(super) fn answer(socket: &Socket, family: IpAddr, id: u16) -> io::Result<Option<Heard>> {
    let mut buffer = [0; ROOM];
    let mut control = nix::cmsg_space!(libc::c_int, [u8; 64]);
    let mut parts = [IoSliceMut::new(&mut buffer)];
    let flags = MsgFlags::MSG_DONTWAIT;
    let message =
        recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags);
    let message = match message {
        Ok(message) => message,
        Err(Errno::EAGAIN) => return Ok(None),
        // It has been noted as an error already.
        Err(Errno::EHOSTUNREACH | Errno::ENETUNREACH | Errno::EMSGSIZE | Errno::EINTR) => {
            return Ok(Some(None));
        }
        Err(errno) => return Err(errno.into()),
    };
    let hops = message.cmsgs()?.find_map(|one| match one {
        ControlMessageOwned::Ipv6HopLimit(hops) => u8::try_from(hops).ok(),
        _ => None,
    });
    let length = message.bytes;
    let packet = buffer.get(..length).unwrap_or(&buffer);
    Ok(Some(match family {
        IpAddr::V4(_) => without_header(packet)
            .and_then(|(ttl, message)| Some((number(message, types(family).1, id)?, Some(ttl)))),
        IpAddr::V6(_) => number(packet, types(family).1, id).map(|number| (number, hops)),
    }))
}

/// The time to live of an IPv4 packet, and what it carries.
fn without_header(packet: &[u8]) -> Option<(u8, &[u8])> {
    let words = usize::from(packet.first()? & 0x0f);
    Some((*packet.get(8)?, packet.get(words * 4..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_requests_as_they_go_over_the_wire() {
        let mut message = vec![0; 9];
        message[8] = b'x';
        write_request(&mut message, [10, 0, 0, 1].into(), 0x1234, 7);
        assert_eq!(message, [8, 0, 0x6d, 0xc4, 0x12, 0x34, 0, 7, b'x']);
        assert_eq!(checksum(&message), 0, "a sum over its own sum is nothing");
    }

    #[test]
    fn takes_answers_to_its_own_requests_only() {
        let answer = [0, 0, 9, 9, 0x12, 0x34, 0, 7];
        assert_eq!(number(&answer, 0, 0x1234), Some(7));
        assert_eq!(number(&answer, 0, 0x1235), None, "another's");
        assert_eq!(number(&answer, 8, 0x1234), None, "a request");
        assert_eq!(number(&answer[..7], 0, 0x1234), None, "cut");
    }

    #[test]
    fn finds_what_is_behind_a_header_of_any_length() {
        let mut packet = vec![0x46; 26];
        packet[8] = 63;
        assert_eq!(without_header(&packet), Some((63, &[0x46, 0x46][..])));
        assert_eq!(without_header(&packet[..9]), None);
    }
}
