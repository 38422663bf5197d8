//! The command line that qemu gets. Nothing in it is machine state: kernel, initramfs and
//! sockets are descriptors that qemu inherits.

use std::os::fd::RawFd;
use std::path::PathBuf;

use super::Options;

/// The emulator.
pub const PROGRAM: &str = "qemu-system-x86_64";

/// How to run the guest this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// With the processor's own help.
    Kvm,
    /// Emulated, as fast as it goes.
    Tcg,
    /// Emulated, without what some kernels do not survive: patching code under another
    /// emulated processor, and features of the newest ones.
    Safe,
}

/// The descriptors that qemu inherits.
#[derive(Debug, Clone, Copy)]
pub struct Descriptors {
    /// The kernel's image.
    pub kernel: RawFd,
    /// The guest's first root.
    pub initramfs: RawFd,
    /// A socket that gets what the guest's kernel has to say.
    pub console: RawFd,
    /// A socket for frames.
    pub control: RawFd,
}

/// Kernel arguments. A panic ends the VM at once.
const APPEND: &str = "console=ttyS0 panic=-1 quiet";

/// What spares a guest work: self tests of ciphers, calibrating clocks, patching locks, asking
/// ACPI about interrupts; and mitigations, which protect nobody here.
const APPEND_FAST: &str = "cryptomgr.notests mitigations=off no_timer_check noreplace-smp \
                           acpi=noirq tsc=reliable random.trust_cpu=on";

/// Programs at the same addresses every time. qemu keeps what it translated by address, so
/// that starting one a second time takes a fourth of the time.
const APPEND_EMULATED: &str = "norandmaps";

/// The arguments.
pub fn arguments(
    options: &Options,
    shares: &[PathBuf],
    attempt: Attempt,
    fds: Descriptors,
) -> Vec<String> {
    let mut line: Vec<String> =
        "-nodefaults -no-user-config -display none -no-reboot -name lvsmith"
            .split(' ')
            .map(ToOwned::to_owned)
            .collect();
    let mut option = |name: &str, value: String| line.extend([format!("-{name}"), value]);
    let cpus = if attempt == Attempt::Safe { 1 } else { options.cpus.max(1) };
    let (accelerator, processor) = match attempt {
        Attempt::Kvm => ("kvm", "host"),
        // Not `max`: emulated vectors gain nothing, and Linux 6.12 does not always survive it.
        Attempt::Tcg => ("tcg,thread=multi", "Nehalem,+rdrand"),
        Attempt::Safe => ("tcg,thread=single", "qemu64"),
    };
    option("machine", "pc".into());
    option("accel", accelerator.into());
    option("cpu", processor.into());
    option("smp", cpus.to_string());
    option("m", options.memory.to_string());
    option("kernel", format!("/proc/self/fd/{}", fds.kernel));
    option("initrd", format!("/proc/self/fd/{}", fds.initramfs));
    let append = match attempt {
        Attempt::Safe => APPEND.into(),
        Attempt::Kvm => format!("{APPEND} {APPEND_FAST}"),
        Attempt::Tcg => format!("{APPEND} {APPEND_FAST} {APPEND_EMULATED}"),
    };
    option("append", append);
    option("chardev", format!("socket,id=console,fd={}", fds.console));
    option("serial", "chardev:console".into());
    option("chardev", format!("socket,id=control,fd={}", fds.control));
    option("device", "virtio-serial-pci".into());
    option("device", "virtserialport,chardev=control,name=lvsmith".into());
    option("fsdev", "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap".into());
    option("device", "virtio-9p-pci,fsdev=root,mount_tag=root".into());
    for (at, share) in shares.iter().enumerate() {
        // qemu takes a doubled comma for a comma.
        let path = share.to_string_lossy().replace(',', ",,");
        option(
            "fsdev",
            format!("local,id=share{at},path={path},security_model=none,multidevs=remap"),
        );
        option("device", format!("virtio-9p-pci,fsdev=share{at},mount_tag=share{at}"));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    const FDS: Descriptors = Descriptors { kernel: 3, initramfs: 4, console: 5, control: 6 };

    #[test]
    fn a_share_with_a_comma_stays_one_path() {
        let shares = ["/a,b".into()];
        let line = arguments(&Options::default(), &shares, Attempt::Tcg, FDS).join(" ");
        assert!(line.contains("local,id=share0,path=/a,,b,security_model=none"), "{line}");
    }

    #[test]
    fn the_root_cannot_be_written() {
        let line = arguments(&Options::default(), &[], Attempt::Kvm, FDS).join(" ");
        assert!(line.contains("id=root,path=/,security_model=none,readonly=on"), "{line}");
    }

    #[test]
    fn a_safe_attempt_has_one_plain_processor() {
        let options = Options { cpus: 4, ..Options::default() };
        let line = arguments(&options, &[], Attempt::Safe, FDS).join(" ");
        assert!(line.contains("-accel tcg,thread=single -cpu qemu64 -smp 1"), "{line}");
    }
}
