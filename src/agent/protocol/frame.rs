//! A frame: a big-endian `u32` and that many bytes of JSON. When its highest bit is set, the
//! bytes are deflated (zlib), which is done where it makes a large frame smaller.

use std::io::{self, Read, Write};

use miniz_oxide::deflate::compress_to_vec_zlib;
use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The largest frame either side accepts, in bytes, before and after it is inflated.
pub const FRAME_LIMIT: u32 = 64 << 20;

/// Frames below this many bytes fit into a packet or two as they are.
const SMALL: usize = 2 << 10;

/// Set in the length of a frame that is deflated.
const DEFLATED: u32 = 1 << 31;

/// Enough for texts, and quicker than most links.
const LEVEL: u8 = 3;

/// A request or reply with its number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Frame<T> {
    /// The same in the request and its reply.
    pub id: u64,
    /// What is said.
    pub body: T,
}

/// The bytes of a frame. One that is too large is `InvalidData`.
pub fn encode<T: Serialize>(frame: &Frame<T>) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(frame)?;
    if json.len() > FRAME_LIMIT as usize {
        return Err(invalid(format!("frame of {} bytes is too large", json.len())));
    }
    let deflated = (json.len() > SMALL).then(|| compress_to_vec_zlib(&json, LEVEL));
    let (flag, body) = match deflated.filter(|deflated| deflated.len() < json.len()) {
        Some(deflated) => (DEFLATED, deflated),
        None => (0, json),
    };
    let length = u32::try_from(body.len()).map_err(|error| invalid(error.to_string()))?;
    Ok([&(length | flag).to_be_bytes(), body.as_slice()].concat())
}

/// Writes one frame and flushes.
pub fn write<T: Serialize>(out: &mut impl Write, frame: &Frame<T>) -> io::Result<()> {
    out.write_all(&encode(frame)?)?;
    out.flush()
}

/// Reads one frame; `None` when the other side has closed between two frames.
pub fn read<T: DeserializeOwned>(input: &mut impl Read) -> io::Result<Option<Frame<T>>> {
    let mut header = [0; 4];
    match input.read_exact(&mut header) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let length = length(header)?;
    let mut body = Vec::new();
    if input.take(length as u64).read_to_end(&mut body)? < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if u32::from_be_bytes(header) & DEFLATED != 0 {
        body = decompress_to_vec_zlib_with_limit(&body, FRAME_LIMIT as usize)
            .map_err(|error| invalid(format!("a frame cannot be inflated: {error}")))?;
    }
    Ok(Some(serde_json::from_slice(&body)?))
}

/// How many bytes the first frame of these has, once it is there whole.
pub fn whole(bytes: &[u8]) -> io::Result<Option<usize>> {
    let Some(header) = bytes.first_chunk() else { return Ok(None) };
    let length = header.len() + length(*header)?;
    Ok((bytes.len() >= length).then_some(length))
}

fn length(header: [u8; 4]) -> io::Result<usize> {
    let length = u32::from_be_bytes(header) & !DEFLATED;
    if length > FRAME_LIMIT {
        return Err(invalid(format!(
            "frame of {length} bytes is too large, or this is not an agent"
        )));
    }
    Ok(length as usize)
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_there_and_back_and_shrinks_where_it_can() {
        let noise: String = (0..9000_u32).map(|n| char::from(b'!' + (n * n % 89) as u8)).collect();
        for body in ["small".into(), "text ".repeat(9000), noise] {
            let frame = Frame { id: 7, body };
            let bytes = encode(&frame).unwrap();
            assert_eq!(whole(&bytes).unwrap(), Some(bytes.len()));
            assert_eq!(whole(&bytes[..bytes.len() - 1]).unwrap(), None);
            assert!(bytes.len() <= frame.body.len() + 24);
            assert_eq!(read(&mut bytes.as_slice()).unwrap(), Some(frame));
        }
        let text = Frame { id: 7, body: "text ".repeat(9000) };
        assert!(encode(&text).unwrap().len() < 1000);
    }

    #[test]
    fn what_is_no_frame_is_an_error() {
        let broken = [(4 | DEFLATED).to_be_bytes(), *b"zlib"].concat();
        assert!(read::<u8>(&mut broken.as_slice()).is_err());
        assert!(read::<u8>(&mut b"Welcome to web1".as_slice()).is_err());
        assert!(whole(b"Welcome").is_err());
        // A small frame must not grow to something that nobody can hold.
        let bomb = compress_to_vec_zlib(&vec![b' '; FRAME_LIMIT as usize + 1], 6);
        let length = u32::try_from(bomb.len()).unwrap() | DEFLATED;
        let bomb = [&length.to_be_bytes(), bomb.as_slice()].concat();
        assert!(read::<u8>(&mut bomb.as_slice()).is_err());
    }
}
