//! Real sockets on the loopback interface, real files in a temporary folder.

use std::io::Write;
use std::net::TcpListener;

use super::*;

fn wait_for(arguments: serde_json::Value) -> WaitFor {
    let wait: WaitFor = serde_json::from_value(arguments).unwrap();
    wait.check().unwrap();
    wait
}

fn run(wait: &WaitFor) -> Result<Outcome, Error> {
    wait.run(&mut Host::default(), Mode::default())
}

#[test]
fn sees_a_port_that_answers_and_one_that_does_not() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let open = wait_for(serde_json::json!({"port": port, "timeout": 5}));
    assert!(!run(&open).unwrap().changed);
    let away = WaitFor { state: State::Stopped, timeout: 0, ..open.clone() };
    assert!(run(&away).unwrap_err().message.contains("still answers"));
    drop(listener);
    assert!(run(&away).is_ok());
    let error = run(&WaitFor { timeout: 0, ..open }).unwrap_err();
    assert!(error.message.contains(&format!("`127.0.0.1:{port}`")), "{error}");
    assert_eq!(error.result["elapsed"], 0);
}

#[test]
fn waits_until_the_port_comes() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let late = std::thread::spawn(move || {
        sleep(Duration::from_millis(300));
        TcpListener::bind(("127.0.0.1", port)).unwrap()
    });
    assert!(run(&wait_for(serde_json::json!({"port": port, "timeout": 5}))).is_ok());
    drop(late.join().unwrap());
}

#[test]
fn matches_what_a_server_says_first() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.write_all(b"SSH-2.0-OpenSSH\r\n");
        }
    });
    let ssh = serde_json::json!({"port": port, "search_regex": "^SSH-2", "timeout": 2});
    assert!(run(&wait_for(ssh)).is_ok());
    let smtp = serde_json::json!({"port": port, "search_regex": "^220", "timeout": 0});
    assert!(run(&wait_for(smtp)).is_err());
}

#[test]
fn counts_open_connections_when_draining() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let drained = wait_for(serde_json::json!({"port": port, "state": "drained", "timeout": 0}));
    assert!(run(&drained).is_ok());
    let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let server = listener.accept().unwrap();
    assert!(run(&drained).unwrap_err().message.contains("1 connections are open"));
    drop((client, server));
}

#[test]
fn looks_at_a_file_and_its_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let at = path.to_str().unwrap();
    let there = wait_for(serde_json::json!({"path": at, "timeout": 0}));
    assert!(run(&there).is_err());
    fs::write(&path, "one\nready now\n").unwrap();
    assert!(run(&there).is_ok());
    let says = |regex: &str| WaitFor { search_regex: Some(regex.into()), ..there.clone() };
    assert!(run(&says("^ready")).is_ok());
    assert!(run(&says("^now")).unwrap_err().message.contains("does not match"));
    assert!(run(&WaitFor { state: State::Absent, ..there.clone() }).is_err());
}

#[test]
fn refuses_contradictions() {
    for wrong in [
        serde_json::json!({"port": 80, "path": "/x"}),
        serde_json::json!({"state": "drained"}),
        serde_json::json!({"path": "/x", "search_regex": "("}),
    ] {
        let wait: WaitFor = serde_json::from_value(wrong.clone()).unwrap();
        assert!(wait.check().is_err(), "{wrong}");
    }
}
