//! A hundred hosts on one bridge: beside the least that the kernel takes for such a network, and
//! beside mininet; and five hundred.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use lvsmith::netlink::InterfaceName;
use lvsmith::netlink::route::{Handle, NewKind, NewLink, Peer, Place};
use nix::sched::{CloneFlags, setns, unshare};

use crate::measure::{self, Book, Goal, ROOT, Row, Samples, lvsmith, timed};

const HOSTS: usize = 100;
const MANY: usize = 500;
const RUNS: usize = 5;

/// Builds the same network in mininet with Linux bridges, and takes it down.
const MININET: &str = r#"
import sys, time
sys.path.insert(0, sys.argv[2] + "/usr/lib/python3/dist-packages")
from mininet.net import Mininet
from mininet.nodelib import LinuxBridge
start = time.monotonic()
net = Mininet(controller=None, switch=LinuxBridge)
switch = net.addSwitch("s1")
for number in range(int(sys.argv[1])):
    net.addLink(net.addHost(f"h{number}", ip=f"10.0.1.{number + 1}/16"), switch)
net.start()
up = time.monotonic()
net.stop()
print(up - start, time.monotonic() - up)
"#;

/// Measures what is asked for and prints it.
pub(crate) fn run() -> Book {
    let machine = measure::machine();
    let mut book = Book::new();
    book.measure("crowd of 100 hosts", || hosts(HOSTS, RUNS));
    book.measure("crowd of 500 hosts", || hosts(MANY, 1));
    if !book.rows.is_empty() {
        let runs = format!("{RUNS} runs each after one unmeasured, of {MANY} hosts one");
        measure::print("CROWDS", &[machine, runs], &book.rows);
    }
    book
}

fn hosts(count: usize, runs: usize) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let name = format!("bench-crowd-{}", std::process::id());
    let text = format!(
        "name: {name}\nnetworks: {{lan: {{subnet: 10.0.0.0/16}}}}\n\
         hosts: {{h: {{count: {count}, networks: {{lan: 10.0.1.1}}}}}}\nrequires: []\n"
    );
    std::fs::write(folder.path().join("lab.yml"), text)?;
    let path = folder.path().display().to_string();
    let round = || -> Result<Both> {
        let up = timed(&mut lvsmith(&["lab", "up", "--no-vm", &path]));
        // Also one that came up by half is to go.
        let down = timed(&mut lvsmith(&["lab", "down", &name]));
        Ok((up?, down?))
    };
    let lab = several(runs, round)?;
    let bare = several(runs, || floor(count))?;
    let up = Row::new(format!("`lab up`, {count} hosts"), seconds(&lab, |(up, _)| *up));
    let mut rows = vec![
        up.beside("bare namespaces and cables", seconds(&bare, |(up, _)| *up))
            .goal(if count == HOSTS { Goal::Below(3.0) } else { Goal::Below(30.0) }),
        Row::new(format!("`lab down`, {count} hosts"), seconds(&lab, |(_, down)| *down))
            .beside("closing bare namespaces", seconds(&bare, |(_, down)| *down))
            .goal(Goal::Below(if count == HOSTS { 1.0 } else { 5.0 })),
    ];
    if count == HOSTS {
        match Mininet::find() {
            Some(mininet) => {
                let peer = several(runs.min(2), || mininet.round(count))?;
                rows.push(
                    Row::new("`lab up` beside mininet", seconds(&lab, |(up, _)| *up))
                        .beside("mininet, Linux bridge", seconds(&peer, |(up, _)| *up))
                        .goal(Goal::Ratio(0.2)),
                );
            }
            None => eprintln!(
                "skipped: mininet is not in target/mininet (apt-get download mininet \
                 bridge-utils, dpkg -x each into it)"
            ),
        }
    }
    Ok(rows)
}

/// How long up and down took.
type Both = (Duration, Duration);

fn several(runs: usize, mut round: impl FnMut() -> Result<Both>) -> Result<Vec<Both>> {
    round()?;
    (0..runs).map(|_| round()).collect()
}

fn seconds(rounds: &[Both], of: fn(&Both) -> Duration) -> Samples {
    Samples::of("s", rounds.iter().map(|round| of(round).as_secs_f64()).collect())
}

/// As many network namespaces, a bridge and cables with addresses of no kind: no process, mount
/// or file of any host.
fn floor(count: usize) -> Result<Both> {
    // In a thread of its own, since there is no way back out of its namespaces.
    let built = thread::spawn(move || -> Result<(Vec<File>, Duration)> {
        let start = Instant::now();
        let here = || File::open("/proc/thread-self/ns/net").context("the namespace is there");
        unshare(CloneFlags::CLONE_NEWNET)?;
        let mut kept = vec![here()?];
        let switch = kept[0].try_clone()?;
        let mut route = Handle::new()?;
        let lan = InterfaceName::new("lan")?;
        route.create_link(&NewLink { up: true, ..NewLink::new(lan.clone(), NewKind::Bridge) })?;
        let bridge = route.existing_link(&lan)?.index;
        let eth0 = InterfaceName::new("eth0")?;
        for number in 0..count {
            unshare(CloneFlags::CLONE_NEWNET)?;
            let host = here()?;
            setns(switch.as_fd(), CloneFlags::CLONE_NEWNET)?;
            let peer = Peer::new(eth0.clone()).inside(Place::Descriptor(host.as_fd()));
            let port = InterfaceName::new(format!("port{number}"))?;
            let mut cable = NewLink::new(port, NewKind::Veth(peer));
            (cable.master, cable.up) = (Some(bridge), true);
            route.create_link(&cable)?;
            setns(host.as_fd(), CloneFlags::CLONE_NEWNET)?;
            Handle::new()?.set_up(&eth0)?;
            kept.push(host);
            setns(switch.as_fd(), CloneFlags::CLONE_NEWNET)?;
        }
        Ok((kept, start.elapsed()))
    });
    let Ok(built) = built.join() else { bail!("the thread that builds ended badly") };
    let (kept, up) = built?;
    let start = Instant::now();
    drop(kept);
    Ok((up, start.elapsed()))
}

/// mininet, unpacked from Debian's packages and not installed.
struct Mininet(PathBuf);

impl Mininet {
    fn find() -> Option<Self> {
        let folder = Path::new(ROOT).join("target/mininet");
        folder.join("usr/bin/mnexec").exists().then_some(Self(folder))
    }

    /// In a network namespace of its own, since its bridges are in the machine's.
    fn round(&self, count: usize) -> Result<Both> {
        let folder = self.0.display().to_string();
        let (done, ended) = mpsc::channel();
        let path =
            format!("{folder}/usr/bin:{folder}/sbin:{}", std::env::var("PATH").unwrap_or_default());
        let count = count.to_string();
        thread::spawn(move || {
            let output =
                unshare(CloneFlags::CLONE_NEWNET).map_err(anyhow::Error::from).and_then(|()| {
                    let mut python = Command::new("python3");
                    python.args(["-c", MININET, &count, &folder]).env("PATH", path);
                    python.output().context("python3 starts")
                });
            // Whoever asked waits.
            let _ = done.send(output);
        });
        let output = ended.recv()??;
        let said = String::from_utf8_lossy(&output.stdout);
        let words = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "mininet failed: {words}");
        let mut times = said.lines().last().unwrap_or_default().split(' ');
        let mut next = || -> Result<Duration> {
            let text = times.next().context("mininet says how long it took")?;
            Ok(Duration::from_secs_f64(text.parse()?))
        };
        Ok((next()?, next()?))
    }
}
