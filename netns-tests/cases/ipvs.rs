//! Every feature of a virtual service, written by us and read by the real ipvsadm, and the
//! other way round; and what a second run, an edit and a removal leave alone.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use lvsmith::netlink::ipvs::SCHEDULERS;

use crate::namespace::Namespace;
use crate::support::told;
use crate::{Case, Needs};

pub(crate) const CASES: &[Case] = &[
    Case { name: "ipvs::ipvsadm_reads_what_we_write", needs: Needs::Ipvs, run: ipvsadm_reads },
    Case { name: "ipvs::we_read_what_ipvsadm_writes", needs: Needs::Ipvs, run: ipvsadm_writes },
    Case { name: "ipvs::every_scheduler", needs: Needs::Ipvs, run: schedulers },
    Case { name: "ipvs::thresholds", needs: Needs::Ipvs, run: thresholds },
    Case { name: "ipvs::edits_in_place", needs: Needs::Ipvs, run: edits },
    Case { name: "ipvs::leaves_others_alone", needs: Needs::Ipvs, run: others },
    Case { name: "ipvs::keeps_a_drained_destination", needs: Needs::Ipvs, run: drained },
    Case { name: "ipvs::a_plan_loads_nothing", needs: Needs::Ipvs, run: plan_loads_nothing },
    Case { name: "ipvs::refusals_of_the_kernel", needs: Needs::Ipvs, run: refusals },
];

/// A feature: what is declared, and what `ipvsadm -Sn` makes of it.
struct Feature {
    name: &'static str,
    declared: &'static str,
    saved: &'static [&'static str],
}

const FEATURES: &[Feature] = &[
    Feature {
        name: "tcp, direct",
        declared: "vip: 10.1.0.1, port: 80, scheduler: rr, destinations: [10.9.0.3, 10.9.0.4]",
        saved: &[
            "-A -t 10.1.0.1:80 -s rr",
            "-a -t 10.1.0.1:80 -r 10.9.0.3:80 -g -w 1",
            "-a -t 10.1.0.1:80 -r 10.9.0.4:80 -g -w 1",
        ],
    },
    Feature {
        name: "udp, weights",
        declared: "vip: 10.1.0.2, port: 53, protocol: udp, scheduler: wrr, destinations: \
            [{address: 10.9.0.3, weight: 0}, {address: 10.9.0.4, weight: 65535}, \
            {address: 10.9.0.5, weight: 1000000}]",
        saved: &[
            "-A -u 10.1.0.2:53 -s wrr",
            "-a -u 10.1.0.2:53 -r 10.9.0.3:53 -g -w 0",
            "-a -u 10.1.0.2:53 -r 10.9.0.4:53 -g -w 65535",
            "-a -u 10.1.0.2:53 -r 10.9.0.5:53 -g -w 1000000",
        ],
    },
    Feature {
        name: "sctp, without destinations",
        declared: "vip: 10.1.0.3, port: 99, protocol: sctp, scheduler: wlc",
        saved: &["-A --sctp-service 10.1.0.3:99 -s wlc"],
    },
    Feature {
        name: "fwmark",
        declared: "fwmark: 5, scheduler: wlc, destinations: [10.9.0.3]",
        saved: &["-A -f 5 -s wlc", "-a -f 5 -r 10.9.0.3:0 -g -w 1"],
    },
    Feature {
        name: "fwmark, ipv6",
        declared: "fwmark: 5, family: ipv6, scheduler: rr, destinations: ['fd09::3']",
        saved: &["-A -f 5 -6 -s rr", "-a -f 5 -6 -r [fd09::3]:0 -g -w 1"],
    },
    Feature {
        name: "ipv6",
        declared: "vip: 'fd01::1', port: 80, scheduler: lc, destinations: ['fd09::3']",
        saved: &["-A -t [fd01::1]:80 -s lc", "-a -t [fd01::1]:80 -r [fd09::3]:80 -g -w 1"],
    },
    Feature {
        name: "ipv6, udp, persistent with a netmask",
        declared: "vip: 'fd01::2', port: 53, protocol: udp, scheduler: rr, persistent: 300, \
            netmask: 64",
        saved: &["-A -u [fd01::2]:53 -s rr -p 300 -M 64"],
    },
    Feature {
        name: "masquerading, to a port of its own",
        declared: "vip: 10.1.0.4, port: 80, scheduler: rr, forward: nat, destinations: \
            [{address: 10.9.0.3, port: 8080}, {address: 10.9.0.3, port: 8081}]",
        saved: &[
            "-A -t 10.1.0.4:80 -s rr",
            "-a -t 10.1.0.4:80 -r 10.9.0.3:8080 -m -w 1",
            "-a -t 10.1.0.4:80 -r 10.9.0.3:8081 -m -w 1",
        ],
    },
    Feature {
        name: "tunnels",
        declared: "vip: 10.1.0.5, port: 80, scheduler: rr, forward: tunnel, destinations: \
            [10.9.0.3, {address: 10.9.0.4, tunnel: {type: gue, port: 6080}}, \
            {address: 10.9.0.5, tunnel: {type: gue, port: 6080, checksum: outer}}, \
            {address: 10.9.0.6, tunnel: {type: gue, port: 6080, checksum: remote}}, \
            {address: 10.9.0.7, tunnel: {type: gre}}, \
            {address: 10.9.0.8, tunnel: {type: gre, checksum: outer}}]",
        saved: &[
            "-A -t 10.1.0.5:80 -s rr",
            "-a -t 10.1.0.5:80 -r 10.9.0.3:80 -i -w 1 --tun-type ipip",
            "-a -t 10.1.0.5:80 -r 10.9.0.4:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum",
            "-a -t 10.1.0.5:80 -r 10.9.0.5:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-csum",
            "-a -t 10.1.0.5:80 -r 10.9.0.6:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-remcsum",
            "-a -t 10.1.0.5:80 -r 10.9.0.7:80 -i -w 1 --tun-type gre --tun-nocsum",
            "-a -t 10.1.0.5:80 -r 10.9.0.8:80 -i -w 1 --tun-type gre --tun-csum",
        ],
    },
    Feature {
        name: "an ipv6 tunnel for an ipv4 service, and every method in one",
        declared: "vip: 10.1.0.6, port: 80, scheduler: rr, destinations: \
            [{address: 'fd09::3', forward: tunnel}, {address: 10.9.0.4, forward: nat, port: 81}, \
            10.9.0.5]",
        saved: &[
            "-A -t 10.1.0.6:80 -s rr",
            "-a -t 10.1.0.6:80 -r [fd09::3]:80 -i -w 1 --tun-type ipip",
            "-a -t 10.1.0.6:80 -r 10.9.0.4:81 -m -w 1",
            "-a -t 10.1.0.6:80 -r 10.9.0.5:80 -g -w 1",
        ],
    },
    Feature {
        name: "scheduler flags of sh",
        declared: "vip: 10.1.0.7, port: 80, scheduler: sh, \
            scheduler_flags: [sh-fallback, sh-port]",
        saved: &["-A -t 10.1.0.7:80 -s sh -b sh-fallback,sh-port"],
    },
    Feature {
        name: "scheduler flags of mh",
        declared: "vip: 10.1.0.8, port: 80, scheduler: mh, scheduler_flags: [mh-port]",
        saved: &["-A -t 10.1.0.8:80 -s mh -b mh-port"],
    },
    Feature {
        name: "scheduler flags by number",
        declared: "vip: 10.1.0.9, port: 80, scheduler: rr, \
            scheduler_flags: [flag-1, flag-2, flag-3]",
        saved: &["-A -t 10.1.0.9:80 -s rr -b flag-1,flag-2,flag-3"],
    },
    Feature {
        name: "persistent",
        declared: "vip: 10.1.0.10, port: 80, scheduler: rr, persistent: 360",
        saved: &["-A -t 10.1.0.10:80 -s rr -p 360"],
    },
    Feature {
        name: "persistent for a network, on every port",
        declared: "vip: 10.1.0.11, port: 0, scheduler: rr, persistent: 60, \
            netmask: 255.255.255.0, destinations: [10.9.0.3]",
        saved: &[
            "-A -t 10.1.0.11:0 -s rr -p 60 -M 255.255.255.0",
            "-a -t 10.1.0.11:0 -r 10.9.0.3:0 -g -w 1",
        ],
    },
    Feature {
        name: "one packet",
        declared: "vip: 10.1.0.12, port: 514, protocol: udp, scheduler: rr, one_packet: true",
        saved: &["-A -u 10.1.0.12:514 -s rr -o"],
    },
    Feature {
        name: "persistence engine",
        declared: "vip: 10.1.0.13, port: 5060, protocol: udp, scheduler: rr, persistent: 60, \
            persistence_engine: sip, one_packet: true",
        saved: &["-A -u 10.1.0.13:5060 -s rr -p 60 --pe sip -o"],
    },
];

fn task(declared: &str) -> String {
    format!("    - ipvs_service: {{{declared}}}\n")
}

fn all_tasks() -> String {
    FEATURES.iter().map(|feature| task(feature.declared)).collect()
}

/// Exactly these lines are in the table.
fn holds(namespace: &Namespace, wanted: &[&str]) -> Result<()> {
    let mut wanted: Vec<&str> = wanted.to_vec();
    wanted.sort_unstable();
    let table = namespace.table()?;
    ensure!(table == wanted, "wanted {wanted:#?}\nthe table is {table:#?}");
    Ok(())
}

fn ipvsadm_reads() -> Result<()> {
    let namespace = Namespace::new("reads")?;
    namespace.applied(&all_tasks())?;
    let table = namespace.table()?;
    for feature in FEATURES {
        for line in feature.saved {
            let there = table.iter().any(|one| one == line);
            ensure!(there, "{}: no `{line}` in {table:#?}", feature.name);
        }
    }
    let count: usize = FEATURES.iter().map(|feature| feature.saved.len()).sum();
    ensure!(table.len() == count, "there is more than that: {table:#?}");
    namespace.is_so_already(&all_tasks())?;

    let absent: Vec<String> =
        FEATURES.iter().map(|one| task(&format!("{}, state: absent", one.declared))).collect();
    namespace.applied(&absent.concat())?;
    holds(&namespace, &[])?;
    namespace.is_so_already(&absent.concat())
}

fn ipvsadm_writes() -> Result<()> {
    let namespace = Namespace::new("writes")?;
    let rules: Vec<String> =
        FEATURES.iter().flat_map(|one| one.saved).map(|line| format!("{line}\n")).collect();
    namespace.shell(&format!("ipvsadm -R <<'RULES'\n{}RULES", rules.concat()))?;
    for feature in FEATURES {
        namespace.is_so_already(&task(feature.declared)).context(feature.name)?;
    }
    Ok(())
}

fn schedulers() -> Result<()> {
    // `ovf` is left to the case that wants one not loaded; Debian's kernels have no `twos`.
    let has = |name: &str| {
        let modinfo = Command::new("modinfo").arg(format!("ip_vs_{name}")).output();
        modinfo.is_ok_and(|output| output.status.success())
    };
    let names: Vec<&str> =
        SCHEDULERS.iter().copied().filter(|name| *name != "ovf" && has(name)).collect();
    ensure!(names.len() >= 12, "this kernel has but {names:?}");
    let namespace = Namespace::new("schedulers")?;
    let (mut tasks, mut wanted) = (String::new(), Vec::new());
    for (port, name) in (1..).zip(names) {
        tasks += &task(&format!("vip: 10.1.0.1, port: {port}, scheduler: {name}"));
        wanted.push(format!("-A -t 10.1.0.1:{port} -s {name}"));
    }
    namespace.applied(&tasks)?;
    holds(&namespace, &wanted.iter().map(String::as_str).collect::<Vec<_>>())?;
    namespace.is_so_already(&tasks)
}

/// `ipvsadm -S` does not save them.
fn thresholds() -> Result<()> {
    let namespace = Namespace::new("thresholds")?;
    let declared = |upper: &str, lower: &str| {
        task(&format!(
            "vip: 10.1.0.1, port: 80, destinations: [{{address: 10.9.0.3, \
             upper_threshold: {upper}, lower_threshold: {lower}}}, 10.9.0.4]"
        ))
    };
    for (upper, lower) in [("1000", "800"), ("2000", "800")] {
        namespace.applied(&declared(upper, lower))?;
        let listing = namespace.shell("ipvsadm -Ln --thresholds")?;
        let rows: Vec<Vec<&str>> = listing
            .lines()
            .map(|line| line.split_whitespace().collect())
            .filter(|words: &Vec<&str>| words.first() == Some(&"->"))
            .collect();
        let limited: &[&str] = &["->", "10.9.0.3:80", upper, lower, "0", "0"];
        let free: &[&str] = &["->", "10.9.0.4:80", "0", "0", "0", "0"];
        ensure!(rows.iter().any(|row| row == limited), "{listing}");
        ensure!(rows.iter().any(|row| row == free), "{listing}");
        namespace.is_so_already(&declared(upper, lower))?;
    }
    Ok(())
}

/// Each edit: what is declared then, the service, and the destinations.
const EDITS: &[(&str, &str, &[&str])] = &[
    (
        "scheduler: rr, destinations: [10.9.0.3, 10.9.0.4]",
        "-s rr",
        &["3:80 -g -w 1", "4:80 -g -w 1"],
    ),
    (
        "scheduler: wrr, destinations: [10.9.0.3, 10.9.0.4]",
        "-s wrr",
        &["3:80 -g -w 1", "4:80 -g -w 1"],
    ),
    (
        "scheduler: wrr, destinations: [10.9.0.3, {address: 10.9.0.4, weight: 3}]",
        "-s wrr",
        &["3:80 -g -w 1", "4:80 -g -w 3"],
    ),
    (
        "scheduler: wrr, persistent: 50, netmask: 24, destinations: [10.9.0.3, 10.9.0.4]",
        "-s wrr -p 50 -M 255.255.255.0",
        &["3:80 -g -w 1", "4:80 -g -w 3"],
    ),
    (
        "scheduler: sh, scheduler_flags: [sh-port], forward: nat, destinations: [10.9.0.3, 10.9.0.4]",
        "-s sh -b sh-port",
        &["3:80 -m -w 1", "4:80 -m -w 3"],
    ),
    (
        "scheduler: sh, forward: tunnel, destinations: [10.9.0.3, 10.9.0.4]",
        "-s sh",
        &["3:80 -i -w 1 --tun-type ipip", "4:80 -i -w 3 --tun-type ipip"],
    ),
    (
        "scheduler: sh, forward: tunnel, tunnel: {type: gue, port: 6080}, destinations: [10.9.0.3, 10.9.0.4]",
        "-s sh",
        &[
            "3:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum",
            "4:80 -i -w 3 --tun-type gue --tun-port 6080 --tun-nocsum",
        ],
    ),
    (
        "scheduler: sh, destinations: [10.9.0.3, 10.9.0.4]",
        "-s sh",
        &["3:80 -g -w 1", "4:80 -g -w 3"],
    ),
];

fn edits() -> Result<()> {
    let namespace = Namespace::new("edits")?;
    for (step, (declared, service, destinations)) in EDITS.iter().enumerate() {
        let tasks = task(&format!("vip: 10.1.0.1, port: 80, {declared}"));
        let told = namespace.applied(&tasks)?;
        ensure!(!told.contains("remove"), "not in place: {declared}\n{told}");
        ensure!(told.contains("(was ") == (step > 0), "{declared}\n{told}");
        let mut wanted = vec![format!("-A -t 10.1.0.1:80 {service}")];
        wanted.extend(destinations.iter().map(|one| format!("-a -t 10.1.0.1:80 -r 10.9.0.{one}")));
        holds(&namespace, &wanted.iter().map(String::as_str).collect::<Vec<_>>())
            .context(*declared)?;
        namespace.is_so_already(&tasks)?;
    }
    // One goes, one comes, and the one that stays is not touched.
    let tasks = task("vip: 10.1.0.1, port: 80, scheduler: sh, destinations: [10.9.0.4, 10.9.0.5]");
    let told = namespace.applied(&tasks)?;
    let changes = ["add destination 10.9.0.5:80", "remove destination 10.9.0.3:80"];
    ensure!(changes.iter().all(|change| told.contains(change)), "{told}");
    ensure!(!told.contains("10.9.0.4"), "{told}");
    holds(
        &namespace,
        &[
            "-A -t 10.1.0.1:80 -s sh",
            "-a -t 10.1.0.1:80 -r 10.9.0.4:80 -g -w 3",
            "-a -t 10.1.0.1:80 -r 10.9.0.5:80 -g -w 1",
        ],
    )
}

/// A service that somebody else made, and what becomes of ours beside it.
fn others() -> Result<()> {
    const OTHER: [&str; 2] =
        ["-A -t 10.1.0.1:81 -s wrr -p 77", "-a -t 10.1.0.1:81 -r 10.9.0.9:81 -g -w 7"];
    let namespace = Namespace::new("others")?;
    namespace.shell(&format!("ipvsadm {} && ipvsadm {}", OTHER[0], OTHER[1]))?;
    for (more, ours) in [
        ("scheduler: rr", &["-A -t 10.1.0.1:80 -s rr"][..]),
        (
            "scheduler: wrr, destinations: [10.9.0.9]",
            &["-A -t 10.1.0.1:80 -s wrr", "-a -t 10.1.0.1:80 -r 10.9.0.9:80 -g -w 1"],
        ),
        ("state: absent", &[]),
    ] {
        namespace.applied(&task(&format!("vip: 10.1.0.1, port: 80, {more}")))?;
        holds(&namespace, &[&OTHER, ours].concat()).context(more)?;
    }
    Ok(())
}

fn drained() -> Result<()> {
    let namespace = Namespace::new("drained")?;
    let both = task("vip: 10.1.0.1, port: 80, scheduler: rr, destinations: [10.9.0.3, 10.9.0.4]");
    namespace.applied(&both)?;
    namespace.shell("ipvsadm -e -t 10.1.0.1:80 -r 10.9.0.3:80 -g -w 0")?;
    namespace.is_so_already(&both)?;
    // Not even when there is something else to do with it.
    namespace.applied(&both.replace("rr,", "wrr, forward: nat,"))?;
    holds(
        &namespace,
        &[
            "-A -t 10.1.0.1:80 -s wrr",
            "-a -t 10.1.0.1:80 -r 10.9.0.3:80 -m -w 0",
            "-a -t 10.1.0.1:80 -r 10.9.0.4:80 -m -w 1",
        ],
    )?;
    let weight = both.replace("[10.9.0.3,", "[{address: 10.9.0.3, weight: 1},");
    namespace.applied(&weight)?;
    let table = namespace.table()?;
    ensure!(table.iter().any(|line| line.ends_with("10.9.0.3:80 -g -w 1")), "{table:#?}");
    Ok(())
}

/// Modules are the kernel's, so this wants one that no other case has loaded.
fn plan_loads_nothing() -> Result<()> {
    let loaded = |name: &str| -> Result<bool> {
        Ok(std::fs::read_to_string("/proc/modules")?.lines().any(|line| line.starts_with(name)))
    };
    let namespace = Namespace::new("fresh")?;
    let tasks = task("vip: 10.1.0.1, port: 80, scheduler: ovf, destinations: [10.9.0.3]");
    let plan = told(&namespace.lvsmith("plan", &tasks)?);
    ensure!(plan.contains("tcp://10.1.0.1:80 ovf") && plan.contains(" changed=1 "), "{plan}");
    ensure!(!loaded("ip_vs_ovf ")?, "a plan loaded the scheduler");
    holds(&namespace, &[])?;
    namespace.applied(&tasks)?;
    ensure!(loaded("ip_vs_ovf ")?, "apply did not load the scheduler");
    holds(&namespace, &["-A -t 10.1.0.1:80 -s ovf", "-a -t 10.1.0.1:80 -r 10.9.0.3:80 -g -w 1"])
}

/// What only the kernel knows is wrong; its words alone would help nobody.
fn refusals() -> Result<()> {
    let namespace = Namespace::new("refusals")?;
    namespace.shell(
        "ip link add v0 type veth peer name v1 && ip addr add 10.8.0.1/24 dev v0 && ip link set v0 up",
    )?;
    let declared = task("vip: 10.8.0.89, port: 80, destinations: [10.8.0.255]");
    let refused = told(&namespace.lvsmith("apply", &declared)?);
    ensure!(refused.starts_with("exit Some(2)"), "{refused}");
    ensure!(refused.contains("10.8.0.255") && refused.contains("hint: "), "{refused}");

    let declared = task("vip: 10.8.0.89, port: 80, state: present");
    let refused = told(&namespace.without_capabilities("apply", &declared)?);
    ensure!(refused.starts_with("exit Some(2)"), "{refused}");
    ensure!(refused.contains("not permitted") && refused.contains("run as root"), "{refused}");
    Ok(())
}
