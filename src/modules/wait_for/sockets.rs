//! What `wait_for` needs to know of sockets: who is connected, and what a server says first.

use std::fs;
use std::io::{ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpStream};
use std::time::Duration;

use regex_lite::Regex;

use crate::modules::Error;

/// States of `include/net/tcp_states.h` in which a connection still carries data.
const ACTIVE: [&str; 5] = ["01", "02", "03", "04", "05"];

/// Counts the TCP connections that have `port` on this side; `None` takes any address.
pub(super) fn open_connections(address: Option<IpAddr>, port: u16) -> Result<usize, Error> {
    let mut count = 0;
    for file in ["tcp", "tcp6"] {
        let path = format!("/proc/thread-self/net/{file}");
        match fs::read_to_string(&path) {
            Ok(text) => count += matching(&text, address, port),
            // A kernel without IPv6 has no such file.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io(format!("failed to read `{path}`"), &error)),
        }
    }
    Ok(count)
}

fn matching(text: &str, address: Option<IpAddr>, port: u16) -> usize {
    let active = text.lines().skip(1).filter(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (Some(local), Some(_), Some(state)) = (fields.next(), fields.next(), fields.next())
        else {
            return false;
        };
        let Some((at, local_port)) = endpoint(local) else { return false };
        let any = address.is_none_or(|address| address.is_unspecified() || address == at);
        local_port == port && any && ACTIVE.contains(&state)
    });
    active.count()
}

/// `0100007F:0050`: each group of four bytes in the order of this machine.
fn endpoint(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.split_once(':')?;
    let mut bytes = Vec::new();
    for group in address.as_bytes().chunks(8) {
        let group = u32::from_str_radix(std::str::from_utf8(group).ok()?, 16).ok()?;
        bytes.extend(group.to_ne_bytes());
    }
    let address = match bytes.len() {
        4 => IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        _ => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)).to_canonical(),
    };
    Some((address, u16::from_str_radix(port, 16).ok()?))
}

/// Reads what the server says by itself; what is the matter when it does not match.
pub(super) fn greeting_lacks(
    mut stream: &TcpStream,
    regex: &Regex,
    limit: Duration,
) -> Option<String> {
    let mut said = Vec::new();
    let mut buffer = [0; 1024];
    // A limit of zero would mean none; the caller never gives that.
    stream.set_read_timeout(Some(limit)).ok()?;
    while said.len() < 64 << 10 {
        match stream.read(&mut buffer) {
            Ok(0) => return Some("it closed without saying it".into()),
            Ok(length) => said.extend_from_slice(buffer.get(..length)?),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Some(format!("it said something else: {error}")),
        }
        if regex.is_match(&String::from_utf8_lossy(&said)) {
            return None;
        }
    }
    Some("it said something else".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_is_open_on_this_side() {
        let text = "  sl  local_address rem_address   st\n\
             0: 0100007F:0050 00000000:0000 0A 0\n\
             1: 0100007F:0050 0100007F:D431 01 0\n\
             2: 0100007F:D431 0100007F:0050 01 0\n\
             3: 0100007F:0050 0100007F:D432 06 0\n";
        assert_eq!(matching(text, None, 80), 1);
        assert_eq!(matching(text, Some("127.0.0.1".parse().unwrap()), 80), 1);
        assert_eq!(matching(text, Some("10.0.0.1".parse().unwrap()), 80), 0);
        assert_eq!(matching(text, None, 81), 0);
    }
}
