//! When a destination is full: at its upper threshold, until it is below the lower one.
//!
//! The kernel sets its mark when a connection comes and takes it away when one goes. So between
//! the thresholds the mark is what it was.

use super::Server;

/// What the counts say of whether a destination is full; `None` between the thresholds.
pub(super) fn full(server: &Server) -> Option<bool> {
    let Some(upper) = server.upper else { return Some(false) };
    let connections = u64::from(server.active) + u64::from(server.inactive);
    let below = match server.lower {
        Some(lower) => connections < u64::from(lower.get()),
        // Without a lower threshold it is three quarters of the upper one.
        None => connections * 4 < u64::from(upper.get()) * 3,
    };
    if connections >= u64::from(upper.get()) {
        Some(true)
    } else if below {
        Some(false)
    } else {
        None
    }
}
