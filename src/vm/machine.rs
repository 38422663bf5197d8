//! A qemu process: started, watched until its guest answers, ended.

use std::fs::File;
use std::io::Read;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::acceleration::{self, Acceleration, KVM_DEADLINE};
use super::error::Error;
use super::frame::{Body, Frame};
use super::kernel::Kernel;
use super::log::Log;
use super::qemu::{self, Attempt, Descriptors};
use super::{Options, image, initramfs};

/// How often a boot looks up for signals and its deadline.
const TICK: Duration = Duration::from_millis(50);

/// A VM that answers.
#[derive(Debug)]
pub struct Machine {
    channel: UnixStream,
    /// qemu is killed when it closes, and it closes with this process at the latest.
    leash: UnixStream,
    log: Arc<Watched>,
}

/// The log, and a bell that rings when qemu has ended.
#[derive(Debug, Default)]
struct Watched {
    log: Mutex<Log>,
    ended: Condvar,
}

/// What all attempts at one boot have in common.
struct Setup<'a> {
    options: &'a Options,
    program: PathBuf,
    shares: Vec<PathBuf>,
    image: File,
    initramfs: File,
}

impl Machine {
    /// Boots a VM, by the fastest way that works.
    pub fn boot(options: &Options, interrupted: &dyn Fn() -> bool) -> Result<Self, Error> {
        let program = find_program().ok_or(Error::QemuMissing(qemu::PROGRAM))?;
        let shares = shares(&options.shares)?;
        let kernel = Kernel::find(options)?;
        let image = image::open(&kernel.image, &kernel.release)?;
        let initramfs = initramfs::build(&kernel, &shares)?;
        let setup = Setup { options, program, shares, image, initramfs };
        match options.acceleration {
            Acceleration::Kvm => {
                let machine = setup.kvm(interrupted)?;
                acceleration::remember_kvm(true);
                Ok(machine)
            }
            Acceleration::Auto if acceleration::kvm_is_promising() => {
                match setup.kvm(interrupted) {
                    Ok(machine) => {
                        acceleration::remember_kvm(true);
                        Ok(machine)
                    }
                    Err(Error::Interrupted) => Err(Error::Interrupted),
                    Err(error) => {
                        anstream::eprintln!("lvsmith: {error}; the VM is emulated instead");
                        let machine = setup.tcg(interrupted)?;
                        // Only now is it certain that the kernel was not to blame.
                        acceleration::remember_kvm(false);
                        Ok(machine)
                    }
                }
            }
            Acceleration::Auto | Acceleration::Tcg => setup.tcg(interrupted),
        }
    }

    /// Another handle on the channel.
    pub fn channel(&self) -> Result<UnixStream, Error> {
        self.channel.try_clone().map_err(Error::io("share the channel"))
    }

    /// Says why the VM is gone, once its channel is closed.
    pub fn diagnose(&self) -> Error {
        self.log.wait_for_end(Duration::from_secs(5)).diagnose()
    }

    /// Ends qemu and waits for that.
    pub fn kill(&self) {
        // Fails only when it is shut already.
        let _ = self.leash.shutdown(Shutdown::Both);
        drop(self.log.wait_for_end(Duration::from_secs(5)));
    }

    fn start(setup: &Setup, attempt: Attempt) -> Result<Self, Error> {
        let pair = || UnixStream::pair().map_err(Error::io("make a socket"));
        let (channel, control) = pair()?;
        let (console, console_end) = pair()?;
        let (leash, leash_end) = pair()?;
        let fds = Descriptors {
            kernel: setup.image.as_raw_fd(),
            initramfs: setup.initramfs.as_raw_fd(),
            console: console_end.as_raw_fd(),
            control: control.as_raw_fd(),
        };
        let mut command = Command::new(&setup.program);
        command.args(qemu::arguments(setup.options, &setup.shares, attempt, fds));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        // Ctrl-C on the terminal is for the command in the guest, not for qemu.
        command.process_group(0);
        die_with_parent(&mut command);
        inherit(&mut command, [fds.kernel, fds.initramfs, fds.console, fds.control]);
        let log = Arc::new(Watched::default());
        let watched = Arc::clone(&log);
        let (started, outcome) = std::sync::mpsc::channel();
        // The kernel ends qemu when the *thread* that started it ends, hence a thread that
        // stays for as long as qemu does.
        std::thread::spawn(move || {
            let child = command.spawn();
            drop((command, console_end, control));
            match child {
                Ok(child) => {
                    let _ = started.send(Ok(()));
                    watched.watch(child, console, &leash_end);
                }
                Err(error) => drop(started.send(Err(error))),
            }
        });
        match outcome.recv() {
            Ok(Ok(())) => Ok(Self { channel, leash, log }),
            Ok(Err(error)) => Err(Error::io("start qemu")(error)),
            Err(_) => Err(Error::Qemu("its thread ended".into())),
        }
    }

    /// Waits until the guest says that it is ready.
    fn wait(&self, deadline: Duration, interrupted: &dyn Fn() -> bool) -> Result<(), Error> {
        let end = Instant::now() + deadline;
        let tick = PollTimeout::try_from(TICK).unwrap_or(PollTimeout::ZERO);
        loop {
            if interrupted() {
                return Err(Error::Interrupted);
            }
            let mut fds = [PollFd::new(self.channel.as_fd(), PollFlags::POLLIN)];
            // An interruption shows at the next round.
            let _ = poll(&mut fds, tick);
            if fds[0].any().unwrap_or(false) {
                return match Frame::read(&self.channel).map(|frame| frame.body) {
                    Ok(Body::Ready) => Ok(()),
                    Ok(_) => Err(Error::Guest("it speaks another language".into())),
                    Err(_) => Err(self.diagnose()),
                };
            }
            if Instant::now() >= end {
                let console = self.log.lock().last_words();
                return Err(Error::Deadline { seconds: deadline.as_secs_f64(), console });
            }
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Setup<'_> {
    fn kvm(&self, interrupted: &dyn Fn() -> bool) -> Result<Machine, Error> {
        self.attempt(Attempt::Kvm, KVM_DEADLINE.min(self.options.boot_deadline), interrupted)
            .map_err(|error| match error {
                Error::Deadline { seconds, .. } => {
                    Error::Kvm(format!("the guest did not answer within {seconds} s"))
                }
                other => other,
            })
    }

    /// Emulation; a boot that dies is worth a second one with safer settings.
    fn tcg(&self, interrupted: &dyn Fn() -> bool) -> Result<Machine, Error> {
        let deadline = self.options.boot_deadline;
        match self.attempt(Attempt::Tcg, deadline, interrupted) {
            Err(error @ (Error::Panic(_) | Error::Died { .. })) => {
                // All of it is told if that fails as well.
                let error = error.to_string();
                let first = error.lines().next().unwrap_or_default();
                anstream::eprintln!("lvsmith: {first}; trying again with safer settings");
                self.attempt(Attempt::Safe, deadline, interrupted)
            }
            other => other,
        }
    }

    fn attempt(
        &self,
        attempt: Attempt,
        deadline: Duration,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<Machine, Error> {
        let machine = Machine::start(self, attempt)?;
        machine.wait(deadline, interrupted)?;
        Ok(machine)
    }
}

impl Watched {
    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for_end(&self, patience: Duration) -> MutexGuard<'_, Log> {
        let (log, _) = self
            .ended
            .wait_timeout_while(self.lock(), patience, |log| log.status.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        log
    }

    /// Reads what qemu and the guest's kernel have to say, until there is no more; kills qemu
    /// when the leash is let go, or when KVM has given up, after which qemu would stand still.
    fn watch(&self, mut child: Child, console: UnixStream, leash: &UnixStream) {
        let errors = child.stderr.take().map(|pipe| File::from(OwnedFd::from(pipe)));
        let mut sources = [Some(File::from(OwnedFd::from(console))), errors];
        let mut leashed = true;
        while sources.iter().any(Option::is_some) {
            let watched = sources.iter().flatten().map(AsFd::as_fd);
            let mut fds: Vec<PollFd> = watched
                .chain(leashed.then(|| leash.as_fd()))
                .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
                .collect();
            let _ = poll(&mut fds, PollTimeout::NONE);
            let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(false)).collect();
            let mut ready = ready.into_iter();
            for (at, source) in sources.iter_mut().enumerate() {
                if let Some(file) = source
                    && ready.next() == Some(true)
                {
                    let mut bytes = [0; 4096];
                    match file.read(&mut bytes) {
                        Ok(count) if count > 0 => self.lock().append(at == 1, &bytes[..count]),
                        _ => *source = None,
                    }
                }
            }
            let released = leashed && ready.next() == Some(true);
            if released || self.lock().kvm_gave_up() {
                leashed = false;
                // One that is gone already needs no end.
                let _ = child.kill();
            }
        }
        let status = child.wait();
        self.lock().status = Some(status);
        self.ended.notify_all();
    }
}

fn find_program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(qemu::PROGRAM))
        .find(|file| file.is_file())
}

fn shares(given: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    given
        .iter()
        .map(|share| match share.canonicalize() {
            Ok(path) if path.is_dir() && path.parent().is_some() => Ok(path),
            _ => Err(Error::Share(share.clone())),
        })
        .collect()
}

fn die_with_parent(command: &mut Command) {
    let parent = std::process::id();
    // SAFETY: prctl, getppid and raise may be called between fork and exec.
    unsafe {
        command.pre_exec(move || {
            nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
            // The parent may have died before that was set.
            if u32::try_from(libc::getppid()) == Ok(parent) {
                Ok(())
            } else {
                Err(nix::errno::Errno::ESRCH.into())
            }
        });
    }
}

/// Lets the child keep these descriptors; this process's other children never get them.
fn inherit(command: &mut Command, fds: [RawFd; 4]) {
    // SAFETY: fcntl may be called between fork and exec.
    unsafe {
        command.pre_exec(move || {
            for fd in fds {
                let fd = std::os::fd::BorrowedFd::borrow_raw(fd);
                fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty()))?;
            }
            Ok(())
        });
    }
}
