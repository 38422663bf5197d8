//! Source ports that no recent request of this host had.
//!
//! A director remembers a closed connection for two minutes. With direct routing, a client
//! that comes back from the same port meanwhile gets the same real server, whosever turn it is
//! (`conn_reuse_mode`). The kernel chooses ports at random: twelve requests in a row would
//! look out of turn once in some hundred runs.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The kernel's default range for clients.
const FIRST: u64 = 32_768;
const COUNT: u64 = 28_232;
/// Every process begins where the clock says, so that one after another does not meet the
/// ports of the first: the range is gone through in 141 seconds.
const PER_SECOND: u64 = 200;

/// The next port.
pub(super) fn next() -> u16 {
    static NEXT: OnceLock<AtomicU64> = OnceLock::new();
    let next = NEXT.get_or_init(|| {
        // A clock before 1970 is as good a start as any.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        AtomicU64::new(now.as_secs() * PER_SECOND)
    });
    port(next.fetch_add(1, Ordering::Relaxed))
}

fn port(number: u64) -> u16 {
    u16::try_from(FIRST + number % COUNT).expect("the range ends below 65536")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_through_the_range_before_it_comes_back() {
        assert_eq!(port(0), 32_768);
        assert_eq!(port(COUNT - 1), 60_999);
        assert_eq!(port(COUNT), 32_768);
        assert_ne!(next(), next());
    }
}
