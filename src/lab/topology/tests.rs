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
    assert_eq!(lab.hosts["lb1"].networks["lan"].addresses[0].to_string(), "192.168.0.90/24");
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

fn addresses(lab: &Topology, host: &str, network: &str) -> Vec<String> {
    lab.hosts[host].networks[network].addresses.iter().map(ToString::to_string).collect()
}

#[test]
fn a_range_and_a_count_of_hosts_take_addresses_that_follow() {
    let lab = decode(
        "networks: { lan: { subnet: [10.0.0.0/16, 'fd00::/64'] } }\n\
         hosts:\n\
         \x20 rs[08:10]: { groups: [real_servers], networks: { lan: [10.0.0.11, 'fd00::b'] } }\n\
         \x20 web: { count: 3, networks: { lan: { address: '10.0.1.[254:255]' } } }\n",
    )
    .unwrap();
    let names: Vec<&str> = lab.hosts.keys().map(|host| host.as_str()).collect();
    assert_eq!(names, ["rs08", "rs09", "rs10", "web1", "web2", "web3"]);
    assert_eq!(lab.hosts["rs10"].groups[0].as_str(), "real_servers");
    assert_eq!(addresses(&lab, "rs10", "lan"), ["10.0.0.13/16", "fd00::d/64"]);
    assert_eq!(addresses(&lab, "web2", "lan"), ["10.0.2.0/16", "10.0.2.1/16"]);
}

#[test]
fn a_default_route_has_a_next_hop_in_each_family() {
    let lab = decode(
        "networks: { lan: { subnet: [10.0.0.0/24, 'fd00::/64'] } }\n\
         hosts:\n\
         \x20 router: { networks: { lan: [10.0.0.1, 'fd00::1'] }, forwarding: true }\n\
         \x20 a:\n\
         \x20   networks: { lan: [10.0.0.2, 'fd00::2'] }\n\
         \x20   routes: { default: [10.0.0.1, 'fd00::1'], 10.2.0.0/24: 10.0.0.5 }\n",
    )
    .unwrap();
    assert!(lab.hosts["router"].forwarding && !lab.hosts["a"].forwarding);
    let routes = lab.hosts["a"].routes.iter();
    let shown: Vec<String> = routes.map(|route| format!("{} {}", route.to, route.via)).collect();
    assert_eq!(shown, ["0.0.0.0/0 10.0.0.1", "::/0 fd00::1", "10.2.0.0/24 10.0.0.5"]);
}

#[rstest]
#[case::last_one_outside(
    "'rs[1:6]': { networks: { lan: 10.0.0.250 } }",
    "40: host `rs6` cannot be there: `10.0.0.255` is the broadcast address of `10.0.0.0/24` \
     (network `lan` is `10.0.0.0/24`)"
)]
#[case::past_the_end(
    "w: { count: 9, networks: { lan: ['10.0.0.[0:250]'] } }",
    "43: host `w1` cannot be there: `10.0.0.0` is the address of the network `10.0.0.0/24` itself \
     (network `lan` is `10.0.0.0/24`)"
)]
#[case::range_twice(
    "a: { networks: { lan: ['10.0.0.[1:9]', 10.0.0.9] } }",
    "49: address `10.0.0.9` is given twice (it has it already)"
)]
#[case::backwards(
    "a: { networks: { lan: '10.0.0.[9:1]' } }",
    "32: `10.0.0.[9:1]` is not a range of addresses (write it like `10.0.0.[100:150]`)"
)]
#[case::long_range(
    "a: { networks: { lan: 'fd00::[1:ffff]' } }",
    "32: `fd00::[1:ffff]` stands for more than 4096 addresses (a range is one host's own)"
)]
#[case::no_addresses("a: { networks: { lan: [] } }", "32: this list is empty")]
#[case::no_address(
    "a: { networks: { lan: } }",
    "30: expected an address, a list of them, or a mapping with `address`, found nothing"
)]
#[case::long_form("a: { networks: { lan: {} } }", "32: `address` is missing")]
#[case::long_form_key(
    "a: { networks: { lan: { addres: 10.0.0.1 } } }",
    "34: unknown key `addres` (did you mean `address`?)"
)]
#[case::host_range(
    "'rs[3:1]': { }",
    "10: `rs[3:1]` is not a range of hosts (write it like `web[01:20]`, or `web[01:20:2]` with a \
     step)"
)]
#[case::odd_range(
    "'rs_[1:3]': { }",
    "10: `rs_1` cannot be a host name (letters, digits and inner hyphens, such as `rs1`)"
)]
#[case::many_hosts("'rs[1:5000]': { }", "10: the lab has 5000 hosts, and 4096 is the most")]
#[case::there_twice(
    "'rs[1:3]': { }, rs2: { }",
    "26: host `rs2` is there twice (a range, or a `count`, has that name as well)"
)]
#[case::count_of_range(
    "'rs[1:3]': { count: 3 }",
    "30: `rs[1:3]` says already how many there are (leave out `count`, or the brackets)"
)]
#[case::count_of_nothing("rs: { count: 0 }", "23: there cannot be 0 hosts `rs` (from 1 to 4096)")]
#[case::count_of_words("rs: { count: few }", "23: expected a whole number, 0 or more, found `few`")]
fn refuses_ranges_and_counts(#[case] hosts: &str, #[case] message: &str) {
    let error = decode(&format!("{LAN}hosts: {{ {hosts} }}\n")).unwrap_err().to_string();
    assert_eq!(error, format!("lab.yml:2:{message}"));
}

#[rstest]
#[case::off_link(
    "default: 10.9.0.1",
    "18: host `a` is in no network with `10.9.0.1` (it is in `10.0.0.0/24`)"
)]
#[case::itself(
    "default: 10.0.0.2",
    "18: `10.0.0.2` is host `a` itself (a next hop is another host)"
)]
#[case::other_family(
    "10.2.0.0/24: 'fd00::1'",
    "22: a route to `10.2.0.0/24` cannot lead over `fd00::1` (one is IPv4, the other IPv6)"
)]
#[case::two(
    "default: [10.0.0.1, 10.0.0.3]",
    "29: host `a` has two routes to `default` (one next hop for each family)"
)]
#[case::two_words(
    "default: 10.0.0.1, 0.0.0.0/0: 10.0.0.3",
    "39: host `a` has two routes to `default` (one next hop for each family)"
)]
#[case::own_network(
    "10.0.0.0/24: 10.0.0.1",
    "9: host `a` is in `10.0.0.0/24` itself (it needs no route there)"
)]
#[case::no_prefix(
    "10.2.0.0: 10.0.0.1",
    "9: subnet `10.2.0.0` has no prefix (did you mean `10.2.0.0/24`?)"
)]
#[case::no_gateway("default: lb1", "18: `lb1` is not an IPv4 or IPv6 address")]
fn refuses_routes(#[case] routes: &str, #[case] message: &str) {
    let text = format!(
        "{LAN}hosts:\n  a:\n    networks: {{ lan: 10.0.0.2 }}\n    routes:\n      {{ {routes} }}\n"
    );
    assert_eq!(decode(&text).unwrap_err().to_string(), format!("lab.yml:6:{message}"));
}

#[test]
fn a_route_needs_a_network() {
    let error = decode("hosts: { a: { routes: { default: 10.0.0.1 } } }").unwrap_err();
    let hint = "it is in no network at all";
    let expected = format!("lab.yml:1:34: host `a` is in no network with `10.0.0.1` ({hint})");
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_bridge_has_so_many_ports() {
    let text = "networks: { lan: { subnet: 10.0.0.0/16 } }\n\
                hosts: { w: { count: 1024, networks: { lan: 10.0.0.1 } } }\n";
    let error = decode(text).unwrap_err().to_string();
    let expected = "lab.yml:1:13: network `lan` has 1024 cables to hosts (a bridge of the kernel has 1023 ports)";
    assert_eq!(error, expected);
}

#[test]
fn subnets_of_one_network_do_not_overlap_either() {
    let error = decode("networks: { lan: { subnet: [10.0.0.0/8, 10.1.0.0/16] } }\nhosts: { a: }\n");
    assert_eq!(
        error.unwrap_err().to_string(),
        "lab.yml:1:41: network `lan` (`10.1.0.0/16`) overlaps network `lan` (`10.0.0.0/8`) (an \
         address must be in one network only)"
    );
}

#[test]
fn says_what_networks_and_cables_are_like() {
    let lab = decode(
        "networks:\n\
         \x20 lan: { subnet: 10.0.0.0/24, mtu: 1400, latency: 20ms, loss: 1%, rate: 10mbit }\n\
         \x20 tagged: { subnet: 10.9.0.0/24, vlan: 10, parent: lan }\n\
         hosts:\n\
         \x20 a:\n\
         \x20   networks: { lan: { address: 10.0.0.1, mtu: 1280, latency: 50ms }, tagged: 10.9.0.1 }\n\
         \x20   bond: 2\n\
         \x20   commands: [[ip, rule, add, from, 10.0.0.1, table, '7']]\n\
         \x20   packages: [keepalived]\n\
         requires: [ipvs, { module: sctp }]\n\
         timeout: 300\n",
    )
    .unwrap();
    let (lan, host) = (&lab.networks["lan"], &lab.hosts["a"]);
    let wire = |wire: super::Wire| serde_json::to_value(wire).unwrap();
    assert_eq!(wire(lan.wire)["rate"], "10mbit");
    assert_eq!(lab.networks["tagged"].vlan.as_ref().map(|vlan| vlan.id), Some(10));
    let link = &host.networks["lan"];
    assert_eq!((link.mtu, lan.mtu, host.bond), (Some(1280), Some(1400), Some(2)));
    let own = wire(link.wire.or(lan.wire));
    assert_eq!((&own["latency"], &own["loss"]), (&"50ms".into(), &"1%".into()));
    assert_eq!(host.commands[0].len(), 7);
    assert!(matches!(&lab.requires[1], Requirement::Module(name) if name.as_str() == "sctp"));
    assert_eq!(lab.timeout, Some(std::time::Duration::from_secs(300)));
}

#[rstest]
#[case::no_parent("vlan: 10", "VLAN `v` has no `parent` (name the network whose cables it uses)")]
#[case::no_number(
    "parent: lan",
    "network `v` has a `parent` and no `vlan` (give it a number from 1 to 4094)"
)]
#[case::too_high("vlan: 4095, parent: lan", "there is no VLAN 4095 (from 1 to 4094)")]
#[case::unknown("vlan: 1, parent: lam", "there is no network `lam` (did you mean `lan`?)")]
#[case::on_itself(
    "vlan: 1, parent: v",
    "`v` is a VLAN itself (a VLAN lies on a network that is none)"
)]
#[case::wire(
    "vlan: 1, parent: lan, loss: 1%",
    "packets of `v` pass the cables of `lan` (say it of `lan`)"
)]
#[case::large(
    "vlan: 1, parent: lan, mtu: 9000",
    "packets of `v` do not fit into `lan` (give `lan` an `mtu` as large)"
)]
#[case::small("mtu: 67", "no interface has an MTU of 67 (from 68 to 65535)")]
#[case::latency("latency: 20", "`20` is no latency (write it like `20ms`; units: us, ms, s)")]
#[case::loss("loss: 1", "`1` is no loss (from `0%` to `100%`, such as `0.5%`)")]
#[case::rate("rate: 10", "`10` is no rate (write it like `10mbit`; units: bit, kbit, mbit, gbit)")]
fn refuses_networks(#[case] keys: &str, #[case] message: &str) {
    let text = format!(
        "networks:\n  lan: {{ subnet: 10.0.0.0/24 }}\n  v: {{ subnet: 10.9.0.0/24, {keys} }}\n\
         hosts: {{ a: }}\n"
    );
    let error = decode(&text).unwrap_err().to_string();
    assert!(error.starts_with("lab.yml:3:"), "{error}");
    assert_eq!(error.splitn(4, ':').last().map(str::trim), Some(message));
}

#[rstest]
#[case::bond("bond: 1", "a bond does not have 1 cables (from 2 to 8)")]
#[case::no_program("commands: [[]]", "a command begins with a program")]
#[case::no_list("commands: [ip]", "expected a list, found `ip`")]
#[case::package("packages: ['-x']", "`-x` cannot be the name of a package")]
#[case::vlan_alone(
    "networks: { v: 10.9.0.1 }",
    "host `a` is in VLAN `v` and not in `lan` (the VLAN's packets go through `lan`)"
)]
#[case::vlan_wire(
    "networks: { lan: 10.0.0.1, v: { address: 10.9.0.1, loss: 1% } }",
    "packets of `v` pass the cable to `lan` (say it of `lan`)"
)]
#[case::vlan_mtu(
    "networks: { lan: { address: 10.0.0.1, mtu: 1280 }, v: { address: 10.9.0.1, mtu: 1400 } }",
    "packets of `v` do not fit into `lan` (give `lan` an `mtu` as large)"
)]
#[case::six_mtu(
    "networks: { six: { address: 'fd00::1', mtu: 1000 } }",
    "IPv6 in `six` needs packets of 1280 bytes (the kernel takes IPv6 away from an interface with \
     less)"
)]
fn refuses_hosts(#[case] keys: &str, #[case] message: &str) {
    let text = format!(
        "networks:\n  lan: {{ subnet: 10.0.0.0/24 }}\n  \
         v: {{ subnet: 10.9.0.0/24, vlan: 7, parent: lan }}\n  six: {{ subnet: 'fd00::/64' }}\n\
         hosts:\n  a: {{ {keys} }}\n"
    );
    let error = decode(&text).unwrap_err().to_string();
    assert!(error.starts_with("lab.yml:6:"), "{error}");
    assert_eq!(error.splitn(4, ':').last().map(str::trim), Some(message));
}

#[test]
fn a_vlan_has_one_name_and_a_module_a_usable_one() {
    let text = "networks:\n  lan: { subnet: 10.0.0.0/24 }\n  \
                v: { subnet: 10.8.0.0/24, vlan: 7, parent: lan }\n  \
                w: { subnet: 10.9.0.0/24, vlan: 7, parent: lan }\nhosts: { a: }\n";
    let expected = "lab.yml:4:35: VLAN 7 of `lan` is `v` already (give it another number)";
    assert_eq!(decode(text).unwrap_err().to_string(), expected);
    let text = "hosts: { a: }\nrequires: [{ module: 'x y' }]\n";
    let expected = "lab.yml:2:22: `x y` cannot be the name of a module";
    assert_eq!(decode(text).unwrap_err().to_string(), expected);
}
