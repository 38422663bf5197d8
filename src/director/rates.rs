//! Rates: the kernel's own estimates, or what two readings of the counters say.

use std::time::Duration;

use serde::Serialize;

use super::Observed;
use crate::netlink::ipvs::{DestinationKey, ServiceKey, Stats};

/// Rates of a service or a destination, per second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Rates {
    /// Connections scheduled.
    pub connections: f64,
    /// Packets from clients.
    pub packets_in: f64,
    /// Packets to clients that passed the director.
    pub packets_out: f64,
    /// Bytes from clients.
    pub bytes_in: f64,
    /// Bytes to clients that passed the director.
    pub bytes_out: f64,
}

impl Rates {
    /// The kernel's estimates, which it makes anew every two seconds, from the last ones too.
    #[must_use]
    pub fn estimated(stats: &Stats) -> Self {
        Self {
            connections: stats.connection_rate as f64,
            packets_in: stats.packet_rate_in as f64,
            packets_out: stats.packet_rate_out as f64,
            bytes_in: stats.byte_rate_in as f64,
            bytes_out: stats.byte_rate_out as f64,
        }
    }

    /// What the counters have grown by. One that has shrunk was set to zero in between.
    #[must_use]
    pub fn between(before: &Stats, after: &Stats, elapsed: Duration) -> Self {
        let rate = |counter: fn(&Stats) -> u64| {
            let (before, after) = (counter(before), counter(after));
            let grown = after.checked_sub(before).unwrap_or(after);
            // Two readings are never at one moment.
            grown as f64 / elapsed.as_secs_f64().max(0.001)
        };
        Self {
            connections: rate(|stats| stats.connections),
            packets_in: rate(|stats| stats.packets_in),
            packets_out: rate(|stats| stats.packets_out),
            bytes_in: rate(|stats| stats.bytes_in),
            bytes_out: rate(|stats| stats.bytes_out),
        }
    }
}

/// An earlier reading, that rates are computed from.
#[derive(Debug)]
pub(super) struct Earlier {
    elapsed: Duration,
    services: std::collections::HashMap<ServiceKey, Stats>,
    destinations: std::collections::HashMap<(ServiceKey, DestinationKey), Stats>,
}

impl Earlier {
    /// A reading that is `elapsed` old.
    pub(super) fn new(table: &Observed, elapsed: Duration) -> Self {
        let services = table.iter().map(|(state, _)| (state.service.key, state.stats)).collect();
        let destinations = table.iter().flat_map(|(service, destinations)| {
            let service = service.service.key;
            destinations.iter().map(move |state| ((service, state.destination.key), state.stats))
        });
        Self { elapsed, services, destinations: destinations.collect() }
    }

    /// The rates of a service. One that was not there yet has counted all it has since then.
    pub(super) fn service(&self, key: &ServiceKey, now: &Stats) -> Rates {
        let before = self.services.get(key).copied().unwrap_or_default();
        Rates::between(&before, now, self.elapsed)
    }

    /// The rates of a destination.
    pub(super) fn destination(
        &self,
        service: &ServiceKey,
        key: &DestinationKey,
        now: &Stats,
    ) -> Rates {
        let before = self.destinations.get(&(*service, *key)).copied().unwrap_or_default();
        Rates::between(&before, now, self.elapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn computes_rates_from_counters() {
        let before = Stats { connections: 10, bytes_in: 1_000, packets_in: 9, ..Stats::default() };
        let after = Stats { connections: 15, bytes_in: 6_000, packets_in: 4, ..Stats::default() };
        let rates = Rates::between(&before, &after, Duration::from_secs(2));
        assert_eq!((rates.connections, rates.bytes_in, rates.bytes_out), (2.5, 2_500.0, 0.0));
        assert_eq!(rates.packets_in, 2.0, "the counter was zeroed in between");
        let at_once = Rates::between(&before, &after, Duration::ZERO);
        assert!(at_once.connections.is_finite());
    }
}
