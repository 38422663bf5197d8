//! Links, addresses and routes, over rtnetlink.
//!
//! The crate below is asynchronous and this program is not: a [`Handle`] carries a runtime on
//! the calling thread, which runs only while a method does. Nothing outside sees it.

mod address;
mod error;
mod link;
mod netem;
mod table;

use futures_util::StreamExt;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::AsyncSocket;
use tokio::runtime::{Builder, Runtime};

pub use self::address::{Address, NewAddress, Scope};
pub use self::error::Error;
use self::error::Failure;
pub use self::link::{Attach, Ends, Link, LinkChange, NewKind, NewLink, Peer, Place};
pub use self::netem::Netem;
pub use self::table::{NewRoute, Route, RouteKind, Table};

/// How often a dump is asked for again when the kernel says that it changed meanwhile.
const DUMP_ATTEMPTS: usize = 10;

/// A socket to the kernel's links, addresses and routes.
///
/// It belongs to the network namespace of the thread that made it, for as long as it lives.
#[derive(Debug)]
pub struct Handle {
    runtime: Runtime,
    netlink: rtnetlink::Handle,
}

impl Handle {
    /// Opens a socket in the calling thread's network namespace.
    pub fn new() -> Result<Self, Error> {
        let runtime = Builder::new_current_thread().enable_io().build().map_err(Error::Open)?;
        // The socket registers with the runtime's reactor when it is made.
        let entered = runtime.enter();
        let (mut connection, netlink, _unsolicited) =
            rtnetlink::new_connection().map_err(Error::Open)?;
        // An end that is seen is the only proof that an answer is whole.
        connection.set_forward_ack(true);
        connection.set_forward_done(true);
        let socket = connection.socket_mut().socket_mut();
        // Both only improve messages; a kernel without them is fine.
        let _ = socket.set_ext_ack(true);
        let _ = socket.set_cap_ack(true);
        runtime.spawn(connection);
        drop(entered);
        Ok(Self { runtime, netlink })
    }

    /// Sends one request that changes something, and waits for the acknowledgement.
    fn change(
        &mut self,
        what: impl FnOnce() -> String,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<(), Error> {
        self.exchange(message, NLM_F_ACK | flags)
            .map(drop)
            .map_err(|failure| failure.into_error(what()))
    }

    /// Asks for one thing; the kernel's answer, or `None` when there is no such thing.
    fn get(
        &mut self,
        what: impl FnOnce() -> String,
        message: RouteNetlinkMessage,
    ) -> Result<Option<RouteNetlinkMessage>, Error> {
        match self.exchange(message, NLM_F_ACK) {
            Ok(answer) => match answer.messages.into_iter().next() {
                Some(message) => Ok(Some(message)),
                // The crate below drops what it cannot decode.
                None => Err(Error::Undecodable { what: what() }),
            },
            Err(Failure::Kernel { errno: nix::errno::Errno::ENODEV, .. }) => Ok(None),
            Err(failure) => Err(failure.into_error(what())),
        }
    }

    /// Asks for everything of a kind, and again while it changes under our hands.
    fn dump(
        &mut self,
        what: &str,
        message: RouteNetlinkMessage,
    ) -> Result<Vec<RouteNetlinkMessage>, Error> {
        for _ in 0..DUMP_ATTEMPTS {
            let answer = self
                .exchange(message.clone(), NLM_F_DUMP)
                .map_err(|failure| failure.into_error(what.into()))?;
            if !answer.interrupted {
                return Ok(answer.messages);
            }
        }
        Err(Error::Unsteady { what: what.into() })
    }

    fn exchange(&mut self, message: RouteNetlinkMessage, flags: u16) -> Result<Answer, Failure> {
        let mut request = NetlinkMessage::from(message);
        request.header.flags = NLM_F_REQUEST | flags;
        let netlink = &mut self.netlink;
        self.runtime.block_on(async {
            let mut replies = netlink.request(request).map_err(|_| Failure::Closed)?;
            let mut answer = Answer::default();
            while let Some(reply) = replies.next().await {
                answer.interrupted |= reply.header.flags & NLM_F_DUMP_INTR != 0;
                match reply.payload {
                    NetlinkPayload::InnerMessage(message) => answer.messages.push(message),
                    NetlinkPayload::Error(error) if error.code.is_some() => {
                        return Err(Failure::kernel(error.raw_code(), &error.header));
                    }
                    NetlinkPayload::Done(done) if done.code < 0 => {
                        return Err(Failure::kernel(done.code, &[]));
                    }
                    NetlinkPayload::Error(_) | NetlinkPayload::Done(_) => return Ok(answer),
                    _ => {}
                }
            }
            // The connection ends, and with it every stream, when its socket breaks.
            Err(Failure::Closed)
        })
    }
}

#[derive(Default)]
struct Answer {
    messages: Vec<RouteNetlinkMessage>,
    interrupted: bool,
}

#[cfg(test)]
mod tests {
    use super::super::InterfaceName;
    use super::*;

    // Every network namespace has `lo`, and everyone may look.

    #[test]
    fn finds_the_loopback_interface_by_name_and_in_the_list() {
        let mut handle = Handle::new().unwrap();
        let lo = handle.existing_link(&InterfaceName::loopback()).unwrap();
        assert!(lo.loopback && lo.name == "lo" && lo.kind.is_none(), "{lo:?}");
        assert!(handle.links().unwrap().contains(&lo));
    }

    #[test]
    fn tells_a_missing_interface_from_a_failure() {
        let mut handle = Handle::new().unwrap();
        let nope = InterfaceName::new("no-such-link").unwrap();
        assert_eq!(handle.link(&nope).unwrap(), None);
        let error = handle.set_up(&nope).unwrap_err();
        assert_eq!(error.to_string(), "no interface `no-such-link`");
    }

    #[test]
    fn lists_addresses_and_routes_of_both_families() {
        let mut handle = Handle::new().unwrap();
        for address in handle.addresses().unwrap() {
            let longest = if address.address.is_ipv4() { 32 } else { 128 };
            assert!(address.interface > 0 && address.prefix <= longest, "{address:?}");
        }
        for route in handle.routes().unwrap() {
            assert!(route.destination.trunc() == route.destination, "{route:?}");
        }
    }
}
