//! Taking a destination out of a service without cutting connections: weight 0, wait, remove.

use std::thread;
use std::time::{Duration, Instant};

use crate::netlink::ipvs::{
    Destination, DestinationKey, DestinationState, Error, Handle, Request, ServiceKey,
};

/// How often the connections are counted.
const PAUSE: Duration = Duration::from_millis(500);
/// How often it is asked whether to go on.
const BLINK: Duration = Duration::from_millis(50);

/// A destination that is to go.
#[derive(Debug, Clone, Copy)]
pub struct Drain {
    /// Of which service.
    pub service: ServiceKey,
    /// Which destination.
    pub destination: DestinationKey,
    /// For how long its connections are waited for; for ever when there is none.
    pub timeout: Option<Duration>,
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// The last connection is gone, and so is the destination.
    Removed,
    /// Somebody else has removed it meanwhile.
    Gone,
    /// Time was up: it is there with weight 0, and so many connections are left.
    TimedOut(u64),
    /// It was told to stop: it is there with weight 0, and so many connections are left.
    Stopped(u64),
    /// Somebody else has given it this weight meanwhile; it was left alone.
    Revived(u32),
    /// There was no such destination.
    Unknown,
}

impl Drain {
    /// Does it. `progress` hears how many connections are left and how long it has taken, and
    /// says whether to go on waiting.
    pub fn run(
        &self,
        ipvs: &mut Handle,
        mut progress: impl FnMut(u64, Duration) -> bool,
    ) -> Result<Drained, Error> {
        let start = Instant::now();
        let Some(state) = self.find(ipvs)? else { return Ok(Drained::Unknown) };
        if state.destination.weight != 0 {
            let emptied = Destination { weight: 0, ..state.destination };
            ipvs.apply(&Request::EditDestination(self.service, emptied))?;
        }
        loop {
            let state = match self.find(ipvs)? {
                None => return Ok(Drained::Gone),
                Some(state) if state.destination.weight != 0 => {
                    return Ok(Drained::Revived(state.destination.weight));
                }
                Some(state) => state,
            };
            let left = state.open_connections(&self.service);
            let goes_on = progress(left, start.elapsed());
            if left == 0 {
                ipvs.remove_destination(self.service, self.destination)?;
                return Ok(Drained::Removed);
            }
            let counted = Instant::now();
            while counted.elapsed() < PAUSE {
                if !goes_on || !progress(left, start.elapsed()) {
                    return Ok(Drained::Stopped(left));
                }
                if self.timeout.is_some_and(|timeout| start.elapsed() >= timeout) {
                    return Ok(Drained::TimedOut(left));
                }
                thread::sleep(BLINK);
            }
        }
    }

    fn find(&self, ipvs: &mut Handle) -> Result<Option<DestinationState>, Error> {
        let all = ipvs.destinations(&self.service)?;
        Ok(all.into_iter().find(|state| state.destination.key == self.destination))
    }
}
