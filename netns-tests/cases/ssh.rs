//! The connection `ssh`, against a real sshd: `rs1` runs a playbook on `rs2`. What goes well, and
//! what a host or the way to it may be like.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::support::program;
use crate::traces::Said;
use crate::two_hosts::TwoHosts;
use crate::{Case, Needs};

pub(crate) const CASES: &[Case] = &[
    native("ssh::brings_the_agent_once", once),
    native("ssh::a_host_that_is_not_known", unknown_key),
    native("ssh::a_key_that_is_refused", refused_key),
    native("ssh::nobody_at_the_port", nobody),
    native("ssh::accepts_and_never_answers", silent),
    native("ssh::a_login_that_talks", talkative),
    native("ssh::a_home_where_nothing_runs", noexec),
    native("ssh::a_disk_that_is_full", full),
    native("ssh::filesystems_that_are_read_only", read_only),
    native("ssh::a_login_shell_of_another_kind", tcsh),
    native("ssh::an_agent_that_is_killed", killed),
    native("ssh::one_host_of_two", one_of_two),
    native("ssh::becomes_root_and_others", becomes),
    native("ssh::becomes_root_with_a_password", password),
    native("ssh::becomes_root_by_su", su),
    native("ssh::becomes_root_by_doas", doas),
];

const fn native(name: &'static str, run: fn() -> Result<()>) -> Case {
    Case { name, needs: Needs::Namespaces, run }
}

/// Throw-away keys, an sshd on `rs2`, and `rs1` knows it.
const SETUP: [(&str, &str); 2] = [
    (
        "rs2",
        "mkdir -p /run/sshd /root/.ssh && chmod 700 /root/.ssh && cd /root \
         && ssh-keygen -q -t ed25519 -N '' -f key && cp key.pub .ssh/authorized_keys \
         && ssh-keygen -q -t ed25519 -N '' -f host && /usr/sbin/sshd -f /dev/null -h /root/host \
         -o UsePAM=no -o PermitRootLogin=yes",
    ),
    ("rs1", "mkdir -p /root/.ssh && chmod 700 /root/.ssh"),
];

struct Far(TwoHosts);

impl Far {
    fn new() -> Result<Self> {
        let lab = TwoHosts::up()?;
        for (host, script) in SETUP {
            lab.run(host, script)?.exits(0)?;
        }
        let key = lab.run("rs2", "cat /root/key")?.output;
        let host = lab.run("rs2", "cut -d' ' -f1,2 /root/host.pub")?.output;
        lab.write("key", &key)?;
        lab.write("known_hosts", &format!("10.10.0.3 {host}"))?;
        let folder = lab.path().display();
        let take = format!(
            "install -m 600 {folder}/key /root/.ssh/id_ed25519 && cp {folder}/known_hosts /root/.ssh/"
        );
        lab.run("rs1", &take)?.exits(0)?;
        lab.write(
            "inventory.yml",
            "all: {hosts: {web: {ansible_host: 10.10.0.3, ansible_timeout: 2}}}\n",
        )?;
        lab.write(
            "site.yml",
            "- hosts: all\n  tasks:\n    - copy: {content: \"{{ ansible_hostname }}\\n\", \
             dest: /srv/name}\n",
        )?;
        Ok(Self(lab))
    }

    fn apply(&self) -> Result<Said> {
        let folder = self.0.path().display();
        let program = program();
        self.0.run("rs1", &format!("cd {folder} && {program} apply site.yml"))
    }

    /// It goes well, and the file is there.
    fn applies(&self) -> Result<String> {
        let said = self.apply()?;
        said.exits(0)?;
        ensure!(self.far("cat /srv/name")? == "rs2\n", "{said:?}");
        Ok(said.output)
    }

    /// The host is unreachable, for this reason, with this advice.
    fn unreachable(&self, reason: &str, hint: &str) -> Result<()> {
        let said = self.apply()?;
        ensure!(said.exit == Some(5), "{said:?}");
        let told = said.output.contains(reason) && said.output.contains(hint);
        ensure!(told && said.output.contains("unreachable=1"), "{reason}, {hint}: {said:?}");
        Ok(())
    }

    fn far(&self, script: &str) -> Result<String> {
        Ok(self.0.run("rs2", script)?.output)
    }

    fn near(&self, script: &str) -> Result<()> {
        self.0.run("rs1", script)?.exits(0).map(drop)
    }
}

fn once() -> Result<()> {
    let far = Far::new()?;
    let agents = "cd /root/.cache/lvsmith && stat -c '%a %i' agent-* | sort";
    let first = far.applies()?;
    ensure!(first.contains(" changed=1 "), "{first}");
    let agent = far.far(agents)?;
    ensure!(agent.starts_with("700 ") && agent.lines().count() == 1, "{agent}");
    let second = far.applies()?;
    ensure!(second.contains(" changed=0 "), "{second}");
    ensure!(far.far(agents)? == agent, "it was brought again");
    far.near("test -S /root/.cache/lvsmith/ssh/*")?;
    far.0.down()
}

fn unknown_key() -> Result<()> {
    let far = Far::new()?;
    far.near("rm /root/.ssh/known_hosts")?;
    far.unreachable("Host key verification failed", "known_hosts")?;
    ensure!(far.far("ls -d /root/.cache/lvsmith/agent-*")?.is_empty(), "it was there all the same");
    far.0.down()
}

fn refused_key() -> Result<()> {
    let far = Far::new()?;
    far.near("rm /root/.ssh/id_ed25519")?;
    far.unreachable("Permission denied", "without a question")?;
    far.0.down()
}

fn nobody() -> Result<()> {
    let far = Far::new()?;
    far.far("kill $(cat /run/sshd.pid)")?;
    far.unreachable("Connection refused", "is sshd running there")?;
    far.0.down()
}

fn silent() -> Result<()> {
    let far = Far::new()?;
    far.far(
        "kill $(cat /run/sshd.pid); perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(LocalPort \
         => 22, Listen => 5, ReuseAddr => 1) or die; fork and exit; sleep 100' >/dev/null 2>&1",
    )?;
    let start = Instant::now();
    far.unreachable("Connection timed out during banner exchange", "firewall")?;
    ensure!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    far.0.down()
}

fn talkative() -> Result<()> {
    let far = Far::new()?;
    far.far("sed -i '1i echo Welcome; printf no-newline; echo to stderr >&2' /root/.bashrc")?;
    far.applies()?;
    far.0.down()
}

fn noexec() -> Result<()> {
    let far = Far::new()?;
    far.far("mkdir -p /root/.cache && mount -t tmpfs -o noexec none /root/.cache")?;
    far.applies()?;
    ensure!(far.far("ls /var/tmp/lvsmith-0")?.starts_with("agent-"));
    far.0.down()
}

fn full() -> Result<()> {
    let far = Far::new()?;
    far.far(
        "mkdir -p /root/.cache && mount -t tmpfs -o size=1m none /root/.cache \
         && mount -t tmpfs -o size=1m none /var/tmp",
    )?;
    far.unreachable("No space left on device", "make room")?;
    ensure!(far.far("ls -A /root/.cache/lvsmith /var/tmp")?.lines().count() <= 3, "half an agent");
    far.0.down()
}

fn read_only() -> Result<()> {
    let far = Far::new()?;
    far.far(
        "mkdir -p /root/.cache && mount -t tmpfs -o ro none /root/.cache \
         && mount -t tmpfs -o ro none /var/tmp",
    )?;
    far.unreachable("Read-only file system", "")?;
    far.far("umount /var/tmp")?;
    far.applies()?;
    far.0.down()
}

fn tcsh() -> Result<()> {
    let far = Far::new()?;
    far.0.run("rs2", "usermod -s $(command -v tcsh) root")?.exits(0)?;
    far.0.run("rs1", "ssh 10.10.0.3 'echo $tcsh' | grep -q 6")?.exits(0)?;
    far.applies()?;
    far.0.down()
}

fn killed() -> Result<()> {
    let far = Far::new()?;
    far.0.write(
        "site.yml",
        "- hosts: all\n  tasks:\n    - shell: kill -9 $PPID\n    - copy: {content: x, dest: /srv/x}\n",
    )?;
    far.unreachable("the agent ended without an answer", "")?;
    ensure!(far.far("ls /srv")?.is_empty(), "it went on");
    far.0.write("site.yml", "- hosts: all\n  tasks:\n    - copy: {content: x, dest: /srv/x}\n")?;
    let said = far.apply()?;
    said.exits(0)?;
    far.0.down()
}

/// What cannot be reached does not hold up the others.
fn one_of_two() -> Result<()> {
    let far = Far::new()?;
    far.0.write(
        "inventory.yml",
        "all: {hosts: {web: {ansible_host: 10.10.0.3}, gone: {ansible_host: 10.10.0.77, \
         ansible_timeout: 1}}}\n",
    )?;
    let said = far.apply()?;
    ensure!(said.exit == Some(5), "{said:?}");
    ensure!(far.far("cat /srv/name")? == "rs2\n", "{said:?}");
    let line = |host: &str, count: &str| {
        said.output.lines().any(|line| line.starts_with(host) && line.contains(count))
    };
    ensure!(line("web ", " failed=0 ") && line("gone ", "unreachable=1"), "{said:?}");
    far.0.down()
}

impl Far {
    /// Logs in as somebody who may become others, as a line of sudoers says.
    fn as_operator(&self, sudoers: &str, variables: &str) -> Result<()> {
        self.0
            .run(
                "rs2",
                &format!(
                    "useradd -m op && echo op:swordfish | chpasswd && install -d -o op -m 700 \
                 /home/op/.ssh && install -o op -m 600 /root/key.pub /home/op/.ssh/authorized_keys \
                 && echo 'op ALL=(ALL) {sudoers}' >/etc/sudoers.d/op && chmod 440 /etc/sudoers.d/op"
                ),
            )?
            .exits(0)?;
        self.0.write(
            "inventory.yml",
            &format!(
                "all: {{hosts: {{web: {{ansible_host: 10.10.0.3, ansible_user: op{variables}}}}}}}\n"
            ),
        )?;
        self.0.write(
            "site.yml",
            "- hosts: all\n  tasks:\n    - command: id -un\n      register: one\n    \
             - command: id -un\n      become: true\n      register: two\n    \
             - copy: {content: \"{{ one.stdout }} {{ two.stdout }}\", dest: /srv/name, \
             owner: op}\n      become: true\n",
        )
    }
}

fn becomes() -> Result<()> {
    let far = Far::new()?;
    far.as_operator("NOPASSWD: ALL", "")?;
    far.apply()?.exits(0)?;
    ensure!(far.far("cat /srv/name")? == "op root");
    ensure!(far.far("ls /root/.cache/lvsmith/agent-*")?.is_empty(), "root's home has one");
    let gone = "timeout 5 sh -c \"while pgrep -f '[a]gent-.* agent lvsmith-'; do sleep 0.1; done\"";
    far.0.run("rs2", gone)?.exits(0)?;
    far.0.down()
}

fn password() -> Result<()> {
    let far = Far::new()?;
    far.as_operator("ALL", "")?;
    let failed = |said: &Said, why: &str| {
        let told =
            said.output.contains("cannot become `root` on `web`") && said.output.contains(why);
        ensure!(said.exit == Some(2) && told, "{why}: {said:?}");
        Ok(())
    };
    failed(&far.apply()?, "a password is required")?;
    far.0.run("rs2", "echo 'Defaults requiretty' >/etc/sudoers.d/tty")?.exits(0)?;
    failed(&far.apply()?, "`requiretty` in sudoers")?;
    far.0.run("rs2", "rm /etc/sudoers.d/tty")?.exits(0)?;
    far.0.write("password", "catfish\n")?;
    let with_file = || -> Result<Said> {
        let folder = far.0.path().display();
        let program = program();
        let script =
            format!("cd {folder} && {program} apply -v site.yml --become-password-file password");
        far.0.run("rs1", &script)
    };
    failed(&with_file()?, "incorrect password")?;
    far.0.write("password", "swordfish\n")?;
    let said = with_file()?;
    said.exits(0)?;
    ensure!(far.far("cat /srv/name")? == "op root");
    let shown = format!("{}{}", said.output, said.errors);
    ensure!(!shown.contains("swordfish"), "{shown}");
    far.0.down()
}

/// `su` asks for root's own password.
fn su() -> Result<()> {
    let far = Far::new()?;
    far.as_operator("NOPASSWD: ALL", ", ansible_become_method: su")?;
    far.far("echo root:catfish | chpasswd")?;
    let failed = |said: &Said| {
        let why = "cannot become `root` on `web`: su: Authentication failure";
        ensure!(said.exit == Some(2) && said.output.contains(why), "{said:?}");
        ensure!(said.output.contains("the password of whom one becomes"), "{said:?}");
        Ok(())
    };
    failed(&far.apply()?)?;
    let with = |password: &str| -> Result<Said> {
        far.0.write("password", &format!("{password}\n"))?;
        let (folder, program) = (far.0.path().display(), program());
        let script =
            format!("cd {folder} && {program} apply -v site.yml --become-password-file password");
        far.0.run("rs1", &script)
    };
    failed(&with("swordfish")?)?;
    let said = with("catfish")?;
    said.exits(0)?;
    ensure!(far.far("cat /srv/name")? == "op root");
    ensure!(!format!("{}{}", said.output, said.errors).contains("catfish"), "{said:?}");
    far.0.down()
}

fn doas() -> Result<()> {
    let far = Far::new()?;
    far.as_operator("NOPASSWD: ALL", ", ansible_become_method: doas")?;
    let permit = |rule: &str| far.0.run("rs2", &format!("echo '{rule}' >/etc/doas.conf"));
    permit("permit op")?.exits(0)?;
    let said = far.apply()?;
    let told = said.output.contains("cannot become `root` on `web`: doas:")
        && said.output.contains("permit nopass");
    ensure!(said.exit == Some(2) && told, "{said:?}");
    permit("permit nopass op")?.exits(0)?;
    far.apply()?.exits(0)?;
    ensure!(far.far("cat /srv/name")? == "op root");
    far.0.run("rs2", "rm $(command -v doas)")?.exits(0)?;
    let said = far.apply()?;
    let told = said.output.contains("doas: not found") && said.output.contains("the package doas");
    ensure!(said.exit == Some(2) && told, "{said:?}");
    far.0.down()
}
