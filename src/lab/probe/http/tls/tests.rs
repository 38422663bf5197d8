//! Against rustls's own server. The certificates share a key; `ca` has signed all but `self` and
//! `nameless`, which have signed themselves.

use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use rustls::HandshakeKind;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::{ResolvesServerCertUsingSni, ServerConfig, ServerConnection};

use super::super::{Answer, Answers, Http, Outcome};
use super::*;
use crate::lab::probe::{Scheme, Seconds};

const KEY: &[u8] = include_bytes!("certificates/key.pem");
const SELF: &[u8] = include_bytes!("certificates/self.pem");
const NAMELESS: &[u8] = include_bytes!("certificates/nameless.pem");
const SIGNED: &[u8] = include_bytes!("certificates/signed.pem");
const EXPIRED: &[u8] = include_bytes!("certificates/expired.pem");
const EARLY: &[u8] = include_bytes!("certificates/early.pem");

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nX-Real-Server: rs1\r\nContent-Length: 4\r\n\r\nrs1\n";

/// A file of the certificates that are here.
fn file(name: &str) -> Option<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/lab/probe/http/tls/certificates");
    Some(format!("{folder}/{name}.pem"))
}

/// A server's, with a certificate; one of no bytes is a certificate that it lacks.
fn config(
    certificate: &[u8],
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> ServerConfig {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .expect("versions that ring has")
        .with_no_client_auth();
    if certificate.is_empty() {
        return config.with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new()));
    }
    let certificate = CertificateDer::from_pem_slice(certificate).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(KEY).expect("a key");
    config.with_single_cert(vec![certificate], key).expect("they belong together")
}

/// A server that shows each connection the next certificate, and answers each request.
fn serve(
    certificates: &[&'static [u8]],
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let address = listener.local_addr().expect("it is bound");
    let configs: Vec<ServerConfig> =
        certificates.iter().map(|certificate| config(certificate, versions)).collect();
    thread::spawn(move || {
        for config in configs {
            let Ok((mut stream, _)) = listener.accept() else { return };
            thread::spawn(move || {
                let mut session = ServerConnection::new(Arc::new(config)).expect("a session");
                let mut line = rustls::Stream::new(&mut session, &mut stream);
                while line.read(&mut [0; 4096]).is_ok_and(|got| got > 0) {
                    let _ = line.write_all(ANSWER);
                }
            });
        }
    });
    address
}

/// A server that speaks no TLS, and says this to whoever says something.
fn serve_plain(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        let Ok((mut stream, _)) = listener.accept() else { return };
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(answer);
        if answer.is_empty() {
            return;
        }
        thread::sleep(Duration::from_secs(5));
    });
    address
}

fn probe(to: SocketAddr, tls: Tls) -> Http {
    let url: Url = format!("http://{to}/").parse().expect("an address makes a URL");
    let timeout = Seconds::from_millis(10_000);
    Http { tls, timeout, ..Http::new(Url { scheme: Scheme::Https, ..url }) }
}

fn any() -> Tls {
    Tls::default()
}

fn trusting(ca: &str, name: &str) -> Tls {
    Tls { ca: file(ca), server_name: Some(name.into()) }
}

fn only(http: &Http) -> Answer {
    let Answers { mut requests, .. } = http.run().expect("loopback works");
    assert_eq!(requests.len(), 1);
    requests.remove(0)
}

fn failed(certificate: &'static [u8], tls: Tls) -> (Trouble, String) {
    let answer = only(&probe(serve(&[certificate], rustls::ALL_VERSIONS), tls));
    let Outcome::Failed(failure) = answer.outcome else { panic!("{answer:?}") };
    assert_eq!(failure.stage, Stage::Handshake, "{failure:?}");
    (failure.trouble, failure.message)
}

#[test]
fn takes_any_certificate_and_tells_which() {
    for versions in [[&rustls::version::TLS12], [&rustls::version::TLS13]] {
        for certificate in [SELF, NAMELESS, EXPIRED] {
            let answer = only(&probe(serve(&[certificate], &versions), any()));
            let response = answer.response().expect("an answer");
            assert_eq!(response.real_server(), Some("rs1"));
            let der = CertificateDer::from_pem_slice(certificate).expect("a certificate");
            assert_eq!(answer.certificate, Some(fingerprint(&der)));
        }
    }
}

#[test]
fn agrees_once_for_several_requests_and_for_each_connection_by_itself() {
    let shown = [SELF, SIGNED, SELF, SIGNED];
    let server = serve(&shown, rustls::ALL_VERSIONS);
    let sources = ["127.0.0.1", "127.0.0.2"].map(|one| one.parse().expect("literal")).to_vec();
    let http =
        Http { connections: 4, keep_alive: 3, concurrency: 2, sources, ..probe(server, any()) };
    let answers = http.run().expect("loopback works");
    let mut certificates = Vec::new();
    for answer in &answers.requests {
        assert_eq!(answer.outcomes().filter_map(Outcome::response).count(), 3, "{answer:?}");
        certificates.push(answer.certificate.clone().expect("one was shown"));
    }
    assert_eq!(certificates.len(), 4);
    certificates.sort();
    certificates.dedup();
    assert_eq!(certificates.len(), 2);
}

#[test]
fn trusts_what_stands_in_the_file_and_what_that_has_signed() {
    for (certificate, tls) in [
        (SELF, trusting("self", "web.test")),
        (SELF, Tls { ca: file("self"), server_name: None }),
        (SIGNED, trusting("ca", "web.test")),
    ] {
        for versions in [[&rustls::version::TLS12], [&rustls::version::TLS13]] {
            let answer = only(&probe(serve(&[certificate], &versions), tls.clone()));
            assert!(answer.response().is_some(), "{answer:?}");
        }
    }
}

#[test]
fn says_why_a_certificate_is_not_trusted() {
    for (certificate, tls, words) in [
        (SELF, trusting("ca", "web.test"), "`ca` has neither it nor who signed it"),
        (SIGNED, trusting("self", "web.test"), "`ca` has neither it nor who signed it"),
        (NAMELESS, trusting("self", "web.test"), "`ca` has neither it nor who signed it"),
        (SIGNED, trusting("ca", "other.test"), "is not for `other.test`, but for `web.test`"),
        (
            SELF,
            trusting("self", "other.test"),
            "not for `other.test`, but for `web.test`, `127.0.0.1`",
        ),
        (NAMELESS, trusting("nameless", "web.test"), "it has no subjectAltName"),
        (EXPIRED, trusting("ca", "web.test"), "the certificate has expired"),
        (EARLY, trusting("ca", "web.test"), "the certificate is not valid yet"),
    ] {
        let (trouble, message) = failed(certificate, tls);
        assert_eq!(trouble, Trouble::Untrusted, "{message}");
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn says_that_it_speaks_no_tls_there() {
    let failed = |answer: &'static [u8]| {
        let http =
            Http { timeout: Seconds::from_millis(1_000), ..probe(serve_plain(answer), any()) };
        let answer = only(&http);
        let failure = answer.failure().expect("no TLS").clone();
        assert_eq!((failure.stage, &answer.certificate), (Stage::Handshake, &None));
        (failure.trouble, failure.message)
    };
    for answer in
        [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"220 mail ESMTP\r\n", b"SSH-2.0-x\r\n"]
    {
        let (trouble, message) = failed(answer);
        assert_eq!(trouble, Trouble::Malformed);
        assert!(message.contains("it speaks no TLS there"), "{message}");
    }
    // Half a record's head.
    assert_eq!(failed(b"\x16\x03").1, "timed out during the TLS handshake");
    assert_eq!(failed(b"").0, Trouble::Closed);
}

#[test]
fn says_what_the_server_does_not_like() {
    let (trouble, message) = failed(b"", any());
    assert_eq!(trouble, Trouble::Tls);
    assert_eq!(message, "the server ends the TLS handshake: AccessDenied");
}

/// A server that sends this over each of two connections and ends it, with or without a goodbye;
/// and how each of them agreed.
fn serve_twice(
    answer: &'static str,
    goodbye: bool,
) -> (SocketAddr, thread::JoinHandle<[Option<HandshakeKind>; 2]>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let address = listener.local_addr().expect("it is bound");
    let config = Arc::new(config(SELF, rustls::ALL_VERSIONS));
    let kinds = thread::spawn(move || {
        [(); 2].map(|()| {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut session = ServerConnection::new(Arc::clone(&config)).expect("a session");
            let mut line = rustls::Stream::new(&mut session, &mut stream);
            let _ = line.read(&mut [0; 4096]);
            let _ = line.write_all(answer.as_bytes());
            if goodbye {
                session.send_close_notify();
                let _ = session.write_tls(&mut stream);
            }
            session.handshake_kind()
        })
    });
    (address, kinds)
}

#[test]
fn resumes_no_session_and_wants_an_end_to_be_told() {
    const ENDLESS: &str = "HTTP/1.1 200 OK\r\n\r\nrs1\n";
    let (server, kinds) = serve_twice(ENDLESS, true);
    let answers = Http { connections: 2, ..probe(server, any()) }.run().expect("loopback works");
    assert!(answers.requests.iter().all(|one| one.response().is_some()), "{answers:?}");
    assert_eq!(kinds.join().expect("no panic"), [Some(HandshakeKind::Full); 2]);

    let (server, _kinds) = serve_twice(ENDLESS, false);
    let answer = only(&probe(server, any()));
    let failure = answer.failure().expect("who cut it off is unknown");
    assert_eq!((failure.stage, failure.trouble), (Stage::Receive, Trouble::Closed));
    assert_eq!(failure.message, "the connection was closed without TLS's goodbye");
}

#[test]
fn refuses_what_is_wrong_on_this_host() {
    let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
    let error = |tls: Tls| probe(nobody, tls).run().expect_err("wrong").message;
    let ca = |file: Option<String>| Tls { ca: file, server_name: None };
    assert!(error(ca(file("no-such"))).contains("failed to read"));
    assert!(error(ca(file("key"))).contains("there is no `BEGIN CERTIFICATE`"));
    let name = Tls { ca: None, server_name: Some("no name".into()) };
    assert!(error(name).contains("`no name` is no name"));
}
