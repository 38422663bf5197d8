use std::num::NonZeroU32;

use super::super::tests::{check, check_error, lab, table};
use super::*;
use crate::netlink::ipvs::{Family, Forward, Netmask, Persistence, Scheduler};

const WRITTEN: &str = "
on: lb1
equals:
  - service: tcp://192.168.0.89:80
    scheduler: rr
    forward: direct
    destinations: [192.168.0.93, '192.168.0.94:80', { address: 192.168.0.95, weight: 1 }]
";

fn problems(change: impl FnOnce(&mut Table)) -> Vec<String> {
    let mut seen = table();
    change(&mut seen);
    check::<Ipvs>(WRITTEN).judge(&seen, &lab()).problems
}

#[test]
fn passes_when_the_table_is_what_is_written_in_any_order() {
    assert_eq!(problems(|_| {}), [""; 0]);
    assert_eq!(problems(|table| table.services[0].destinations.reverse()), [""; 0]);
    assert_eq!(problems(|table| table.services[0].destinations[1].active_connections = 7), [""; 0]);
}

#[test]
fn names_each_difference() {
    let first = |table: &mut Table| table.services.remove(0);
    assert_eq!(
        problems(|table| drop(first(table))),
        ["service tcp://192.168.0.89:80 does not exist on lb1"]
    );
    assert_eq!(
        problems(|table| drop(table.services[0].destinations.remove(1))),
        ["destination 192.168.0.94:80 (rs2) of tcp://192.168.0.89:80 is missing from lb1's table"]
    );
    assert_eq!(
        problems(|table| table.services[0].destinations[1].destination.weight = 0),
        ["the weight of 192.168.0.94:80 (rs2) is 0, not 1"]
    );
    assert_eq!(
        problems(|table| {
            table.services[0].destinations[0].destination.forward = Forward::Nat;
        }),
        ["the forwarding method of 192.168.0.93:80 (rs1) is nat, not direct"]
    );
    assert_eq!(
        problems(|table| {
            let service = &mut table.services[0].state.service;
            service.scheduler = Scheduler::new("wlc").expect("a scheduler");
        }),
        ["the scheduler of tcp://192.168.0.89:80 is wlc, not rr"]
    );
    assert_eq!(
        problems(|table| {
            let service = &mut table.services[0].state.service;
            let timeout = NonZeroU32::new(300).expect("not zero");
            let netmask = Netmask::single(Family::Ipv4);
            service.persistence = Some(Persistence { timeout, netmask });
        }),
        ["the service is `tcp://192.168.0.89:80 rr persistent 300`, not \
              `tcp://192.168.0.89:80 rr`"]
    );
    assert_eq!(
        problems(|table| {
            let mut more = table.services[0].clone();
            more.state.service.key = "udp://192.168.0.89:53".parse().unwrap();
            table.services.push(more);
            let mut extra = table.services[0].destinations[0].clone();
            extra.destination.key.port = 81;
            table.services[0].destinations.push(extra);
        }),
        [
            "destination 192.168.0.93:81 (rs1) of tcp://192.168.0.89:80 is on lb1 and is not \
                 written",
            "service udp://192.168.0.89:53 is on lb1 and is not written"
        ]
    );
}

#[test]
fn shows_mistakes_at_their_places() {
    let error = |yaml: &str| check_error::<Ipvs>(yaml);
    let one = |service: &str| error(&format!("on: lb1\nequals:\n  - {{ {service} }}\n"));
    assert!(one("service: 'x', scheduler: rr").contains("lab.yml:3:16: `x` is not a virtual"));
    let scheduler = one("service: '10.0.0.1:80', scheduler: wrrr");
    assert!(scheduler.contains("`wrrr`") && scheduler.contains("`wrr`"), "{scheduler}");
    let port = one("service: '10.0.0.1:80', scheduler: rr, destinations: ['10.0.0.2:70000']");
    assert!(port.contains("`10.0.0.2:70000` is not an address"), "{port}");
    let forward = one("service: '10.0.0.1:80', scheduler: rr, destinations: [10.0.0.2]");
    assert!(forward.contains("`10.0.0.2` is not said"), "{forward}");
    let twice = one(
        "service: '10.0.0.1:80', scheduler: rr, forward: nat, destinations: [10.0.0.2, 10.0.0.2]",
    );
    assert!(twice.contains("written twice"), "{twice}");
    let key = one("service: '10.0.0.1:80', scheduler: rr, destinations: [{ adress: 1 }]");
    assert!(key.contains("unknown key `adress`"), "{key}");
}
