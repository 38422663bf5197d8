use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;

const VIP: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 89);
const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 10);
const VIP_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x89);
const CLIENT_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x10);
const CLIENT_MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 0x0a]);
const DIRECTOR_MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 90]);

/// Captured from `arping` on a veth pair.
const REQUEST: [u8; 42] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, // to everybody
    0x02, 0x00, 0x00, 0x00, 0x00, 0x0a, // from the client
    0x08, 0x06, // EtherType ARP
    0x00, 0x01, 0x08, 0x00, 6, 4, // Ethernet, IPv4, their address lengths
    0x00, 0x01, // request
    0x02, 0x00, 0x00, 0x00, 0x00, 0x0a, // sender's MAC
    192, 168, 0, 10, // sender's address
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // target's MAC, which is the question
    192, 168, 0, 89, // target's address
];

/// What RFC 4861, section 4.3 has, with the checksum of RFC 4443, section 2.3 worked out apart.
const SOLICITATION: [u8; 86] = [
    0x33, 0x33, 0xff, 0x00, 0x00, 0x89, // to all whose addresses end in 00:0089
    0x02, 0x00, 0x00, 0x00, 0x00, 0x0a, // from the client
    0x86, 0xdd, // EtherType IPv6
    0x60, 0, 0, 0, 0, 32, 58, 255, // 32 bytes of ICMPv6, hop limit 255
    0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, // from fd00::10
    0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 0x89, // to ff02::1:ff00:89
    135, 0, 0x7c, 0x71, // neighbour solicitation, checksum
    0, 0, 0, 0, // reserved
    0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x89, // for fd00::89
    1, 1, 0x02, 0x00, 0x00, 0x00, 0x00, 0x0a, // the sender's MAC
];

fn reply() -> Vec<u8> {
    let mut frame = REQUEST.to_vec();
    frame[21] = 2;
    frame[22..28].copy_from_slice(&DIRECTOR_MAC.0);
    frame[28..32].copy_from_slice(&VIP.octets());
    frame
}

fn advertisement() -> Vec<u8> {
    let mut frame = SOLICITATION.to_vec();
    frame[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 91]);
    frame[54] = 136;
    frame[58] = 0x60;
    frame[78] = 2;
    frame[80..86].copy_from_slice(&DIRECTOR_MAC.0);
    frame
}

fn interface(addresses: &[(IpAddr, u8)]) -> Interface {
    let mut loopback = packet::interfaces().expect("every namespace has interfaces").remove(0);
    loopback.addresses = addresses.to_vec();
    loopback
}

#[test]
fn asks_in_the_bytes_that_go_over_the_wire() {
    assert_eq!(arp::request(CLIENT_MAC, CLIENT, VIP), REQUEST);
    assert_eq!(ndp::solicitation(CLIENT_MAC, CLIENT_V6, VIP_V6), SOLICITATION);
}

#[test]
fn asks_from_an_address_in_the_same_network() {
    let link_local: Ipv6Addr = "fe80::a".parse().expect("literal");
    let own = [(VIP_V6.into(), 128), (link_local.into(), 64), (CLIENT_V6.into(), 64)];
    let asks = |addresses: &[(IpAddr, u8)], target| {
        ndp::question(&interface(addresses), CLIENT_MAC, target)
    };
    assert_eq!(asks(&own, VIP_V6).expect("it has addresses"), SOLICITATION);
    let elsewhere = "fd99::1".parse().expect("literal");
    assert_eq!(
        asks(&own, elsewhere).expect("it has addresses"),
        ndp::solicitation(CLIENT_MAC, link_local, elsewhere)
    );
    let none = asks(&[(CLIENT.into(), 24)], VIP_V6).expect_err("nobody asks from nowhere");
    assert!(none.to_string().contains("no IPv6 address to ask from"), "{none}");
    assert_eq!(arp::question(&interface(&[(CLIENT.into(), 24)]), CLIENT_MAC, VIP), REQUEST);
    assert_eq!(
        arp::question(&interface(&own), CLIENT_MAC, VIP),
        arp::request(CLIENT_MAC, Ipv4Addr::UNSPECIFIED, VIP)
    );
}

#[test]
fn hears_answers_for_the_address_only() {
    for (answers, question, about, other) in [
        (reply(), REQUEST.as_slice(), IpAddr::from(VIP), IpAddr::from(CLIENT)),
        (advertisement(), SOLICITATION.as_slice(), VIP_V6.into(), CLIENT_V6.into()),
    ] {
        assert_eq!(answer(&answers, about), Some(DIRECTOR_MAC));
        assert_eq!(answer(&answers, other), None);
        assert_eq!(answer(question, about), None, "a question is not an answer");
        for length in 0..answers.len() - 8 {
            assert_eq!(answer(&answers[..length], about), None, "cut at {length}");
        }
    }
}

#[test]
fn hears_a_reply_padded_to_the_shortest_frame() {
    let mut padded = reply();
    padded.resize(60, 0);
    assert_eq!(answer(&padded, VIP.into()), Some(DIRECTOR_MAC));
}

#[test]
fn takes_the_frame_s_sender_where_an_advertisement_names_nobody() {
    let mut bare = advertisement();
    bare.truncate(78);
    bare[19] = 24;
    assert_eq!(answer(&bare, VIP_V6.into()), Some(MacAddress([2, 0, 0, 0, 0, 91])));
}

#[test]
fn hears_no_advertisement_that_a_router_has_passed_on() {
    let mut routed = advertisement();
    routed[21] = 254;
    assert_eq!(answer(&routed, VIP_V6.into()), None);
}
