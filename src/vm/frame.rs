//! What the two sides of a VM say to each other, over virtio-serial and, between processes
//! on the host, over unix sockets.
//!
//! A frame is a little-endian `u32` length of what follows, a `u32` session, a byte that
//! says what it is, and the rest. Bytes of a stream are only sent against credit, so that one
//! session whose reader is slow never stops another one.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// How many bytes of a stream may be on their way.
pub const WINDOW: u32 = 256 << 10;

/// The largest piece of a stream: with its header it is what virtio-serial takes at once.
pub const PIECE: usize = (32 << 10) - HEADER;

const HEADER: usize = 9;
const LIMIT: u32 = 4 << 20;

/// A standard stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// To the command.
    Input,
    /// From the command.
    Output,
    /// From the command.
    Error,
}

/// The size of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
}

/// A command to start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Start {
    /// Program and arguments.
    pub argv: Vec<OsString>,
    /// The whole environment.
    pub env: BTreeMap<OsString, OsString>,
    /// The folder to start in.
    pub cwd: OsString,
    /// Which of the three standard streams are a terminal.
    pub terminal: [bool; 3],
    /// That terminal's size.
    pub size: Size,
}

/// One thing said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Guest: the VM can be used.
    Ready,
    /// Caller: start a command as this session.
    Start(Start),
    /// Either: bytes of a stream.
    Data(Stream, Vec<u8>),
    /// Either: no more of that stream, whichever end of it is closed.
    Close(Stream),
    /// Either: so many more bytes of that stream may be sent.
    Credit(Stream, u32),
    /// Caller: a signal for the command and its children.
    Signal(i32),
    /// Caller: the terminal has another size.
    Resize(Size),
    /// Caller: it is gone; end the command.
    Hangup,
    /// Guest: the command ended, with what a shell would call its exit code.
    Exit(u8),
    /// Guest: the command could not be started; the shell's exit code for that, and why.
    Refused(u8, String),
    /// Host or guest: the VM or the session is gone, and why.
    Lost(String),
    /// Caller: write everything out and end the VM.
    Shutdown,
    /// Guest: everything is written out.
    Bye,
}

/// Something said, and by or to which session; 0 is the VM itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The session.
    pub session: u32,
    /// What is said.
    pub body: Body,
}

impl Body {
    /// Makes a frame of it.
    #[must_use]
    pub fn of(self, session: u32) -> Frame {
        Frame { session, body: self }
    }
}

impl Frame {
    /// Writes the frame in one piece.
    pub fn write(&self, mut out: impl Write) -> io::Result<()> {
        let mut bytes = vec![0; 4];
        bytes.extend(self.session.to_le_bytes());
        self.body.encode(&mut bytes);
        let length = u32::try_from(bytes.len() - 4).ok().filter(|length| *length <= LIMIT);
        let length = length.ok_or_else(|| invalid("command line or environment is too large"))?;
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        out.write_all(&bytes)
    }

    /// Reads one frame; an end between two frames is [`io::ErrorKind::UnexpectedEof`] as well,
    /// since no side of a VM leaves without a word.
    pub fn read(mut input: impl Read) -> io::Result<Self> {
        let mut length = [0; 4];
        input.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length);
        if length > LIMIT {
            return Err(invalid("frame is too large"));
        }
        let mut bytes = vec![0; length as usize];
        input.read_exact(&mut bytes)?;
        let mut parser = Parser(&bytes);
        let frame = parser.u32().and_then(|session| Some(Body::decode(&mut parser)?.of(session)));
        frame.ok_or_else(|| invalid("frame makes no sense"))
    }
}

impl Body {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Ready => out.push(1),
            Self::Start(start) => {
                out.push(2);
                start.encode(out);
            }
            Self::Data(stream, bytes) => {
                out.extend([3, *stream as u8]);
                out.extend(bytes);
            }
            Self::Close(stream) => out.extend([4, *stream as u8]),
            Self::Credit(stream, more) => {
                out.extend([5, *stream as u8]);
                out.extend(more.to_le_bytes());
            }
            Self::Signal(number) => {
                out.push(6);
                out.extend(number.to_le_bytes());
            }
            Self::Resize(size) => {
                out.push(7);
                size.encode(out);
            }
            Self::Hangup => out.push(8),
            Self::Exit(code) => out.extend([9, *code]),
            Self::Refused(code, why) => {
                out.extend([10, *code]);
                out.extend(why.as_bytes());
            }
            Self::Lost(why) => {
                out.push(11);
                out.extend(why.as_bytes());
            }
            Self::Shutdown => out.push(12),
            Self::Bye => out.push(13),
        }
    }

    fn decode(parser: &mut Parser) -> Option<Self> {
        Some(match parser.u8()? {
            1 => Self::Ready,
            2 => Self::Start(Start::decode(parser)?),
            3 => Self::Data(parser.stream()?, parser.rest().to_vec()),
            4 => Self::Close(parser.stream()?),
            5 => Self::Credit(parser.stream()?, parser.u32()?),
            6 => Self::Signal(parser.u32()?.cast_signed()),
            7 => Self::Resize(parser.size()?),
            8 => Self::Hangup,
            9 => Self::Exit(parser.u8()?),
            10 => Self::Refused(parser.u8()?, parser.text()),
            11 => Self::Lost(parser.text()),
            12 => Self::Shutdown,
            13 => Self::Bye,
            _ => return None,
        })
    }
}

impl Size {
    fn encode(self, out: &mut Vec<u8>) {
        out.extend(self.rows.to_le_bytes());
        out.extend(self.columns.to_le_bytes());
    }
}

impl Start {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.terminal.map(u8::from));
        self.size.encode(out);
        let mut string = |string: &OsString| {
            out.extend((u32::try_from(string.len()).unwrap_or(u32::MAX)).to_le_bytes());
            out.extend(string.as_bytes());
        };
        string(&self.cwd);
        for (name, value) in &self.env {
            string(name);
            string(value);
        }
        // No variable has an empty name, so that this ends them.
        string(&OsString::new());
        self.argv.iter().for_each(string);
    }

    fn decode(parser: &mut Parser) -> Option<Self> {
        let mut start = Self::default();
        for terminal in &mut start.terminal {
            *terminal = parser.u8()? != 0;
        }
        start.size = parser.size()?;
        start.cwd = parser.string()?;
        loop {
            let name = parser.string()?;
            if name.is_empty() {
                break;
            }
            start.env.insert(name, parser.string()?);
        }
        while !parser.0.is_empty() {
            start.argv.push(parser.string()?);
        }
        Some(start)
    }
}

/// The bytes of a frame that are still to be read.
struct Parser<'a>(&'a [u8]);

impl<'a> Parser<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(*self.take(2)?.first_chunk()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(*self.take(4)?.first_chunk()?))
    }

    fn size(&mut self) -> Option<Size> {
        Some(Size { rows: self.u16()?, columns: self.u16()? })
    }

    fn stream(&mut self) -> Option<Stream> {
        [Stream::Input, Stream::Output, Stream::Error].get(usize::from(self.u8()?)).copied()
    }

    fn string(&mut self) -> Option<OsString> {
        let length = self.u32()?;
        Some(OsString::from_vec(self.take(usize::try_from(length).ok()?)?.to_vec()))
    }

    fn text(&mut self) -> String {
        String::from_utf8_lossy(self.rest()).into_owned()
    }
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Body> {
        let start = Start {
            argv: vec!["sh".into(), OsString::new(), OsString::from_vec(vec![0xff, b'\n'])],
            env: BTreeMap::from([("A".into(), "1=2".into()), ("B".into(), OsString::new())]),
            cwd: "/a b".into(),
            terminal: [false, true, true],
            size: Size { rows: 24, columns: 80 },
        };
        vec![
            Body::Ready,
            Body::Start(start),
            Body::Start(Start::default()),
            Body::Data(Stream::Error, vec![0, 1, 255]),
            Body::Data(Stream::Input, vec![7; PIECE]),
            Body::Close(Stream::Output),
            Body::Credit(Stream::Output, WINDOW),
            Body::Signal(-2),
            Body::Resize(Size { rows: 1, columns: 65535 }),
            Body::Hangup,
            Body::Exit(130),
            Body::Refused(127, "`nosuch`".into()),
            Body::Lost(String::new()),
            Body::Shutdown,
            Body::Bye,
        ]
    }

    #[test]
    fn every_frame_is_read_as_it_was_written() {
        let frames: Vec<Frame> = all().into_iter().zip(0..).map(|(body, id)| body.of(id)).collect();
        let mut bytes = Vec::new();
        for frame in &frames {
            frame.write(&mut bytes).expect("memory takes it");
        }
        let mut input = bytes.as_slice();
        for frame in &frames {
            assert_eq!(&Frame::read(&mut input).expect("what was written"), frame);
        }
        let end = Frame::read(&mut input).expect_err("nothing is left");
        assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_frame_cut_anywhere_is_an_error() {
        for body in all() {
            let mut bytes = Vec::new();
            body.of(1).write(&mut bytes).expect("memory takes it");
            for end in 0..bytes.len().min(64) {
                assert!(Frame::read(&bytes[..end]).is_err());
            }
        }
    }

    #[test]
    fn a_length_out_of_bounds_is_refused_before_memory_is_taken() {
        let error = Frame::read([0xff; 16].as_slice()).expect_err("four gigabytes");
        assert_eq!(error.to_string(), "frame is too large");
    }
}
