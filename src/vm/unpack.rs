//! Unpacking by the programs that every distribution has, told apart by the first bytes.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::process::{Command, Stdio};

use super::cache;

const PROGRAMS: [(&[u8], &str); 5] = [
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], "xz"),
    (&[0x28, 0xb5, 0x2f, 0xfd], "zstd"),
    (&[0x1f, 0x8b], "gzip"),
    (&[0x02, 0x21, 0x4c, 0x18], "lz4"),
    (b"BZh", "bzip2"),
];

/// The program that unpacks such bytes; `None` when they are not packed.
#[must_use]
pub fn program(bytes: &[u8]) -> Option<&'static str> {
    PROGRAMS.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, program)| *program)
}

/// Unpacks into a file.
pub fn into(bytes: &[u8], out: &File) -> io::Result<()> {
    let program = program(bytes).ok_or(io::ErrorKind::InvalidData)?;
    // A file for standard input, not a pipe: nobody has to feed it while it runs.
    let mut packed = cache::nameless("packed")?;
    packed.write_all(bytes)?;
    packed.seek(SeekFrom::Start(0))?;
    let status = Command::new(program)
        .arg("-dc")
        .stdin(packed)
        .stdout(out.try_clone()?)
        .stderr(Stdio::null())
        .status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("{program}: {status}"))) }
}

/// Unpacks into memory.
pub fn unpacked(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = cache::nameless("unpacked")?;
    into(bytes, &out)?;
    out.seek(SeekFrom::Start(0))?;
    let mut plain = Vec::new();
    out.read_to_end(&mut plain)?;
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unpacks_what_gzip_packed() {
        // `printf lvsmith | gzip -n`
        let packed = [
            0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0xcb, 0x29, 0x2b, 0xce,
            0xcd, 0x2c, 0xc9, 0x00, 0x00, 0xc5, 0x07, 0x03, 0x34, 0x07, 0x00, 0x00, 0x00,
        ];
        assert_eq!(program(&packed), Some("gzip"));
        assert_eq!(unpacked(&packed).expect("gzip is everywhere"), b"lvsmith");
    }

    #[test]
    fn plain_bytes_are_told_apart() {
        assert_eq!(program(b"\x7fELF"), None);
        assert!(unpacked(b"\x7fELF").is_err());
    }
}
