//! The real ipvsadm and ours on equal tables: what each says, and what its table is then.
//!
//! Each has a network namespace of its own. Lines that only read are run by both in the real
//! one's: the kernel's order of services differs between namespaces, and shows in lists.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use lvsmith::ipvsadm::Streams;
use lvsmith::netlink::ipvs::{Daemon, Destination, Handle, Service, Timeouts};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::namespace::Namespace;

/// A command line, and what it reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// The arguments, between spaces; `''` quotes.
    pub(super) text: String,
    pub(super) input: String,
}

impl Line {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), input: String::new() }
    }

    fn arguments(&self) -> Vec<String> {
        let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
        for letter in self.text.chars() {
            match letter {
                '\'' => {
                    quoted = !quoted;
                    word.get_or_insert_default();
                }
                ' ' if !quoted => words.extend(word.take()),
                letter => word.get_or_insert_default().push(letter),
            }
        }
        words.extend(word);
        words
    }

    /// Whether it leaves the table as it is.
    fn only_reads(&self) -> bool {
        let first = self.arguments().into_iter().next().unwrap_or_default();
        first.is_empty() || ["-L", "-l", "-S", "--l", "--sav"].iter().any(|s| first.starts_with(s))
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ipvsadm {}", self.text)?;
        if self.input.is_empty() { Ok(()) } else { write!(f, " <<EOF\n{}EOF", self.input) }
    }
}

/// What a program said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) out: String,
    pub(super) err: String,
    pub(super) code: Option<i32>,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "exit {:?}", self.code)?;
        for line in self.out.split_terminator('\n') {
            writeln!(f, "  out|{line}|")?;
        }
        for line in self.err.split_terminator('\n') {
            writeln!(f, "  err|{line}|")?;
        }
        Ok(())
    }
}

/// A table without its counters, in an order that does not depend on the kernel's.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Table {
    services: Vec<(Service, Vec<Destination>)>,
    daemons: Vec<Daemon>,
    timeouts: Timeouts,
}

impl Table {
    fn read(ipvs: &mut Handle) -> Result<Self> {
        let mut services: Vec<(Service, Vec<Destination>)> = ipvs
            .table()?
            .into_iter()
            .map(|(service, states)| {
                let mut found: Vec<Destination> =
                    states.iter().map(|state| state.destination).collect();
                found.sort_by_key(|destination| destination.key);
                (service.service, found)
            })
            .collect();
        services.sort_by_key(|(service, _)| service.key);
        Ok(Self { services, daemons: ipvs.daemons()?, timeouts: ipvs.timeouts()? })
    }
}

/// The reference.
pub(super) const REAL: &str = "/usr/sbin/ipvsadm";

/// Names of all lengths; the longest do not fit their columns.
const HOSTS: &str = "\
127.0.0.1 localhost
::1 localhost ip6-localhost
10.9.5.5 rs.of-a-very-long-host-name.example.com
10.9.5.6 vip.of-a-very-long-host-name.example.com
fd09::77 rs.of-another-very-long-host-name.example.com
";

/// Both programs.
pub(super) struct Twins {
    real: Namespace,
    ours: Namespace,
    folder: tempfile::TempDir,
    way: Way,
}

/// How ours is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// As a process, through a link.
    Spawned,
    /// Within this process, which takes half the time.
    InProcess,
}

/// What came of a line that both ran.
pub(super) struct Pair {
    pub(super) line: Line,
    pub(super) real: Said,
    pub(super) ours: Said,
    tables: (Table, Table),
}

impl Pair {
    pub(super) fn agrees(&self) -> bool {
        self.real == self.ours && self.tables.0 == self.tables.1
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nreal: {}ours: {}", self.line, self.real, self.ours)?;
        let (real, ours) = &self.tables;
        if real != ours {
            writeln!(f, "real table: {real:#?}\nour table: {ours:#?}")?;
        }
        Ok(())
    }
}

impl Twins {
    pub(super) fn new(name: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        for name in ["ipvsadm", "ipvsadm-save", "ipvsadm-restore"] {
            let link = folder.path().join(name);
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_lvsmith"), link)?;
        }
        std::fs::write(folder.path().join("hosts"), HOSTS)?;
        let [real, ours] = ["real", "ours"].map(|side| Namespace::new(&format!("{name}-{side}")));
        Ok(Self { real: real?, ours: ours?, folder, way: Way::Spawned })
    }

    /// The same, but ours runs within this process.
    pub(super) fn in_process(name: &str) -> Result<Self> {
        Ok(Self { way: Way::InProcess, ..Self::new(name)? })
    }

    /// The real one's namespace.
    pub(super) fn real(&self) -> &Namespace {
        &self.real
    }

    /// Our program, under the other's name.
    pub(super) fn link(&self) -> PathBuf {
        self.folder.path().join("ipvsadm")
    }

    /// Has both run the lines; afterwards the real one must read the same rules in both.
    pub(super) fn run(&self, lines: &[Line]) -> Result<Vec<Pair>> {
        let (real, ours) = std::thread::scope(|scope| {
            let real = scope.spawn(|| self.real_side(lines));
            let ours = scope.spawn(|| self.our_side(lines));
            (real.join(), ours.join())
        });
        let panicked = |_| anyhow::anyhow!("a side panicked");
        let (real, ours) = (real.map_err(panicked)??, ours.map_err(panicked)??);
        let pairs = lines.iter().zip(real).zip(ours).map(|((line, real), ours)| {
            let (real, table, read_by_us) = real;
            let (ours, our_table) = match read_by_us {
                Some(said) => (said, table.clone()),
                None => ours.context("our side ran what the real one did")?,
            };
            Ok(Pair { line: line.clone(), real, ours, tables: (table, our_table) })
        });
        let pairs: Vec<Pair> = pairs.collect::<Result<_>>()?;
        let tables = (self.real.table()?, self.ours.table()?);
        let equal = pairs.iter().any(|pair| !pair.agrees()) || tables.0 == tables.1;
        ensure!(equal, "rules differ\nreal: {:#?}\nours: {:#?}", tables.0, tables.1);
        Ok(pairs)
    }

    /// Puts this thread into a namespace, where hosts have the names of [`HOSTS`].
    fn enter(&self, namespace: &Namespace) -> Result<()> {
        namespace.enter()?;
        unshare(CloneFlags::CLONE_NEWNS)?;
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
        mount(Some(&self.folder.path().join("hosts")), "/etc/hosts", none, MsFlags::MS_BIND, none)?;
        Ok(())
    }

    fn real_side(&self, lines: &[Line]) -> Result<Vec<(Said, Table, Option<Said>)>> {
        self.enter(&self.real)?;
        let mut ipvs = Handle::open()?;
        let run = |line: &Line| {
            let said = said_by(REAL.into(), line)?;
            let ours = line.only_reads().then(|| self.said_by_us(line));
            Ok((said, Table::read(&mut ipvs)?, ours.transpose()?))
        };
        lines.iter().map(run).collect()
    }

    fn our_side(&self, lines: &[Line]) -> Result<Vec<Option<(Said, Table)>>> {
        self.enter(&self.ours)?;
        let mut ipvs = Handle::open()?;
        let mut run = |line: &Line| {
            if line.only_reads() {
                return Ok(None);
            }
            let said = self.said_by_us(line)?;
            Ok(Some((said, Table::read(&mut ipvs)?)))
        };
        lines.iter().map(&mut run).collect()
    }

    fn said_by_us(&self, line: &Line) -> Result<Said> {
        if self.way == Way::Spawned {
            return said_by(self.link(), line);
        }
        let (mut input, mut out, mut err) = (line.input.as_bytes(), Vec::new(), Vec::new());
        let streams = Streams { input: &mut input, out: &mut out, err: &mut err };
        let code = lvsmith::ipvsadm::run("ipvsadm", &line.arguments(), streams);
        Ok(Said {
            out: String::from_utf8(out)?,
            err: String::from_utf8(err)?,
            code: Some(code.into()),
        })
    }
}

/// Runs a program under the name `ipvsadm` in the namespace of this thread.
fn said_by(program: PathBuf, line: &Line) -> Result<Said> {
    use std::os::unix::process::CommandExt;
    let mut child = Command::new(&program)
        .arg0("ipvsadm")
        .args(line.arguments())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{} starts", program.display()))?;
    let mut input = child.stdin.take().context("it has an input")?;
    // Wrong use ends it before it has read everything.
    let _ = input.write_all(line.input.as_bytes());
    drop(input);
    let output = child.wait_with_output()?;
    Ok(Said {
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
        code: output.status.code(),
    })
}
