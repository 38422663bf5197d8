//! The guest's end of the channel: reads frames, hands each to its session.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fs::File;
use std::io::{self, BufReader};
use std::sync::{Arc, Mutex, PoisonError};

use super::session::{self, Session};
use crate::vm::error::Error;
use crate::vm::frame::{Body, Frame};

/// The way to the host; one frame at a time goes through.
#[derive(Debug)]
pub struct Port(Mutex<File>);

impl Port {
    /// Sends a frame. That this fails means that there is no host to tell.
    pub fn send(&self, frame: &Frame) -> io::Result<()> {
        frame.write(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Serves until the host is gone or says that it is done.
pub fn serve(port: File) -> Result<Infallible, Error> {
    let fail = || Error::io("talk to the host");
    let mut input = BufReader::with_capacity(64 << 10, port.try_clone().map_err(fail())?);
    let port = Arc::new(Port(Mutex::new(port)));
    let mut sessions: HashMap<u32, session::Handle> = HashMap::new();
    // Writing waits until the host has the other end open, which reading would not.
    port.send(&Body::Ready.of(0)).map_err(fail())?;
    loop {
        let frame = Frame::read(&mut input).map_err(fail())?;
        match frame.body {
            Body::Shutdown => {
                // Of all that was written only the shares outlive the VM.
                nix::unistd::sync();
                port.send(&Body::Bye.of(0)).map_err(fail())?;
            }
            Body::Start(start) => {
                sessions.retain(|_, session| session.is_running());
                if frame.session > 1 {
                    look_again();
                }
                match Session::spawn(frame.session, start, Arc::clone(&port)) {
                    Ok(handle) => drop(sessions.insert(frame.session, handle)),
                    Err(error) => {
                        let refused = Body::Refused(126, format!("the VM is full: {error}"));
                        port.send(&refused.of(frame.session)).map_err(fail())?;
                    }
                }
            }
            body => {
                if let Some(session) = sessions.get(&frame.session) {
                    session.tell(body);
                }
            }
        }
    }
}

/// Forgets what was read of the host's files, which somebody may have edited since the command
/// before this one.
fn look_again() {
    // 4 keeps the kernel from noting each time; 3 is content and names. A command that sees
    // what is a little old is better than none.
    for what in ["4", "3"] {
        let _ = std::fs::write("/proc/sys/vm/drop_caches", what);
    }
}
