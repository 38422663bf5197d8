//! The agent as a process: started by the connection `local`, spoken to over its pipes.

#![expect(clippy::disallowed_methods, reason = "tests run the program")]

use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lvsmith::agent::BEAT;
use lvsmith::agent::protocol::{self, Frame, Link, Reply, Request};
use lvsmith::connection::{AgentClient, Call, CallError, Connection, LastWords, Local};
use lvsmith::modules::{HostKind, Mode};
use serde_json::json;

const LVSMITH: &str = env!("CARGO_BIN_EXE_lvsmith");

fn agent() -> AgentClient {
    Local::default().program(LVSMITH).start(None).expect("the agent starts")
}

fn shell(agent: &mut AgentClient, script: &str) -> serde_json::Map<String, serde_json::Value> {
    let arguments = json!({"argv": ["sh", "-c", script]});
    agent.run(Call::new("command", arguments, Mode::default())).expect("the script succeeds").result
}

#[test]
fn keeps_its_pipes_from_the_programs_it_runs() {
    let mut command = Command::new(LVSMITH);
    command.arg("agent").stdin(Stdio::piped()).stdout(Stdio::piped());
    let child = command.spawn().unwrap();
    let pipe = |descriptor: &dyn AsRawFd| {
        let link = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
        std::fs::read_link(link).unwrap().into_os_string().into_string().unwrap()
    };
    let ours = [pipe(child.stdin.as_ref().unwrap()), pipe(child.stdout.as_ref().unwrap())];
    let mut agent = AgentClient::greet(child, HostKind::Machine, LastWords::default()).unwrap();

    let theirs = shell(&mut agent, "cat; for f in /proc/$$/fd/*; do readlink $f; done; true");
    let theirs = theirs["stdout"].as_str().unwrap();
    assert!(theirs.contains("/dev/null"), "{theirs}");
    for pipe in ours {
        assert!(!theirs.contains(&pipe), "{pipe} is in\n{theirs}");
    }
    // A child of the child that writes to what it inherited disturbs nothing either.
    shell(&mut agent, "(sleep 0.05; echo noise; echo noise >&2) &");
    assert_eq!(shell(&mut agent, "sleep 0.2; echo calm")["stdout"], "calm");
}

#[test]
fn has_a_session_of_its_own() {
    let mut agent = agent();
    let session = shell(&mut agent, "cut -d' ' -f6 /proc/self/stat")["stdout"].clone();
    let parent = shell(&mut agent, "echo $PPID")["stdout"].clone();
    assert_eq!(session, parent);
}

#[test]
fn ends_with_the_thread_that_started_it() {
    let (pid, agent) = std::thread::spawn(|| {
        let mut agent = agent();
        (shell(&mut agent, "echo $PPID")["stdout"].as_str().unwrap().to_owned(), agent)
    })
    .join()
    .unwrap();
    let stat = format!("/proc/{pid}/stat");
    let deadline = Instant::now() + Duration::from_secs(5);
    // A zombie is as dead: its parent has not looked yet.
    while std::fs::read_to_string(&stat).is_ok_and(|text| !text.contains(") Z ")) {
        assert!(Instant::now() < deadline, "agent {pid} still runs");
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(agent);
}

#[test]
fn ends_at_the_end_of_its_input_and_survives_an_interrupt() {
    let mut child = Command::new(LVSMITH)
        .arg("agent")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = child.stdout.take().unwrap();
    let hello = Request::Hello {
        version: protocol::VERSION,
        build: lvsmith::agent::BUILD.into(),
        kind: HostKind::Machine,
    };
    protocol::write(&mut input, &Frame { id: 1, body: &hello }).unwrap();
    let reply: Frame<Reply> = protocol::read(&mut output).unwrap().unwrap();
    assert!(matches!(reply.body, Reply::Hello { user } if !user.is_empty()));
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupted.unwrap().success());
    protocol::write(&mut input, &Frame { id: 2, body: &Request::Facts }).unwrap();
    let reply: Frame<Reply> = protocol::read(&mut output).unwrap().unwrap();
    assert!(matches!(reply.body, Reply::Value(_)));
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[test]
fn one_that_is_stopped_is_noticed() {
    let large = "x".repeat(4 << 20);
    for script in ["true", &large] {
        let mut agent = agent().patience(Duration::from_secs(1));
        let pid = shell(&mut agent, "echo $PPID")["stdout"].as_str().unwrap().to_owned();
        assert!(Command::new("kill").args(["-STOP", &pid]).status().unwrap().success());
        let begun = Instant::now();
        let call = Call::new("command", json!({"argv": ["sh", "-c", script]}), Mode::default());
        let error = agent.run(call).unwrap_err();
        assert!(matches!(error, CallError::Unreachable(_)), "{error:?}");
        assert!(error.to_string().contains("silent for 1 s"), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(5));
        drop(agent);
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn one_that_works_for_long_says_that_it_lives() {
    let mut agent = agent().patience(BEAT + Duration::from_secs(1));
    assert_eq!(shell(&mut agent, "sleep 7; echo done")["stdout"], "done");
    // What it said while nobody listened is no answer to anything.
    assert_eq!(shell(&mut agent, "echo more")["stdout"], "more");
}

#[test]
fn what_is_sent_ahead_is_answered_in_order_and_can_be_stopped() {
    let mut agent = agent();
    let folder = tempfile::tempdir().unwrap();
    let send = |agent: &mut AgentClient, chain, task, script: &str| {
        let arguments = json!({"argv": ["sh", "-c", script], "chdir": folder.path()});
        let link = Link { chain, task, may_fail: false };
        agent.send_ahead(Call::new("command", arguments, Mode::default()), link).unwrap();
    };
    // More than are sent before an answer is taken.
    for task in 0..300 {
        send(&mut agent, 1, task, &format!("echo {task}"));
    }
    for task in 0..300 {
        let outcome = agent.answer(&|| None).unwrap().unwrap();
        assert_eq!(outcome.result["stdout"], task.to_string());
    }
    send(&mut agent, 2, 1, "sleep 1; touch one");
    send(&mut agent, 2, 2, "touch two");
    send(&mut agent, 3, 1, "touch three");
    assert!(agent.answer(&|| Some(2)).unwrap().is_some());
    assert!(agent.answer(&|| None).unwrap().is_none());
    assert!(agent.answer(&|| None).unwrap().is_some());
    let there = |name: &str| folder.path().join(name).exists();
    assert_eq!(["one", "two", "three"].map(there), [true, false, true]);
}

#[test]
fn says_that_the_program_to_start_is_missing() {
    let error = Local::default().program("/no/such/lvsmith").start(None).unwrap_err();
    assert!(error.to_string().contains("`/no/such/lvsmith`"), "{error}");
    assert!(!Path::new("/no/such").exists());
}
