//! Micro-VMs that do not come up, seen from this machine: what is missing is named, no boot
//! goes on for ever, and qemu ends with the program.

use std::fs;
use std::io::Read;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::traces::{Said, Watch, ends_within, poll_until, said, signal};
use crate::two_hosts::TwoHosts;
use crate::{Case, Needs};

pub(crate) const CASES: &[Case] = &[
    native("vm::no_kernel", no_kernel),
    native("vm::no_qemu", no_qemu),
    native("vm::no_vm_where_one_is_needed", no_vm_where_one_is_needed),
    native("vm::a_kernel_that_panics", a_kernel_that_panics),
    native("vm::a_kernel_that_never_answers", a_kernel_that_never_answers),
    native("vm::ctrl_c_ends_a_boot", ctrl_c_ends_a_boot),
    native("vm::a_killed_program_leaves_no_qemu", a_killed_program_leaves_no_qemu),
    native("vm::runs_commands_as_if_here", runs_commands_as_if_here),
];

const fn native(name: &'static str, run: fn() -> Result<()>) -> Case {
    Case { name, needs: Needs::Namespaces, run }
}

const SOON: Duration = Duration::from_secs(20);

/// `vm run` of something that never comes to be run, with these options before.
fn refused(watch: &Watch, options: &[&str]) -> Result<Said> {
    let said = watch.run(&[&["vm", "run"], options, &["--", "echo", "it ran"]].concat())?;
    ensure!(!said.output.contains("it ran"), "{said}");
    Ok(said)
}

fn no_kernel() -> Result<()> {
    let watch = Watch::new()?;
    let missing = refused(&watch, &["--kernel", "/no/such/kernel"])?;
    missing.exits(6)?.says("there is no `/no/such/kernel`")?.says("package linux-image-amd64")?;
    let release = refused(&watch, &["--kernel", "0.0"])?;
    release.exits(6)?.says("none in the cache is a `0.0`")?;
    let modules = refused(&watch, &["--modules", "/no/such/modules", "--kernel", "/etc/passwd"])?;
    modules.exits(4)?.says("`/etc/passwd` is not a Linux kernel image")?;
    let lab = TwoHosts::new()?;
    let test = ["lab", "test", "--vm", "--kernel", "/no/such/kernel"].map(Into::into);
    let said = watch.run(&[&test[..], &[lab.path().display().to_string()]].concat())?;
    said.exits(6)?.says("package linux-image-amd64")?;
    watch.nothing_left()
}

fn no_qemu() -> Result<()> {
    let watch = Watch::new()?;
    let mut command = watch.command(&["vm", "run", "--", "true"]);
    let said = said(command.env("PATH", "/no/such/folder"))?;
    said.exits(6)?.says("`qemu-system-x86_64` is not installed")?.says("qemu-system-x86\n")?;
    watch.nothing_left()
}

/// A lab that asks for nothing but IPVS passes exactly where the kernel has it.
fn no_vm_where_one_is_needed() -> Result<()> {
    let lab = TwoHosts::new()?;
    let text = fs::read_to_string(lab.path().join("lab.yml"))?;
    lab.write("lab.yml", &text.replace("requires: []", "requires: [ipvs]"))?;
    let folder = lab.path().display().to_string();
    let said = lab.watch.run(&["lab", "test", "--no-vm", &folder])?;
    if lvsmith::vm::needed() {
        said.exits(6)?.says("this kernel has no IPVS")?.says("leave out `--no-vm`")?;
    } else {
        said.exits(0)?;
    }
    lab.watch.nothing_left()
}

fn a_kernel_that_panics() -> Result<()> {
    let (watch, kernel) =
        (Watch::new()?, Kernel::new("Kernel panic - not syncing: no luck\n", RESET)?);
    let said = refused(&watch, &kernel.options("30"))?;
    said.exits(6)?.says("trying again with safer settings")?;
    said.says("error: the guest kernel panicked: Kernel panic - not syncing: no luck")?;
    watch.nothing_left()
}

fn a_kernel_that_never_answers() -> Result<()> {
    let (watch, kernel) = (Watch::new()?, Kernel::new("Thinking\n", HALT)?);
    let said = refused(&watch, &kernel.options("3"))?;
    said.exits(6)?.says("did not answer within 3 s; its console ends with:")?;
    said.says("Thinking")?.says("--boot-deadline")?;
    watch.nothing_left()
}

fn ctrl_c_ends_a_boot() -> Result<()> {
    let (watch, kernel) = (Watch::new()?, Kernel::new("Thinking\n", HALT)?);
    let mut child = kernel.boot(&watch)?;
    signal(&child, Signal::SIGINT)?;
    ensure!(ends_within(&mut child, SOON), "it goes on");
    ensure!(child.wait()?.code() == Some(130));
    watch.nothing_left()
}

fn a_killed_program_leaves_no_qemu() -> Result<()> {
    let (watch, kernel) = (Watch::new()?, Kernel::new("Thinking\n", HALT)?);
    let mut child = kernel.boot(&watch)?;
    child.kill()?;
    child.wait()?;
    watch.nothing_left()
}

/// A real kernel, booted once for many commands.
fn runs_commands_as_if_here() -> Result<()> {
    let (watch, share) = (Watch::new()?, tempfile::tempdir()?);
    let (id, kept) = (watch.name.as_str(), share.path().join("kept").display().to_string());
    let started =
        watch.run(&["vm", "start", "--share", &share.path().display().to_string(), id])?;
    if !lvsmith::vm::needed() && started.errors.contains("no kernel for the micro-VM") {
        // The kernel that runs here is without its files, and has no need of another's.
        return started.exits(6).map(|_| ());
    }
    started.exits(0)?;
    let shell = |script: &str| watch.run(&["vm", "exec", id, "--", "sh", "-c", script]);
    watch.run(&["vm", "list"])?.exits(0)?.says(id)?;
    shell("echo out; echo err >&2; exit 7")?.exits(7)?;
    shell("modprobe ip_vs && cat /proc/net/ip_vs")?.exits(0)?.says("IP Virtual Server version")?;
    shell(&format!("echo real >{kept}; echo gone >/etc/{id}; cat /etc/{id}"))?.says("gone")?;
    let mut sleep = watch.command(&["vm", "exec", id, "--", "sh", "-c", "echo now; sleep 1000"]);
    let mut child = sleep.stdout(Stdio::piped()).spawn()?;
    let mut word = [0; 3];
    child.stdout.as_mut().context("it is piped")?.read_exact(&mut word)?;
    signal(&child, Signal::SIGINT)?;
    ensure!(ends_within(&mut child, SOON) && child.wait()?.code() == Some(130), "Ctrl-C");
    watch.run(&["vm", "stop", id])?.exits(0)?;
    ensure!(fs::read_to_string(&kept)? == "real\n", "what is shared is real");
    watch.run(&["vm", "exec", id, "--", "true"])?.exits(6)?.says("lvsmith vm list")?;
    watch.nothing_left()
}

/// Has the keyboard's controller reset the machine, as a kernel does after a panic.
const RESET: &[u8] = &[
    0xb0, 0xfe, // mov al, 0xfe
    0xe6, 0x64, // out 0x64, al
    0xf4, 0xeb, 0xfd, // hlt, again and again
];

/// Does nothing any more.
const HALT: &[u8] = &[
    0xfa, // cli
    0xf4, 0xeb, 0xfd, // hlt, again and again
];

/// The smallest kernel that qemu starts: it says something on its console, and then does one
/// thing.
struct Kernel {
    path: String,
    _folder: TempDir,
}

impl Kernel {
    fn new(message: &str, then: &[u8]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("vmlinux");
        fs::write(&path, image(message, then))?;
        Ok(Self { path: path.display().to_string(), _folder: folder })
    }

    fn options<'a>(&'a self, deadline: &'a str) -> [&'a str; 6] {
        ["--acceleration", "tcg", "--kernel", &self.path, "--boot-deadline", deadline]
    }

    /// Starts the program, and returns once qemu runs.
    fn boot(&self, watch: &Watch) -> Result<std::process::Child> {
        let mut command = watch.command(&["vm", "run"]);
        command.args(self.options("600")).args(["--", "true"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let runs = || watch.processes().iter().any(|line| line.contains("qemu-system"));
        poll_until(runs, SOON, "qemu runs")?;
        Ok(child)
    }
}

/// An ELF file of one segment, with the note that tells where to enter it: the PVH boot
/// protocol, by which the processor is in 32-bit mode with flat segments.
fn image(message: &str, then: &[u8]) -> Vec<u8> {
    const BASE: u32 = 0x10_0000;
    const HEADERS: u32 = 64 + 2 * 56;
    const NOTE: u32 = 24;
    let entry = BASE + HEADERS + NOTE;
    // The loop is 17 bytes long; the text comes last.
    let text = entry + 17 + u32::try_from(then.len()).expect("it is short");
    let mut code = vec![0xbe]; // mov esi, text
    code.extend(text.to_le_bytes());
    code.extend([
        0xac, // next: lodsb
        0x84, 0xc0, // test al, al
        0x74, 0x07, // jz done
        0x66, 0xba, 0xf8, 0x03, // mov dx, the first serial port
        0xee, // out dx, al
        0xeb, 0xf4, // jmp next; done:
    ]);
    code.extend(then);
    code.extend(message.bytes().chain([0]));

    let mut note = Vec::new();
    // Sizes of name and content, XEN_ELFNOTE_PHYS32_ENTRY, the name, the content.
    [4_u32, 8, 18].iter().for_each(|number| note.extend(number.to_le_bytes()));
    note.extend(b"Xen\0");
    note.extend(u64::from(entry).to_le_bytes());

    let length = u64::from(HEADERS + NOTE) + code.len() as u64;
    // 64 bits, little endian, an executable, for x86-64.
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0".to_vec();
    [u64::from(entry), 64, 0].iter().for_each(|number| file.extend(number.to_le_bytes()));
    // Flags; sizes of this header, of one of the two that follow, and of sections, of which
    // there are none.
    file.extend(0_u32.to_le_bytes());
    [64_u16, 56, 2, 64, 0, 0].iter().for_each(|number| file.extend(number.to_le_bytes()));
    let mut segment = |kind: u32, offset: u64, length: u64, align: u64| {
        file.extend(kind.to_le_bytes());
        file.extend(7_u32.to_le_bytes());
        let address = u64::from(BASE) + offset;
        let numbers = [offset, address, address, length, length, align];
        numbers.iter().for_each(|number| file.extend(number.to_le_bytes()));
    };
    segment(1, 0, length, 0x1000);
    segment(4, u64::from(HEADERS), u64::from(NOTE), 4);
    file.extend(note);
    file.extend(code);
    file
}
