//! The floor: messages that were encoded beforehand, sent in large datagrams of which only the
//! last message asks for an acknowledgement. No program that fills a table by netlink can do less.
//!
//! It knows nothing of the library: what is measured must not measure itself.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use netlink_sys::protocols::NETLINK_GENERIC;
use netlink_sys::{Socket, SocketAddr};

use crate::rules::{Destination, Service};

const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLMSG_ERROR: u16 = 2;
const HEADER: usize = 16;

const GENL_ID_CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;

const IPVS_CMD_NEW_SERVICE: u8 = 1;
const IPVS_CMD_NEW_DEST: u8 = 5;
const IPVS_CMD_ATTR_SERVICE: u16 = 1;
const IPVS_CMD_ATTR_DEST: u16 = 2;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const IPPROTO_TCP: u16 = 6;
const DROUTE: u32 = 3;

/// Writes the datagrams that make these services, each behind its length, with so many messages
/// in each.
pub(crate) fn record(services: &[Service], batch: usize, file: &Path) -> Result<()> {
    let family = family()?;
    let mut messages = Vec::new();
    for service in services {
        let key = service_key(service);
        let scheduler = attribute(6, b"wrr\0");
        let rest = [scheduler, attribute(7, &[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff])].concat();
        let rest = [rest, attribute(8, &[0; 4]), attribute(9, &[0xff; 4])].concat();
        let whole = attribute(IPVS_CMD_ATTR_SERVICE, &[key.clone(), rest].concat());
        messages.push(generic(IPVS_CMD_NEW_SERVICE, &whole));
        let key = attribute(IPVS_CMD_ATTR_SERVICE, &key);
        for destination in &service.destinations {
            let one = attribute(IPVS_CMD_ATTR_DEST, &of_destination(destination));
            messages.push(generic(IPVS_CMD_NEW_DEST, &[key.clone(), one].concat()));
        }
    }
    let mut bytes = Vec::new();
    for messages in messages.chunks(batch) {
        let mut datagram = Vec::new();
        for (at, body) in messages.iter().enumerate() {
            let last = at + 1 == messages.len();
            put(&mut datagram, family, if last { NLM_F_ACK } else { 0 }, body);
        }
        bytes.extend((datagram.len() as u32).to_ne_bytes());
        bytes.extend(datagram);
    }
    fs::write(file, bytes).context("the messages are written down")
}

/// Sends what was recorded; an error when the kernel refuses any of it.
pub(crate) fn replay(file: &Path) -> Result<()> {
    let bytes = fs::read(file)?;
    let socket = socket()?;
    let mut buffer = Vec::with_capacity(1 << 16);
    let mut rest = bytes.as_slice();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (datagram, after) = after.split_at(u32::from_ne_bytes(*length) as usize);
        rest = after;
        socket.send_to(datagram, &SocketAddr::new(0, 0), 0)?;
        buffer.clear();
        socket.recv_from(&mut buffer, 0)?;
        let (kind, body) = reply(&buffer)?;
        ensure!(kind == NLMSG_ERROR && body.get(..4) == Some(&[0; 4]), "refused: {body:?}");
    }
    Ok(())
}

fn service_key(service: &Service) -> Vec<u8> {
    [
        attribute(1, &family_of(service.address).to_ne_bytes()),
        attribute(2, &IPPROTO_TCP.to_ne_bytes()),
        attribute(3, &address(service.address)),
        attribute(4, &service.port.to_be_bytes()),
    ]
    .concat()
}

fn of_destination(destination: &Destination) -> Vec<u8> {
    [
        attribute(1, &address(destination.address)),
        attribute(2, &destination.port.to_be_bytes()),
        attribute(3, &DROUTE.to_ne_bytes()),
        attribute(4, &destination.weight.to_ne_bytes()),
        attribute(5, &[0; 4]),
        attribute(6, &[0; 4]),
        attribute(11, &family_of(destination.address).to_ne_bytes()),
    ]
    .concat()
}

fn family_of(address: IpAddr) -> u16 {
    if address.is_ipv4() { AF_INET } else { AF_INET6 }
}

/// An address fills sixteen bytes whatever its family.
fn address(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&address.octets());
            bytes
        }
        IpAddr::V6(address) => address.octets(),
    }
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = ((value.len() + 4) as u16).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn generic(command: u8, attributes: &[u8]) -> Vec<u8> {
    [&[command, 1, 0, 0], attributes].concat()
}

fn put(datagram: &mut Vec<u8>, kind: u16, flags: u16, body: &[u8]) {
    datagram.extend(((HEADER + body.len()) as u32).to_ne_bytes());
    datagram.extend(kind.to_ne_bytes());
    datagram.extend((flags | NLM_F_REQUEST).to_ne_bytes());
    datagram.extend([0; 8]);
    datagram.extend(body);
}

fn socket() -> Result<Socket> {
    let mut socket = Socket::new(NETLINK_GENERIC)?;
    socket.bind_auto()?;
    Ok(socket)
}

/// The type and body of the first message.
fn reply(bytes: &[u8]) -> Result<(u16, &[u8])> {
    let (header, body) = bytes.split_at_checked(HEADER).context("a reply has a header")?;
    Ok((u16::from_ne_bytes([header[4], header[5]]), body))
}

/// Asks what number IPVS has in this kernel, which loads it where it can.
fn family() -> Result<u16> {
    let name = attribute(CTRL_ATTR_FAMILY_NAME, b"IPVS\0");
    let mut datagram = Vec::new();
    put(&mut datagram, GENL_ID_CTRL, 0, &generic(CTRL_CMD_GETFAMILY, &name));
    let socket = socket()?;
    socket.send_to(&datagram, &SocketAddr::new(0, 0), 0)?;
    let mut buffer = Vec::with_capacity(1 << 16);
    socket.recv_from(&mut buffer, 0)?;
    let (kind, body) = reply(&buffer)?;
    ensure!(kind == GENL_ID_CTRL, "there is no IPVS in this kernel");
    let mut rest = body.get(4..).unwrap_or_default();
    while let [l1, l2, k1, k2, ..] = *rest {
        let length = usize::from(u16::from_ne_bytes([l1, l2]));
        if u16::from_ne_bytes([k1, k2]) == CTRL_ATTR_FAMILY_ID {
            let value = rest.get(4..6).context("a family has a number")?;
            return Ok(u16::from_ne_bytes([value[0], value[1]]));
        }
        rest = rest.get(length.max(4).next_multiple_of(4)..).unwrap_or_default();
    }
    bail!("the kernel does not say what number IPVS has")
}
