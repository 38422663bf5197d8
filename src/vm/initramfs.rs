//! The guest's first root: this very program as `/init`, the libraries it asks for, the
//! modules that lead to the real root, and a page of instructions. It is built for each boot,
//! in memory, and never has a name.

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::cpio::Archive;
use super::error::Error;
use super::kernel::Kernel;
use super::withheld::{self, Withheld};
use super::{cache, elf, unpack};

/// Where the guest finds its instructions.
pub const INSTRUCTIONS: &str = "/instructions";

/// What the guest's init is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instructions {
    /// Modules to load, in order: files of the initramfs.
    pub boot: Vec<String>,
    /// Where on the host the kernel's modules are.
    pub modules: Option<PathBuf>,
    /// Folders of the host to be written through; their tags are `share0`, `share1`, ...
    pub shares: Vec<PathBuf>,
    /// What of the host's root is not for the user that started the VM.
    pub withheld: Vec<Withheld>,
    /// The host's name.
    pub hostname: String,
}

/// Builds the archive.
pub fn build(kernel: &Kernel, shares: &[PathBuf]) -> Result<File, Error> {
    let file = cache::nameless("initramfs").map_err(Error::io("make the initramfs"))?;
    let mut archive = Archive::new(BufWriter::with_capacity(1 << 20, file));
    let boot = kernel.boot.iter().enumerate();
    let boot: Vec<(String, &PathBuf)> = boot.map(|(at, path)| (member(at, path), path)).collect();
    let hostname = nix::unistd::gethostname().map_err(Error::errno("read the host's name"))?;
    let instructions = Instructions {
        boot: boot.iter().map(|(name, _)| name.clone()).collect(),
        modules: kernel.modules.clone(),
        shares: shares.to_vec(),
        withheld: withheld::all(),
        hostname: hostname.to_string_lossy().into_owned(),
    };
    let instructions = serde_json::to_vec(&instructions)
        .map_err(|error| Error::io("write the instructions")(error.into()))?;
    let mut fill = || {
        for folder in ["proc", "sys", "dev", "lower", "writable", "root"] {
            archive.folder(folder)?;
        }
        // Without it the kernel starts init with no standard streams at all.
        archive.device("dev/console", 5, 1)?;
        archive.file(INSTRUCTIONS, &instructions)?;
        for (name, path) in &boot {
            archive.file(name, &module(path)?)?;
        }
        for (name, content) in program()? {
            archive.file(&name, &content)?;
        }
        Ok(())
    };
    fill().map_err(Error::io("make the initramfs"))?;
    let finish = || {
        let mut file = archive.finish()?.into_inner().map_err(std::io::Error::from)?;
        file.seek(SeekFrom::Start(0))?;
        Ok(file)
    };
    finish().map_err(Error::io("make the initramfs"))
}

/// Numbered, since two modules of one name may lie in two folders.
fn member(at: usize, path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!("/modules/{at:02}-{name}")
}

/// A module, unpacked if the host can: the guest, which may be emulated, is slow at it. What
/// stays packed the guest's kernel is asked to unpack.
fn module(path: &Path) -> std::io::Result<Vec<u8>> {
    let bytes = std::fs::read(path).map_err(|error| named(path, &error))?;
    if unpack::program(&bytes).is_none() {
        return Ok(bytes);
    }
    Ok(unpack::unpacked(&bytes).unwrap_or(bytes))
}

/// This program as `/init`, then the loader and the libraries where it will look for them.
fn program() -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut bytes = std::fs::read("/proc/self/exe")?;
    let elf = elf::parse(&bytes).ok_or_else(|| std::io::Error::other("not an ELF program"))?;
    elf::trim(&mut bytes, &elf);
    let mut files = vec![("/init".into(), bytes)];
    if let Some(loader) = &elf.interpreter {
        let exe = std::env::current_exe()?;
        let listed = Command::new(loader).arg("--list").arg(exe).output()?;
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let mut paths = libraries(&listed);
        paths.push(loader.to_string_lossy().into_owned());
        paths.sort();
        paths.dedup();
        for path in paths {
            let content = std::fs::read(&path).map_err(|error| named(path.as_ref(), &error))?;
            files.push((path, content));
        }
    }
    Ok(files)
}

/// The paths in what the loader lists: `name => /path (0x7f…)`, or the path alone.
fn libraries(listed: &str) -> Vec<String> {
    listed
        .lines()
        .filter_map(|line| line.split(" (0x").next())
        .map(|line| line.rsplit(" => ").next().unwrap_or(line).trim())
        .filter(|path| path.starts_with('/'))
        .map(ToOwned::to_owned)
        .collect()
}

fn named(path: &Path, error: &std::io::Error) -> std::io::Error {
    std::io::Error::new(error.kind(), format!("`{}`: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_loader_lists() {
        let listed = "\tlinux-vdso.so.1 (0x00007ffd)\n\
                      \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f00)\n\
                      \t/lib64/ld-linux-x86-64.so.2 (0x00007f01)\n\
                      \tlibodd.so => not found\n";
        let expected = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"];
        assert_eq!(libraries(listed), expected);
    }

    #[test]
    fn ships_this_program_and_all_its_libraries() {
        let files = program().expect("this program can be read");
        assert_eq!(files[0].0, "/init");
        let dynamic = elf::parse(&std::fs::read("/proc/self/exe").expect("readable"))
            .is_some_and(|elf| elf.interpreter.is_some());
        assert_eq!(dynamic, files.iter().any(|(name, _)| name.contains("libc.so")));
    }
}
