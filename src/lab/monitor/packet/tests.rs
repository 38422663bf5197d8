use etherparse::{ArpEthIpv4Packet, PacketBuilder};
use rstest::rstest;

use super::*;

const CLIENT: [u8; 6] = [2, 0, 0, 0, 0, 10];
const DIRECTOR: [u8; 6] = [2, 0, 0, 0, 0, 90];
const VIP: [u8; 4] = [192, 168, 0, 89];

fn request(data: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(CLIENT, DIRECTOR)
        .ipv4([192, 168, 0, 10], VIP, 64)
        .tcp(40001, 80, 7, 1024)
        .syn()
        .write(&mut frame, data)
        .expect("a vector takes any frame");
    frame
}

fn arp(operation: ArpOperation, sender: [u8; 4], target: [u8; 4]) -> Vec<u8> {
    let packet = ArpEthIpv4Packet {
        operation,
        sender_mac: DIRECTOR,
        sender_ipv4: sender,
        target_mac: CLIENT,
        target_ipv4: target,
    };
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(DIRECTOR, CLIENT)
        .arp(packet.into())
        .write(&mut frame)
        .expect("a vector takes any frame");
    frame
}

/// An IPv6 neighbour advertisement of fd00::89, as `ndisc6` shows them.
fn advertisement(flags: u8) -> Vec<u8> {
    let mut message = vec![ADVERTISEMENT, 0, 0, 0, flags, 0, 0, 0];
    message.extend("fd00::89".parse::<Ipv6Addr>().expect("literal").octets());
    message.extend([TARGET_MAC, 1, 2, 0, 0, 0, 0, 90]);
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(DIRECTOR, CLIENT)
        .ipv6([0xfd; 16], [0xfe; 16], 255)
        .write(&mut frame, etherparse::ip_number::IPV6_ICMP, &message)
        .expect("a vector takes any frame");
    frame
}

/// An IPv6 neighbour solicitation for fd00::89, with the option of `ndisc6` or without one.
fn solicitation(from: [u8; 16], option: &[u8]) -> Vec<u8> {
    let mut message = vec![SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
    message.extend("fd00::89".parse::<Ipv6Addr>().expect("literal").octets());
    message.extend(option);
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(DIRECTOR, CLIENT)
        .ipv6(from, [0xff; 16], 255)
        .write(&mut frame, etherparse::ip_number::IPV6_ICMP, &message)
        .expect("a vector takes any frame");
    frame
}

fn line(frame: &[u8]) -> String {
    Packet::read(frame).expect("it is a packet").to_string()
}

#[test]
fn tells_packets_in_a_line() {
    assert_eq!(line(&request(b"")), "192.168.0.10:40001 > 192.168.0.89:80 tcp SYN");
    let get = line(&request(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_eq!(get, "192.168.0.10:40001 > 192.168.0.89:80 tcp SYN `GET / HTTP/1.1`");
    let question = arp(ArpOperation::REQUEST, [192, 168, 0, 90], VIP);
    assert_eq!(line(&question), "ARP who has 192.168.0.89? tell 192.168.0.90");
    let answer = arp(ArpOperation::REPLY, VIP, [192, 168, 0, 10]);
    assert_eq!(line(&answer), "ARP 192.168.0.89 is at 02:00:00:00:00:5a");
    assert!(line(&advertisement(0x60)).ends_with("NDP fd00::89 is at 02:00:00:00:00:5a"));
    assert!(line(&solicitation([0xfd; 16], &[])).ends_with("NDP who has fd00::89?"));
}

#[test]
fn reads_what_a_tunnel_carries() {
    let inner = request(b"").split_off(14);
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(DIRECTOR, CLIENT)
        .ipv4([192, 168, 0, 90], [10, 0, 0, 2], 64)
        .write(&mut frame, etherparse::ip_number::IPV4, &inner)
        .expect("a vector takes any frame");
    let packet = Packet::read(&frame).expect("it is a packet");
    let outer = packet.ip().expect("it is IP");
    assert_eq!(outer.destination, IpAddr::from([10, 0, 0, 2]));
    assert_eq!(outer.ports(), None);
    assert_eq!(outer.innermost().to(), "192.168.0.89:80".parse().ok());
    assert!(outer.to_string().contains("tunnel [192.168.0.10:40001 >"), "{outer}");
}

#[test]
fn reads_every_frame_that_is_cut_without_a_panic() {
    let asks = solicitation([0xfd; 16], &[SOURCE_MAC, 1, 2, 0, 0, 0, 0, 90]);
    for whole in [request(b"GET /"), asks, advertisement(0x40), arp(ArpOperation::REPLY, VIP, VIP)]
    {
        for length in 0..whole.len() {
            let _ = Packet::read(&whole[..length]);
        }
    }
    let cut = Packet::read(&request(b"GET / HTTP/1.1\r\n")[..54]).expect("its headers are there");
    assert_eq!(cut.ip().and_then(Ip::to), "192.168.0.89:80".parse().ok());
}

#[rstest]
#[case::a_request(&request(b""), false)]
#[case::arp(&arp(ArpOperation::REQUEST, VIP, VIP), true)]
#[case::advertisement(&advertisement(0), true)]
fn knows_what_may_tell_of_neighbours(#[case] frame: &[u8], #[case] may: bool) {
    assert_eq!(Packet::may_tell_of_neighbours(frame), may);
}

mod neighbours {
    use std::sync::Arc;
    use std::time::SystemTime;

    use super::super::super::neighbour::Neighbours;
    use super::super::super::{Cable, Direction, Frame, Said};
    use super::*;

    fn heard(frames: &[Vec<u8>]) -> Vec<(String, Said, u64)> {
        let cable =
            Arc::new(Cable { host: "lb1".into(), interface: "eth0".into(), network: "lan".into() });
        let mut all = Neighbours::default();
        for bytes in frames {
            all.hear(&Frame {
                at: SystemTime::UNIX_EPOCH,
                cable: Arc::clone(&cable),
                direction: Direction::Left,
                length: 60,
                bytes: bytes.as_slice().into(),
            });
        }
        all.all().into_iter().map(|one| (one.address.to_string(), one.said, one.count)).collect()
    }

    #[test]
    fn counts_answers_announcements_and_what_questions_say() {
        let own = [192, 168, 0, 90];
        let own_v6 = "fd00::90".parse::<Ipv6Addr>().expect("literal").octets();
        let answer = arp(ArpOperation::REPLY, VIP, own);
        let frames = [
            answer.clone(),
            answer,
            arp(ArpOperation::REQUEST, VIP, VIP),
            arp(ArpOperation::REQUEST, own, VIP),
            // A probe for duplicates says nothing of its sender.
            arp(ArpOperation::REQUEST, [0; 4], VIP),
            advertisement(0x60),
            advertisement(0x20),
            // A nonce comes before the address.
            solicitation(own_v6, &[14, 1, 1, 2, 3, 4, 5, 6, SOURCE_MAC, 1, 2, 0, 0, 0, 0, 90]),
            // Without its hardware address, or with an option that ends before it begins.
            solicitation(own_v6, &[]),
            solicitation(own_v6, &[14, 0, 0, 0, 0, 0, 0, 0, SOURCE_MAC, 1, 2, 0, 0, 0, 0, 90]),
            solicitation([0; 16], &[]),
            request(b""),
        ];
        assert_eq!(
            heard(&frames),
            [
                ("192.168.0.89".into(), Said::Answer, 2),
                ("192.168.0.89".into(), Said::Announcement, 1),
                ("192.168.0.90".into(), Said::Question, 1),
                ("fd00::89".into(), Said::Answer, 1),
                ("fd00::89".into(), Said::Announcement, 1),
                ("fd00::89".into(), Said::Detection, 1),
                ("fd00::90".into(), Said::Question, 1),
            ]
        );
    }
}
