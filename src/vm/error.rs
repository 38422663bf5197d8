//! What can go wrong with a micro-VM. The command line maps all of these to "the environment
//! lacks something", except an interruption and a command that could not be started.

use std::io;
use std::path::PathBuf;

use crate::diagnostic::Diagnostic;

/// Why there is no VM, or none any more.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The emulator is not installed.
    #[error("`{0}` is not installed")]
    QemuMissing(&'static str),
    /// No kernel was found that could run IPVS.
    #[error("no kernel for the micro-VM: {}", .0.join("; "))]
    KernelMissing(Vec<String>),
    /// The file given is no kernel.
    #[error("`{0}` is not a Linux kernel image")]
    NotAKernel(PathBuf),
    /// The kernel lacks what the boot needs.
    #[error("kernel `{release}` has no module `{module}`, neither built in nor in `{folder}`")]
    ModuleMissing {
        /// The kernel.
        release: String,
        /// What it lacks.
        module: String,
        /// Where modules were looked for.
        folder: PathBuf,
    },
    /// A folder to share is not one.
    #[error("cannot share `{0}`: not a folder")]
    Share(PathBuf),
    /// An identifier that cannot name a VM.
    #[error("`{0}` cannot name a VM")]
    Name(String),
    /// The emulator refused to start or gave up.
    #[error("qemu failed: {0}")]
    Qemu(String),
    /// KVM is there but does not run a guest.
    #[error("KVM does not work here: {0}")]
    Kvm(String),
    /// The guest kernel panicked.
    #[error("the guest kernel panicked: {0}")]
    Panic(String),
    /// Init in the guest failed.
    #[error("the guest failed to boot: {0}")]
    Guest(String),
    /// The guest did not answer in time.
    #[error("the guest did not answer within {seconds} s{}", last_words(.console))]
    Deadline {
        /// How long it was given.
        seconds: f64,
        /// What it last wrote to its console.
        console: String,
    },
    /// The guest went away without a word.
    #[error("the guest switched itself off{}", last_words(.console))]
    Died {
        /// What it last wrote to its console.
        console: String,
    },
    /// The keeper of a background VM went away.
    #[error("the VM is gone")]
    Gone,
    /// The keeper of a background VM, or the VM that it kept, reported this.
    #[error("{0}")]
    Reported(String),
    /// There is a VM of that name already.
    #[error("a VM `{0}` is running already")]
    Exists(String),
    /// There is no VM of that name.
    #[error("no VM `{0}` is running")]
    Unknown(String),
    /// Somebody else holds the socket's name.
    #[error("the socket of VM `{0}` belongs to another user")]
    Foreign(String),
    /// The command could not be started in the guest.
    #[error("{message}")]
    Command {
        /// Which, and why.
        message: String,
        /// What a shell would exit with: 127 when not found, 126 otherwise.
        code: u8,
    },
    /// A signal came before the command was started.
    #[error("interrupted")]
    Interrupted,
    /// A system call or a file failed.
    #[error("failed to {doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// What to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::QemuMissing(_) => Some("apt-get install qemu-system-x86"),
            Self::KernelMissing(_) => Some(
                "scripts/fetch-kernel.sh puts the package linux-image-amd64 into the cache; \
                 or name a kernel with --kernel",
            ),
            Self::ModuleMissing { .. } => Some(
                "the cloud flavour of Debian's kernels has no 9p: take linux-image-amd64; \
                 a kernel of your own needs its folder given with --modules",
            ),
            Self::Guest(_) => Some("a kernel whose modules lie elsewhere needs --modules"),
            Self::Deadline { .. } => Some("a slow machine may need a longer --boot-deadline"),
            Self::Unknown(_) => Some("`lvsmith vm list` shows those that run"),
            _ => None,
        }
    }

    /// Turns a failed system call into an error that says what was being done.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }

    /// The same for calls made through nix.
    pub(crate) fn errno(doing: impl Into<String>) -> impl FnOnce(nix::errno::Errno) -> Self {
        let doing = doing.into();
        move |errno| Self::Io { doing, source: errno.into() }
    }
}

impl From<&Error> for Diagnostic {
    fn from(error: &Error) -> Self {
        let diagnostic = Self::new(error.to_string());
        match error.hint() {
            Some(hint) => diagnostic.hint(hint),
            None => diagnostic,
        }
    }
}

fn last_words(console: &str) -> String {
    if console.is_empty() { String::new() } else { format!("; its console ends with:\n{console}") }
}
