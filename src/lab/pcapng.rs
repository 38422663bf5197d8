//! Captured frames as pcapng, which Wireshark and tcpdump read: an interface for each cable, named
//! after host and interface, so that one file holds a whole lab and still tells who saw what.
//!
//! The format is that of draft-ietf-opsawg-pcapng: blocks of 32-bit words, each with its length at
//! both ends, in the byte order of the first.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::SystemTime;

use super::monitor::{Cable, Direction, Frame};

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
/// By which readers know the byte order.
const MAGIC: u32 = 0x1a2b_3c4d;
/// Of LINKTYPE_ETHERNET.
const ETHERNET: u16 = 1;
/// Options: the program that wrote a section; an interface's name, its description, and the
/// resolution of its times as a power of ten; a packet's flags, where 1 is in and 2 is out.
const SECTION_PROGRAM: u16 = 4;
const INTERFACE_NAME: u16 = 2;
const INTERFACE_DESCRIPTION: u16 = 3;
const INTERFACE_RESOLUTION: u16 = 9;
const PACKET_FLAGS: u16 = 2;
const NANOSECONDS: u8 = 9;

/// Writes frames as they come.
#[derive(Debug)]
pub struct Pcapng<W> {
    out: W,
    /// Those that were written, by their number.
    cables: Vec<Arc<Cable>>,
}

impl<W: Write> Pcapng<W> {
    /// Begins a file.
    pub fn new(out: W) -> io::Result<Self> {
        let mut pcapng = Self { out, cables: Vec::new() };
        let mut body = Vec::new();
        body.extend(MAGIC.to_le_bytes());
        body.extend([1_u16, 0].map(u16::to_le_bytes).concat());
        // How long the section is, is not known.
        body.extend((-1_i64).to_le_bytes());
        let program = concat!("lvsmith ", env!("CARGO_PKG_VERSION"));
        options(&mut body, &[(SECTION_PROGRAM, program.as_bytes())]);
        pcapng.block(SECTION, &body)?;
        Ok(pcapng)
    }

    /// Adds a frame, and its cable when that is new.
    pub fn frame(&mut self, frame: &Frame) -> io::Result<()> {
        let known = self.cables.iter().position(|cable| *cable == frame.cable);
        let number = match known {
            Some(number) => number,
            None => self.cable(&frame.cable)?,
        };
        let at = frame.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let nanos = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
        let (high, low) = ((nanos >> 32) as u32, nanos as u32);
        let captured = u32::try_from(frame.bytes.len()).unwrap_or(u32::MAX);
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let mut body = Vec::new();
        for word in [number, high, low, captured, frame.length.max(captured)] {
            body.extend(word.to_le_bytes());
        }
        padded(&mut body, &frame.bytes);
        let flags: u32 = match frame.direction {
            Direction::Entered => 1,
            Direction::Left => 2,
        };
        options(&mut body, &[(PACKET_FLAGS, &flags.to_le_bytes())]);
        self.block(PACKET, &body)
    }

    /// Writes out what is still held back.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// The file, as far as it was written.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn cable(&mut self, cable: &Arc<Cable>) -> io::Result<usize> {
        let Cable { host, interface, network } = &**cable;
        let mut body = Vec::new();
        body.extend([ETHERNET, 0].map(u16::to_le_bytes).concat());
        // No limit that a reader need know of.
        body.extend(0_u32.to_le_bytes());
        let (name, network) = (format!("{host} {interface}"), format!("network {network}"));
        options(
            &mut body,
            &[
                (INTERFACE_NAME, name.as_bytes()),
                (INTERFACE_DESCRIPTION, network.as_bytes()),
                (INTERFACE_RESOLUTION, &[NANOSECONDS]),
            ],
        );
        self.block(INTERFACE, &body)?;
        self.cables.push(Arc::clone(cable));
        Ok(self.cables.len() - 1)
    }

    fn block(&mut self, kind: u32, body: &[u8]) -> io::Result<()> {
        let length = u32::try_from(body.len() + 12).unwrap_or(u32::MAX).to_le_bytes();
        self.out.write_all(&[&kind.to_le_bytes(), &length, body, &length].concat())
    }
}

/// Options, each its number, its length and its value, and the end of them.
fn options(body: &mut Vec<u8>, options: &[(u16, &[u8])]) {
    for (number, value) in options {
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
        body.extend([*number, length].map(u16::to_le_bytes).concat());
        padded(body, &value[..usize::from(length)]);
    }
    body.extend([0; 4]);
}

/// Bytes up to the next whole word.
fn padded(body: &mut Vec<u8>, bytes: &[u8]) {
    body.extend(bytes);
    body.resize(body.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn frame(host: &str, direction: Direction, bytes: &[u8]) -> Frame {
        let cable = Cable { host: host.into(), interface: "eth0".into(), network: "lan".into() };
        Frame {
            at: SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789),
            cable: Arc::new(cable),
            direction,
            length: 1500,
            bytes: bytes.into(),
        }
    }

    fn word(bytes: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
    }

    /// The blocks of a file, each its kind and its body, with lengths that agree.
    fn blocks(mut bytes: &[u8]) -> Vec<(u32, Vec<u8>)> {
        let mut blocks = Vec::new();
        while !bytes.is_empty() {
            let length = word(bytes, 4) as usize;
            assert_eq!(length % 4, 0);
            assert_eq!(word(bytes, length - 4) as usize, length);
            blocks.push((word(bytes, 0), bytes[8..length - 4].to_vec()));
            bytes = &bytes[length..];
        }
        blocks
    }

    #[test]
    fn writes_each_cable_once_and_every_frame_with_its_time() {
        let mut pcapng = Pcapng::new(Vec::new()).unwrap();
        pcapng.frame(&frame("rs1", Direction::Left, b"abcde")).unwrap();
        pcapng.frame(&frame("rs2", Direction::Entered, b"xyz")).unwrap();
        pcapng.frame(&frame("rs1", Direction::Entered, b"")).unwrap();
        let blocks = blocks(&pcapng.into_inner());
        let kinds: Vec<u32> = blocks.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, [SECTION, INTERFACE, PACKET, INTERFACE, PACKET, PACKET]);
        assert_eq!(word(&blocks[0].1, 0), MAGIC);
        let names = [1, 3].map(|at| String::from_utf8_lossy(&blocks[at].1).into_owned());
        assert!(names[0].contains("rs1 eth0") && names[1].contains("rs2 eth0"), "{names:?}");
        let first = &blocks[2].1;
        let nanos = u64::from(word(first, 4)) << 32 | u64::from(word(first, 8));
        assert_eq!(nanos, 1_700_000_000_123_456_789);
        assert_eq!((word(first, 0), word(first, 12), word(first, 16)), (0, 5, 1500));
        assert_eq!(&first[20..28], b"abcde\0\0\0");
        assert_eq!(first[28..36], [2, 0, 4, 0, 2, 0, 0, 0]);
        assert_eq!(word(&blocks[4].1, 0), 1);
    }
}
