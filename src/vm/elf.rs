//! As much of ELF as shipping a program into an initramfs takes: which loader it asks for,
//! where the part ends that is loaded at all, and the entry point of a kernel. 64-bit little-endian only, as the guest is.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

const LOAD: u32 = 1;
const INTERPRETER: u32 = 3;
const NOTES: u32 = 4;
/// `XEN_ELFNOTE_PHYS32_ENTRY`.
const PHYSICAL_ENTRY_32: u8 = 18;

/// What was learned of a program.
#[derive(Debug, PartialEq, Eq)]
pub struct Elf {
    /// The dynamic loader, for a program that is not static.
    pub interpreter: Option<PathBuf>,
    /// One past the last byte of the file that is ever loaded; debugging information and the
    /// like come after it.
    pub loaded: usize,
}

/// Whether a file that begins like this is a 64-bit little-endian ELF file.
#[must_use]
pub fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF\x02\x01")
}

/// Whether this is a kernel with the PVH entry point, at which qemu can start it unpacked.
#[must_use]
pub fn has_pvh_entry(bytes: &[u8]) -> bool {
    // The note's header: size of the owner's name, size of the entry, type; then the name.
    const NOTE: [u8; 16] =
        [4, 0, 0, 0, 8, 0, 0, 0, PHYSICAL_ENTRY_32, 0, 0, 0, b'X', b'e', b'n', 0];
    headers(bytes).is_some_and(|headers| {
        headers.filter(|header| header.kind == NOTES).any(|header| {
            let notes = bytes.get(header.start..header.end).unwrap_or_default();
            notes.windows(NOTE.len()).any(|window| window == NOTE)
        })
    })
}

/// Reads the program headers; `None` when these are not of a 64-bit little-endian ELF file.
#[must_use]
pub fn parse(bytes: &[u8]) -> Option<Elf> {
    let table = usize::try_from(u64_at(bytes, 0x20)?).ok()?;
    let mut elf = Elf { interpreter: None, loaded: table };
    for header in headers(bytes)? {
        match header.kind {
            LOAD => elf.loaded = elf.loaded.max(header.end),
            INTERPRETER => {
                let name = bytes.get(header.start..header.end)?.split(|byte| *byte == 0).next()?;
                elf.interpreter = Some(PathBuf::from(OsStr::from_bytes(name)));
            }
            _ => {}
        }
    }
    (elf.loaded <= bytes.len()).then_some(elf)
}

/// Cuts off what is never loaded, and the section table that would point there.
pub fn trim(bytes: &mut Vec<u8>, elf: &Elf) {
    bytes.truncate(elf.loaded);
    // e_shoff, then e_shnum and e_shstrndx.
    for range in [0x28..0x30, 0x3c..0x40] {
        if let Some(field) = bytes.get_mut(range) {
            field.fill(0);
        }
    }
}

/// A stretch of the file and what it is for.
struct Header {
    kind: u32,
    start: usize,
    end: usize,
}

/// The program headers, up to the first that makes no sense.
fn headers(bytes: &[u8]) -> Option<impl Iterator<Item = Header>> {
    if !is_elf(bytes) {
        return None;
    }
    let table = usize::try_from(u64_at(bytes, 0x20)?).ok()?;
    let size = usize::from(u16_at(bytes, 0x36)?);
    let count = usize::from(u16_at(bytes, 0x38)?);
    let table = bytes.get(table..)?;
    Some((0..count).map_while(move |index| {
        let header = table.get(index * size..)?;
        let start = usize::try_from(u64_at(header, 0x08)?).ok()?;
        let end = start.checked_add(usize::try_from(u64_at(header, 0x20)?).ok()?)?;
        Some(Header { kind: u32_at(header, 0)?, start, end })
    }))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_trimmed_program_still_runs() {
        let mut bytes = std::fs::read("/proc/self/exe").expect("a process can read its program");
        let whole = bytes.len();
        let elf = parse(&bytes).expect("this test is an ELF program");
        assert!(elf.interpreter.as_ref().is_none_or(|path| path.exists()));
        trim(&mut bytes, &elf);
        assert!(bytes.len() < whole, "test programs carry debugging information");
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(&bytes).expect("room for it");
        file.as_file().set_permissions(PermissionsExt::from_mode(0o700)).expect("own file");
        let path = file.into_temp_path();
        let listed = Command::new(&path).arg("--list").output().expect("it starts");
        assert!(listed.status.success(), "{listed:?}");
    }

    #[test]
    fn hostile_bytes_are_no_program() {
        assert_eq!(parse(b""), None);
        assert_eq!(parse(b"#!/bin/sh\n"), None);
        let mut header = b"\x7fELF\x02\x01".to_vec();
        header.resize(64, 0xff);
        assert_eq!(parse(&header), None);
    }
}
