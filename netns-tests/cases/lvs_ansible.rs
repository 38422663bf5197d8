//! The site that is written as an Ansible user would: it works, and it ends in the same state
//! under the real ansible-playbook as under `lvsmith apply`, in two equal labs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::support::{ROOT, said, trial};
use crate::traces::{Said, Watch};
use crate::{Case, Needs};

pub(crate) const CASES: &[Case] = &[
    Case { name: "lvs_ansible::works", needs: Needs::Ipvs, run: works },
    Case { name: "lvs_ansible::ends_as_under_ansible", needs: Needs::Namespaces, run: same },
];

const SITE: &str = "playbooks/lvs-ansible";
const HOSTS: [&str; 4] = ["lb1", "rs1", "rs2", "rs3"];

fn works() -> Result<()> {
    trial(&Path::new(ROOT).join(SITE), &[])?.passed().map(drop)
}

/// A lab of the site's hosts, without a kernel that has IPVS, and nothing done in it yet.
struct Site {
    watch: Watch,
    folder: TempDir,
}

impl Site {
    fn up() -> Result<Self> {
        // Lab hosts have a `/tmp` of their own.
        let (watch, folder) = (Watch::new()?, tempfile::tempdir_in("/var/tmp")?);
        let site = Self { watch, folder };
        let from = Path::new(ROOT).join(SITE);
        said(Command::new("cp").arg("-a").arg(from.join(".")).arg(site.folder.path()))?;
        let lab = fs::read_to_string(from.join("lab.yml"))?;
        let (networks, _) = lab.split_once("playbook:").context("hosts come first")?;
        let (_, hosts) = networks.split_once("networks:").context("it has networks")?;
        let name = &site.watch.name;
        let lab = format!("name: {name}\nconnection: ssh\nrequires: []\nnetworks:{hosts}");
        fs::write(site.folder.path().join("lab.yml"), lab)?;
        site.watch.run(&["lab", "up", &site.path("")])?.exits(0)?;
        Ok(site)
    }

    fn path(&self, file: &str) -> String {
        self.folder.path().join(file).display().to_string()
    }

    fn within(&self, host: &str, script: &str) -> Result<Said> {
        self.watch.run(&[
            "lab",
            "exec",
            "--lab",
            &self.watch.name,
            host,
            "--",
            "bash",
            "-c",
            script,
        ])
    }

    fn lvsmith(&self) -> Result<String> {
        let site = self.path("site.yml");
        let arguments = ["apply", "--lab", &self.watch.name, &site, "-e", "lvs_kernel=false"];
        Ok(self.watch.run(&arguments)?.exits(0)?.output.clone())
    }

    fn ansible(&self) -> Result<String> {
        let script = format!(
            "cd {} && export ANSIBLE_NOCOLOR=1 ANSIBLE_PIPELINING=1 ANSIBLE_FORKS=10 \
             ANSIBLE_SSH_ARGS='-F /run/lvsmith/ssh/config -o StrictHostKeyChecking=no \
             -o UserKnownHostsFile=/dev/null -o ControlMaster=auto -o ControlPersist=60s'; \
             exec /usr/bin/ansible-playbook -i inventory.ini -e lvs_kernel=false \
             -e ansible_python_interpreter=/usr/bin/python3 site.yml",
            self.folder.path().display()
        );
        Ok(self.within("controller", &script)?.exits(0)?.output.clone())
    }

    /// Every file's owner, mode and digest, every sysctl, address and route of a host, and what
    /// its web server says.
    fn state(&self, host: &str) -> Result<BTreeSet<String>> {
        const SCRIPT: &str = "
            find /etc /var/www /srv -printf 'file %m %u:%g %y %p %l\\n'
            find /etc /var/www /srv -type f -print0 | xargs -0 sha256sum
            sysctl -a 2>/dev/null | grep '^net'
            ip -oneline -brief address; ip route
            exec 3<>/dev/tcp/127.0.0.1/80 || exit 0
            printf 'GET /version.txt HTTP/1.0\\r\\n\\r\\n' >&3
            grep -v '^Date\\|^ETag\\|^Last-Modified' <&3
        ";
        let said = self.within(host, SCRIPT)?;
        Ok(said.exits(0)?.output.lines().map(|line| line.trim_end().to_owned()).collect())
    }

    /// What differs between before and after, on each host.
    fn changes(&self, run: impl FnOnce(&Self) -> Result<String>) -> Result<Vec<BTreeSet<String>>> {
        let states = || HOSTS.iter().map(|host| self.state(host)).collect::<Result<Vec<_>>>();
        let before = states()?;
        run(self)?;
        let after = states()?;
        let change = |(before, after): (&BTreeSet<String>, &BTreeSet<String>)| {
            let gone = before.difference(after).map(|line| format!("- {line}"));
            gone.chain(after.difference(before).map(|line| format!("+ {line}"))).collect()
        };
        Ok(before.iter().zip(&after).map(change).collect())
    }

    fn down(self) -> Result<()> {
        self.watch.run(&["lab", "down", &self.watch.name])?.exits(0)?;
        self.watch.nothing_left()
    }
}

fn same() -> Result<()> {
    if !Path::new("/usr/bin/ansible-playbook").exists() {
        bail!("there is no ansible-playbook: `scripts/setup ansible-playbook:ansible` installs it");
    }
    let site = Site::up()?;
    let ours = site.changes(Site::lvsmith)?;
    site.down()?;
    let site = Site::up()?;
    let theirs = site.changes(Site::ansible)?;
    site.down()?;
    for ((host, ours), theirs) in HOSTS.iter().zip(&ours).zip(&theirs) {
        ensure!(ours.len() > 20, "{host}: the site changed next to nothing: {ours:#?}");
        let differ: Vec<&String> = ours.symmetric_difference(theirs).collect();
        ensure!(differ.is_empty(), "{host} is not the same under both: {differ:#?}");
    }
    let www = |line: &String| line.contains("LVS, THE WAY IT WAS, rs1 of 3");
    ensure!(ours[1].iter().any(www), "rs1 answers otherwise: {:#?}", ours[1]);
    Ok(())
}
