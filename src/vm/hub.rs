//! One machine, many callers. Each caller has a socket and one session; the hub gives the
//! session a number of its own in the guest, and passes frames both ways. It never waits for
//! a slow caller: what can be on its way to one is bounded by the credit it gave.

use std::collections::HashMap;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::error::Error;
use super::frame::{Body, Frame};
use super::machine::Machine;

/// How long the guest may take to write out what is shared.
const FAREWELL: Duration = Duration::from_secs(10);

/// Passes frames between a machine and its callers; its end is the machine's.
#[derive(Debug)]
pub struct Hub(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    machine: Machine,
    channel: Mutex<UnixStream>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    callers: HashMap<u32, Sender<Body>>,
    last: u32,
    /// Callers that still have something coming.
    writing: usize,
    /// Why the machine is gone.
    lost: Option<String>,
    /// The guest has written everything out.
    bye: bool,
    /// A caller asked for the end.
    end: bool,
}

impl Hub {
    /// Starts passing frames.
    pub fn new(machine: Machine) -> Result<Self, Error> {
        let channel = Mutex::new(machine.channel()?);
        let from_guest = machine.channel()?;
        let state = Mutex::default();
        let shared = Arc::new(Shared { machine, channel, state, changed: Condvar::new() });
        let reader = Arc::downgrade(&shared);
        std::thread::spawn(move || {
            // Weak, so that this thread, which sleeps in a read, does not keep the machine.
            while let Ok(frame) = Frame::read(&from_guest) {
                let Some(shared) = reader.upgrade() else { return };
                shared.pass_to_caller(frame);
            }
            if let Some(shared) = reader.upgrade() {
                shared.lose();
            }
        });
        Ok(Self(shared))
    }

    /// Takes in a caller.
    pub fn connect(&self, caller: UnixStream) -> Result<(), Error> {
        let output = caller.try_clone().map_err(Error::io("share a socket"))?;
        let (queue, bodies) = channel();
        let Some(session) = self.0.admit(queue) else {
            let lost = self.0.lock().lost.clone().unwrap_or_default();
            // A caller that has left needs no answer.
            let _ = Body::Lost(lost).of(0).write(&output);
            return Ok(());
        };
        let shared = Arc::downgrade(&self.0);
        std::thread::spawn(move || {
            write_out(&bodies, &output);
            if let Some(shared) = shared.upgrade() {
                shared.lock().writing -= 1;
                shared.changed.notify_all();
            }
        });
        let shared = Arc::downgrade(&self.0);
        std::thread::spawn(move || {
            while let Ok(frame) = Frame::read(&caller) {
                let Some(shared) = shared.upgrade() else { return };
                shared.pass_to_guest(session, frame.body);
            }
            if let Some(shared) = shared.upgrade() {
                shared.leave(session);
            }
        });
        Ok(())
    }

    /// Waits until a caller asks for the end, or the machine is lost.
    pub fn wait(&self) {
        let over = |state: &mut State| !state.end && state.lost.is_none();
        drop(self.0.changed.wait_while(self.0.lock(), over));
    }

    /// Ends the machine, once the guest has written everything out and every caller got what
    /// was meant for it.
    pub fn finish(&self) {
        if self.0.lock().lost.is_none() && self.0.send(&Body::Shutdown.of(0)) {
            let waits = |state: &mut State| !state.bye && state.lost.is_none();
            drop(self.0.changed.wait_timeout_while(self.0.lock(), FAREWELL, waits));
        }
        // No caller is to miss its last frame.
        self.0.lock().callers.clear();
        let waits = |state: &mut State| state.writing > 0;
        drop(self.0.changed.wait_timeout_while(self.0.lock(), FAREWELL, waits));
        self.0.machine.kill();
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the guest could be told. The guest always reads, so this does not block long.
    fn send(&self, frame: &Frame) -> bool {
        frame.write(&*self.channel.lock().unwrap_or_else(PoisonError::into_inner)).is_ok()
    }

    fn admit(&self, queue: Sender<Body>) -> Option<u32> {
        let mut state = self.lock();
        if state.lost.is_some() {
            return None;
        }
        state.last += 1;
        state.writing += 1;
        let session = state.last;
        state.callers.insert(session, queue);
        Some(session)
    }

    fn pass_to_caller(&self, frame: Frame) {
        let mut state = self.lock();
        match frame.body {
            Body::Bye => {
                state.bye = true;
                self.changed.notify_all();
            }
            body => {
                let over = matches!(body, Body::Exit(_) | Body::Refused(..) | Body::Lost(_));
                if let Some(caller) = state.callers.get(&frame.session) {
                    // One that has left is noticed by its reader.
                    let _ = caller.send(body);
                }
                if over {
                    state.callers.remove(&frame.session);
                }
            }
        }
    }

    fn pass_to_guest(&self, session: u32, body: Body) {
        if body == Body::Shutdown {
            self.lock().end = true;
            self.changed.notify_all();
        } else if self.lock().callers.contains_key(&session) {
            // A guest that is gone is noticed by the reader of its channel.
            self.send(&body.of(session));
        }
    }

    fn leave(&self, session: u32) {
        let left = self.lock().callers.remove(&session).is_some();
        if left {
            self.send(&Body::Hangup.of(session));
        }
    }

    fn lose(&self) {
        let why = self.machine.diagnose().to_string();
        let mut state = self.lock();
        for (_, caller) in state.callers.drain() {
            let _ = caller.send(Body::Lost(why.clone()));
        }
        state.lost = Some(why);
        self.changed.notify_all();
    }
}

/// Writes until the last sender is gone, which the session's end is.
fn write_out(bodies: &Receiver<Body>, output: &UnixStream) {
    for body in bodies {
        if body.of(0).write(output).is_err() {
            return;
        }
    }
}
