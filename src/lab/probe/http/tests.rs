use std::io::Write;
use std::net::{Shutdown, TcpListener};
use std::thread;
use std::time::Duration;

use super::*;
use crate::lab::probe::Coverage;
use crate::netlink::MacAddress;

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
                    // As many answers over one connection as there are requests.
                    keeps if keeps.starts_with("keep ") => {
                        let answer = keeps.trim_start_matches("keep ");
                        let _ = stream.write_all(answer.as_bytes());
                        while stream.read(&mut [0; 4096]).is_ok_and(|got| got > 0) {
                            let _ = stream.write_all(answer.as_bytes());
                        }
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
        tls: Tls::default(),
        connections: requests,
        keep_alive: 1,
        concurrency: 1,
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

const KEEP: &str = "keep HTTP/1.1 200 OK\r\nX-Real-Server: rs1\r\nContent-Length: 4\r\n\r\nrs1\n";

#[test]
fn makes_several_requests_over_a_connection() {
    let http = Http { keep_alive: 3, ..probe(serve(&[KEEP, KEEP]), 2) };
    let answers = http.run().expect("loopback works");
    let answered: Vec<usize> = answers
        .requests
        .iter()
        .map(|one| one.outcomes().filter_map(Outcome::response).count())
        .collect();
    assert_eq!(answered, [3, 3]);
    assert_ne!(answers.requests[0].local.port(), answers.requests[1].local.port());
}

#[test]
fn says_why_no_other_request_can_follow() {
    let later = |answer: &'static str| {
        let http = Http { keep_alive: 3, ..probe(serve(&[answer]), 1) };
        let answers = http.run().expect("loopback works");
        let answer = &answers.requests[0];
        assert!(answer.response().is_some(), "{answer:?}");
        assert_eq!(answer.later.len(), 1, "one failure is enough");
        let Outcome::Failed(failure) = &answer.later[0] else { panic!("{answer:?}") };
        failure.message.clone()
    };
    let closes = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    assert!(later(closes).contains("the server closes the connection"));
    let ends = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    assert!(later(ends).contains("closed"), "without a word");
}

/// A server that answers nobody before so many are connected.
fn serve_together(connections: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        let mut waiting = Vec::new();
        for stream in listener.incoming().flatten() {
            waiting.push(stream);
            if waiting.len() == connections {
                for mut stream in waiting.drain(..) {
                    let _ = stream.read(&mut [0; 4096]);
                    let _ = stream.write_all(RS1.as_bytes());
                }
            }
        }
    });
    address
}

#[test]
fn has_so_many_connections_at_a_time() {
    let timeout = Seconds::from_millis(5_000);
    let http = Http { concurrency: 3, timeout, ..probe(serve_together(3), 6) };
    let together = http.run().expect("loopback works");
    assert_eq!(troubles(&together), [None; 6]);
    let mut ports: Vec<u16> = together.requests.iter().map(|one| one.local.port()).collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 6);
    let alone = probe(serve_together(3), 2).run().expect("loopback works");
    assert_eq!(troubles(&alone), [Some((Stage::Receive, Trouble::Timeout)); 2]);
}

#[test]
fn has_the_senders_of_each_of_the_connections_at_a_time() {
    let http = Http { concurrency: 3, keep_alive: 2, ..probe(serve(&[KEEP; 6]), 6) };
    let answers = http.run().expect("loopback works");
    if answers.capture == Coverage::Complete {
        for answer in &answers.requests {
            assert_eq!(answer.reply_macs, [MacAddress([0; 6])], "{answer:?}");
        }
    }
}

#[test]
fn ends_when_a_source_is_no_address_of_this_host() {
    let sources = ["127.0.0.1", "192.0.2.1"].map(|one| one.parse().expect("literal")).to_vec();
    let http = Http { concurrency: 2, sources, ..probe(serve(&[RS1, RS1]), 2) };
    assert!(http.run().expect_err("not ours").message.contains("`192.0.2.1`"));
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
