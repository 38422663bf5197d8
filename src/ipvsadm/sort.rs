//! The order of lists, which is the real one's to the last wrap-around.
//!
//! It subtracts unsigned numbers and takes the difference for a signed one, so that
//! `172.16.0.2` comes before `10.0.0.1`. Such an order is not transitive: what comes out
//! depends on the algorithm, and that of the C library is a stable merge sort.

use std::net::IpAddr;

use crate::netlink::ipvs::{DestinationKey, Family, Protocol, ServiceKey};

/// Sorts services by mark, family, protocol, address and port.
pub(super) fn services<T>(services: Vec<T>, key: impl Fn(&T) -> &ServiceKey) -> Vec<T> {
    merge_sort(services, &|a, b| compare_services(key(a), key(b)))
}

/// Sorts the destinations of a service by address and port.
pub(super) fn destinations<T>(destinations: Vec<T>, key: impl Fn(&T) -> &DestinationKey) -> Vec<T> {
    merge_sort(destinations, &|a, b| compare_destinations(key(a), key(b)))
}

fn compare_services(a: &ServiceKey, b: &ServiceKey) -> i32 {
    let parts = |key: &ServiceKey| {
        let family: u32 = if key.family() == Family::Ipv4 { 2 } else { 10 };
        match key {
            ServiceKey::Fwmark { mark, .. } => ([mark.get(), family, 0], None, 0),
            ServiceKey::Address { protocol, address, port } => {
                let protocol = match protocol {
                    Protocol::Tcp => 6,
                    Protocol::Udp => 17,
                    Protocol::Sctp => 132,
                    Protocol::Other(number) => u32::from(*number),
                };
                ([0, family, protocol], Some(*address), u32::from(*port))
            }
        }
    };
    let ((first, address, port), (other_first, other_address, other_port)) = (parts(a), parts(b));
    let addresses = address.zip(other_address);
    let numbers = first.into_iter().zip(other_first);
    let address = addresses.map_or(0, |(address, other)| difference(address, other));
    numbers
        .map(|(one, other)| wrapped(one, other))
        .chain([address, wrapped(port, other_port)])
        .find(|difference| *difference != 0)
        .unwrap_or(0)
}

fn compare_destinations(a: &DestinationKey, b: &DestinationKey) -> i32 {
    match difference(a.address, b.address) {
        0 => wrapped(a.port.into(), b.port.into()),
        difference => difference,
    }
}

/// Compares as many words as the first address has.
fn difference(a: IpAddr, b: IpAddr) -> i32 {
    let count = if a.is_ipv6() { 4 } else { 1 };
    let pairs = words(a).into_iter().zip(words(b)).take(count);
    pairs.map(|(a, b)| wrapped(a, b)).find(|difference| *difference != 0).unwrap_or(0)
}

fn words(address: IpAddr) -> [u32; 4] {
    match address {
        IpAddr::V4(address) => [address.to_bits(), 0, 0, 0],
        IpAddr::V6(address) => {
            let word = |place: u32| (address.to_bits() >> (96 - 32 * place)) as u32;
            [word(0), word(1), word(2), word(3)]
        }
    }
}

fn wrapped(a: u32, b: u32) -> i32 {
    a.wrapping_sub(b).cast_signed()
}

fn merge_sort<T>(items: Vec<T>, compare: &impl Fn(&T, &T) -> i32) -> Vec<T> {
    let count = items.len();
    if count < 2 {
        return items;
    }
    let mut left = items;
    let right = left.split_off(count / 2);
    let mut left = merge_sort(left, compare).into_iter().peekable();
    let mut right = merge_sort(right, compare).into_iter().peekable();
    let mut sorted = Vec::with_capacity(count);
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let from_left = compare(a, b) <= 0;
        sorted.extend(if from_left { left.next() } else { right.next() });
    }
    sorted.extend(left);
    sorted.extend(right);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(addresses: &[&str]) -> Vec<String> {
        let keys: Vec<DestinationKey> = addresses
            .iter()
            .map(|address| DestinationKey { address: address.parse().unwrap(), port: 80 })
            .collect();
        let sorted = merge_sort(keys, &compare_destinations);
        sorted.iter().map(|key| key.address.to_string()).collect()
    }

    #[test]
    fn wraps_around() {
        let found = sorted(&["10.0.0.1", "192.168.0.1", "172.16.0.2"]);
        assert_eq!(found, ["172.16.0.2", "192.168.0.1", "10.0.0.1"]);
        assert_eq!(sorted(&["10.0.0.1", "fd00::1"]), ["fd00::1", "10.0.0.1"]);
        assert_eq!(sorted(&["fd00::2", "fd00::1"]), ["fd00::1", "fd00::2"]);
    }

    #[test]
    fn compares_marks_first_and_ports_last() {
        let tcp = |port| ServiceKey::address(Protocol::Tcp, [10, 0, 0, 1], port);
        let udp = ServiceKey::address(Protocol::Udp, [9, 0, 0, 1], 1);
        let mark = |mark| ServiceKey::Fwmark {
            family: Family::Ipv4,
            mark: std::num::NonZeroU32::new(mark).unwrap(),
        };
        assert!(compare_services(&tcp(80), &tcp(81)) < 0);
        assert!(compare_services(&tcp(80), &udp) < 0);
        assert!(compare_services(&udp, &mark(1)) < 0);
        assert!(compare_services(&mark(u32::MAX), &tcp(80)) < 0);
        assert_eq!(compare_services(&mark(7), &mark(7)), 0);
    }

    #[test]
    fn is_stable() {
        let pairs: Vec<(i32, usize)> = [3, 1, 3, 2, 1, 3].into_iter().zip(0..).collect();
        let mut expected = pairs.clone();
        expected.sort_by_key(|(number, _)| *number);
        assert_eq!(merge_sort(pairs, &|a, b| a.0 - b.0), expected);
    }
}
