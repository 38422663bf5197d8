//! Whole tables: read the fast way and the slow way, taken from one to another, and back.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context, Result, ensure};
use lvsmith::netlink::ipvs::{
    Destination, DestinationKey, Forward, Handle, Policy, Request, ServiceKey, Table,
    VirtualService,
};

use crate::namespace::Namespace;
use crate::{Case, Needs};

pub(crate) const CASES: &[Case] = &[
    Case { name: "ipvs_table::in_one_task", needs: Needs::Ipvs, run: one_task },
    Case { name: "ipvs_table::thousands", needs: Needs::Ipvs, run: thousands },
    Case { name: "ipvs_table::fast_is_as_exact_as_slow", needs: Needs::Ipvs, run: fast_and_slow },
    Case { name: "ipvs_table::back_to_what_was", needs: Needs::Ipvs, run: back },
    Case { name: "ipvs_table::beside_another_program", needs: Needs::Ipvs, run: races },
];

const SERVICES: &str = "
        - {service: 'tcp://10.1.0.1:http', scheduler: rr, forward: gateway, destinations: [10.9.0.3, 10.9.0.4]}
        - service: 'udp://[fd01::1]:53'
          scheduler: sh
          scheduler_flags: [sh-port]
          forward: masquerading
          destinations: [{address: 'fd09::3', port: 5353, weight: 7, upper_threshold: 9}]
        - {service: fwmark6://5, persistent: 60, netmask: 64}
";

const SAVED: &[&str] = &[
    "-A -f 5 -6 -s wlc -p 60 -M 64",
    "-A -t 10.1.0.1:80 -s rr",
    "-A -u [fd01::1]:53 -s sh -b sh-port",
    "-a -t 10.1.0.1:80 -r 10.9.0.3:80 -g -w 1",
    "-a -t 10.1.0.1:80 -r 10.9.0.4:80 -g -w 1",
    "-a -u [fd01::1]:53 -r [fd09::3]:5353 -m -w 7",
];

fn task(more: &str, services: &str) -> String {
    format!("    - ipvs_table:\n        {more}\n        services:{services}\n")
}

fn one_task() -> Result<()> {
    let namespace = Namespace::new("one-task")?;
    let other = "-A -t 10.1.0.99:80 -s lc";
    namespace.shell(&format!("ipvsadm {other}"))?;
    let keep = task("purge: false", SERVICES);
    namespace.applied(&keep)?;
    let mut with_other = [SAVED, &[other]].concat();
    with_other.sort_unstable();
    ensure!(namespace.table()? == with_other, "{:#?}", namespace.table()?);
    namespace.is_so_already(&keep)?;

    let purge = task("purge: true", SERVICES);
    let told = namespace.applied(&purge)?;
    ensure!(told.contains("remove service tcp://10.1.0.99:80"), "{told}");
    ensure!(namespace.table()? == SAVED, "{:#?}", namespace.table()?);
    namespace.is_so_already(&purge)?;

    let absent = task("purge: false", "\n        - {service: fwmark6://5, state: absent}");
    namespace.applied(&absent)?;
    ensure!(namespace.table()? == SAVED[1..], "{:#?}", namespace.table()?);
    namespace.is_so_already(&absent)
}

fn thousands() -> Result<()> {
    let namespace = Namespace::new("thousands")?;
    let mut services = String::new();
    for port in 1..=1000 {
        write!(
            services,
            "\n        - {{service: '10.1.0.1:{port}', scheduler: rr, destinations: [10.9.0.3]}}"
        )?;
    }
    let tasks = task("purge: true", &services);
    namespace.applied(&tasks)?;
    // The real ipvsadm skips a service now and then while other namespaces are edited.
    let saved = (0..5).map(|_| namespace.table().map_or(0, |table| table.len()));
    let counts: Vec<usize> = saved.collect();
    ensure!(counts.contains(&2000), "{counts:?}");
    namespace.is_so_already(&tasks)
}

/// Pseudo-random numbers, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) as u32 % end
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len() as u32) as usize]
    }

    /// Up to 60 services with everything that a service and a destination can have.
    fn table(&mut self) -> Result<Table> {
        let mut text = String::from("services:\n");
        for at in 1..=60 {
            if self.below(4) == 0 {
                continue;
            }
            // The same few in every table, so that two of them have most in common.
            let service = match at % 6 {
                0 => format!("fwmark://{at}"),
                // The mark before, in the other family.
                1 => format!("fwmark6://{}", (at - 1).max(1)),
                2 => format!("udp://10.1.0.1:{at}"),
                3 => format!("sctp://[fd01::1]:{at}"),
                4 => format!("tcp://[fd01::1]:{at}"),
                _ => format!("tcp://10.1.0.1:{at}"),
            };
            let scheduler = self.one(&["rr", "wrr", "wlc", "sh, scheduler_flags: [sh-port]"]);
            let v6 = service.contains("[fd01") || service.contains("fwmark6");
            let mask = if v6 { "64" } else { "255.255.255.0" };
            let persistence = match self.below(4) {
                0 => format!(", persistent: {}, netmask: {mask}", 1 + self.below(3)),
                1 if service.starts_with("udp") => {
                    ", persistent: 60, persistence_engine: sip".into()
                }
                2 if service.starts_with("udp") => ", one_packet: true".into(),
                _ => String::new(),
            };
            write!(
                text,
                "- {{service: '{service}', scheduler: {scheduler}{persistence}, destinations: ["
            )?;
            for last in 1..=self.below(7) {
                if self.below(3) == 0 {
                    continue;
                }
                let (own, other) = if v6 { ("fd09::", "10.9.0.") } else { ("10.9.0.", "fd09::") };
                let forward = self.one(&[
                    "nat",
                    "nat",
                    "direct",
                    "direct",
                    "tunnel",
                    "tunnel, tunnel: {type: gre}",
                    "tunnel, tunnel: {type: gue, port: 6080, checksum: outer}",
                ]);
                let mixed = forward.starts_with("tunnel") && self.below(2) == 0;
                let network = if mixed { other } else { own };
                let weight = self.below(3);
                write!(text, "{{address: '{network}{last}', forward: {forward}, weight: {weight}")?;
                if self.below(3) == 0 {
                    write!(text, ", upper_threshold: {}, lower_threshold: 1", 1 + self.below(2))?;
                }
                text.push_str("}, ");
            }
            text.push_str("]}\n");
        }
        serde_yaml::from_str(&text).with_context(|| text)
    }
}

/// What can be declared, by key and in the kernel's order, as netlink alone tells it.
fn slowly(ipvs: &mut Handle) -> Result<BTreeMap<ServiceKey, VirtualService>> {
    let services = ipvs.table()?.into_iter().map(|(state, destinations)| {
        let destinations = destinations.into_iter().map(|state| state.destination).collect();
        (state.service.key, VirtualService { service: state.service, destinations })
    });
    Ok(services.collect())
}

fn fast_and_slow() -> Result<()> {
    let namespace = Namespace::new("fast")?;
    namespace.inside(|| {
        let mut ipvs = Handle::open()?;
        let mut numbers = Numbers(3);
        let purge = Policy { purge: true, drain: false };
        for round in 0..8 {
            let wanted = numbers.table()?;
            let converged = wanted.converge(&mut ipvs, purge)?;
            let failures = &converged.failures;
            ensure!(failures.is_empty(), "round {round}: {failures:#?}");
            let slow = slowly(&mut ipvs)?;
            let fast = Table::read(&mut ipvs)?.into_services();
            let fast = fast.into_iter().map(|one| (one.service.key, one)).collect();
            ensure!(slow == fast, "round {round}: slow {slow:#?}\nfast {fast:#?}");
            // What was asked for is there, and is found to be there.
            let again = wanted.converge(&mut ipvs, purge)?;
            ensure!(again.changes.is_empty(), "round {round}: {:#?}", again.changes);
            ensure!(slow.len() == wanted.services().len(), "round {round}");
            let rules = wanted.services().iter().map(|one| 1 + one.destinations.len());
            let saved = namespace.table()?;
            ensure!(saved.len() == rules.sum::<usize>(), "round {round}: {saved:#?}");
        }
        Ok(())
    })
}

fn back() -> Result<()> {
    let namespace = Namespace::new("back")?;
    namespace.inside(|| {
        let mut ipvs = Handle::open()?;
        let mut numbers = Numbers(11);
        let (first, second) = (numbers.table()?, numbers.table()?);
        first.converge(&mut ipvs, Policy::default())?;
        let before = Table::read(&mut ipvs)?;
        let plan = second.reconcile(&before, Policy { purge: true, drain: false });
        let mut requests: Vec<Request> =
            plan.now.into_iter().map(|change| change.request).collect();
        // One that fails in the middle: the rest of the batch is done all the same.
        let nowhere = ServiceKey::address(lvsmith::netlink::ipvs::Protocol::Tcp, [10, 1, 9, 9], 1);
        let key = DestinationKey { address: [10, 9, 0, 1].into(), port: 1 };
        let middle = requests.len() / 2;
        requests.insert(middle, Request::RemoveDestination(nowhere, key));
        let failures = ipvs.apply_all(&requests)?;
        ensure!(failures.len() == 1 && failures[0].index == middle, "{failures:#?}");
        ensure!(failures[0].request == requests[middle], "{failures:#?}");
        let now = Table::read(&mut ipvs)?;
        ensure!(!before.reconcile(&now, Policy::default()).is_empty(), "nothing was done");
        let failures = ipvs.apply_all(&before.undo(&now, &requests))?;
        ensure!(failures.is_empty(), "{failures:#?}");
        let after = Table::read(&mut ipvs)?;
        let left = before.reconcile(&after, Policy { purge: true, drain: false });
        ensure!(left.is_empty(), "{left:#?}");
        Ok(())
    })
}

/// Another program removes and adds the same service all the time. Whatever becomes of it, a
/// failure is one of its rules, and what is ours is there.
fn races() -> Result<()> {
    let namespace = Namespace::new("races")?;
    let ours: Table = serde_yaml::from_str(
        "services:\n\
         - {service: '10.1.0.1:80', scheduler: rr, destinations: [{address: 10.9.0.3, forward: nat}]}\n\
         - {service: '10.1.0.1:81', scheduler: rr, destinations: [{address: 10.9.0.3, forward: nat}]}\n",
    )?;
    let contested = ServiceKey::address(lvsmith::netlink::ipvs::Protocol::Tcp, [10, 1, 0, 1], 80);
    namespace.inside(|| {
        let (mut ipvs, mut other) = (Handle::open()?, Handle::open()?);
        std::thread::scope(|scope| {
            let busy = scope.spawn(move || {
                let rs = Destination::new([10, 9, 0, 4], 80, Forward::Nat);
                for _ in 0..200 {
                    // Either may fail: that is the race.
                    let _ = other.remove_service(contested);
                    let _ = other.add_destination(contested, &rs);
                }
            });
            for _ in 0..50 {
                let converged = ours.converge(&mut ipvs, Policy::default())?;
                for failure in &converged.failures {
                    ensure!(failure.request.service_key() == Some(contested), "{failure:#?}");
                }
            }
            ensure!(busy.join().is_ok(), "the other program failed");
            Ok(())
        })?;
        ours.converge(&mut ipvs, Policy::default())?;
        let left = ours.reconcile(&Table::read(&mut ipvs)?, Policy::default());
        ensure!(left.is_empty(), "{left:#?}");
        Ok(())
    })
}
