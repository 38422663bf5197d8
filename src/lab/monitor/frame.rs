//! A frame as it came by, and where.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::packet::Packet;

/// The end of a cable in the keeper's namespace: it stands for one interface of a host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cable {
    /// The host.
    pub host: String,
    /// Its interface.
    pub interface: String,
    /// The network that the cable leads to.
    pub network: String,
}

/// Which way a frame went on a cable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The host sent it.
    Left,
    /// It reached the host.
    Entered,
}

/// A frame on a cable. One that a host sends to another is seen twice: where it leaves the
/// first and where it enters the second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// When.
    pub at: SystemTime,
    /// Where.
    pub cable: Arc<Cable>,
    /// Which way.
    pub direction: Direction,
    /// How long it is, in bytes.
    pub length: u32,
    /// Its first bytes: all headers, and the beginning of what they carry.
    pub bytes: Arc<[u8]>,
}

impl Frame {
    /// What it is, as far as it can be read.
    #[must_use]
    pub fn packet(&self) -> Option<Packet> {
        Packet::read(&self.bytes)
    }
}

/// One line, such as `12:00:00.001 client eth0 > 192.168.0.10:40001 > 192.168.0.89:80 tcp SYN`.
impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cable { host, interface, .. } = &*self.cable;
        let since = self.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let (seconds, micros) = (since.as_secs() % 86_400, since.subsec_micros());
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{hours:02}:{minutes:02}:{seconds:02}.{micros:06} ")?;
        match self.direction {
            Direction::Left => write!(f, "from {host} {interface}: ")?,
            Direction::Entered => write!(f, "to {host} {interface}: ")?,
        }
        match self.packet() {
            Some(packet) => write!(f, "{packet}"),
            None => write!(f, "{} bytes of something else", self.length),
        }
    }
}
