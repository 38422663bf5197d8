//! What an agent does to look at the cluster from its host: real requests, who has an address,
//! the IPVS table, the state of the machine. A probe sees and judges nothing; [`super::check`]
//! does.
//!
//! Probes travel as JSON in [`crate::agent::protocol::Request::Probe`], and run in the
//! network namespace of the agent.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::modules::Error;

mod capture;
mod command;
mod endpoint;
mod hold;
mod http;
mod ipvs;
mod load;
mod packet;
mod ping;
mod port;
mod resolve;
mod response;
mod scheduled;
mod seconds;
mod state;
mod talk;
mod traces;

pub use crate::http::{NotAUrl, Scheme, Url};
pub use capture::Coverage;
pub use command::{Command, CommandOutput};
pub use endpoint::{Endpoint, NotAnEndpoint};
pub use hold::{Held, Hold, Open, Opened, Transport};
pub use http::{Answer, Answers, Failure, Http, Outcome, Stage, Tls, Trouble};
pub use ipvs::{Ipvs, Table, VirtualService};
pub use load::{Keep, Kept, KeptConnection, Load, Loaded, Shot};
pub(super) use packet::ALL as EVERY_PROTOCOL;
pub use ping::{Echo, EchoError, Ping, Pinged, Refused};
pub use resolve::{Claim, Resolve, Resolved, protocol};
pub use response::Response;
pub use scheduled::{Scheduled, ScheduledBy};
pub use seconds::{NotSeconds, Seconds};
pub use state::{
    Address, Link, Listener, Neighbour, Route, State, StateOf, conf_name, conf_name_v6,
};
pub use talk::{Carrier, Talk};
pub use traces::{Traces, TracesOf};

/// One look at the cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// Connections that stay open; answered by [`Held`].
    Hold(Hold),
    /// Requests, each over a fresh connection; answered by [`Answers`].
    Http(Http),
    /// Who has an address; answered by [`Resolved`].
    Resolve(Resolve),
    /// A program; answered by [`CommandOutput`].
    Command(Command),
    /// The IPVS table; answered by [`Table`].
    Ipvs(Ipvs),
    /// Connections and datagrams; answered by [`Answers`].
    Talk(Talk),
    /// Requests at a steady pace; answered by [`Loaded`].
    Load(Load),
    /// Connections that are kept in use; answered by [`Kept`].
    Keep(Keep),
    /// Echo requests; answered by [`Pinged`].
    Ping(Ping),
    /// What a playbook may leave behind; answered by [`Traces`].
    Traces(TracesOf),
    /// A virtual service with what IPVS remembers of its clients; answered by [`Scheduled`].
    Scheduled(ScheduledBy),
    /// What the host is like; answered by [`State`].
    State(StateOf),
}

/// A question whose answer has a type.
pub trait Look: Into<Probe> {
    /// The answer.
    type Seen: Serialize + DeserializeOwned;
}

macro_rules! looks {
    ($($probe:ident($look:ty) -> $seen:ty;)*) => {$(
        impl From<$look> for Probe {
            fn from(look: $look) -> Self {
                Self::$probe(look)
            }
        }

        impl Look for $look {
            type Seen = $seen;
        }
    )*};
}

looks! {
    Hold(Hold) -> Held;
    Http(Http) -> Answers;
    Resolve(Resolve) -> Resolved;
    Command(Command) -> CommandOutput;
    Ipvs(Ipvs) -> Table;
    Talk(Talk) -> Answers;
    Load(Load) -> Loaded;
    Keep(Keep) -> Kept;
    Ping(Ping) -> Pinged;
    Traces(TracesOf) -> Traces;
    Scheduled(ScheduledBy) -> Scheduled;
    State(StateOf) -> State;
}

/// Runs a probe that came as JSON, and gives what it saw as JSON.
pub fn run(probe: Value) -> Result<Value, Error> {
    let probe: Probe =
        serde_json::from_value(probe).map_err(|error| Error::new(format!("bad probe: {error}")))?;
    match probe {
        Probe::Hold(hold) => seen(&hold.run()?),
        Probe::Http(http) => seen(&http.run()?),
        Probe::Resolve(resolve) => seen(&resolve.run()?),
        Probe::Command(command) => seen(&command.run()?),
        Probe::Ipvs(ipvs) => seen(&ipvs.run()?),
        Probe::Talk(talk) => seen(&talk.run()?),
        Probe::Load(load) => seen(&load.run()?),
        Probe::Keep(keep) => seen(&keep.run()?),
        Probe::Ping(ping) => seen(&ping.run()?),
        Probe::Traces(traces) => seen(&traces.run()?),
        Probe::Scheduled(scheduled) => seen(&scheduled.run()?),
        Probe::State(state) => seen(&state.run()),
    }
}

fn seen(evidence: &impl Serialize) -> Result<Value, Error> {
    serde_json::to_value(evidence)
        .map_err(|error| Error::new(format!("failed to write down what was seen: {error}")))
}
