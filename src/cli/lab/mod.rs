//! `lvsmith lab`: clusters of network namespaces on this machine.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};

use super::place::{self, Place, PlaceArgs};
use super::{Exit, complain, complain_at};
use crate::diagnostic::Diagnostic;
use crate::lab::topology::Reach;
use crate::lab::{self, Error, HostState, Interface, Running, State, Topology};
use crate::report::counted;

mod apply;
mod capture;
mod graph;
mod in_vm;
mod inside;
mod logs;
mod watch;

pub(super) use apply::{apply, found};

/// Build labs: clusters of hosts that are copy-on-write clones of this machine
#[derive(Debug, Args)]
pub(super) struct Lab {
    #[command(subcommand)]
    command: LabCommand,
}

#[derive(Debug, Subcommand)]
enum LabCommand {
    /// Make a lab, run its playbook twice, look at its checks, end it
    Test(Box<super::trial::Test>),
    /// Start a lab that stays up until `lab down`
    Up {
        /// The lab's folder, or its lab.yml
        #[arg(default_value = ".")]
        lab: PathBuf,
        #[command(flatten)]
        reach: ReachArgs,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// End a lab
    Down {
        /// Its name or folder; not needed when one is up
        lab: Option<String>,
    },
    /// List the labs that are up
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Draw a lab: networks, hosts, VIPs and services, before anything is started
    Graph(graph::Graph),
    /// Open a shell on a lab host
    Shell {
        /// The lab's name or folder; not needed when one has that host
        #[arg(long)]
        lab: Option<String>,
        /// The host
        host: String,
    },
    /// Run a command on a lab host; its exit code is this one's
    Exec {
        /// The lab's name or folder; not needed when one has that host
        #[arg(long)]
        lab: Option<String>,
        /// The host
        host: String,
        /// The command and its arguments
        #[arg(trailing_var_arg = true, required = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Show what was written to the logs of a lab host since the lab is up
    Logs {
        /// The lab's name or folder; not needed when one has that host
        #[arg(long)]
        lab: Option<String>,
        /// Go on with what comes
        #[arg(short, long)]
        follow: bool,
        /// The host
        host: String,
    },
    /// Show the packets of a lab host as they pass its cables, a line each
    Capture(capture::Capture),
    /// Watch the IPVS table of a director, and what each real server gets of it
    Watch(watch::Watch),
}

/// How agents get onto the hosts.
#[derive(Debug, Args)]
pub(super) struct ReachArgs {
    /// How the playbook gets onto the hosts: by their namespaces, or by ssh to a real sshd on each
    #[arg(long, value_name = "HOW")]
    connection: Option<Reach>,
}

impl ReachArgs {
    /// What is said here counts more than the lab file.
    pub(super) fn choose(&self, topology: &mut Topology) {
        topology.connection = self.connection.unwrap_or(topology.connection);
    }
}

/// Runs it; of a command in a lab host the exit code is passed on.
pub(super) fn run(lab: Lab) -> ExitCode {
    match lab.command {
        LabCommand::Test(test) => super::trial::run(*test),
        LabCommand::Up { lab, reach, place } => up(&lab, &reach, place),
        LabCommand::Down { lab } => down(lab.as_deref()),
        LabCommand::List { json } => list(json).into(),
        LabCommand::Graph(graph) => graph.run().into(),
        LabCommand::Shell { lab, host } => inside::shell(lab.as_deref(), &host),
        LabCommand::Exec { lab, host, command } => inside::exec(lab.as_deref(), &host, &command),
        LabCommand::Logs { lab, follow, host } => logs::run(lab.as_deref(), &host, follow),
        LabCommand::Capture(capture) => capture.run(),
        LabCommand::Watch(watch) => watch.run(),
    }
}

fn up(path: &Path, reach: &ReachArgs, place: PlaceArgs) -> ExitCode {
    let mut topology = match Topology::read(path) {
        Ok(topology) => topology,
        Err(mistakes) => return complain_at(&mistakes).into(),
    };
    reach.choose(&mut topology);
    match place.choose(&topology) {
        Ok(Place::Here) => up_here(&topology).into(),
        Ok(Place::UserNamespace(ids)) => place::in_user_namespace(&ids),
        Ok(Place::Vm(options)) => in_vm::up(topology.name.as_str(), &options),
        Err(exit) => exit.into(),
    }
}

fn up_here(topology: &Topology) -> Exit {
    if let Some(why) = lab::lacking(topology) {
        complain(&Diagnostic::new(why).hint("the lab file says that the lab requires it"));
        return Exit::Environment;
    }
    let start = Instant::now();
    match lab::up(topology) {
        Ok(lab) => {
            let count = counted(lab.state().hosts.len(), "host");
            let took = start.elapsed().as_millis();
            let name = &topology.name;
            say(&format!(
                "lab `{name}` is up: {count} in {took} ms\n{}\
                 try `lvsmith lab shell HOST`; `lvsmith lab down {name}` ends it\n",
                hosts(lab.state())
            ));
            Exit::Declared
        }
        Err(Error::AlreadyUp { name, folder }) if Path::new(&folder) == topology.folder => {
            say(&format!("lab `{name}` is up already\n"));
            Exit::Declared
        }
        Err(error) => failed(error),
    }
}

fn down(lab: Option<&str>) -> ExitCode {
    let ended = Running::find(lab).and_then(|lab| {
        let name = lab.state().name.clone();
        lab.end().map(|()| name)
    });
    match ended {
        Ok(name) => {
            say(&format!("lab `{name}` is down\n"));
            Exit::Declared.into()
        }
        Err(error) => in_vm::down(&error, lab).unwrap_or_else(|| failed(error).into()),
    }
}

fn list(json: bool) -> Exit {
    let labs = match Running::list() {
        Ok(labs) => labs,
        Err(error) => return failed(error),
    };
    let mut states: Vec<(State, Option<String>)> =
        labs.iter().map(|lab| (lab.state().clone(), None)).collect();
    states.extend(in_vm::list().into_iter().map(|(id, state)| (state, Some(id))));
    if json {
        let states: Vec<&State> = states.iter().map(|(state, _)| state).collect();
        say(&format!("{}\n", serde_json::json!(states)));
        return Exit::Declared;
    }
    if states.is_empty() {
        say("no lab is up\n");
    }
    for (state, vm) in &states {
        let (name, folder) = (&state.name, state.folder.display());
        let (count, age) = (counted(state.hosts.len(), "host"), age(state.since));
        let place = if vm.is_some() { ", in a micro-VM" } else { "" };
        say(&format!("{name}: {count}, up {age}{place}, from {folder}\n{}", hosts(state)));
    }
    Exit::Declared
}

/// Says something on standard output; who closed it does not want to hear it.
fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn hosts(state: &State) -> String {
    let width = state.hosts.keys().map(String::len).max().unwrap_or_default();
    let line = |(name, host): (&String, &HostState)| {
        let interfaces = host.interfaces.iter();
        let mut words: Vec<String> = interfaces
            .map(|one| format!("{} {} ({})", one.name, addresses(one), one.network))
            .collect();
        if host.pid.is_none() {
            words.push("has ended".into());
        }
        format!("  {name:width$}  {}\n", words.join(", "))
    };
    state.hosts.iter().map(line).collect()
}

/// The addresses of an interface, the first three of them.
fn addresses(interface: &Interface) -> String {
    let shown: Vec<String> = interface.addresses.iter().take(3).map(ToString::to_string).collect();
    match interface.addresses.len() - shown.len() {
        0 => shown.join(" "),
        more => format!("{} and {more} more", shown.join(" ")),
    }
}

fn age(since: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    match now.saturating_sub(since) {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

fn failed(error: Error) -> Exit {
    let exit = match &error {
        Error::AlreadyUp { .. }
        | Error::ComingUp(_)
        | Error::NotUp { .. }
        | Error::Ambiguous { .. }
        | Error::NoHost { .. } => Exit::BadInput,
        Error::HostEnded(_) => Exit::Unreachable,
        Error::Environment { .. }
        | Error::Command { .. }
        | Error::Keeper { .. }
        | Error::Held(_) => Exit::Environment,
    };
    complain(&Diagnostic::from(error));
    exit
}
