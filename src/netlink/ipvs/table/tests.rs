//! What it takes from one table to another; a model of the kernel's table does it.

use std::net::Ipv4Addr;

use super::*;
use crate::netlink::ipvs::{DestinationKey, Forward, Protocol, Scheduler};

const KEEP: Policy = Policy { purge: false, drain: false };
const PURGE: Policy = Policy { purge: true, drain: false };
const DRAIN: Policy = Policy { purge: true, drain: true };

fn key(port: u16) -> ServiceKey {
    ServiceKey::address(Protocol::Tcp, [192, 168, 0, 89], port)
}

fn rs(last: u8, weight: u32) -> Destination {
    Destination { weight, ..Destination::new([10, 0, 0, last], 80, Forward::Nat) }
}

fn service(port: u16, scheduler: &str, destinations: &[Destination]) -> VirtualService {
    VirtualService {
        service: Service::new(key(port), Scheduler::new(scheduler).unwrap()),
        destinations: destinations.to_vec(),
    }
}

fn table(services: &[VirtualService]) -> Table {
    Table::new(services.to_vec()).unwrap()
}

fn shown(changes: &[Change]) -> Vec<String> {
    changes.iter().map(ToString::to_string).collect()
}

/// Does what the kernel would do, and refuses what it would refuse.
fn done<R: AsRef<Request>>(table: &Table, requests: &[R]) -> Table {
    let mut services = table.services.clone();
    for request in requests {
        let request = request.as_ref();
        let at = request
            .service_key()
            .and_then(|key| services.iter().position(|one| one.service.key == key));
        let there = |key: &DestinationKey| {
            let destinations = at.map(|at| services[at].destinations.as_slice());
            destinations.unwrap_or_default().iter().position(|one| one.key == *key)
        };
        match (request, at) {
            (Request::AddService(new), None) => {
                services.push(VirtualService { service: new.clone(), destinations: vec![] });
            }
            (Request::EditService(new), Some(at)) => services[at].service = new.clone(),
            (Request::RemoveService(_), Some(at)) => drop(services.remove(at)),
            (Request::AddDestination(_, new), Some(at)) => {
                assert_eq!(there(&new.key), None, "{request}: it is there already");
                services[at].destinations.push(*new);
            }
            (Request::EditDestination(_, new), Some(at)) => {
                let place = there(&new.key).expect("it is there");
                services[at].destinations[place] = *new;
            }
            (Request::RemoveDestination(_, old), Some(at)) => {
                let place = there(old).expect("it is there");
                services[at].destinations.remove(place);
            }
            (Request::Flush, _) => services.clear(),
            (request, _) => panic!("the kernel would refuse to {request}"),
        }
    }
    Table { services }
}

#[test]
fn finds_nothing_to_do_whatever_the_order() {
    let here = table(&[service(80, "rr", &[rs(1, 1), rs(2, 2)]), service(81, "wlc", &[])]);
    let there = table(&[service(81, "wlc", &[]), service(80, "rr", &[rs(2, 2), rs(1, 1)])]);
    for policy in [KEEP, PURGE, DRAIN] {
        assert!(here.reconcile(&there, policy).is_empty());
    }
    assert!(Table::default().reconcile(&Table::default(), PURGE).is_empty());
}

#[test]
fn takes_load_before_it_gives_any_away() {
    let now = table(&[service(80, "rr", &[rs(1, 1), rs(2, 0), rs(3, 5), rs(4, 1)])]);
    let wanted = table(&[service(80, "wrr", &[rs(1, 0), rs(2, 7), rs(3, 5), rs(5, 1)])]);
    assert_eq!(
        shown(&wanted.reconcile(&now, KEEP).now),
        [
            "change service tcp://192.168.0.89:80 wrr (was tcp://192.168.0.89:80 rr)",
            "add destination 10.0.0.5:80 nat weight 1 to tcp://192.168.0.89:80",
            "change destination 10.0.0.2:80 nat weight 7 of tcp://192.168.0.89:80 \
             (was 10.0.0.2:80 nat weight 0)",
            "change destination 10.0.0.1:80 nat weight 0 of tcp://192.168.0.89:80 \
             (was 10.0.0.1:80 nat weight 1)",
            "remove destination 10.0.0.4:80 from tcp://192.168.0.89:80",
        ]
    );
}

#[test]
fn touches_others_only_to_purge_and_then_last() {
    let now = table(&[service(79, "rr", &[rs(1, 1)]), service(80, "rr", &[])]);
    let wanted = table(&[service(80, "rr", &[rs(2, 1)]), service(81, "lc", &[])]);
    let ours = [
        "add destination 10.0.0.2:80 nat weight 1 to tcp://192.168.0.89:80",
        "add service tcp://192.168.0.89:81 lc",
    ];
    assert_eq!(shown(&wanted.reconcile(&now, KEEP).now), ours);
    let purged = shown(&wanted.reconcile(&now, PURGE).now);
    assert_eq!(purged[..2], ours);
    assert_eq!(purged[2..], ["remove service tcp://192.168.0.89:79"]);
}

#[test]
fn drains_before_it_removes() {
    let now = table(&[
        service(79, "rr", &[rs(1, 3), rs(2, 0)]),
        service(80, "rr", &[rs(1, 1), rs(2, 0), rs(3, 1)]),
    ]);
    let plan = table(&[service(80, "rr", &[rs(3, 1)])]).reconcile(&now, DRAIN);
    assert_eq!(
        shown(&plan.now),
        [
            "change destination 10.0.0.1:80 nat weight 0 of tcp://192.168.0.89:80 \
             (was 10.0.0.1:80 nat weight 1)",
            "change destination 10.0.0.1:80 nat weight 0 of tcp://192.168.0.89:79 \
             (was 10.0.0.1:80 nat weight 3)",
        ]
    );
    assert_eq!(
        shown(&plan.later),
        [
            "remove destination 10.0.0.1:80 from tcp://192.168.0.89:80",
            "remove destination 10.0.0.2:80 from tcp://192.168.0.89:80",
            "remove service tcp://192.168.0.89:79",
        ]
    );
}

#[test]
fn undoes_what_was_done_and_leaves_the_rest() {
    let before = table(&[
        service(80, "rr", &[rs(1, 1), rs(2, 2)]),
        service(81, "lc", &[rs(1, 1)]),
        service(82, "lc", &[rs(1, 1)]),
    ]);
    let requests = [
        Request::AddService(service(90, "rr", &[]).service),
        Request::AddDestination(key(90), rs(9, 1)),
        Request::EditDestination(key(80), rs(1, 8)),
        Request::RemoveDestination(key(80), rs(2, 0).key),
        Request::AddDestination(key(80), rs(3, 1)),
        Request::RemoveService(key(81)),
    ];
    let mut now = done(&before, &requests);
    // What another program did meanwhile stays.
    now.services.push(service(99, "rr", &[rs(7, 7)]));
    let back = before.undo(&now, &requests);
    assert_eq!(
        shown(&back),
        [
            "add destination 10.0.0.2:80 nat weight 2 to tcp://192.168.0.89:80",
            "change destination 10.0.0.1:80 nat weight 1 of tcp://192.168.0.89:80 \
             (was 10.0.0.1:80 nat weight 8)",
            "remove destination 10.0.0.3:80 from tcp://192.168.0.89:80",
            "add service tcp://192.168.0.89:81 lc",
            "add destination 10.0.0.1:80 nat weight 1 to tcp://192.168.0.89:81",
            "remove service tcp://192.168.0.89:90",
        ]
    );
    let undone = done(&now, &back);
    assert!(before.reconcile(&undone, KEEP).is_empty());
    assert!(undone.find(&key(99)).is_some());

    let flushed = done(&before, &[Request::Flush]);
    let restored = done(&flushed, &before.undo(&flushed, &[Request::Flush]));
    assert_eq!(restored, before);
}

#[test]
fn refuses_a_table_that_says_something_twice() {
    let twice = Table::new(vec![service(80, "rr", &[]), service(80, "lc", &[])]);
    assert!(twice.unwrap_err().message.contains("`tcp://192.168.0.89:80` is there twice"));
    let twice = Table::new(vec![service(80, "rr", &[rs(1, 1), rs(1, 2)])]);
    assert!(twice.unwrap_err().message.contains("`10.0.0.1:80` is there twice"));
}

#[test]
fn tells_a_race_from_what_is_hopeless() {
    let failure = |request: Request, errno| {
        let error = Error::answered(&request, errno);
        Failure { index: 0, request, error }
    };
    let add = || Request::AddService(service(80, "rr", &[]).service);
    let add_rs = |port| Request::AddDestination(key(port), rs(1, 1));
    assert!(raced(&[failure(add_rs(80), Errno::ESRCH)]));
    assert!(raced(&[failure(add(), Errno::EEXIST)]));
    assert!(raced(&[failure(Request::EditDestination(key(80), rs(1, 1)), Errno::ENOENT)]));
    assert!(!raced(&[failure(add(), Errno::ENOENT), failure(add_rs(80), Errno::ESRCH)]));
    assert!(raced(&[failure(add(), Errno::ENOENT), failure(add_rs(81), Errno::ESRCH)]));
    assert!(!raced(&[failure(add_rs(80), Errno::EINVAL)]));
    assert!(!raced(&[]));
}

/// Pseudo-random numbers, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        u32::try_from(self.0 >> 33).unwrap() % end
    }

    fn table(&mut self) -> Table {
        let mut services = Vec::new();
        for port in 1..=self.below(6) {
            if self.below(4) == 0 {
                continue;
            }
            let scheduler = ["rr", "wrr", "lc"][self.below(3) as usize];
            let mut destinations = Vec::new();
            for last in 1..=self.below(8) {
                if self.below(3) > 0 {
                    let address = Ipv4Addr::from(0x0a00_0000 + last);
                    let forward = [Forward::Nat, Forward::Direct][self.below(2) as usize];
                    let weight = self.below(3);
                    let new = Destination::new(address, 80, forward);
                    destinations.push(Destination { weight, ..new });
                }
            }
            services.push(service(u16::try_from(port).unwrap(), scheduler, &destinations));
        }
        table(&services)
    }
}

#[test]
fn gets_from_any_table_to_any_other() {
    let mut numbers = Numbers(7);
    for _ in 0..2000 {
        let (now, wanted) = (numbers.table(), numbers.table());
        for policy in [KEEP, PURGE, DRAIN] {
            let Plan { now: steps, later } = wanted.reconcile(&now, policy);
            let drained = done(&now, &steps);
            let reached = done(&drained, &later);
            assert!(wanted.reconcile(&reached, policy).is_empty(), "{now:?}\n{wanted:?}");
            if policy.drain {
                let going = wanted.reconcile(&drained, PURGE).now;
                assert_eq!(shown(&going), shown(&later));
            }
            // Edits, additions and removals, and nothing besides.
            let changed: HashSet<_> = steps.iter().map(|step| step.request.to_string()).collect();
            assert_eq!(changed.len(), steps.len());
            let back = now.undo(&reached, &[steps, later].concat());
            assert!(now.reconcile(&done(&reached, &back), PURGE).is_empty());
        }
    }
}
