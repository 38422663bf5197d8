//! What an agent does to look at the cluster from its host: real requests, ARP, the IPVS
//! table, the state of the machine. A probe sees and judges nothing; [`super::check`] does.
//!
//! Probes travel as JSON in [`crate::agent::protocol::Request::Probe`], and run in the
//! network namespace of the agent.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::modules::Error;

mod arp;
mod capture;
mod command;
mod http;
mod packet;
mod response;
mod seconds;
mod url;

pub use arp::{Arp, ArpAnswer, ArpAnswers};
pub use capture::Coverage;
pub use command::{Command, CommandOutput};
pub use http::{Answer, Failure, Http, HttpAnswers, Outcome, Stage, Trouble};
pub use response::Response;
pub use seconds::{NotSeconds, Seconds};
pub use url::{NotAUrl, Url};

/// One look at the cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// Requests, each over a fresh connection; answered by [`HttpAnswers`].
    Http(Http),
    /// Who has an address; answered by [`ArpAnswers`].
    Arp(Arp),
    /// A program; answered by [`CommandOutput`].
    Command(Command),
}

/// Runs a probe that came as JSON, and gives what it saw as JSON.
pub fn run(probe: Value) -> Result<Value, Error> {
    let probe: Probe =
        serde_json::from_value(probe).map_err(|error| Error::new(format!("bad probe: {error}")))?;
    match probe {
        Probe::Http(http) => seen(&http.run()?),
        Probe::Arp(arp) => seen(&arp.run()?),
        Probe::Command(command) => seen(&command.run()?),
    }
}

fn seen(evidence: &impl Serialize) -> Result<Value, Error> {
    serde_json::to_value(evidence)
        .map_err(|error| Error::new(format!("failed to write down what was seen: {error}")))
}
