//! The agent as a file: this program, for each kind of processor there is a build for.

use std::env::consts::ARCH;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

/// Processors as Rust names them, and what `uname -m` may print for them.
pub(super) const PROCESSORS: &[(&str, &str)] =
    &[("x86_64", "x86_64|amd64"), ("aarch64", "aarch64|arm64")];

/// A build of this program.
#[derive(Debug)]
pub(super) struct Binary {
    /// What `uname -m` prints there, as a pattern of the shell's `case`.
    pub(super) machine: &'static str,
    pub(super) bytes: Vec<u8>,
    /// In hexadecimal digits.
    pub(super) sha256: String,
    /// What POSIX `cksum` prints first; only who sends the bytes needs to know.
    pub(super) checksum: OnceLock<u32>,
}

/// The builds there are: beside this program, as `make dist` names them, or else itself.
pub(super) fn all() -> Result<&'static [Binary], String> {
    static ALL: OnceLock<Result<Vec<Binary>, String>> = OnceLock::new();
    ALL.get_or_init(|| {
        let own = std::env::current_exe();
        let folder = own.as_deref().ok().and_then(Path::parent).unwrap_or(Path::new("/"));
        let read = |(processor, machine): &(&'static str, &'static str)| {
            let beside = folder.join(format!("lvsmith-{processor}"));
            let found = if beside.is_file() {
                beside
            } else if *processor == ARCH {
                PathBuf::from("/proc/self/exe")
            } else {
                return None;
            };
            let binary = Binary::read(machine, &found);
            Some(binary.map_err(|error| format!("failed to read `{}`: {error}", found.display())))
        };
        PROCESSORS.iter().filter_map(read).collect()
    })
    .as_deref()
    .map_err(Clone::clone)
}

impl Binary {
    fn read(machine: &'static str, path: &Path) -> io::Result<Self> {
        fs::read(path).map(|bytes| Self::new(machine, bytes))
    }

    pub(super) fn new(machine: &'static str, bytes: Vec<u8>) -> Self {
        let digest = Sha256::digest(&bytes);
        let sha256 = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { machine, bytes, sha256, checksum: OnceLock::new() }
    }

    /// Checksum and length, as POSIX `cksum` prints them.
    pub(super) fn cksum(&self) -> String {
        let checksum = self.checksum.get_or_init(|| checksum(&self.bytes));
        format!("{checksum} {}", self.bytes.len())
    }
}

/// The checksum of POSIX `cksum`: a CRC-32 with its highest bit first, that goes on over the
/// length, lowest byte first.
fn checksum(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table();
    let step = |crc: u32, byte: u8| (crc << 8) ^ TABLE[usize::from(crc.to_be_bytes()[0] ^ byte)];
    let mut crc = bytes.iter().copied().fold(0, step);
    let mut length = bytes.len();
    while length > 0 {
        crc = step(crc, length.to_le_bytes()[0]);
        length >>= 8;
    }
    !crc
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc << 1) ^ (if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 });
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_as_posix_cksum_does() {
        // What the program prints for these.
        assert_eq!(checksum(b""), 4_294_967_295);
        assert_eq!(checksum(b"123456789"), 930_766_865);
        assert_eq!(checksum(&[0xa5; 70_000]), 1_191_143_757);
    }

    #[test]
    fn has_a_build_for_this_machine() {
        let all = all().unwrap();
        let own = all.iter().find(|binary| binary.machine.split('|').any(|name| name == ARCH));
        let own = own.unwrap();
        assert_eq!(own.sha256.len(), 64);
        assert!(own.bytes.starts_with(b"\x7fELF"));
    }
}
