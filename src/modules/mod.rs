//! What an agent can do. This file is the table: adding a module is one file and one line.
//!
//! A [`Resource`] describes a state and is driven here, always in the same way: observe,
//! diff, apply, observe again. An [`Action`] runs, and says whether it changed anything.

use std::fmt;

use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::diagnostic::Diagnostic;
use crate::yaml::Node;

pub mod address;
pub mod apt;
pub(crate) mod around;
pub mod assert;
pub mod blockinfile;
pub mod command;
pub mod copy;
pub mod debug;
pub mod dnf;
pub mod fail;
pub mod file;
pub(crate) mod filesystem;
pub mod fou;
mod host;
pub mod hostname;
pub mod import_role;
pub mod import_tasks;
pub mod include_role;
pub mod include_tasks;
pub mod include_vars;
pub mod ipvs_daemon;
pub mod ipvs_service;
pub mod ipvs_table;
pub mod ipvs_timeouts;
pub mod lineinfile;
pub mod link;
pub mod meta;
pub mod modprobe;
mod network;
pub mod nftables;
pub mod package;
pub mod pause;
pub mod ping;
pub(crate) mod process;
pub mod route;
pub mod service;
pub mod set_fact;
pub mod setup;
mod shape;
pub mod shell;
pub mod stat;
pub mod sysctl;
pub mod systemd;
pub mod template;
pub mod uri;
pub mod wait_for;

pub use around::Around;
pub use filesystem::{Bytes, ContentDigest, Placed};
pub(crate) use host::in_user_namespace;
pub use host::{Host, HostKind};
pub use modprobe::kernel_has;

/// A state that a task declares.
pub trait Resource: DeserializeOwned + Serialize + JsonSchema + fmt::Debug {
    /// Arguments that Ansible's module has and this one has not, with what to do instead.
    const REFUSED: &'static [Refused] = &[];

    /// What was found on the host, apart from what is declared.
    type Observed: Serialize + fmt::Debug;
    /// One step from what is to what should be; `Display` is what a plan shows of it.
    type Change: Serialize + fmt::Display + fmt::Debug;

    /// Refuses arguments that contradict one another, while their place is still known.
    fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Reads the state. Changes nothing.
    fn observe(&self, host: &mut Host) -> Result<Self::Observed, Error>;

    /// Lists what differs, in the order in which it must be done. Pure.
    fn diff(&self, observed: &Self::Observed) -> Vec<Self::Change>;

    /// Does one of the changes.
    fn apply(&self, host: &mut Host, change: &Self::Change) -> Result<(), Error>;

    /// Does all of them, for what is faster in batches.
    fn apply_all(&self, host: &mut Host, changes: &[Self::Change]) -> Result<(), Error> {
        changes.iter().try_for_each(|change| self.apply(host, change))
    }

    /// Shows a file's text before and after, where the state is a file's text.
    fn preview(&self, _observed: &Self::Observed) -> Option<TextDiff> {
        None
    }

    /// Facts that `register` hands to later tasks, besides `changed`.
    fn report(&self, _observed: &Self::Observed) -> Map<String, Value> {
        Map::new()
    }
}

/// Something that runs, rather than a state that holds.
pub trait Action: DeserializeOwned + Serialize + JsonSchema + fmt::Debug {
    /// Arguments that Ansible's module has and this one has not, with what to do instead.
    const REFUSED: &'static [Refused] = &[];

    /// Refuses arguments that contradict one another, while their place is still known.
    fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Runs it; in check mode it must change nothing, and may answer [`Outcome::skipped`].
    fn run(&self, host: &mut Host, mode: Mode) -> Result<Outcome, Error>;
}

/// Arguments that only the controller can use, or complete.
pub trait Arguments: DeserializeOwned + Serialize + JsonSchema + fmt::Debug {
    /// Arguments that Ansible's module has and this one has not, with what to do instead.
    const REFUSED: &'static [Refused] = &[];

    /// Refuses arguments that contradict one another, while their place is still known.
    fn check(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// Names of arguments that are not supported, each with what to do instead.
pub type Refused = &'static [(&'static str, &'static str)];

/// Whether something is to be there: Ansible's `state` where it has these two values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// It is there.
    #[default]
    Present,
    /// It is not there.
    Absent,
}

/// How a module is to run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mode {
    /// Change nothing, say what would change.
    pub check: bool,
    /// Send texts before and after along.
    pub diff: bool,
}

/// A text before and after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextDiff {
    /// What it is the text of, usually a path.
    pub name: String,
    /// Empty when there was none.
    pub before: String,
    /// Empty when there will be none.
    pub after: String,
}

/// What became of a task on a host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Whether the host is not what it was.
    pub changed: bool,
    /// Set when nothing was done, with the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// One line for each change, as a plan shows it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// A text before and after, when asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<TextDiff>,
    /// What `register` keeps besides, such as `stdout` and `rc`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub result: Map<String, Value>,
}

impl Outcome {
    /// Nothing was done, because.
    pub fn skipped(reason: impl Into<String>) -> Self {
        Self { skipped: Some(reason.into()), ..Self::default() }
    }
}

/// Why a module failed: what happened, and what to do about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// Lower case, no final period, values in backticks; causes follow after a colon.
    pub message: String,
    /// What to do, where that is known.
    pub hint: Option<String>,
    /// What `register` keeps of a failure, such as `stdout` and `rc`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub result: Map<String, Value>,
}

impl Error {
    /// Starts an error without a hint.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, result: Map::new() }
    }

    /// Says what failed and keeps the cause's words and, where it is known, its remedy.
    pub fn io(what: impl fmt::Display, cause: &std::io::Error) -> Self {
        let error = Self::new(format!("{what}: {cause}"));
        match cause.kind() {
            std::io::ErrorKind::PermissionDenied => {
                error.hint("run as root, set `become: true`, or try it in a lab")
            }
            std::io::ErrorKind::ReadOnlyFilesystem => {
                error.hint("the filesystem is mounted read-only")
            }
            _ => error,
        }
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Where a module's effect happens.
#[derive(Debug, Clone, Copy)]
pub enum Place {
    /// In the agent on the host.
    Agent(fn(&mut Host, Value, Mode) -> Result<Outcome, Error>),
    /// In the controller's engine, which knows it by name.
    Controller,
}

/// One row of the table.
#[derive(Clone, Copy)]
pub struct Module {
    /// The name in YAML, of the file, and of the test case.
    pub name: &'static str,
    /// Other names it is known by: Ansible's fully qualified ones.
    pub aliases: &'static [&'static str],
    on_a_line: bool,
    /// The arguments; its description is the module's rustdoc, example included.
    pub schema: fn() -> Schema,
    /// Decodes rendered arguments and hands them back in their canonical form.
    pub decode: fn(&Node) -> Result<Value, Diagnostic>,
    /// Where it runs.
    pub place: Place,
    /// Every name that an argument has, aliases included; none where any name is one.
    names: fn() -> &'static [&'static str],
    /// Ansible's arguments that it has not.
    pub refused: &'static [Refused],
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Module({})", self.name)
    }
}

impl Module {
    const fn resource<R: Resource>(name: &'static str, aliases: &'static [&'static str]) -> Self {
        Self {
            name,
            aliases,
            on_a_line: false,
            schema: schema::<R>,
            decode: |node| decode(node, R::REFUSED, R::check),
            place: Place::Agent(drive::<R>),
            names: shape::fields::of::<R>,
            refused: R::REFUSED,
        }
    }

    const fn action<A: Action>(name: &'static str, aliases: &'static [&'static str]) -> Self {
        Self {
            name,
            aliases,
            on_a_line: false,
            schema: schema::<A>,
            decode: |node| decode(node, A::REFUSED, A::check),
            place: Place::Agent(act::<A>),
            names: shape::fields::of::<A>,
            refused: A::REFUSED,
        }
    }

    /// A module whose arguments `A` the controller turns into those of the resource `R`,
    /// because only the controller has the file or the variables.
    const fn prepared<A, R>(name: &'static str, aliases: &'static [&'static str]) -> Self
    where
        A: Arguments,
        R: Resource,
    {
        Self {
            name,
            aliases,
            on_a_line: false,
            schema: schema::<A>,
            decode: |node| decode(node, A::REFUSED, A::check),
            place: Place::Agent(drive::<R>),
            names: shape::fields::of::<A>,
            refused: A::REFUSED,
        }
    }

    /// A module that the controller does by itself.
    const fn controller<A: Arguments>(
        name: &'static str,
        aliases: &'static [&'static str],
    ) -> Self {
        Self {
            name,
            aliases,
            on_a_line: false,
            schema: schema::<A>,
            decode: |node| decode(node, A::REFUSED, A::check),
            place: Place::Controller,
            names: shape::fields::of::<A>,
            refused: A::REFUSED,
        }
    }

    /// One that may be given a plain line instead of arguments.
    const fn on_a_line(self) -> Self {
        Self { on_a_line: true, ..self }
    }

    /// Whether a plain line is all that it needs, as `command` has it.
    #[must_use]
    pub fn takes_a_line(&self) -> bool {
        self.on_a_line
    }
}

/// Every module, by name.
pub static TABLE: &[Module] = &[
    Module::resource::<address::Address>("address", &[]),
    Module::action::<apt::Apt>("apt", &["ansible.builtin.apt"]),
    Module::controller::<assert::Assert>("assert", &["ansible.builtin.assert"]),
    Module::action::<blockinfile::Blockinfile>("blockinfile", &["ansible.builtin.blockinfile"]),
    Module::action::<command::Command>("command", &["ansible.builtin.command"]).on_a_line(),
    Module::prepared::<copy::Copy, Placed>("copy", &["ansible.builtin.copy"]),
    Module::controller::<debug::Debug>("debug", &["ansible.builtin.debug"]),
    Module::action::<dnf::Dnf>(
        "dnf",
        &["ansible.builtin.dnf", "ansible.builtin.dnf5", "ansible.builtin.yum", "dnf5", "yum"],
    ),
    Module::controller::<fail::Fail>("fail", &["ansible.builtin.fail"]),
    Module::action::<file::File>("file", &["ansible.builtin.file"]),
    Module::resource::<fou::Fou>("fou", &[]),
    Module::resource::<hostname::Hostname>("hostname", &["ansible.builtin.hostname"]),
    Module::controller::<import_role::ImportRole>("import_role", &["ansible.builtin.import_role"]),
    Module::controller::<import_tasks::ImportTasks>(
        "import_tasks",
        &["ansible.builtin.import_tasks"],
    )
    .on_a_line(),
    Module::controller::<include_role::IncludeRole>(
        "include_role",
        &["ansible.builtin.include_role"],
    ),
    Module::controller::<include_tasks::IncludeTasks>(
        "include_tasks",
        &["ansible.builtin.include_tasks"],
    )
    .on_a_line(),
    Module::controller::<include_vars::IncludeVars>(
        "include_vars",
        &["ansible.builtin.include_vars"],
    )
    .on_a_line(),
    Module::resource::<ipvs_daemon::IpvsDaemon>("ipvs_daemon", &[]),
    Module::resource::<ipvs_service::IpvsService>("ipvs_service", &[]),
    Module::resource::<ipvs_table::IpvsTable>("ipvs_table", &[]),
    Module::resource::<ipvs_timeouts::IpvsTimeouts>("ipvs_timeouts", &[]),
    Module::action::<lineinfile::Lineinfile>("lineinfile", &["ansible.builtin.lineinfile"]),
    Module::resource::<link::Link>("link", &[]),
    Module::controller::<meta::Meta>("meta", &["ansible.builtin.meta"]).on_a_line(),
    Module::resource::<modprobe::Modprobe>("modprobe", &["community.general.modprobe"]),
    Module::prepared::<nftables::Nftables, nftables::Ruleset>("nftables", &[]),
    Module::action::<package::Package>("package", &["ansible.builtin.package"]),
    Module::controller::<pause::Pause>("pause", &["ansible.builtin.pause"]),
    Module::action::<ping::Ping>("ping", &["ansible.builtin.ping"]),
    Module::resource::<route::Route>("route", &[]),
    Module::action::<service::Service>("service", &["ansible.builtin.service"]),
    Module::controller::<set_fact::SetFact>("set_fact", &["ansible.builtin.set_fact"]),
    Module::action::<setup::Setup>(
        "setup",
        &["ansible.builtin.setup", "ansible.builtin.gather_facts"],
    ),
    Module::action::<shell::Shell>("shell", &["ansible.builtin.shell"]).on_a_line(),
    Module::action::<stat::Stat>("stat", &["ansible.builtin.stat"]),
    Module::resource::<sysctl::Sysctl>("sysctl", &["ansible.posix.sysctl"]),
    Module::action::<systemd::Systemd>(
        "systemd",
        &["ansible.builtin.systemd", "ansible.builtin.systemd_service", "systemd_service"],
    ),
    Module::prepared::<template::Template, Placed>("template", &["ansible.builtin.template"]),
    Module::action::<uri::Uri>("uri", &["ansible.builtin.uri"]),
    Module::action::<wait_for::WaitFor>("wait_for", &["ansible.builtin.wait_for"]),
];

/// Finds a module by its name or one of its aliases.
#[must_use]
pub fn find(name: &str) -> Option<&'static Module> {
    TABLE.iter().find(|module| module.name == name || module.aliases.contains(&name))
}

fn schema<T: JsonSchema>() -> Schema {
    schemars::schema_for!(T)
}

/// Says what to do instead of an argument that only Ansible has.
fn refused(refused: &[Refused], argument: &str) -> Option<Diagnostic> {
    let mut rows = refused.iter().copied().flatten();
    let (name, instead) = rows.find(|(name, _)| *name == argument)?;
    Some(Diagnostic::new(format!("the argument `{name}` is not supported")).hint(*instead))
}

fn decode<T: DeserializeOwned + Serialize>(
    node: &Node,
    not_supported: &[Refused],
    check: fn(&T) -> Result<(), Error>,
) -> Result<Value, Diagnostic> {
    for (key, _) in node.mapping().unwrap_or_default() {
        if let Some(mistake) = refused(not_supported, &key.text) {
            return Err(mistake.at(&key.span));
        }
    }
    let typed: T = node.decode()?;
    check(&typed).map_err(|error| {
        Diagnostic { hint: error.hint, ..Diagnostic::new(error.message) }.at(&node.span)
    })?;
    serde_json::to_value(&typed).map_err(|error| Diagnostic::new(error.to_string()).at(&node.span))
}

pub(crate) fn arguments<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    serde_json::from_value(value).map_err(|error| Error::new(format!("bad arguments: {error}")))
}

fn act<A: Action>(host: &mut Host, value: Value, mode: Mode) -> Result<Outcome, Error> {
    arguments::<A>(value)?.run(host, mode)
}

fn drive<R: Resource>(host: &mut Host, value: Value, mode: Mode) -> Result<Outcome, Error> {
    converge(host, &arguments::<R>(value)?, mode)
}

/// Observe, diff, apply, observe again: a difference that is left is an error, not a success.
fn converge<R: Resource>(host: &mut Host, resource: &R, mode: Mode) -> Result<Outcome, Error> {
    let observed = resource.observe(host)?;
    let changes = resource.diff(&observed);
    let diff = if mode.diff && !changes.is_empty() { resource.preview(&observed) } else { None };
    let mut result = resource.report(&observed);
    if !mode.check && !changes.is_empty() {
        resource.apply_all(host, &changes)?;
        let now = resource.observe(host)?;
        let left = resource.diff(&now);
        if let Some(first) = left.first() {
            return Err(Error::new(format!("applied, but read back it still differs: {first}"))
                .hint("another program may own this state, or the kernel refused it silently"));
        }
        result = resource.report(&now);
    }
    Ok(Outcome {
        changed: !changes.is_empty(),
        changes: changes.iter().map(ToString::to_string).collect(),
        diff,
        result,
        ..Outcome::default()
    })
}
