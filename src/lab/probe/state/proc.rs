//! What is read from `/proc`. Network files are the calling thread's: `/proc/net` is that of
//! the process's first thread, which may be in another namespace.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, SystemTime};

use nix::unistd::{SysconfVar, sysconf};
use serde::{Deserialize, Serialize};

use crate::netlink::MacAddress;

/// The settings of every interface that decide what becomes of a packet or an ARP request.
const CONF: [&str; 8] = [
    "accept_local",
    "arp_announce",
    "arp_filter",
    "arp_ignore",
    "forwarding",
    "proxy_arp",
    "rp_filter",
    "send_redirects",
];
/// Those of IPv6: who answers for an address that it does not have, and when.
const CONF_V6: [&str; 3] = ["accept_dad", "forwarding", "proxy_ndp"];
/// As many lines of a log as are worth keeping, and where they are sure to begin.
const LINES: usize = 20;
const TAIL: u64 = 16 << 10;
/// `TCP_LISTEN` in net/tcp_states.h, as `/proc/net/tcp` writes it.
const LISTEN: &str = "0A";
/// `SCTP_SS_LISTENING` in net/sctp/constants.h, which is the same, as `/proc/net/sctp/eps` has it.
const LISTENING: &str = "10";
/// `TCP_CLOSE` there, which a UDP socket is in that waits for anybody.
const WAITS: &str = "07";
/// `ATF_COM` in linux/if_arp.h: the entry is resolved.
const RESOLVED: u32 = 0x2;

/// A program waits for connections here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Listener {
    /// The address, or the unspecified one for all.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
}

impl Listener {
    /// Whether it takes connections to an address. Every IPv6 wildcard is taken to accept IPv4
    /// too, which it does unless the program chose otherwise.
    #[must_use]
    pub fn takes(&self, address: IpAddr) -> bool {
        match self.address {
            IpAddr::V4(own) => own.is_unspecified() && address.is_ipv4() || self.address == address,
            IpAddr::V6(own) => own.is_unspecified() || own.to_canonical() == address,
        }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.address, self.port).fmt(f)
    }
}

/// The host believes that an address is at a hardware address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    /// The address.
    pub address: Ipv4Addr,
    /// The hardware address.
    pub mac: MacAddress,
    /// The interface it was learned on.
    pub interface: String,
}

type Found<T> = Result<T, String>;

fn text(path: impl AsRef<Path>) -> Found<String> {
    let path = path.as_ref();
    fs::read_to_string(path)
        .map_err(|error| format!("failed to read `{}`: {error}", path.display()))
}

pub(super) fn neighbours() -> Found<Vec<Neighbour>> {
    Ok(parse_neighbours(&text("/proc/thread-self/net/arp")?))
}

fn parse_neighbours(table: &str) -> Vec<Neighbour> {
    let entry = |line: &str| {
        let mut words = line.split_whitespace();
        let address = words.next()?.parse().ok()?;
        let flags = u32::from_str_radix(words.nth(1)?.strip_prefix("0x")?, 16).ok()?;
        let mac = words.next()?.parse().ok()?;
        let interface = words.nth(1)?.to_owned();
        (flags & RESOLVED != 0).then_some(Neighbour { address, mac, interface })
    };
    // The first line names the columns.
    table.lines().skip(1).filter_map(entry).collect()
}

pub(super) fn listening() -> Found<Vec<Listener>> {
    sockets("tcp", LISTEN)
}

pub(super) fn bound() -> Found<Vec<Listener>> {
    sockets("udp", WAITS)
}

/// Nothing where the kernel has no SCTP, or has not loaded it yet.
pub(super) fn endpoints() -> Found<Option<Vec<Listener>>> {
    let table = Path::new("/proc/thread-self/net/sctp/eps");
    if !table.exists() {
        return Ok(None);
    }
    let mut found = parse_endpoints(&text(table)?);
    found.sort_unstable();
    found.dedup();
    Ok(Some(found))
}

/// Columns are those of `sctp_eps_seq_show` in net/sctp/proc.c: endpoint, socket, style, the
/// socket's state, bucket, port, user and inode, and then the addresses.
fn parse_endpoints(table: &str) -> Vec<Listener> {
    let entry = |line: &str| {
        let mut words = line.split_whitespace();
        let state = words.nth(3)?;
        let port = words.nth(1)?.parse().ok()?;
        let addresses = words.skip(2).filter_map(|word| word.parse().ok());
        let listeners = addresses.map(|address| Listener { address, port }).collect::<Vec<_>>();
        (state == LISTENING).then_some(listeners)
    };
    table.lines().skip(1).filter_map(entry).flatten().collect()
}

fn sockets(protocol: &str, wanted: &str) -> Found<Vec<Listener>> {
    let table = format!("/proc/thread-self/net/{protocol}");
    let mut found = parse_listening(&text(&table)?, wanted);
    // A kernel without IPv6 has no such file.
    if let Ok(six) = text(format!("{table}6")) {
        found.extend(parse_listening(&six, wanted));
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn parse_listening(table: &str, wanted: &str) -> Vec<Listener> {
    let entry = |line: &str| {
        let mut words = line.split_whitespace();
        let (address, port) = words.nth(1)?.split_once(':')?;
        let state = words.nth(1)?;
        let address = parse_hexadecimal(address)?;
        let port = u16::from_str_radix(port, 16).ok()?;
        (state == wanted).then_some(Listener { address, port })
    };
    table.lines().skip(1).filter_map(entry).collect()
}

/// An address as the kernel prints it: 32-bit words in network order, read by this machine.
fn parse_hexadecimal(digits: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let digits = digits.get(at * 8..at * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    match digits.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            Some(Ipv6Addr::from(bytes).into())
        }
        _ => None,
    }
}

pub(super) fn sysctls() -> Found<BTreeMap<String, String>> {
    let root = Path::new("/proc/sys");
    let mut found = BTreeMap::new();
    let mut keep = |relative: &str, name: String| {
        if let Ok(value) = fs::read_to_string(root.join(relative)) {
            found.insert(name, value.trim().to_owned());
        }
    };
    keep("net/ipv4/ip_forward", "net.ipv4.ip_forward".into());
    for interface in entries(&root.join("net/ipv4/conf"))? {
        for key in CONF {
            let name = super::conf_name(&interface, key);
            keep(&format!("net/ipv4/conf/{interface}/{key}"), name);
        }
    }
    // A kernel without IPv6 has no such folder.
    for interface in entries(&root.join("net/ipv6/conf")).unwrap_or_default() {
        for key in CONF_V6 {
            let name = super::conf_name_v6(&interface, key);
            keep(&format!("net/ipv6/conf/{interface}/{key}"), name);
        }
    }
    // The folder is there only while ip_vs is.
    for key in entries(&root.join("net/ipv4/vs")).unwrap_or_default() {
        keep(&format!("net/ipv4/vs/{key}"), format!("net.ipv4.vs.{key}"));
    }
    Ok(found)
}

fn entries(folder: &Path) -> Found<Vec<String>> {
    let failed = |error| format!("failed to list `{}`: {error}", folder.display());
    fs::read_dir(folder)
        .map_err(failed)?
        .map(|entry| Ok(entry.map_err(failed)?.file_name().to_string_lossy().into_owned()))
        .collect()
}

pub(super) fn processes() -> Found<BTreeMap<String, u32>> {
    let mut found = BTreeMap::new();
    for entry in entries(Path::new("/proc"))? {
        if !entry.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        // A process may end while we look.
        if let Ok(name) = text(format!("/proc/{entry}/comm")) {
            *found.entry(name.trim_end().to_owned()).or_insert(0) += 1;
        }
    }
    Ok(found)
}

/// The last lines that this host wrote to a log; none when there is no such file.
pub(super) fn last_lines(path: &str) -> Found<Vec<String>> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = fs::File::open(path)?;
        let metadata = file.metadata()?;
        // A lab host starts with what the machine's own programs have logged.
        if came_up().is_some_and(|start| metadata.modified().is_ok_and(|then| then < start)) {
            return Ok(Vec::new());
        }
        let length = metadata.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            let lines: Vec<&str> = text.lines().collect();
            let last = lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default();
            Ok(last.iter().map(ToString::to_string).collect())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(format!("failed to read `{path}`: {error}")),
    }
}

/// When this host's first process was started.
fn came_up() -> Option<SystemTime> {
    let stat = fs::read_to_string("/proc/1/stat").ok()?;
    // The 22nd field; the second is a name in parentheses, which may hold anything.
    let ticks: f64 = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    let uptime = fs::read_to_string("/proc/uptime").ok()?;
    let uptime: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    let per_second = sysconf(SysconfVar::CLK_TCK).ok()??;
    let age = Duration::try_from_secs_f64(uptime - ticks / per_second as f64).ok()?;
    SystemTime::now().checked_sub(age)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_resolved_neighbours_only() {
        let table = "\
IP address       HW type     Flags       HW address            Mask     Device
192.168.0.89     0x1         0x2         02:00:00:00:00:90     *        eth0
192.168.0.77     0x1         0x0         00:00:00:00:00:00     *        eth0
garbage
";
        let found = parse_neighbours(table);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].mac.0[5], found[0].interface.as_str()), (0x90, "eth0"));
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn reads_listeners_of_both_families_and_no_connections() {
        let four = "  sl  local_address rem_address   st tx_queue rx_queue\n\
            0: 5900A8C0:0050 00000000:0000 0A 00000000:00000000\n\
            1: 5900A8C0:0050 0A00A8C0:9C41 01 00000000:00000000\n\
            2: short\n";
        assert_eq!(
            parse_listening(four, LISTEN),
            [Listener { address: "192.168.0.89".parse().expect("literal"), port: 80 }]
        );
        let six = "header\n 0: 000000FD000000000000000089000000:0050 0:0 0A\n";
        assert_eq!(
            parse_listening(six, LISTEN)[0].address,
            "fd00::89".parse::<IpAddr>().expect("literal")
        );
        let odd = "header\n 0: 00é0:0050 0:0 0A\n 0: 0123456:0050 0:0 0A\n";
        assert_eq!(parse_listening(odd, LISTEN), []);
    }

    #[test]
    fn reads_sctp_endpoints_that_take_associations() {
        let table = " ENDPT     SOCK   STY SST HBKT LPORT   UID INODE LADDRS\n\
            ffff8881 ffff8882 2   10  41   7000      0 12345 0.0.0.0 \n\
            ffff8883 ffff8884 2   10  42   7001      0 12346 192.168.0.93 fd00:0000:0000:0000:0000:0000:0000:0093 \n\
            ffff8885 ffff8886 0   7   43   40001     0 12347 192.168.0.93 \n\
            short\n";
        let found: Vec<String> = parse_endpoints(table).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["0.0.0.0:7000", "192.168.0.93:7001", "[fd00::93]:7001"]);
    }

    #[test]
    fn knows_what_a_listener_takes() {
        let takes = |listens: &str, address: &str| {
            let address_of = |text: &str| text.parse().expect("literal");
            Listener { address: address_of(listens), port: 80 }.takes(address_of(address))
        };
        assert!(takes("0.0.0.0", "192.168.0.89"));
        assert!(takes("::", "192.168.0.89"));
        assert!(takes("::ffff:192.168.0.89", "192.168.0.89"));
        assert!(takes("192.168.0.89", "192.168.0.89"));
        assert!(!takes("192.168.0.93", "192.168.0.89"));
        assert!(!takes("0.0.0.0", "fd00::89"));
    }

    #[test]
    fn keeps_the_last_lines_of_a_log() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let log: String = (0..5000).map(|n| format!("line {n}\n")).collect();
        fs::write(file.path(), log).expect("it is ours");
        let lines = last_lines(file.path().to_str().expect("plain")).expect("it is there");
        assert_eq!((lines.len(), lines[0].as_str()), (20, "line 4980"));
        assert_eq!(last_lines("/no/such/log"), Ok(Vec::new()));
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        file.as_file().set_modified(long_ago).expect("it is ours");
        assert_eq!(last_lines(file.path().to_str().expect("plain")), Ok(Vec::new()));
    }
}
