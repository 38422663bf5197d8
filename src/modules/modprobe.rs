//! `modprobe`: a kernel module, loaded or not.

use std::collections::HashSet;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::process::{Program, split};
use super::{Error, Host, HostKind, Presence, Resource, in_user_namespace};
use crate::netlink::ipvs::{self, Request};
use kernel::Kernel;
use renamed::renamed;

mod kernel;
mod renamed;

/// Loads a kernel module, or unloads it. What is built into the kernel counts as loaded.
///
/// A module that is loaded already stays as it is, whatever its parameters. One that the kernel
/// has under a new name is found there, and the report says so: `nf_conntrack_ipv4` is
/// `nf_conntrack` since 4.19.
///
/// ```yaml
/// modprobe:
///   name: ip_vs
///   state: present
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Modprobe {
    /// The module; `-` and `_` are the same.
    pub name: String,
    /// Whether it is loaded.
    #[serde(default)]
    pub state: Presence,
    /// Its parameters at loading, such as `conn_tab_bits=14`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub params: String,
}

/// The module in the running kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Observed {
    /// Whether it is there.
    pub state: State,
    /// What it is called there, and since which kernel, when that is not the declared name.
    pub renamed: Option<(&'static str, &'static str)>,
}

/// Whether a module is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum State {
    /// Part of the kernel itself.
    BuiltIn,
    /// Loaded.
    Loaded,
    /// Neither.
    Absent,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Change {
    /// Load it.
    Load {
        /// The module.
        name: String,
        /// Its parameters.
        params: Vec<String>,
        /// Its old name, and since which kernel it has the new one.
        was: Option<(String, &'static str)>,
    },
    /// Unload it.
    Unload {
        /// The module.
        name: String,
        /// Whether the kernel has it for good.
        built_in: bool,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load { name, params, was } => {
                write!(f, "load `{name}`")?;
                if let Some((was, since)) = was {
                    write!(f, ", which `{was}` is called since kernel {since}")?;
                }
                if !params.is_empty() {
                    write!(f, " with {}", params.join(" "))?;
                }
                Ok(())
            }
            Self::Unload { name, .. } => write!(f, "unload `{name}`"),
        }
    }
}

impl Modprobe {
    fn params(&self) -> Result<Vec<String>, Error> {
        split(&self.params)
            .map_err(|reason| Error::new(format!("cannot split `{}`: {reason}", self.params)))
    }
}

impl Resource for Modprobe {
    type Observed = Observed;
    type Change = Change;

    fn check(&self) -> Result<(), Error> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '+');
        if self.name.is_empty() || self.name.starts_with('-') || !self.name.chars().all(fits) {
            return Err(Error::new(format!("`{}` cannot be a module's name", self.name)));
        }
        self.params().map(drop)
    }

    fn observe(&self, _host: &mut Host) -> Result<Observed, Error> {
        self.check()?;
        let kernel = Kernel::running()?;
        let renamed = renamed(&kernel, &self.name).map(|found| (found.to, found.since));
        let state = kernel.state(renamed.map_or(self.name.as_str(), |(to, _)| to));
        Ok(Observed { state, renamed })
    }

    fn diff(&self, observed: &Observed) -> Vec<Change> {
        let name = observed.renamed.map_or(self.name.clone(), |(to, _)| to.to_owned());
        match (self.state, observed.state) {
            (Presence::Present, State::Absent) => {
                // `check` has split them before.
                let params = self.params().unwrap_or_default();
                let was = observed.renamed.map(|(_, since)| (self.name.clone(), since));
                vec![Change::Load { name, params, was }]
            }
            (Presence::Absent, State::Loaded | State::BuiltIn) => {
                vec![Change::Unload { name, built_in: observed.state == State::BuiltIn }]
            }
            _ => Vec::new(),
        }
    }

    fn apply(&self, host: &mut Host, change: &Change) -> Result<(), Error> {
        let kernel = Kernel::running()?;
        match change {
            Change::Load { name, params, .. } => load(host.kind, &kernel, name, params),
            Change::Unload { name, built_in: true } => Err(Error::new(format!(
                "`{name}` is built into kernel `{}` and cannot be unloaded",
                kernel.release
            ))),
            Change::Unload { name, .. } => unload(host.kind, name),
        }
    }

    fn report(&self, observed: &Observed) -> Map<String, Value> {
        let mut map = Map::new();
        map.insert("name".into(), self.name.clone().into());
        map.insert("builtin".into(), (observed.state == State::BuiltIn).into());
        if let Some((to, since)) = observed.renamed {
            map.insert("renamed_to".into(), to.into());
            map.insert("renamed_since".into(), since.into());
        }
        map
    }
}

/// Whether the running kernel has a module: built in, loaded, or now loaded.
#[must_use]
pub fn kernel_has(name: &str) -> bool {
    let known = |kernel: &Kernel| {
        let to = renamed(kernel, name).map(|found| found.to);
        kernel.state(to.unwrap_or(name)) != State::Absent
    };
    let Ok(kernel) = Kernel::running() else { return false };
    // An error means that it cannot be loaded, whatever the reason.
    known(&kernel)
        || Program::new(["modprobe", "-q", "--", name].map(str::to_owned))
            .run()
            .is_ok_and(|output| output.success())
}

fn load(kind: HostKind, kernel: &Kernel, name: &str, params: &[String]) -> Result<(), Error> {
    // IPVS itself is what a lab is for, and harmless while no namespace configures it.
    if kind == HostKind::Lab && !kernel::canonical(name).starts_with("ip_vs") {
        return Err(Error::new(format!(
            "a lab host must not load `{name}`: modules are not namespaced, it would be the \
             machine that loads it"
        ))
        .hint("load it on the machine first, or run the lab with `--vm`"));
    }
    if in_user_namespace() {
        let error = Error::new(format!("root of a user namespace cannot load `{name}`"));
        return Err(error.hint(format!(
            "have root load it first: `modprobe {name}`; or run the lab with `--vm`"
        )));
    }
    let argv = ["modprobe", "--", name].into_iter().map(str::to_owned);
    let output = Program::new(argv.chain(params.iter().cloned())).plain_language().run()?;
    if output.success() {
        return Ok(());
    }
    let words = output.last_words();
    if words.contains("not found in directory") || words.contains("could not be found") {
        return Err(kernel.lacks(name));
    }
    let error = Error::new(format!("failed to load `{name}`: {words}"));
    Err(match words {
        words if words.contains("Operation not permitted") => {
            error.hint("run as root, set `become: true`, or try it in a lab with `--vm`")
        }
        words if words.contains("Exec format error") => error.hint(format!(
            "the module was built for another kernel than the running `{}`",
            kernel.release
        )),
        words if words.contains("Unknown symbol") || words.contains("Invalid argument") => {
            error.hint("`dmesg` says which parameter or symbol the module does not know")
        }
        words if words.contains("Key was rejected") => {
            error.hint("secure boot accepts signed modules only")
        }
        _ => error,
    })
}

/// Loads the modules of schedulers that these requests want and the kernel does not have yet,
/// before IPVS does.
///
/// IPVS would load them with its lock held. `lblc` and `lblcr` register something for every network
/// namespace, which waits for namespaces that are just being removed, which wait for that lock:
/// on kernel 6.1 such a machine makes no namespace any more until it is booted again. Where this
/// fails the kernel tries by itself, and its answer is the one to show.
pub(crate) fn load_schedulers<'a>(requests: impl IntoIterator<Item = &'a Request>) {
    Schedulers::default().load(requests);
}

/// Schedulers whose modules were seen to already.
#[derive(Debug, Default)]
pub(crate) struct Schedulers(HashSet<String>);

impl Schedulers {
    /// Loads those that these requests want besides, as [`load_schedulers`] does.
    pub(crate) fn load<'a>(&mut self, requests: impl IntoIterator<Item = &'a Request>) {
        for name in requests.into_iter().filter_map(scheduler) {
            if self.0.contains(name) {
                continue;
            }
            self.0.insert(name.to_owned());
            let Ok(kernel) = Kernel::running() else { continue };
            let module = format!("ip_vs_{name}");
            if kernel.state(&module) == State::Absent {
                load_quietly(&module);
            }
        }
    }
}

/// Opens IPVS. Since 5.16 the kernel loads it when it is asked for; before that somebody has to.
pub(crate) fn open_ipvs() -> Result<ipvs::Handle, ipvs::Error> {
    match ipvs::Handle::open() {
        Err(ipvs::Error::NoIpvs) => {
            load_quietly("ip_vs");
            ipvs::Handle::open()
        }
        other => other,
    }
}

/// Where this fails, what comes next fails too and says why.
fn load_quietly(module: &str) {
    let _ = Program::new(["modprobe", "--quiet", "--", module].map(str::to_owned)).run();
}

fn scheduler(request: &Request) -> Option<&str> {
    match request {
        Request::AddService(service) | Request::EditService(service) => {
            Some(service.scheduler.as_str())
        }
        _ => None,
    }
}

fn unload(kind: HostKind, name: &str) -> Result<(), Error> {
    if kind != HostKind::Machine {
        return Err(Error::new(format!(
            "a lab host must not unload `{name}`: modules are not namespaced, other hosts use it"
        ))
        .hint("in a lab, leave the module loaded; it goes with the lab's virtual machine"));
    }
    let output = Program::new(["modprobe", "--remove", "--", name]).plain_language().run()?;
    if output.success() {
        return Ok(());
    }
    let error = output.error(&format!("unloading `{name}`"));
    Err(if error.message.contains("is in use") {
        error.hint("something uses it: a virtual service, or another module")
    } else {
        error
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modprobe(state: Presence) -> Modprobe {
        Modprobe { name: "ip_vs".into(), state, params: "conn_tab_bits=14".into() }
    }

    #[test]
    fn differs_only_where_it_should() {
        use State::{Absent, BuiltIn, Loaded};
        let shown = |state, there| {
            let observed = Observed { state: there, renamed: None };
            modprobe(state).diff(&observed).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(shown(Presence::Present, Absent), ["load `ip_vs` with conn_tab_bits=14"]);
        assert!(shown(Presence::Present, Loaded).is_empty());
        assert!(shown(Presence::Present, BuiltIn).is_empty());
        assert!(shown(Presence::Absent, Absent).is_empty());
        assert_eq!(shown(Presence::Absent, Loaded), ["unload `ip_vs`"]);
        assert_eq!(shown(Presence::Absent, BuiltIn), ["unload `ip_vs`"]);
    }

    #[test]
    fn says_what_a_module_is_called_now() {
        let old = Modprobe { name: "nf_conntrack_ipv4".into(), ..modprobe(Presence::Present) };
        let renamed = Some(("nf_conntrack", "4.19"));
        let [load] = &old.diff(&Observed { state: State::Absent, renamed })[..] else {
            panic!("one change");
        };
        assert_eq!(
            load.to_string(),
            "load `nf_conntrack`, which `nf_conntrack_ipv4` is called since kernel 4.19 with \
             conn_tab_bits=14"
        );
        let there = Observed { state: State::Loaded, renamed };
        assert!(old.diff(&there).is_empty());
        assert_eq!(old.report(&there)["renamed_to"], "nf_conntrack");
    }

    #[test]
    fn refuses_what_would_be_an_option_of_the_program() {
        for name in ["", "-r", "a b", "../x", "a/b"] {
            let module = Modprobe { name: name.into(), ..modprobe(Presence::Present) };
            assert!(module.check().is_err(), "{name}");
        }
    }

    #[test]
    fn keeps_a_lab_from_changing_the_machines_modules() {
        let kernel = Kernel::running().unwrap();
        let error = load(HostKind::Lab, &kernel, "dummy", &[]).unwrap_err();
        assert!(error.message.contains("not namespaced"), "{error}");
        for kind in [HostKind::Lab, HostKind::LabInVm] {
            assert!(unload(kind, "ip_vs").unwrap_err().message.contains("not namespaced"));
        }
    }
}
