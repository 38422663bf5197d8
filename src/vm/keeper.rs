//! VMs that outlive the command that started them. Each has a keeper, a process of its own
//! session that owns the machine and answers to a name in the abstract socket namespace: no
//! file, so that nothing is left when it ends, and only this user's processes get an answer.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::sys::socket::{Shutdown, getsockopt, shutdown, sockopt::PeerCredentials};
use nix::unistd::{Uid, dup2_stderr, dup2_stdin, dup2_stdout, setsid};

use super::Options;
use super::caller;
use super::error::Error;
use super::frame::Body;
use super::hub::Hub;
use super::machine::Machine;
use super::signals::Signals;

/// What a keeper tells the process that started it.
const UP: &str = "up";

/// Starts a VM that goes on running under that name, until [`end`].
pub fn background(options: &Options, id: &str) -> Result<(), Error> {
    address(id)?;
    let options = serde_json::to_vec(options)
        .map_err(|error| Error::io("write down the options")(error.into()))?;
    let fail = || Error::io("start the keeper of the VM");
    let mut keeper = Command::new("/proc/self/exe")
        .arg0("lvsmith")
        .args(["vm", "keep", id])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(fail())?;
    if let Some(mut input) = keeper.stdin.take() {
        input.write_all(&options).map_err(fail())?;
    }
    let mut answer = String::new();
    if let Some(mut output) = keeper.stdout.take() {
        output.read_to_string(&mut answer).map_err(fail())?;
    }
    match answer.trim() {
        UP => Ok(()),
        "" => Err(Error::Gone),
        why if why == Error::Exists(id.into()).to_string() => Err(Error::Exists(id.into())),
        why => Err(Error::Reported(why.into())),
    }
}

/// Runs a command in a background VM, with this process's standard streams; gives its exit
/// code.
pub fn attach(id: &str, argv: &[OsString]) -> Result<u8, Error> {
    let signals = Signals::take()?;
    caller::run(&connect(id)?, argv, &signals)
}

/// Ends a background VM and waits until it is gone.
pub fn end(id: &str) -> Result<(), Error> {
    let keeper = connect(id)?;
    Body::Shutdown.of(0).write(&keeper).map_err(|_| Error::Gone)?;
    // The keeper says no more; its socket closes when it is over.
    io::copy(&mut &keeper, &mut io::sink()).map(drop).map_err(Error::io("wait for the VM's end"))
}

/// The names of this user's background VMs.
pub fn running() -> Result<Vec<String>, Error> {
    let table = "/proc/net/unix";
    let table = std::fs::read_to_string(table).map_err(Error::io(format!("read `{table}`")))?;
    Ok(listening(&table, Uid::current()))
}

/// Is the keeper: boots the machine that the options on standard input describe, and serves
/// callers until one asks for the end. Not for people; [`background`] starts it.
pub fn keep(id: &str) -> Result<(), Error> {
    // Not a child of the terminal any more. A leader of a group, as a shell's jobs are, cannot
    // be one of a session too, and need not be.
    let _ = setsid();
    let (hub, listener) = match set_up(id) {
        Ok(kept) => kept,
        Err(error) => {
            // Whoever waited for this may have been interrupted.
            let _ = write!(io::stdout(), "{error}").and_then(|()| io::stdout().flush());
            return Err(error);
        }
    };
    let fail = || Error::io("answer the process that started the VM");
    writeln!(io::stdout(), "{UP}").and_then(|()| io::stdout().flush()).map_err(fail())?;
    detach()?;
    std::thread::scope(|scope| {
        let door = listener.as_raw_fd();
        let accepting = scope.spawn(|| accept(listener, &hub));
        hub.wait();
        hub.finish();
        // The name is free before those who wait for the end learn of it: their sockets close
        // with the process, as their threads end with it.
        if shutdown(door, Shutdown::Both).is_ok() {
            let _ = accepting.join();
        }
        std::process::exit(0)
    })
}

fn set_up(id: &str) -> Result<(Hub, UnixListener), Error> {
    let options: Options = serde_json::from_reader(io::stdin())
        .map_err(|error| Error::io("read the options")(error.into()))?;
    // Before the boot, so that of two with the same name only one boots.
    let listener = UnixListener::bind_addr(&address(id)?).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Error::Exists(id.into()),
        _ => Error::io(format!("listen for VM `{id}`"))(error),
    })?;
    let machine = Machine::boot(&options, &|| false)?;
    Ok((Hub::new(machine)?, listener))
}

/// Serves callers until the listener is shut down, and closes it.
fn accept(listener: UnixListener, hub: &Hub) {
    for caller in listener.incoming() {
        match caller {
            // One that cannot be served is closed, which tells it.
            Ok(caller) if is_ours(&caller) => drop(hub.connect(caller)),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return,
            _ => {}
        }
    }
}

/// Lets go of the streams of the process that started this one, and of its folder.
fn detach() -> Result<(), Error> {
    let fail = || Error::io("detach the keeper");
    let null = std::fs::File::options().read(true).write(true).open("/dev/null").map_err(fail())?;
    let moved =
        dup2_stdin(&null).and_then(|()| dup2_stdout(&null)).and_then(|()| dup2_stderr(&null));
    moved.map_err(Error::errno("detach the keeper"))?;
    std::env::set_current_dir("/").map_err(fail())
}

fn connect(id: &str) -> Result<UnixStream, Error> {
    let keeper = UnixStream::connect_addr(&address(id)?).map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => Error::Unknown(id.into()),
        _ => Error::io(format!("reach VM `{id}`"))(error),
    })?;
    // Anybody can take a name in the abstract namespace.
    if is_ours(&keeper) { Ok(keeper) } else { Err(Error::Foreign(id.into())) }
}

fn is_ours(peer: &UnixStream) -> bool {
    getsockopt(peer, PeerCredentials).is_ok_and(|peer| peer.uid() == Uid::current().as_raw())
}

fn address(id: &str) -> Result<SocketAddr, Error> {
    let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if id.is_empty() || !id.chars().all(fit) {
        return Err(Error::Name(id.into()));
    }
    let name = format!("{}{id}", prefix(Uid::current()));
    SocketAddr::from_abstract_name(name).map_err(|_| Error::Name(id.into()))
}

fn prefix(user: Uid) -> String {
    format!("lvsmith/vm/{user}/")
}

/// The names in `/proc/net/unix`, whose columns are: address, references, protocol, flags,
/// type, state, inode, path. An accepted connection has the path of its listener, but not its
/// flag.
fn listening(table: &str, user: Uid) -> Vec<String> {
    const LISTENS: &str = "00010000";
    let prefix = format!("@{}", prefix(user));
    let mut names: Vec<String> = table
        .lines()
        .filter_map(|line| {
            let mut columns = line.split_whitespace();
            let flags = columns.nth(3)?;
            let name = columns.nth(3)?.strip_prefix(&prefix)?;
            (flags == LISTENS).then(|| name.to_owned())
        })
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_this_users_keepers_and_not_their_connections() {
        let table = "\
Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 18264 @lvsmith/vm/0/demo
0000000000000000: 00000003 00000000 00000000 0001 03 18300 @lvsmith/vm/0/demo
0000000000000000: 00000002 00000000 00010000 0001 01 18264 @lvsmith/vm/1000/other
0000000000000000: 00000002 00000000 00010000 0001 01 16000 /run/dbus/socket
0000000000000000: 00000003 00000000 00000000 0001 03 16001
0000000000000000: 00000002 00000000 00010000 0001 01 18270 @lvsmith/vm/0/a
";
        assert_eq!(listening(table, Uid::from_raw(0)), ["a", "demo"]);
    }

    #[test]
    fn a_name_is_a_plain_word() {
        assert!(address("lvs-dr_1.0").is_ok());
        for bad in ["", "a b", "a/b", "a\0b"] {
            assert!(matches!(address(bad), Err(Error::Name(_))), "{bad:?}");
        }
    }

    #[test]
    fn a_vm_that_does_not_run_is_unknown() {
        let error = end("no-such-vm-in-this-test").expect_err("it does not run");
        assert!(matches!(error, Error::Unknown(_)), "{error}");
    }
}
