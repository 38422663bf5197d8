//! `lvsmith ipvs connections`: who is connected through this director, and where to.

use std::io::ErrorKind;

use clap::Args;

use super::{Failure, FormatArgs, Outcome};
use crate::cli::Exit;
use crate::diagnostic::Diagnostic;
use crate::director::{Place, Wanted, connection_table};
use crate::netlink::ipvs::{Connection, ConnectionsError, Error, ServiceKey, connections};

/// Show connections, and what persistence remembers of clients
#[derive(Debug, Args)]
pub(super) struct Connections {
    /// Only through this service; of a marked one there is only what persistence remembers
    #[arg(short, long, value_name = "SERVICE", value_parser = super::service_key)]
    service: Option<ServiceKey>,
    /// Only from this address, and this port if there is one
    #[arg(short, long, value_name = "ADDRESS")]
    client: Option<Place>,
    /// Only to this address, and this port if there is one
    #[arg(short, long, value_name = "ADDRESS")]
    destination: Option<Place>,
    #[command(flatten)]
    format: FormatArgs,
}

impl Connections {
    pub(super) fn run(self) -> Outcome {
        // Loads IPVS where that can be had, as every subcommand does.
        super::open()?;
        let Self { service, client, destination, format } = self;
        let found = read(Wanted { service, client, destination }).map_err(failure)?;
        format.print(&found, || connection_table(&found))?;
        Ok(Exit::Declared)
    }
}

/// Only those that are wanted are kept: there may be millions.
pub(super) fn read(wanted: Wanted) -> Result<Vec<Connection>, ConnectionsError> {
    connections()?.filter(|one| one.as_ref().map_or(true, |one| wanted.fits(one))).collect()
}

/// Why connections cannot be read, and the exit code for that.
pub(super) fn failure(error: ConnectionsError) -> Failure {
    let diagnostic = Diagnostic::new(error.to_string());
    match error {
        ConnectionsError::NoIpvs => Error::NoIpvs.into(),
        ConnectionsError::Io(error) if error.kind() == ErrorKind::PermissionDenied => {
            Failure { mistakes: diagnostic.hint("run as root").into(), exit: Exit::Environment }
        }
        ConnectionsError::Io(_) | ConnectionsError::Line { .. } => Failure::host(diagnostic),
    }
}
