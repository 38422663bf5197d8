//! A node of Kubernetes as kube-proxy's IPVS mode and as its iptables mode make it, one after the
//! other: what filling, changing one pod and a new connection cost, by the number of services.
//!
//! Three network namespaces in a row, a thread each: a client, the node, and the pods. The pods
//! are one listener at every address of a network. As in `playbooks/kube-like` a source is
//! masqueraded in both modes, and the rules are those of that folder. Each mode and size has
//! namespaces of its own.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use lvsmith::netlink::ipvs::{
    self, Forward, Handle, Policy, Protocol, Scheduler, ServiceKey, Table, VirtualService,
};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::gettid;

use crate::measure::{self, Book, Row, Samples, timed};

/// What is measured here.
pub(crate) const NAME: &str = "kube: IPVS beside iptables";

/// Numbers of services; the first is the lab's.
const SIZES: [u32; 2] = [10, 1000];
/// Pods of each service.
const PODS: u32 = 10;
/// How often one pod is changed for another one.
const CHANGES: usize = 5;
/// New connections that are measured, after as many as one service has pods.
const CONNECTIONS: u32 = 500;

/// Measures what is asked for and prints it.
pub(crate) fn run() -> Book {
    let machine = measure::machine();
    let mut book = Book::new();
    book.measure(NAME, || {
        let mut rows = Vec::new();
        for services in SIZES {
            rows.extend(compare(services)?);
        }
        Ok(rows)
    });
    if !book.rows.is_empty() {
        let counted = format!(
            "services of {PODS} pods; filled once, a pod changed {CHANGES} times, \
             {CONNECTIONS} connections one after the other"
        );
        measure::print("A node of Kubernetes", &[machine, counted], &book.rows);
    }
    book
}

fn compare(services: u32) -> Result<Vec<Row>> {
    let ipvs = Mode::Ipvs.measure(services).context("IPVS")?;
    let rules = Mode::Rules.measure(services).context("iptables")?;
    let row = |what: &str, measured: Samples, name: &str, beside: Samples| {
        Row::new(format!("{services} services: {what}"), measured).beside(name, beside)
    };
    const RULES: &str = "iptables";
    Ok(vec![
        row("filled", ipvs.filled, RULES, rules.filled),
        row("a pod is another one", ipvs.changed, RULES, rules.changed),
        row("a connection to any service", ipvs.any.clone(), RULES, rules.any),
        row("a connection to the last service", ipvs.last, RULES, rules.last),
        row("a connection to any service", ipvs.any, "no service between", ipvs.direct),
    ])
}

/// What was measured of one mode at one size.
struct Figures {
    filled: Samples,
    changed: Samples,
    any: Samples,
    last: Samples,
    direct: Samples,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Ipvs,
    Rules,
}

impl Mode {
    fn measure(self, services: u32) -> Result<Figures> {
        let node = Node::new()?;
        self.masquerade()?;
        // What a first connection and a first rule have the kernel load is there from now on.
        node.connections(std::iter::repeat(replacement()), PODS)?;
        let filled = self.fill(services)?;
        // There and back again are two changes.
        let changed = Samples::seconds(CHANGES, || {
            Ok((self.change(services - 1, true)? + self.change(services - 1, false)?) / 2)
        })?;
        let any = || (0..CONNECTIONS).map(|at| vip(at.wrapping_mul(7919) % services));
        let last = || (0..CONNECTIONS).map(|_| vip(services - 1));
        node.connections(last(), PODS)?;
        Ok(Figures {
            filled: Samples::of("s", vec![filled.as_secs_f64()]),
            changed,
            any: node.connections(any(), CONNECTIONS)?,
            last: node.connections(last(), CONNECTIONS)?,
            // Not a pod of a service: IPVS would take an answer for that of a connection before.
            direct: node.connections(std::iter::repeat(replacement()), CONNECTIONS)?,
        })
    }

    /// Marks are masqueraded, and services of the IPVS table are marked.
    fn masquerade(self) -> Result<()> {
        let mut text = "*nat\n:KUBE-MARK-MASQ - [0:0]\n:KUBE-POSTROUTING - [0:0]\n\
                        :KUBE-SERVICES - [0:0]\n\
                        -A KUBE-MARK-MASQ -j MARK --or-mark 0x4000\n\
                        -A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN\n\
                        -A KUBE-POSTROUTING -j MARK --xor-mark 0x4000\n\
                        -A KUBE-POSTROUTING -j MASQUERADE --random-fully\n\
                        -A PREROUTING -j KUBE-SERVICES\n-A OUTPUT -j KUBE-SERVICES\n\
                        -A POSTROUTING -j KUBE-POSTROUTING\n"
            .to_owned();
        if self == Self::Ipvs {
            text += "-A KUBE-SERVICES ! -s 10.244.0.0/16 -d 10.96.0.0/16 -j KUBE-MARK-MASQ\n";
        }
        given(Command::new("iptables-restore").args(RESTORE), &(text + "COMMIT\n"))?;
        Ok(())
    }

    fn fill(self, services: u32) -> Result<Duration> {
        if self == Self::Rules {
            let mut text = chains(0..services);
            for service in 0..services {
                let vip = vip(service).ip();
                let _ = writeln!(
                    text,
                    "-A KUBE-SERVICES -d {vip}/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-{service}"
                );
                chain(service, false, &mut text);
            }
            return given(Command::new("iptables-restore").args(RESTORE), &(text + "COMMIT\n"));
        }
        let scheduler = Scheduler::new("rr")?;
        let declared = (0..services).map(|service| VirtualService {
            service: ipvs::Service::new(key(service), scheduler.clone()),
            destinations: (0..PODS).map(|at| destination(pod(service, at))).collect(),
        });
        let table = Table::new(declared.collect())?;
        let addresses: String =
            (0..services).fold("link add kube-ipvs0 type dummy\n".to_owned(), |text, service| {
                text + &format!("address add {}/32 dev kube-ipvs0\n", vip(service).ip())
            });
        let start = Instant::now();
        given(Command::new("ip").args(["-batch", "-"]), &addresses)?;
        let converged = table.converge(&mut Handle::open()?, Policy::default())?;
        ensure!(converged.failures.is_empty(), "{:?}", converged.failures);
        Ok(start.elapsed())
    }

    /// The service's first pod is another one, or the one that it was. kube-proxy writes the chains of the
    /// services that changed, and no others.
    fn change(self, service: u32, other: bool) -> Result<Duration> {
        if self == Self::Rules {
            let mut text = chains(service..service + 1);
            chain(service, other, &mut text);
            return given(Command::new("iptables-restore").args(RESTORE), &(text + "COMMIT\n"));
        }
        let (from, to) = match other {
            true => (pod(service, 0), replacement()),
            false => (replacement(), pod(service, 0)),
        };
        let start = Instant::now();
        let mut handle = Handle::open()?;
        handle.add_destination(key(service), &destination(to))?;
        handle.remove_destination(key(service), destination(from).key)?;
        Ok(start.elapsed())
    }
}

const RESTORE: [&str; 2] = ["--wait", "--noflush"];

/// What a chain begins with that is written anew.
fn chains(services: std::ops::Range<u32>) -> String {
    let mut text = "*nat\n".to_owned();
    for service in services {
        let _ = writeln!(text, ":KUBE-SVC-{service} - [0:0]");
        for at in 0..PODS {
            let _ = writeln!(text, ":KUBE-SEP-{service}-{at} - [0:0]");
        }
    }
    text
}

/// The rules of one service, whose first pod may be another one.
fn chain(service: u32, other: bool, text: &mut String) {
    let vip = vip(service).ip();
    let _ = writeln!(
        text,
        "-A KUBE-SVC-{service} ! -s 10.244.0.0/16 -d {vip}/32 -p tcp -m tcp --dport 80 \
         -j KUBE-MARK-MASQ"
    );
    for at in 0..PODS {
        let pod = if other && at == 0 { replacement() } else { pod(service, at) };
        let lot = match PODS - at {
            1 => String::new(),
            left => {
                format!("-m statistic --mode random --probability {:.10} ", 1.0 / f64::from(left))
            }
        };
        let _ = writeln!(
            text,
            "-A KUBE-SVC-{service} {lot}-j KUBE-SEP-{service}-{at}\n\
             -A KUBE-SEP-{service}-{at} -s {}/32 -j KUBE-MARK-MASQ\n\
             -A KUBE-SEP-{service}-{at} -p tcp -m tcp -j DNAT --to-destination {pod}",
            pod.ip()
        );
    }
}

fn vip(service: u32) -> SocketAddr {
    (Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 96, 0, 1)) + service), 80).into()
}

fn pod(service: u32, at: u32) -> SocketAddr {
    let first = u32::from(Ipv4Addr::new(10, 244, 0, 1));
    (Ipv4Addr::from(first + service * PODS + at), 80).into()
}

/// A pod of no service.
fn replacement() -> SocketAddr {
    (Ipv4Addr::new(10, 244, 255, 1), 80).into()
}

fn key(service: u32) -> ServiceKey {
    let vip = vip(service);
    ServiceKey::address(Protocol::Tcp, vip.ip(), vip.port())
}

fn destination(pod: SocketAddr) -> ipvs::Destination {
    ipvs::Destination::new(pod.ip(), pod.port(), Forward::Nat)
}

/// Runs a program that reads a text, and tells how long that took.
fn given(command: &mut Command, text: &str) -> Result<Duration> {
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{command:?} starts"))?;
    let mut input = child.stdin.take().context("a pipe")?;
    // What it does not read, it says why.
    let written = input.write_all(text.as_bytes());
    drop(input);
    let output = child.wait_with_output()?;
    let took = start.elapsed();
    ensure!(
        output.status.success(),
        "{command:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    written?;
    Ok(took)
}

/// Targets of connections, and where their times go.
type Order = (Vec<SocketAddr>, Sender<Result<Vec<f64>>>);

/// The node's namespace, which is this thread's from now on, between the two others.
struct Node {
    client: Sender<Order>,
}

impl Node {
    fn new() -> Result<Self> {
        // Its settings are there once it is loaded.
        Handle::open()?;
        unshare(CloneFlags::CLONE_NEWNET).context("a network namespace of its own")?;
        let (client, orders) = channel();
        let client_thread = beside(move |ready| {
            ready.recv()?;
            sh("ip link set eth0 up; ip addr add 10.0.0.10/24 dev eth0
                ip route add default via 10.0.0.1")?;
            Ok(move || connect(&orders))
        })?;
        let pods_thread = beside(|ready| {
            ready.recv()?;
            sh("ip link set lo up; ip link set eth0 up; ip addr add 10.1.0.2/24 dev eth0
                ip route add default via 10.1.0.1; ip route add local 10.244.0.0/16 dev lo")?;
            let listener = TcpListener::bind("0.0.0.0:80")?;
            Ok(move || answer(&listener))
        })?;
        sh(&format!(
            "ip link set lo up
             ip link add outside type veth peer name eth0 netns {client}
             ip link add pods type veth peer name eth0 netns {pods}
             ip addr add 10.0.0.1/24 dev outside; ip link set outside up
             ip addr add 10.1.0.1/24 dev pods; ip link set pods up
             ip route add 10.244.0.0/16 via 10.1.0.2
             echo 1 >/proc/sys/net/ipv4/ip_forward
             echo 1 >/proc/sys/net/ipv4/vs/conntrack",
            client = client_thread.thread,
            pods = pods_thread.thread,
        ))?;
        client_thread.go()?;
        pods_thread.go()?;
        Ok(Self { client })
    }

    /// How long each of the first so many connections takes, from its first packet to the
    /// answer.
    fn connections(
        &self,
        targets: impl Iterator<Item = SocketAddr>,
        count: u32,
    ) -> Result<Samples> {
        let targets: Vec<SocketAddr> = targets.take(count as usize).collect();
        let (sender, times) = channel();
        self.client.send((targets, sender)).ok().context("the client is there")?;
        Ok(Samples::of("ms", times.recv().context("the client is there")??))
    }
}

/// A thread in a network namespace of its own, that waits to be wired.
struct Beside {
    thread: nix::unistd::Pid,
    go: Sender<()>,
    set_up: Receiver<Result<()>>,
}

impl Beside {
    fn go(self) -> Result<()> {
        self.go.send(()).ok().context("the thread is there")?;
        self.set_up.recv().context("the thread is there")?
    }
}

/// Starts a thread that sets its namespace up when told to, and then works in it.
fn beside<Work: FnOnce()>(
    prepare: impl FnOnce(Receiver<()>) -> Result<Work> + Send + 'static,
) -> Result<Beside> {
    let (go, ready) = channel();
    let (is_set_up, set_up) = channel();
    let (itself, thread) = channel();
    thread::spawn(move || {
        let moved = unshare(CloneFlags::CLONE_NEWNET).context("a network namespace of its own");
        let _ = itself.send(moved.map(|()| gettid()));
        match prepare(ready) {
            Ok(work) => {
                let _ = is_set_up.send(Ok(()));
                work();
            }
            Err(error) => drop(is_set_up.send(Err(error))),
        }
    });
    Ok(Beside { thread: thread.recv().context("the thread is there")??, go, set_up })
}

/// A shell's lines, up to the first that fails.
fn sh(lines: &str) -> Result<()> {
    timed(Command::new("sh").args(["-ec", lines])).map(drop)
}

/// Answers every connection with one byte.
fn answer(listener: &TcpListener) {
    for mut stream in listener.incoming().flatten() {
        // Whoever has gone again needs no answer.
        let _ = stream.write_all(b"x");
    }
}

/// Makes the connections that are ordered, one after the other.
fn connect(orders: &Receiver<Order>) {
    while let Ok((targets, times)) = orders.recv() {
        let taken: Result<Vec<f64>> = targets.into_iter().map(connection).collect();
        let _ = times.send(taken);
    }
}

/// Milliseconds of one connection.
fn connection(target: SocketAddr) -> Result<f64> {
    let start = Instant::now();
    let mut stream = TcpStream::connect_timeout(&target, Duration::from_secs(30))
        .with_context(|| format!("a connection to {target}"))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.read_exact(&mut [0]).with_context(|| format!("an answer of {target}"))?;
    let took = start.elapsed();
    // Ended by a reset, it leaves nothing on either side that waits.
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    Ok(took.as_secs_f64() * 1000.0)
}
