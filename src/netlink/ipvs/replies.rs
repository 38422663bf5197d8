//! What a kernel, or what pretends to be one, sends: taken apart for fuzz targets and tests.
//!
//! The way is that of [`Handle`](super::Handle), from the socket to the decoded value.

use std::fmt::Debug;

use super::constants::IPVS_GENL_NAME;
use super::error::Error;
use super::message::{self, Request};
use super::service::{Family, Service};
use super::{Destination, connections, option};
use crate::netlink::generic;
use crate::netlink::socket::{self, Batches, Socket, replay};
use crate::netlink::wire::Malformed;

/// The generic netlink family that the requests go to.
const FAMILY: u16 = 32;

/// Asks for something, of which there are as many kinds as arms here, and is answered with
/// these datagrams.
pub(crate) fn ask(what: u8, answers: Vec<Vec<u8>>) {
    let sent: usize = answers.iter().map(Vec::len).sum();
    let mut socket = replay::replay(answers);
    match what % 9 {
        0 => {
            for state in dump(&mut socket, sent, message::service) {
                comes_back(state.service);
            }
        }
        1 => destinations(&mut socket, sent, Family::Ipv4),
        2 => destinations(&mut socket, sent, Family::Ipv6),
        3 => {
            for daemon in dump(&mut socket, sent, message::daemon) {
                let written = Request::StartDaemon(daemon.clone()).encode();
                assert_eq!(message::daemon(&written), Ok(daemon));
            }
        }
        4 => get(&mut socket, message::timeouts),
        5 => get(&mut socket, message::info),
        6 => {
            let families = dump(&mut socket, sent, generic::named_family);
            let _ = families.into_iter().find(|(name, _)| name == IPVS_GENL_NAME);
        }
        7 => {
            let refused = socket.change(socket::Request { kind: FAMILY, body: &[17, 1, 0, 0] });
            if let Err(error) = refused {
                let _ = Error::changing(&Request::Flush, error).to_string();
            }
        }
        _ => {
            let requests = vec![Request::Flush; 150];
            let batches = Batches::new(FAMILY, requests, |request, out| request.write(out));
            for (index, errno) in socket.change_all(batches).unwrap_or_default() {
                assert!(index < 150, "an answer to request {index}");
                let _ = Error::changing(&Request::Flush, socket::Error::Kernel(errno)).to_string();
            }
        }
    }
}

fn destinations(socket: &mut Socket<replay::Replay>, sent: usize, family: Family) {
    for state in dump(socket, sent, |body| message::destination(body, family)) {
        let _ = (state.destination.to_string(), serde_json::to_string(&state));
    }
}

/// What was read of a service is the same when it is written and read again.
fn comes_back(service: Service) {
    let _ = (service.to_string(), serde_json::to_string(&service));
    let written = Request::AddService(service.clone()).encode();
    assert_eq!(message::service(&written).map(|state| state.service), Ok(service));
}

fn dump<T>(
    socket: &mut Socket<replay::Replay>,
    sent: usize,
    decode: impl Fn(&[u8]) -> Result<T, Malformed>,
) -> Vec<T> {
    let body = [1, 1, 0, 0];
    match socket.dump(socket::Request { kind: FAMILY, body: &body }, decode) {
        Ok(found) => {
            assert!(found.len() <= sent / 16, "{} of {sent} bytes", found.len());
            found
        }
        Err(error) => {
            told(error);
            Vec::new()
        }
    }
}

fn get<T: Debug>(
    socket: &mut Socket<replay::Replay>,
    decode: impl Fn(&[u8]) -> Result<T, Malformed>,
) {
    let body = [13, 1, 0, 0];
    if let Err(error) = socket.get(socket::Request { kind: FAMILY, body: &body }, decode) {
        told(error);
    }
}

fn told(error: socket::Error) {
    let refused = matches!(error, socket::Error::Kernel(_));
    let error = Error::reading("list the services", error);
    assert_eq!(error.errno().is_some(), refused);
    let _ = error.to_string();
}

/// Takes answers of the socket options apart: services, and the destinations of one.
pub(crate) fn options(buffer: &[u8]) {
    for state in option::services(buffer).unwrap_or_default() {
        let _ = (state.service.to_string(), serde_json::to_string(&state));
    }
    for state in option::destinations(buffer) {
        let _ = (state.destination.to_string(), serde_json::to_string(&state));
    }
    let _ = option::daemons(buffer);
    let counts = option::counted(buffer);
    assert!(counts.len() <= buffer.len() / 48);
    for count in counts.values().copied().chain(0..4) {
        let found: Option<Vec<Destination>> = option::listed(buffer, count);
        assert!(found.is_none_or(|found| found.len() == count as usize));
    }
}

/// Reads the file of connections.
pub(crate) fn connection_lines(text: &[u8]) {
    for connection in connections::parse_all(text) {
        match connection {
            Ok(one) => {
                let _ = (one.to_string(), one.is_template(), one.key().map(|key| key.to_string()));
                let json = serde_json::to_string(&one).expect("a connection can be told");
                let back = serde_json::from_str(&json).expect("and be read again");
                assert_eq!(one, back);
            }
            Err(error) => _ = error.to_string(),
        }
    }
}
