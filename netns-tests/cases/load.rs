//! Load: many requests at a time through a director, each of which must be answered, and none of
//! which may be counted wrong.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sched::{CloneFlags, setns};
use serde_json::Value;
use socket2::{Domain, Socket, Type};

use crate::support::{lab, lvsmith, nothing_left, program, said, told};
use crate::traces::poll_until;
use crate::{Case, Needs};

pub(crate) const CASES: &[Case] =
    &[Case { name: "load::every_request_is_answered", needs: Needs::Ipvs, run: answered }];

const LAB: &str = "load";
const VIP: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 44, 0, 89)), 80);
/// The client's addresses, each of which has a worker.
const CLIENTS: std::ops::RangeInclusive<u8> = 100..=107;
/// So many requests go over one connection.
const EACH: u32 = 10;
/// An emulated machine with a load of its own may think for a while.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many requests: `LVSMITH_LOAD_REQUESTS`, or else few.
fn requests() -> Result<u32> {
    match std::env::var("LVSMITH_LOAD_REQUESTS") {
        Ok(number) => number.parse().context("LVSMITH_LOAD_REQUESTS is a number"),
        Err(_) => Ok(1_600),
    }
}

/// What a worker has seen.
#[derive(Debug, Default)]
struct Seen {
    connections: u32,
    answers: BTreeMap<String, u32>,
    failures: BTreeMap<String, u32>,
}

fn answered() -> Result<()> {
    let folder = lab(LAB).display().to_string();
    let up = lvsmith(&["lab", "up", &folder])?;
    ensure!(up.status.success(), "{}", told(&up));
    let tried = loaded();
    let down = lvsmith(&["lab", "down", LAB])?;
    tried?;
    ensure!(down.status.success(), "{}", told(&down));
    nothing_left(LAB)
}

fn loaded() -> Result<()> {
    let apply = lvsmith(&["apply", "--lab", LAB])?;
    ensure!(apply.status.success(), "{}", told(&apply));
    let workers = u32::from(CLIENTS.end() - CLIENTS.start() + 1);
    let connections = requests()?.div_ceil(EACH * workers);
    let namespace = client()?;
    let start = Instant::now();
    let seen = std::thread::scope(|scope| -> Result<Vec<Seen>> {
        let namespace = &namespace;
        let work = |last| scope.spawn(move || worker(namespace, last, connections));
        let threads: Vec<_> = CLIENTS.map(work).collect();
        let joined = threads.into_iter().map(|thread| thread.join().expect("no worker panics"));
        joined.collect()
    })?;
    let seconds = start.elapsed().as_secs_f64();

    let wanted = connections * EACH * workers;
    let mut all = Seen::default();
    for one in seen {
        all.connections += one.connections;
        one.answers.into_iter().for_each(|(name, n)| *all.answers.entry(name).or_default() += n);
        one.failures.into_iter().for_each(|(what, n)| *all.failures.entry(what).or_default() += n);
    }
    eprintln!(
        "{wanted} requests over {} connections in {seconds:.1} s: {:?}",
        all.connections, all.answers
    );
    ensure!(all.failures.is_empty(), "{:?} of {wanted} requests failed", all.failures);
    ensure!(all.answers.values().sum::<u32>() == wanted, "{all:?}");
    // Round robin over connections that all came: nobody has more than one above another.
    let per_server = |name: &str| all.answers.get(name).map(|answers| answers / EACH);
    let counts: Vec<u32> =
        ["rs1", "rs2", "rs3"].iter().filter_map(|name| per_server(name)).collect();
    let spread = counts.iter().max().zip(counts.iter().min()).map(|(most, least)| most - least);
    ensure!(counts.len() == 3 && spread.is_some_and(|spread| spread <= 1), "{counts:?}");
    // The kernel has counted the same.
    let same = || counted().is_ok_and(|counted| counted == u64::from(all.connections));
    poll_until(same, PATIENCE, "the kernel counts as many connections")
}

/// The network namespace of the lab's client.
fn client() -> Result<File> {
    let labs: Value = serde_json::from_slice(&lvsmith(&["lab", "list", "--json"])?.stdout)?;
    let labs = labs.as_array().context("a list of labs")?;
    let lab = labs.iter().find(|one| one["name"] == LAB).context("the lab is up")?;
    let pid = lab["hosts"]["client"]["pid"].as_u64().context("the client runs")?;
    File::open(format!("/proc/{pid}/ns/net")).context("its namespace")
}

/// How many connections IPVS has scheduled.
fn counted() -> Result<u64> {
    let mut exec = std::process::Command::new(env!("CARGO_BIN_EXE_lvsmith"));
    let inner = [program(), "ipvs", "stats", "--json"];
    let text = said(exec.args(["lab", "exec", "--lab", LAB, "lb1", "--"]).args(inner))?;
    let stats: Value = serde_json::from_str(&text)?;
    let connections = &stats[0]["counters"]["connections"];
    connections.as_u64().with_context(|| format!("no count of connections in {text}"))
}

/// Makes connections one after the other from one address, with requests over each.
fn worker(namespace: &File, last: u8, connections: u32) -> Result<Seen> {
    setns(namespace, CloneFlags::CLONE_NEWNET).context("the client's namespace is entered")?;
    let mut seen = Seen::default();
    for number in 0..connections {
        // Each port once: IPVS remembers a connection for two minutes.
        let port = u16::try_from(10_000 + number).context("one address has so many ports")?;
        let source = SocketAddr::new([10, 44, 0, last].into(), port);
        let failed = |seen: &mut Seen, error: String, left: u32| {
            *seen.failures.entry(error).or_default() += left;
        };
        let mut stream = match connect(source) {
            Ok(stream) => stream,
            Err(error) => {
                failed(&mut seen, format!("connecting: {error}"), EACH);
                continue;
            }
        };
        seen.connections += 1;
        for request in 0..EACH {
            match ask(&mut stream, request + 1 == EACH) {
                Ok(name) => *seen.answers.entry(name).or_default() += 1,
                Err(error) => {
                    failed(&mut seen, format!("{error:#}"), EACH - request);
                    break;
                }
            }
        }
    }
    Ok(seen)
}

fn connect(source: SocketAddr) -> std::io::Result<BufReader<TcpStream>> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&source.into())?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect_timeout(&VIP.into(), PATIENCE)?;
    Ok(BufReader::new(socket.into()))
}

/// One request; who answered it. The server closes after the last one.
fn ask(stream: &mut BufReader<TcpStream>, last: bool) -> Result<String> {
    let close = if last { "Connection: close\r\n" } else { "" };
    let request = format!("GET / HTTP/1.1\r\nHost: load\r\n{close}\r\n");
    stream.get_mut().write_all(request.as_bytes()).context("sending")?;
    let (mut status, mut length, mut line) = (String::new(), 0, String::new());
    stream.read_line(&mut status).context("reading the status")?;
    loop {
        line.clear();
        stream.read_line(&mut line).context("reading the headers")?;
        let header = line.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().context("a length")?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).context("reading the body")?;
    ensure!(status.starts_with("HTTP/1.1 200 "), "status {}", status.trim());
    if last {
        stream.read_to_end(&mut Vec::new()).context("waiting for the end")?;
    }
    Ok(String::from_utf8(body)?.trim().to_owned())
}
