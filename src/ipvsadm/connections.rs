//! `-Lc`: the connections that `/proc/net/ip_vs_conn` tells of.

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::address;
use super::error::Failure;
use super::names::Names;
use crate::netlink::ipvs::Protocol;

const FILE: &str = "/proc/net/ip_vs_conn";

/// Lists the connections; with `engines` also what a persistence engine knows of them.
pub(super) fn list(
    out: &mut dyn Write,
    engines: bool,
    names: Option<&Names>,
) -> Result<(), Failure> {
    let file = std::fs::File::open(FILE)
        .map_err(|_| Failure::of_listing(format!("cannot open file {FILE}")))?;
    let mut lines = BufReader::new(file).lines();
    if lines.next().is_none() {
        return Err(Failure::of_listing(format!("unexpected input from {FILE}")));
    }
    writeln!(out, "IPVS connection entries")?;
    let [state, source, service, server] = ["state", "source", "virtual", "destination"];
    write!(out, "pro expire {state:<11} {source:<18} {service:<18} ")?;
    if engines {
        writeln!(out, "{server:<18} {:<16} pe_data", "pe name")?;
    } else {
        writeln!(out, "{server}")?;
    }
    for line in lines {
        let line = line?;
        match row(&line, engines, names) {
            Some(row) => writeln!(out, "{row}")?,
            None => return Err(Failure::of_listing(String::new())),
        }
    }
    Ok(())
}

/// A line of the file as a line of the list; `None` for an empty one.
fn row(line: &str, engines: bool, names: Option<&Names>) -> Option<String> {
    let mut words = line.split_ascii_whitespace();
    let word = words.next()?;
    let protocol = match word {
        "TCP" => Some(Protocol::Tcp),
        "UDP" => Some(Protocol::Udp),
        "SCTP" => Some(Protocol::Sctp),
        _ => None,
    };
    let mut endpoint = || {
        let address = host(words.next().unwrap_or_default());
        let port = u16::from_str_radix(words.next().unwrap_or_default(), 16).unwrap_or(0);
        address::write(address, port, protocol, names)
    };
    let (source, service, server) = (endpoint(), endpoint(), endpoint());
    let state = words.next().unwrap_or_default();
    let seconds: u32 = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    let expires = format!("{:02}:{:02}", seconds / 60, seconds % 60);
    let row = format!("{word:<3} {expires:<6} {state:<11} {source:<18} {service:<18} ");
    Some(match (words.next(), words.next()) {
        (Some(engine), Some(data)) if engines => {
            format!("{row}{server:<16} {engine:<18} {data}")
        }
        _ => row + &server,
    })
}

/// IPv4 in eight hexadecimal digits, or IPv6.
fn host(text: &str) -> IpAddr {
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        return address.into();
    }
    let number = u32::from_str_radix(text, 16).unwrap_or(0);
    text.parse::<Ipv4Addr>().unwrap_or(Ipv4Addr::from_bits(number)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_lines_of_the_kernel() {
        let cases = [
            (
                "TCP C0A80001 BB2E 0A000001 0050 0A090002 1F90 ESTABLISHED     899",
                false,
                "TCP 14:59  ESTABLISHED 192.168.0.1:47918  10.0.0.1:80        10.9.0.2:8080",
            ),
            (
                "UDP fd00:0000:0000:0000:0000:0000:0000:0009 0035 \
                 fd00:0000:0000:0000:0000:0000:0000:0001 0035 \
                 fd09:0000:0000:0000:0000:0000:0000:0002 0035 UDP             6001",
                false,
                "UDP 100:01 UDP         [fd00::9]:53       [fd00::1]:53       [fd09::2]:53",
            ),
            (
                "UDP C0A80001 0000 0A000001 13C4 0A090002 13C4 NONE 59 sip 61626364",
                true,
                "UDP 00:59  NONE        192.168.0.1:0      10.0.0.1:5060      10.9.0.2:5060    sip                61626364",
            ),
        ];
        for (line, engines, written) in cases {
            assert_eq!(row(line, engines, None).unwrap(), written);
        }
        assert_eq!(row("  ", false, None), None);
    }
}
