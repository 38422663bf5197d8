//! Services and destinations with everything that is worth knowing of them, in words and
//! numbers: what `--json` and `--yaml` print, and what the tree is drawn from.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::Serialize;

use super::rates::Earlier;
use super::{Observed, Rates};
use crate::netlink::ipvs::written::SchedulerFlag;
use crate::netlink::ipvs::{
    Destination, DestinationState, Forward, Netmask, ServiceKey, ServiceState, Stats,
};

/// What a service or a destination does with new connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It takes them.
    Serving,
    /// A destination as busy as its upper threshold allows: it gets no more for now.
    Full,
    /// Weight 0, and there are still connections.
    Draining,
    /// Weight 0, and nothing is left.
    Drained,
    /// A service without destinations.
    Empty,
}

impl State {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Full => "full",
            Self::Draining => "draining",
            Self::Drained => "drained",
            Self::Empty => "empty",
        }
    }

    fn of_destination(state: &DestinationState) -> Self {
        let Destination { weight, upper_threshold, .. } = state.destination;
        // The kernel counts both kinds (`ip_vs_dest_conn_overhead`, `ip_vs_bind_dest`).
        let connections =
            u64::from(state.active_connections) + u64::from(state.inactive_connections);
        match (weight, connections) {
            (0, 0) => Self::Drained,
            (0, _) => Self::Draining,
            _ if upper_threshold.is_some_and(|most| connections >= u64::from(most.get())) => {
                Self::Full
            }
            _ => Self::Serving,
        }
    }

    /// A service does what the best of its destinations does.
    fn of_service(destinations: &[DestinationView]) -> Self {
        let order = [Self::Serving, Self::Full, Self::Draining, Self::Drained];
        let any = |state: &Self| destinations.iter().any(|one| one.state == *state);
        order.into_iter().find(any).unwrap_or(Self::Empty)
    }
}

/// Counters since the service or destination was made, or since they were set to zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Packets to clients that passed the director.
    pub packets_out: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients that passed the director.
    pub bytes_out: u64,
}

impl From<&Stats> for Counters {
    fn from(stats: &Stats) -> Self {
        Self {
            connections: stats.connections,
            packets_in: stats.packets_in,
            packets_out: stats.packets_out,
            bytes_in: stats.bytes_in,
            bytes_out: stats.bytes_out,
        }
    }
}

/// A virtual service as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServiceView {
    /// Which one, as in `tcp://192.168.0.89:80`.
    pub service: String,
    /// The name of its scheduler.
    pub scheduler: String,
    /// The switches of the scheduler that are on.
    pub scheduler_flags: Vec<String>,
    /// For how many seconds a client stays with its real server.
    pub persistent: Option<NonZeroU32>,
    /// Which clients are one client, where each address is not a client of its own.
    pub netmask: Option<String>,
    /// What tells clients apart by more than their address.
    pub persistence_engine: Option<String>,
    /// Whether every packet is scheduled by itself.
    pub one_packet: bool,
    /// What it does with new connections.
    pub state: State,
    /// Connections that are open, at all of its destinations.
    pub active_connections: u64,
    /// Connections that are being closed, or of UDP.
    pub inactive_connections: u64,
    /// What it has counted.
    pub counters: Counters,
    /// How fast that grows.
    pub rates: Rates,
    /// Its destinations, by address and port.
    pub destinations: Vec<DestinationView>,
    /// How the tree names it: the key, the scheduler, and what else is special about it.
    #[serde(skip)]
    pub(super) title: String,
}

/// A destination as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DestinationView {
    /// The RIP.
    pub address: IpAddr,
    /// The port there.
    pub port: u16,
    /// How packets reach it: `direct`, `nat` or `tunnel`.
    pub forward: String,
    /// The packet around the packet, of a tunnel, as in `gue:6080 checksum`.
    pub tunnel: Option<String>,
    /// Its share; 0 takes no new connections.
    pub weight: u32,
    /// With this many connections it gets no more.
    pub upper_threshold: Option<NonZeroU32>,
    /// Below this many it gets new ones again.
    pub lower_threshold: Option<NonZeroU32>,
    /// What it does with new connections.
    pub state: State,
    /// Connections that are open.
    pub active_connections: u32,
    /// Connections that are being closed, or of UDP.
    pub inactive_connections: u32,
    /// Clients that persistence holds here.
    pub persistent_connections: u32,
    /// What it has counted.
    pub counters: Counters,
    /// How fast that grows.
    pub rates: Rates,
    /// `192.168.0.93:80`.
    #[serde(skip)]
    pub(super) title: String,
    /// The method with its tunnel.
    #[serde(skip)]
    pub(super) method: String,
}

/// What is shown of a table: services and destinations in the order of their keys. Rates are
/// computed since an earlier reading, with its age, or are the kernel's own where there is none.
#[must_use]
pub fn view(table: &Observed, earlier: Option<(&Observed, Duration)>) -> Vec<ServiceView> {
    let earlier = earlier.map(|(table, age)| Earlier::new(table, age));
    let mut services: Vec<&(ServiceState, Vec<DestinationState>)> = table.iter().collect();
    services.sort_by_key(|(state, _)| state.service.key);
    services
        .into_iter()
        .map(|(service, destinations)| service_view(service, destinations, earlier.as_ref()))
        .collect()
}

fn service_view(
    state: &ServiceState,
    destinations: &[DestinationState],
    earlier: Option<&Earlier>,
) -> ServiceView {
    let service = &state.service;
    let key = service.key;
    let mut sorted: Vec<&DestinationState> = destinations.iter().collect();
    sorted.sort_by_key(|state| state.destination.key);
    let destinations: Vec<DestinationView> =
        sorted.into_iter().map(|one| destination_view(&key, one, earlier)).collect();
    let own_mask = |netmask: &Netmask| *netmask != Netmask::single(key.family());
    ServiceView {
        service: key.to_string(),
        scheduler: service.scheduler.to_string(),
        scheduler_flags: SchedulerFlag::all_of(service.scheduler_flags, &service.scheduler)
            .iter()
            .map(ToString::to_string)
            .collect(),
        persistent: service.persistence.map(|persistence| persistence.timeout),
        netmask: service
            .persistence
            .map(|persistence| persistence.netmask)
            .filter(own_mask)
            .map(|netmask| netmask.to_string()),
        persistence_engine: service.engine.as_ref().map(ToString::to_string),
        one_packet: service.one_packet,
        state: State::of_service(&destinations),
        active_connections: destinations.iter().map(|one| u64::from(one.active_connections)).sum(),
        inactive_connections: destinations
            .iter()
            .map(|one| u64::from(one.inactive_connections))
            .sum(),
        counters: (&state.stats).into(),
        rates: match earlier {
            Some(earlier) => earlier.service(&key, &state.stats),
            None => Rates::estimated(&state.stats),
        },
        destinations,
        title: service.to_string(),
    }
}

fn destination_view(
    service: &ServiceKey,
    state: &DestinationState,
    earlier: Option<&Earlier>,
) -> DestinationView {
    let destination = &state.destination;
    let key = destination.key;
    let (forward, tunnel) = match destination.forward {
        Forward::Tunnel(tunnel) => ("tunnel".to_owned(), Some(tunnel.to_string())),
        other => (other.to_string(), None),
    };
    DestinationView {
        address: key.address,
        port: key.port,
        forward,
        tunnel,
        weight: destination.weight,
        upper_threshold: destination.upper_threshold,
        lower_threshold: destination.lower_threshold,
        state: State::of_destination(state),
        active_connections: state.active_connections,
        inactive_connections: state.inactive_connections,
        persistent_connections: state.persistent_connections,
        counters: (&state.stats).into(),
        rates: match earlier {
            Some(earlier) => earlier.destination(service, &key, &state.stats),
            None => Rates::estimated(&state.stats),
        },
        title: key.to_string(),
        method: destination.forward.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::table;
    use super::*;

    #[test]
    fn tells_what_each_destination_does_with_new_connections() {
        let views = view(&table(), None);
        let states: Vec<Vec<State>> = views
            .iter()
            .map(|service| service.destinations.iter().map(|one| one.state).collect())
            .collect();
        assert_eq!(
            states,
            [vec![State::Serving, State::Draining, State::Full], vec![State::Drained], Vec::new(),]
        );
        let services: Vec<State> = views.iter().map(|service| service.state).collect();
        assert_eq!(services, [State::Serving, State::Drained, State::Empty]);
    }

    #[test]
    fn computes_rates_since_an_earlier_reading_and_takes_the_kernels_without_one() {
        let now = table();
        let mut before = table();
        before[0].0.stats.connections -= 30;
        before[0].1[0].stats.connections -= 30;
        let views = view(&now, Some((&before, Duration::from_secs(10))));
        assert_eq!(views[0].rates.connections, 3.0);
        let rates: Vec<f64> =
            views[0].destinations.iter().map(|one| one.rates.connections).collect();
        assert_eq!(rates.iter().sum::<f64>(), 3.0, "{rates:?}");
        assert_eq!(view(&now, None)[0].rates.connections, 24.0);
    }
}
