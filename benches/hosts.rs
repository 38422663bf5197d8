//! Many hosts over ssh: the same small playbook by this program, by ansible-core, by mitogen and by
//! pyinfra, and `ssh HOST true` on all of them at once as the floor.
//!
//! Hosts are those of a lab with a real sshd each; all programs run in the lab's controller, with
//! the same keys. The Python programs live in a virtual environment below `target`.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::measure::{self, Book, Goal, LVSMITH, ROOT, Row, Samples, lvsmith, timed};

const NAME: &str = "bench-hosts";
const CONFIG: &str = "/run/lvsmith/ssh/config";

/// Runs of what takes a second or so; what takes minutes runs once.
const RUNS: usize = 5;

/// What the names of all figures here begin with.
const FEW: &str = "hosts 8 with 4 tasks";
const MORE: &str = "hosts 32 with 4 tasks";
const LONG: &str = "hosts 8 with 50 tasks";
const CROWD: &str = "hosts 200";

/// Measures what is asked for and prints it.
pub(crate) fn run() -> Book {
    let machine = measure::machine();
    let mut book = Book::new();
    book.measure(FEW, || compared(8, 4));
    book.measure(MORE, || compared(32, 4));
    book.measure(LONG, || compared(8, 50));
    book.measure(CROWD, crowd);
    if !book.rows.is_empty() {
        let versions = Python::new().map(|python| python.versions()).unwrap_or_default();
        let runs = format!("{RUNS} runs each of lvsmith and ssh, one of the others");
        measure::print("MANY HOSTS", &[machine, versions, runs], &book.rows);
    }
    book
}

/// The virtual environment with the other programs.
struct Python(PathBuf);

impl Python {
    /// Makes it where it is not there yet.
    fn new() -> Result<Self> {
        let folder = Path::new(ROOT).join("target/bench-python");
        if !folder.join("bin/pyinfra").exists() {
            eprintln!("installing ansible-core, mitogen and pyinfra below target");
            timed(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
            let pip = folder.join("bin/pip");
            timed(Command::new(pip).args(["-q", "install", "ansible-core", "mitogen", "pyinfra"]))?;
        }
        Ok(Self(folder))
    }

    fn program(&self, name: &str) -> String {
        self.0.join("bin").join(name).display().to_string()
    }

    /// Where mitogen has its plugins for Ansible.
    fn mitogen(&self) -> Result<String> {
        let output = Command::new(self.program("python"))
            .args(["-c", "import ansible_mitogen as m; print(m.__path__[0])"])
            .output()?;
        let folder = String::from_utf8(output.stdout)?;
        ensure!(output.status.success(), "mitogen is not installed");
        Ok(format!("{}/plugins/strategy", folder.trim()))
    }

    fn versions(&self) -> String {
        let mut command = Command::new(self.program("pip"));
        let output = command.args(["list", "--format=freeze"]).output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        let wanted = ["ansible-core=", "mitogen=", "pyinfra="];
        let text = text.unwrap_or_default();
        let lines = text.lines().filter(|line| wanted.iter().any(|name| line.starts_with(name)));
        lines.map(|line| line.replace("==", " ")).collect::<Vec<_>>().join(", ")
    }
}

/// A lab of so many hosts, with the playbook in every program's words.
struct Site {
    folder: TempDir,
    hosts: usize,
}

impl Site {
    fn up(hosts: usize, tasks: usize) -> Result<Self> {
        let site = Self { folder: tempfile::tempdir()?, hosts };
        let mut lab = format!(
            "name: {NAME}\nrequires: []\nconnection: ssh\nnetworks: {{lan: {{subnet: \
             10.77.0.0/16}}}}\nhosts:\n"
        );
        let (mut yaml, mut ini) = (String::from("all:\n  hosts:\n"), String::from("[all]\n"));
        let mut python = String::from("hosts = [\n");
        for (at, host) in site.names().enumerate() {
            writeln!(lab, "  {host}: {{networks: {{lan: 10.77.1.{}}}}}", at + 1)?;
            writeln!(yaml, "    {host}:")?;
            writeln!(ini, "{host} ansible_python_interpreter=/usr/bin/python3")?;
            writeln!(python, "    '{host}',")?;
        }
        writeln!(yaml, "  vars: {{ansible_ssh_common_args: -F {CONFIG}}}")?;
        writeln!(
            python,
            "]\nall = (hosts, {{'ssh_user': 'root', 'ssh_key': '/run/lvsmith/ssh/key', \
             'ssh_known_hosts_file': '/run/lvsmith/ssh/known_hosts'}})"
        )?;
        let mut play = String::from("- hosts: all\n  gather_facts: false\n  tasks:\n");
        let mut deploy = String::from("from pyinfra.operations import files, server\n");
        for task in 0..tasks {
            let (yaml, python) = in_their_words(task);
            play += &yaml;
            deploy += &python;
        }
        for (name, text) in [
            ("lab.yml", &lab),
            ("inventory.yml", &yaml),
            ("inventory.ini", &ini),
            ("inventory.py", &python),
            ("site.yml", &play),
            ("deploy.py", &deploy),
        ] {
            std::fs::write(site.folder.path().join(name), text)?;
        }
        timed(&mut lvsmith(&["lab", "up", &site.path()]))?;
        // What this machine's root has its shells do at a login would be measured most of all.
        site.everywhere("rm -f ~/.bashrc")?;
        Ok(site)
    }

    fn path(&self) -> String {
        self.folder.path().display().to_string()
    }

    fn names(&self) -> impl Iterator<Item = String> {
        (1..=self.hosts).map(|number| format!("h{number}"))
    }

    /// Runs a shell's script in the controller, in the site's folder.
    fn controller(&self, script: &str) -> Result<Duration> {
        timed(&mut self.in_controller(script))
    }

    fn in_controller(&self, script: &str) -> Command {
        let script = format!("cd {} || exit; {script}", self.path());
        lvsmith(&["lab", "exec", "--lab", NAME, "controller", "--", "sh", "-c", &script])
    }

    /// Ends all connections that programs keep open.
    fn cold(&self) -> Result<()> {
        self.controller("pkill -x ssh; while pgrep -x ssh >/dev/null; do sleep 0.01; done")
            .map(drop)
    }

    /// Takes away what the playbook makes and what programs leave on the hosts.
    fn fresh(&self) -> Result<()> {
        self.everywhere("rm -rf /srv/bench ~/.cache/lvsmith ~/.ansible")?;
        self.cold()
    }

    fn everywhere(&self, script: &str) -> Result<()> {
        for host in self.names() {
            timed(&mut lvsmith(&["lab", "exec", "--lab", NAME, &host, "--", "sh", "-c", script]))?;
        }
        Ok(())
    }

    fn apply(&self) -> Result<Duration> {
        self.controller(&format!("{LVSMITH} apply -i inventory.yml site.yml"))
    }

    /// What there is to beat: a login on each host, all at once.
    fn bare(&self) -> Result<Duration> {
        let names = self.names().collect::<Vec<_>>().join(" ");
        self.controller(&format!("for h in {names}; do ssh -F {CONFIG} $h true & done; wait"))
    }

    fn ansible(&self, python: &Python, strategy: &str) -> Result<Duration> {
        self.controller(&format!(
            "export {strategy} ANSIBLE_PIPELINING=1 ANSIBLE_FORKS={} ANSIBLE_SSH_ARGS='-F {CONFIG} -o \
             ControlMaster=auto -o ControlPersist=60s'; {} -i inventory.ini site.yml",
            self.hosts,
            python.program("ansible-playbook")
        ))
    }

    fn pyinfra(&self, python: &Python) -> Result<Duration> {
        let (program, hosts) = (python.program("pyinfra"), self.hosts);
        self.controller(&format!("{program} --parallel {hosts} -y inventory.py deploy.py"))
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // One that cannot be ended is told by the next that cannot start.
        let _ = lvsmith(&["lab", "down", NAME]).output();
    }
}

/// A task in YAML, and the same as pyinfra's operation: folders, files, their modes, commands.
fn in_their_words(at: usize) -> (String, String) {
    let path = format!("/srv/bench/{at}");
    let (yaml, python) = match at % 4 {
        0 => (
            format!("file: {{path: {path}, state: directory, mode: '0755'}}"),
            format!("files.directory(path='{path}', mode='755')"),
        ),
        1 => (
            format!("copy: {{content: \"number {at}\\n\", dest: {path}, mode: '0644'}}"),
            format!("files.put(src=StringIO('number {at}\\n'), dest='{path}', mode='644')"),
        ),
        2 => (
            format!("file: {{path: {path}, src: /etc/hosts, state: link}}"),
            format!("files.link(path='{path}', target='/etc/hosts')"),
        ),
        _ => (
            format!("command: {{cmd: touch {path}, creates: {path}}}"),
            format!("server.shell(commands='test -e {path} || touch {path}')"),
        ),
    };
    let import = if at == 0 { "from io import StringIO\n" } else { "" };
    (format!("    - {yaml}\n"), format!("{import}{python}\n"))
}

/// Another program, one run of it, and how many times its time we want to take at most.
type Peer<'a> = (&'a str, &'a dyn Fn() -> Result<Duration>, f64);

fn compared(hosts: usize, tasks: usize) -> Result<Vec<Row>> {
    let python = Python::new()?;
    let site = Site::up(hosts, tasks)?;
    let what = format!("{hosts} hosts, {tasks} tasks");
    site.bare()?;
    let floor = Samples::seconds(RUNS, || site.bare())?;
    let first = Samples::seconds(RUNS, || {
        site.fresh()?;
        site.apply()
    })?;
    let again = Samples::seconds(RUNS, || {
        site.cold()?;
        site.apply()
    })?;
    let live = Samples::seconds(RUNS, || site.apply())?;
    let ssh = "`ssh HOST true` on each";
    let mut rows = vec![
        Row::new(format!("{what}: first run, agent brought"), first.clone())
            .beside(ssh, floor.clone())
            .goal(Goal::Ratio(2.0)),
        Row::new("  nothing to change, new connections", again)
            .beside(ssh, floor.clone())
            .goal(Goal::Ratio(1.3)),
        Row::new("  nothing to change, connections live", live.clone())
            .beside(ssh, floor)
            .goal(Goal::Ratio(0.3)),
    ];
    let mitogen =
        format!("ANSIBLE_STRATEGY=mitogen_linear ANSIBLE_STRATEGY_PLUGINS={}", python.mitogen()?);
    let ansible = || site.ansible(&python, "ANSIBLE_STRATEGY=linear");
    let with_mitogen = || site.ansible(&python, &mitogen);
    let pyinfra = || site.pyinfra(&python);
    let peers: [Peer<'_>; 3] = [
        ("ansible-core", &ansible, 0.1),
        ("mitogen", &with_mitogen, 0.25),
        ("pyinfra", &pyinfra, 0.2),
    ];
    for (name, peer, ratio) in peers {
        site.fresh()?;
        let goal = Goal::Ratio(ratio);
        let theirs = Samples::seconds(1, peer).with_context(|| format!("{name}, first run"))?;
        rows.push(Row::new("  first run", first.clone()).beside(name, theirs).goal(goal));
        let theirs = Samples::seconds(1, peer).with_context(|| format!("{name}, again"))?;
        rows.push(Row::new("  nothing to change", live.clone()).beside(name, theirs).goal(goal));
    }
    Ok(rows)
}

/// Two hundred hosts in one run, and what the controller holds meanwhile.
fn crowd() -> Result<Vec<Row>> {
    let site = Site::up(200, 4)?;
    site.bare()?;
    let floor = Samples::seconds(1, || site.bare())?;
    site.cold()?;
    let took = Samples::seconds(1, || {
        site.controller(&format!(
            "({LVSMITH} apply -i inventory.yml site.yml >log 2>&1 || {{ cat log; exit 1; }}) & \
             while kill -0 $! 2>/dev/null; do for p in $(pgrep -f '^{LVSMITH} apply'); do \
             grep VmHWM /proc/$p/status >>memory 2>/dev/null; done; sleep 0.2; done; wait $!"
        ))
    })?;
    // What is written in a lab stays in it.
    let memory = site.in_controller("cat memory").output()?.stdout;
    let memory = String::from_utf8(memory)?;
    let peak = memory.lines().filter_map(|line| line.split_whitespace().nth(1)?.parse().ok());
    let peak = peak.fold(0.0_f64, f64::max) / 1024.0;
    ensure!(peak > 0.0, "nobody saw the controller");
    Ok(vec![
        Row::new("200 hosts, 4 tasks: first run", took).beside("`ssh HOST true` on each", floor),
        Row::new("  memory of the controller", Samples::of("MB", vec![peak]))
            .goal(Goal::Below(150.0)),
    ])
}
