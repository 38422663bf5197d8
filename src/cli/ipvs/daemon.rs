//! `lvsmith ipvs daemon`: the threads that send connections to another director, or take them.

use std::net::IpAddr;

use clap::{Args, Subcommand};

use super::{Failure, FormatArgs, Outcome};
use crate::cli::Exit;
use crate::diagnostic::Diagnostic;
use crate::director::daemon_in_words;
use crate::netlink::InterfaceName;
use crate::netlink::ipvs::{Daemon, DaemonKey, DaemonRole, Handle};

/// Show the sync daemons, start one, stop one
#[derive(Debug, Args)]
pub(super) struct DaemonArgs {
    #[command(subcommand)]
    command: Option<DaemonCommand>,
}

#[derive(Debug, Subcommand)]
enum DaemonCommand {
    /// Show the sync daemons that run; what `daemon` alone does
    List {
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Start a sync daemon
    Start(Start),
    /// Stop a sync daemon
    Stop {
        /// Which
        role: DaemonRole,
    },
}

#[derive(Debug, Args)]
struct Start {
    /// Whether it sends connections or takes them
    role: DaemonRole,
    /// The interface it does that on
    #[arg(short, long)]
    interface: InterfaceName,
    /// The number of the pair of directors, 0 to 255; a backup with 0 takes from every one
    #[arg(long, value_name = "N", default_value_t = 0)]
    sync_id: u8,
    /// The most bytes in a datagram; the kernel's default is what fits the interface
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u16).range(1..=65507))]
    max_length: Option<u16>,
    /// The multicast group; the kernel's default is 224.0.0.81
    #[arg(long, value_name = "ADDRESS", value_parser = group)]
    group: Option<IpAddr>,
    /// The UDP port; the kernel's default is 8848
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Over how many routers datagrams go; the kernel's default is 1
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..))]
    ttl: Option<u8>,
}

fn group(text: &str) -> Result<IpAddr, String> {
    match text.parse::<IpAddr>() {
        Ok(address) if address.is_multicast() => Ok(address),
        Ok(_) => Err("it is not a multicast address, such as 224.0.0.81 or ff02::51".into()),
        Err(error) => Err(error.to_string()),
    }
}

impl DaemonArgs {
    pub(super) fn run(self) -> Outcome {
        let mut ipvs = super::open()?;
        match self.command {
            None => list(&mut ipvs, FormatArgs { json: false, yaml: false }),
            Some(DaemonCommand::List { format }) => list(&mut ipvs, format),
            Some(DaemonCommand::Start(start)) => {
                ipvs.start_daemon(&start.daemon())?;
                Ok(Exit::Declared)
            }
            Some(DaemonCommand::Stop { role }) => stop(&mut ipvs, role),
        }
    }
}

impl Start {
    fn daemon(self) -> Daemon {
        Daemon {
            key: DaemonKey { role: self.role, sync_id: self.sync_id },
            interface: self.interface,
            max_length: self.max_length,
            group: self.group,
            port: self.port,
            ttl: self.ttl,
        }
    }
}

fn list(ipvs: &mut Handle, format: FormatArgs) -> Outcome {
    let daemons = ipvs.daemons()?;
    format.print(&daemons, || drawn(&daemons))?;
    Ok(Exit::Declared)
}

/// There is at most one of each role, so nobody has to know its number.
fn stop(ipvs: &mut Handle, role: DaemonRole) -> Outcome {
    let found = ipvs.daemons()?.into_iter().find(|daemon| daemon.key.role == role);
    let Some(daemon) = found else {
        return Err(Failure::host(Diagnostic::new(format!("no {role} sync daemon is running"))));
    };
    ipvs.stop_daemon(daemon.key)?;
    Ok(Exit::Declared)
}

fn drawn(daemons: &[Daemon]) -> String {
    if daemons.is_empty() {
        return "no sync daemon is running\n".into();
    }
    daemons.iter().map(|daemon| format!("{}\n", daemon_in_words(daemon))).collect()
}
