use std::path::PathBuf;
use std::sync::Arc;

use rstest::rstest;

use super::{Requirement, Topology};
use crate::diagnostic::{Diagnostics, Source};

fn decode(text: &str) -> Result<Topology, Diagnostics> {
    let source = Arc::new(Source { name: "lab.yml".into(), text: text.into() });
    Topology::decode(&crate::yaml::read(&source)?, PathBuf::from("/labs/lvs-dr"))
}

#[test]
fn reads_the_textbook_cluster() {
    let lab = decode(
        "name: dr\n\
         networks: { lan: { subnet: 192.168.0.0/24 } }\n\
         hosts:\n\
         \x20 lb1: { groups: [directors], networks: { lan: 192.168.0.90 } }\n\
         \x20 client: { networks: { lan: 192.168.0.10 } }\n\
         playbook: site.yml\n\
         checks:\n  - http: {}\n  - arp: {}\n",
    )
    .unwrap();
    assert_eq!(lab.name.as_str(), "dr");
    assert_eq!(lab.hosts.keys().map(|host| host.as_str()).collect::<Vec<_>>(), ["lb1", "client"]);
    assert_eq!(lab.hosts["lb1"].groups[0].as_str(), "directors");
    assert_eq!(lab.hosts["lb1"].networks["lan"].ip().to_string(), "192.168.0.90");
    assert_eq!(lab.requires, [Requirement::Ipvs]);
    assert_eq!(lab.checks.len(), 2);
    assert_eq!(lab.checks[1].span.to_string(), "lab.yml:9:5");
}

#[test]
fn takes_the_folders_name_and_needs_no_ipvs_when_told_so() {
    let lab = decode("hosts: { a: }\nrequires: []\n").unwrap();
    assert_eq!(lab.name.as_str(), "lvs-dr");
    assert!(!lab.requires_ipvs());
    assert_eq!(lab.playbook, None);
}

const LAN: &str = "networks: { lan: { subnet: 10.0.0.0/24 } }\n";

#[rstest]
#[case::empty("", "lab.yml:1:1: the lab file is empty (it needs `networks` and `hosts`)")]
#[case::no_hosts(
    "hosts: {}",
    "lab.yml:1:8: the lab has no hosts (write one, such as \
     `client: { networks: { lan: 192.168.0.10 } }`)"
)]
#[case::hosts_missing("name: x", "lab.yml:1:1: `hosts` is missing")]
#[case::unknown_key("host: { a: }", "lab.yml:1:1: unknown key `host` (did you mean `hosts`?)")]
#[case::twice(
    "hosts: { a: , a: }",
    "lab.yml:1:15: duplicate key `a` (it stands on line 1 already; keep one of the two)"
)]
#[case::long_host(
    "hosts: { aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggggg: }",
    "lab.yml:1:10: host name `aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggggg` \
     is longer than the kernel's 64 bytes"
)]
#[case::odd_host(
    "hosts: { rs_1: }",
    "lab.yml:1:10: `rs_1` cannot be a host name (letters, digits and inner hyphens, such as `rs1`)"
)]
#[case::localhost(
    "hosts: { localhost: }",
    "lab.yml:1:10: `localhost` is every host's own name (give it another one)"
)]
#[case::long_network(
    "networks: { a-network-of-mine: { subnet: 10.0.0.0/8 } }\nhosts: { a: }",
    "lab.yml:1:13: network name `a-network-of-mine` is longer than 15 bytes (its bridge bears the \
     name, and the kernel gives an interface no more)"
)]
#[case::group(
    "hosts: { a: { groups: [real-servers] } }",
    "lab.yml:1:24: `real-servers` cannot be the name of a group (did you mean `real_servers`?)"
)]
#[case::requires(
    "hosts: { a: }\nrequires: [ipvz]",
    "lab.yml:2:12: `ipvz` is not known here (did you mean `ipvs`?)"
)]
#[case::checks("hosts: { a: }\nchecks: 1", "lab.yml:2:9: expected a list, found `1`")]
fn refuses_with_place_and_hint(#[case] text: &str, #[case] message: &str) {
    assert_eq!(decode(text).unwrap_err().to_string(), message);
}

#[rstest]
#[case::slash_33("10.0.0.0/33", "28: `/33` is not a prefix (it counts bits, from 0 to 32)")]
#[case::word("lan", "28: `lan` is not an IPv4 or IPv6 address")]
#[case::no_prefix("10.0.0.0", "28: subnet `10.0.0.0` has no prefix (did you mean `10.0.0.0/24`?)")]
#[case::host_bits(
    "10.0.0.7/24",
    "28: `10.0.0.7/24` is an address inside a network (the network is `10.0.0.0/24`)"
)]
#[case::six("fd00::/129", "28: `/129` is not a prefix (it counts bits, from 0 to 128)")]
fn refuses_subnets(#[case] subnet: &str, #[case] message: &str) {
    let text = format!("networks: {{ lan: {{ subnet: {subnet} }} }}\nhosts: {{ a: }}\n");
    assert_eq!(decode(&text).unwrap_err().to_string(), format!("lab.yml:1:{message}"));
}

#[rstest]
#[case::outside(
    "a: { networks: { lan: 10.0.1.1 } }",
    "32: host `a` cannot be there: `10.0.1.1` is not in `10.0.0.0/24` (network `lan` is \
     `10.0.0.0/24`)"
)]
#[case::six_in_four(
    "a: { networks: { lan: 'fd00::1' } }",
    "32: host `a` cannot be there: `fd00::1` is not in `10.0.0.0/24` (network `lan` is \
     `10.0.0.0/24`)"
)]
#[case::network(
    "a: { networks: { lan: 10.0.0.0 } }",
    "32: host `a` cannot be there: `10.0.0.0` is the address of the network `10.0.0.0/24` itself \
     (network `lan` is `10.0.0.0/24`)"
)]
#[case::broadcast(
    "a: { networks: { lan: 10.0.0.255 } }",
    "32: host `a` cannot be there: `10.0.0.255` is the broadcast address of `10.0.0.0/24` (network \
     `lan` is `10.0.0.0/24`)"
)]
#[case::not_an_address(
    "a: { networks: { lan: 10.0.0.256 } }",
    "32: `10.0.0.256` is not an IPv4 or IPv6 address"
)]
#[case::prefix(
    "a: { networks: { lan: 10.0.0.1/24 } }",
    "32: `10.0.0.1/24` has a prefix (write `10.0.0.1`; the prefix is the network's)"
)]
#[case::unknown_network(
    "a: { networks: { lam: 10.0.0.1 } }",
    "27: host `a` is in an unknown network `lam` (did you mean `lan`?)"
)]
#[case::taken(
    "a: { networks: { lan: 10.0.0.1 } }, b: { networks: { lan: 10.0.0.1 } }",
    "68: address `10.0.0.1` is given twice (host `a` has it already)"
)]
fn refuses_addresses(#[case] hosts: &str, #[case] message: &str) {
    let error = decode(&format!("{LAN}hosts: {{ {hosts} }}\n")).unwrap_err().to_string();
    assert_eq!(error, format!("lab.yml:2:{message}"));
}

#[test]
fn overlapping_networks_are_shown_at_the_later_one() {
    let error = decode(
        "networks:\n  lan: { subnet: 10.0.0.0/8 }\n  pod: { subnet: 10.1.0.0/16 }\nhosts: { a: }\n",
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "lab.yml:3:18: network `pod` (`10.1.0.0/16`) overlaps network `lan` (`10.0.0.0/8`) (an \
         address must be in one network only)"
    );
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = format!(
        "{LAN}hosts:\n  a: {{ networks: {{ lan: 10.0.1.1 }} }}\n  b: {{ networks: {{ wan: 10.0.0.1 }} }}\n"
    );
    assert_eq!(decode(&text).unwrap_err().0.len(), 2);
}

#[test]
fn small_networks_have_no_reserved_addresses() {
    let text = "networks: { p: { subnet: 10.0.0.0/31 }, q: { subnet: 'fd00::/64' } }\n\
                hosts: { a: { networks: { p: 10.0.0.0, q: 'fd00::ff' } } }\n";
    assert!(decode(text).is_ok(), "{:?}", decode(text));
}
