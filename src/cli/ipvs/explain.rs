//! `lvsmith explain`: which real server takes a client's next connection, and why.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Args;

use super::file::FileArgs;
use super::{Failure, FormatArgs, Outcome, connections};
use crate::cli::Exit;
use crate::diagnostic::Diagnostic;
use crate::director::{Place, Wanted};
use crate::lab::model::{Asked, Explanation, Known, View, names};
use crate::netlink::ipvs::{Family, Service, ServiceKey};

/// More would be no explanation any more.
const MOST: i64 = 1_000;

/// Say which real server takes a client's next connection, and why
///
/// On a director: from its table, the connections that it counts, and what persistence
/// remembers, by a model of its scheduler. Nothing is sent, and nothing changed. What the kernel keeps
/// to itself, such as whose turn it is, leaves several answers, and all of them are told.
#[derive(Debug, Args)]
pub(in crate::cli) struct Explain {
    /// The service, as in `tcp://192.168.0.89:80`, `[fd00::89]:80` or `fwmark://7`
    #[arg(value_parser = super::service_key)]
    service: ServiceKey,
    /// The client's address, with its port where that is known; later connections of `--requests`
    /// come from the next ports
    #[arg(short, long, value_name = "ADDRESS")]
    client: Place,
    /// The address that it asks for, of a marked service
    #[arg(long, value_name = "ADDRESS")]
    to: Option<IpAddr>,
    /// For so many connections, one after the other, all of which stay open
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=MOST))]
    requests: u32,
    /// Not the table of this machine, but one in a file, as `lvsmith ipvs save` or `ipvsadm -S`
    /// writes it, as it is right after it was restored; `-` is standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    format: FormatArgs,
}

/// What is explained.
struct Found {
    service: Service,
    view: View,
    known: Known,
}

impl Explain {
    pub(super) fn run(self) -> Outcome {
        let to = self.to()?;
        let found = match &self.file {
            Some(file) => self.read(FileArgs::of(file.clone()))?,
            None => self.look()?,
        };
        self.needs_port(&found.service)?;
        let client = SocketAddr::new(self.client.address, self.client.port.unwrap_or(0));
        let asked = Asked { client, to, connections: self.requests };
        let explained = Explanation::of(&found.service, &found.view, &found.known, &asked);
        let Some(explanation) = explained else {
            let scheduler = &found.service.scheduler;
            let known = names().collect::<Vec<_>>().join(", ");
            return Err(Failure::host(
                Diagnostic::new(format!("there is no model of the scheduler `{scheduler}`"))
                    .hint(format!("there are {known}")),
            ));
        };
        self.format.print(&explanation, || explanation.to_string())?;
        Ok(Exit::Declared)
    }

    /// What is asked for; it must be of the client's family.
    fn to(&self) -> Result<IpAddr, Failure> {
        let vip = match self.service {
            ServiceKey::Address { address, .. } => Some(address),
            ServiceKey::Fwmark { .. } => None,
        };
        let client = self.client.address;
        let to = match (vip, self.to) {
            (Some(vip), Some(to)) if vip != to => {
                return Err(mistake(
                    format!("`{}` takes nothing for {to}", self.service),
                    "`--to` is for services of marked packets",
                ));
            }
            (vip, to) => vip.or(to),
        };
        let Some(to) = to else {
            return Err(mistake(
                format!("`{}` may be asked for by any address", self.service),
                "`--to` says by which",
            ));
        };
        let family = self.service.family();
        for address in [client, to] {
            if Family::of(address) != family {
                return Err(mistake(
                    format!("{address} is not of the family of `{}`", self.service),
                    "client and service are both IPv4, or both IPv6",
                ));
            }
        }
        Ok(to)
    }

    /// Some switches make the client's port count.
    fn needs_port(&self, service: &Service) -> Result<(), Failure> {
        let name = service.scheduler.as_str();
        let counts = matches!(name, "sh" | "mh") && service.scheduler_flags.second;
        if counts && self.client.port.is_none() {
            let client = self.client.address;
            return Err(mistake(
                format!("with {name}-port the client's port counts, too"),
                &format!("for example `--client {}`", SocketAddr::new(client, 40_000)),
            ));
        }
        Ok(())
    }

    /// The service of this machine.
    fn look(&self) -> Result<Found, Failure> {
        let mut ipvs = super::open()?;
        let Some(state) = ipvs.service(&self.service)? else {
            let hint = "`lvsmith ipvs list` shows those there are";
            return Err(Failure::host(
                Diagnostic::new(format!("there is no service `{}`", self.service)).hint(hint),
            ));
        };
        let destinations = ipvs.destinations(&self.service)?;
        let service = state.service;
        let mut wanted = vec![Wanted {
            client: Some(Place { port: self.client.port, ..self.client }),
            ..Wanted::default()
        }];
        if service.persistence.is_some() {
            wanted.push(Wanted { service: Some(self.service), ..Wanted::default() });
        }
        let mut known = Known { expires: super::drain::expires(), ..Known::default() };
        for wanted in wanted {
            known.connections.extend(connections::read(wanted).map_err(connections::failure)?);
        }
        let view = View::observed(service.scheduler_flags, &destinations);
        Ok(Found { service, view, known })
    }

    /// The service of a file, where nothing is connected.
    fn read(&self, file: FileArgs) -> Result<Found, Failure> {
        let name = file.name();
        let setup = file.read()?;
        let Some(found) = setup.table.find(&self.service) else {
            let message = format!("there is no service `{}` in {name}", self.service);
            return Err(Failure::input(Diagnostic::new(message)));
        };
        let view = View::fresh(found.service.scheduler_flags, &found.destinations);
        let known = Known { fresh: true, ..Known::default() };
        Ok(Found { service: found.service.clone(), view, known })
    }
}

fn mistake(message: String, hint: &str) -> Failure {
    Failure::input(Diagnostic::new(message).hint(hint))
}
