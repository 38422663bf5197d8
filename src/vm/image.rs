//! The kernel's image file. A distribution's `bzImage` unpacks itself as it starts, which an
//! emulated processor needs seconds for; so it is unpacked here, once, and qemu is given the
//! kernel proper wherever that has the PVH entry point to start it by.
//!
//! The layout of a bzImage: kernel documentation, arch/x86/boot.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::error::Error;
use super::{cache, elf, kernel, unpack};

/// Before Linux 5.0 the PVH entry point was Xen's alone, and anything else hangs in it.
const PVH_WITHOUT_XEN: u64 = 5;

const SETUP_SECTORS: usize = 0x1f1;
const MAGIC: usize = 0x202;
const VERSION_TEXT: usize = 0x20e;
const PAYLOAD_OFFSET: usize = 0x248;
const PAYLOAD_LENGTH: usize = 0x24c;
const SECTOR: usize = 512;

/// The release a bzImage says it is, such as `6.1.0-56-amd64`; `None` for an unpacked kernel.
pub fn release(path: &Path) -> Result<Option<String>, Error> {
    let mut head = Vec::new();
    let fail = || Error::io(format!("read `{}`", path.display()));
    let mut file = File::open(path).map_err(fail())?;
    (&mut file).take(0x10000).read_to_end(&mut head).map_err(fail())?;
    if elf::is_elf(&head) {
        file.read_to_end(&mut head).map_err(fail())?;
        return if elf::has_pvh_entry(&head) {
            Ok(None)
        } else {
            Err(Error::NotAKernel(path.into()))
        };
    }
    let text = (head.get(MAGIC..MAGIC + 4) == Some(b"HdrS"))
        .then(|| u16_at(&head, VERSION_TEXT))
        .flatten()
        .and_then(|at| head.get(usize::from(at) + SECTOR..))
        .ok_or_else(|| Error::NotAKernel(path.into()))?;
    let end = text.iter().position(|byte| matches!(byte, 0 | b' ')).unwrap_or(text.len());
    Ok(Some(String::from_utf8_lossy(&text[..end]).into_owned()))
}

/// Opens what qemu is to start: unpacked if at all possible.
pub fn open(path: &Path, release: &str) -> Result<File, Error> {
    let fail = || Error::io(format!("read `{}`", path.display()));
    let packed = File::open(path).map_err(fail())?;
    let about = packed.metadata().map_err(fail())?;
    if kernel::version(release).first().is_some_and(|major| *major < PVH_WITHOUT_XEN) {
        return Ok(packed);
    }
    let Some(folder) = cache::folder() else { return Ok(packed) };
    let name = format!("{release}-{:x}-{:x}", about.size(), about.mtime());
    let unpacked = cache::file(&folder.join("images").join(name), |file| unpack(&packed, file));
    Ok(unpacked.unwrap_or(packed))
}

/// Fails whenever the image had better be started as it is.
fn unpack(mut packed: &File, mut unpacked: &File) -> io::Result<()> {
    let unfit = || io::Error::from(io::ErrorKind::InvalidData);
    let mut bytes = Vec::new();
    packed.seek(SeekFrom::Start(0))?;
    packed.read_to_end(&mut bytes)?;
    let payload = payload(&bytes).ok_or_else(unfit)?;
    unpack::into(payload, unpacked)?;
    unpacked.seek(SeekFrom::Start(0))?;
    let mut kernel = Vec::new();
    unpacked.read_to_end(&mut kernel)?;
    if elf::has_pvh_entry(&kernel) { unpacked.flush() } else { Err(unfit()) }
}

/// The packed kernel proper, without the unpacked size that the build appends to it.
fn payload(image: &[u8]) -> Option<&[u8]> {
    let sectors = match *image.get(SETUP_SECTORS)? {
        0 => 4,
        given => usize::from(given),
    };
    let start = (sectors + 1) * SECTOR + usize::try_from(u32_at(image, PAYLOAD_OFFSET)?).ok()?;
    let length = usize::try_from(u32_at(image, PAYLOAD_LENGTH)?).ok()?;
    let payload = image.get(start..start.checked_add(length)?)?;
    // In gzip the size is part of the format.
    if payload.starts_with(&[0x1f, 0x8b]) {
        Some(payload)
    } else {
        payload.get(..length.checked_sub(4)?)
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
