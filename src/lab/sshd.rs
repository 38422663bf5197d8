//! sshd in the hosts of a lab, OpenSSH's own, and what its client needs in the host that
//! connections leave from. Keys are made for this lab and lie in its clones only: they are gone
//! with it. Nothing of the machine's own settings for ssh counts.

#![expect(clippy::disallowed_methods, reason = "sshd is a program that is run")]

use std::io::Write;
use std::process::{Child, Command, Stdio};

use super::connector::Reachable;
use super::{Entrance, Error};

/// Where a host has all of it.
pub(crate) const FOLDER: &str = "/run/lvsmith/ssh";

/// Where the controller's client finds its settings.
pub(crate) const CONFIG: &str = "/run/lvsmith/ssh/config";

/// Makes the client's key, and tells its public half.
const CLIENT: &str = "
    set -e; umask 022; mkdir -p /run/lvsmith/ssh; cd /run/lvsmith/ssh
    cat >config
    ssh-keygen -q -t ed25519 -N '' -C lab -f key
    cat key.pub
";

const CLIENT_SETTINGS: &str = "\
Host *
  User root
  IdentityFile /run/lvsmith/ssh/key
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile /run/lvsmith/ssh/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
";

/// Starts sshd, which the client's key opens, and tells its own public key. It returns once
/// sshd listens. A password that no hash equals locks the account for keys as well, and so does
/// none: who is not root on the machine has a clone in which its file is empty.
const SERVER: &str = "
    set -e; umask 022; mkdir -p /run/sshd /run/lvsmith/ssh; cd /run/lvsmith/ssh
    cat >authorized_keys
    ssh-keygen -q -t ed25519 -N '' -C lab -f host_key
    cat >sshd_config <<end
HostKey /run/lvsmith/ssh/host_key
AuthorizedKeysFile /run/lvsmith/ssh/authorized_keys
PidFile /run/lvsmith/ssh/sshd.pid
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
Subsystem sftp internal-sftp
MaxStartups 200
end
    if grep -q '^root:!' /etc/shadow; then sed -i 's/^root:!/root:*/' /etc/shadow; fi
    grep -q '^root:' /etc/shadow || echo 'root:*:::::::' >>/etc/shadow
    PATH=$PATH:/usr/sbin:/usr/local/sbin
    program=$(command -v sshd) || { echo 'there is no sshd' >&2; exit 1; }
    $program -f /run/lvsmith/ssh/sshd_config -E /run/lvsmith/ssh/log || { cat log >&2; exit 1; }
    cut -d' ' -f1,2 host_key.pub
";

const KNOWN: &str = "cat >/run/lvsmith/ssh/known_hosts";

/// Starts sshd in all hosts of a lab that has a controller, and lets that into them.
pub(super) fn start(lab: &dyn Reachable) -> Result<(), Error> {
    let Some(controller) = &lab.state().controller else { return Ok(()) };
    let controller = lab.entrance(controller)?;
    let key = Script::start(controller.clone(), CLIENT, CLIENT_SETTINGS)?.end()?;
    let hosts = lab.state().hosts.keys();
    let servers: Vec<Script> = hosts
        .map(|host| Script::start(lab.entrance(host)?, SERVER, &key))
        .collect::<Result<_, _>>()?;
    let mut known = String::new();
    for server in servers {
        let name = server.entrance.host().to_owned();
        known += &format!("{name} {}", server.end()?);
    }
    Script::start(controller, KNOWN, &known)?.end().map(drop)
}

/// A shell's script that runs in a host.
struct Script {
    entrance: Entrance,
    child: Child,
}

impl Script {
    /// Starts it; what it reads must be short.
    fn start(entrance: Entrance, script: &str, input: &str) -> Result<Self, Error> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = entrance.spawn(command)?;
        if let Some(mut pipe) = child.stdin.take() {
            // One that has ended says why at its end.
            let _ = pipe.write_all(input.as_bytes());
        }
        Ok(Self { entrance, child })
    }

    /// Waits for its end; what it printed.
    fn end(self) -> Result<String, Error> {
        let host = self.entrance.host();
        let output = self.child.wait_with_output();
        let output =
            output.map_err(|error| Error::io(format!("start sshd on `{host}`"), &error))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let words = String::from_utf8_lossy(&output.stderr);
        Err(Error::Environment {
            message: format!("failed to start sshd on `{host}`: {}", words.trim()),
            hint: Some(
                "a lab host has the programs of this machine: install openssh-server and \
                 openssh-client here"
                    .into(),
            ),
        })
    }
}
