use std::io::Write;
use std::net::{Shutdown, TcpListener};
use std::thread;
use std::time::Duration;

use super::*;

/// A server that gives each connection in turn what the next of its lines says: `drip`,
/// `hang`, `reset`, or bytes to send before it closes.
fn serve(answers: &[&'static str]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let address = listener.local_addr().expect("it is bound");
    let answers = answers.to_vec();
    thread::spawn(move || {
        for answer in answers {
            let Ok((mut stream, _)) = listener.accept() else { return };
            thread::spawn(move || {
                let mut request = [0; 4096];
                let got = stream.read(&mut request).unwrap_or(0);
                let request = String::from_utf8_lossy(&request[..got]).into_owned();
                match answer {
                    "hang" => thread::sleep(Duration::from_secs(5)),
                    "echo" => {
                        let _ = write!(stream, "HTTP/1.1 200 OK\r\n\r\n{request}");
                    }
                    "drip" => {
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n");
                        while stream.write_all(b"x").is_ok() {
                            thread::sleep(Duration::from_millis(20));
                        }
                    }
                    "reset" => {
                        let socket = Socket::from(stream);
                        let _ = socket.set_linger(Some(Duration::ZERO));
                    }
                    bytes => {
                        let _ = stream.write_all(bytes.as_bytes());
                        let _ = stream.shutdown(Shutdown::Write);
                    }
                }
            });
        }
    });
    address
}

fn probe(to: SocketAddr, requests: u32) -> Http {
    Http {
        url: format!("http://{to}/").parse().expect("an address makes a URL"),
        requests,
        timeout: Seconds::from_millis(200),
        source: None,
        sources: Vec::new(),
        source_port: None,
        headers: IndexMap::new(),
    }
}

fn troubles(answers: &Answers) -> Vec<Option<(Stage, Trouble)>> {
    answers.requests.iter().map(|one| one.failure().map(|f| (f.stage, f.trouble))).collect()
}

const RS1: &str = "HTTP/1.1 200 OK\r\nX-Real-Server: rs1\r\nContent-Length: 4\r\n\r\nrs1\n";
const RS2: &str = "HTTP/1.1 200 OK\r\nX-Real-Server: rs2\r\nContent-Length: 4\r\n\r\nrs2\n";

#[test]
fn makes_each_request_over_a_connection_of_its_own() {
    let server = serve(&[RS1, RS2, RS1]);
    let answers = probe(server, 3).run().expect("loopback works");
    let names: Vec<_> =
        answers.requests.iter().map(|one| one.response().and_then(Response::real_server)).collect();
    assert_eq!(names, [Some("rs1"), Some("rs2"), Some("rs1")]);
    let mut ports: Vec<_> = answers.requests.iter().map(|one| one.local.port()).collect();
    ports.sort_unstable();
    ports.dedup();
    assert!(ports.len() == 3 && !ports.contains(&0), "{ports:?}");
    assert_eq!(answers.not_sent, 0);
}

#[test]
fn sees_who_replied_where_it_may_and_says_so_where_it_may_not() {
    let answers = probe(serve(&[RS1]), 1).run().expect("loopback works");
    let macs = &answers.requests[0].reply_macs;
    match answers.capture {
        // Frames on the loopback interface come from nobody.
        Coverage::Complete | Coverage::Lossy(_) => assert_eq!(macs, &[MacAddress([0; 6])]),
        Coverage::Unavailable(reason) => {
            assert!(macs.is_empty() && reason.contains("CAP_NET_RAW"), "{reason}");
        }
    }
}

#[test]
fn tells_each_kind_of_broken_server() {
    let server = serve(&["", "HTTP/1.1 200 OK\r\nConte", "220 ftp\r\n", "reset", RS1]);
    let answers = probe(server, 5).run().expect("loopback works");
    let receive = |trouble| Some((Stage::Receive, trouble));
    assert_eq!(
        troubles(&answers),
        [
            receive(Trouble::Closed),
            receive(Trouble::Closed),
            receive(Trouble::Malformed),
            receive(Trouble::Reset),
            None
        ]
    );
}

#[test]
fn tells_a_port_where_nobody_listens_and_keeps_its_own_port() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let closed = listener.local_addr().expect("it is bound");
    drop(listener);
    let answers = probe(closed, 2).run().expect("loopback works");
    assert_eq!(troubles(&answers), [Some((Stage::Connect, Trouble::Refused)); 2]);
    assert!(answers.requests.iter().all(|one| one.local.port() != 0));
}

#[test]
fn ends_at_the_deadline_with_a_server_that_is_silent_or_drips() {
    let start = Instant::now();
    let answers = probe(serve(&["hang", "drip", RS1]), 3).run().expect("loopback works");
    let timeout = Some((Stage::Receive, Trouble::Timeout));
    assert_eq!(troubles(&answers), [timeout, timeout, None]);
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

#[test]
fn gives_up_when_nothing_but_timeouts_come() {
    let answers = probe(serve(&["hang"; 9]), 9).run().expect("loopback works");
    assert_eq!((answers.requests.len(), answers.not_sent), (3, 6));
}

#[test]
fn sends_the_path_the_headers_and_from_the_source_it_is_told() {
    let mut http = probe(serve(&["echo"]), 1);
    http.url.path = "/who?a=b".into();
    http.source = Some("127.0.0.77".parse().expect("literal"));
    http.headers.insert("X-Trace".into(), "7".into());
    let answers = http.run().expect("loopback works");
    let answer = &answers.requests[0];
    assert_eq!(answer.local.ip().to_string(), "127.0.0.77");
    let port = answer.peer.port();
    assert_eq!(
        answer.response().expect("an echo").body,
        format!(
            "GET /who?a=b HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-Trace: 7\r\n\
             Connection: close\r\n\r\n"
        )
    );
}

#[test]
fn comes_back_from_the_same_port_when_it_is_told_to() {
    let mut http = probe(serve(&[RS1, RS2, RS1]), 3);
    // A port that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").and_then(|one| one.local_addr());
    http.source_port = Some(free.expect("loopback has free ports").port());
    http.timeout = Seconds::from_millis(2_000);
    let answers = http.run().expect("loopback works");
    assert_eq!(troubles(&answers), [None; 3]);
    assert!(answers.requests.iter().all(|one| Some(one.local.port()) == http.source_port));
}

#[test]
fn refuses_what_is_wrong_on_this_host() {
    let mut http = probe(serve(&[RS1]), 1);
    http.headers.insert("X".into(), "1\r\nY: 2".into());
    assert!(http.run().expect_err("two headers in one").message.contains("is not a header"));
    http.headers.clear();
    http.source = Some("192.0.2.1".parse().expect("literal"));
    let error = http.run().expect_err("not an address of this host");
    assert!(error.message.contains("`192.0.2.1`") && error.hint.is_some(), "{error:?}");
    http.url = "http://no-such-name.invalid/".parse().expect("a URL");
    assert!(http.run().expect_err("unknown").message.contains("`no-such-name.invalid`"));
}
