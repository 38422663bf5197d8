//! Real requests to a server on the loopback interface that gives prepared answers.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use serde_json::json;

use super::*;

/// A server that gives these answers, one a connection, and tells what it was asked.
fn serve(answers: &[&str]) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answers: Vec<String> =
        answers.iter().map(|text| text.replace("ADDRESS", &address.to_string())).collect();
    let (tell, told) = channel();
    thread::spawn(move || {
        for answer in answers {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).unwrap_or(0);
            let _ = tell.send(String::from_utf8_lossy(&request[..length]).into_owned());
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (format!("http://{address}/a/b"), told)
}

fn uri(url: &str, more: Value) -> Uri {
    let mut arguments = json!({"url": url});
    arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let uri: Uri = serde_json::from_value(arguments).unwrap();
    uri.check().unwrap();
    uri
}

fn run(uri: &Uri) -> Result<Outcome, Error> {
    uri.run(&mut Host::default(), Mode::default())
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn keeps_what_ansible_keeps() {
    let (url, asked) =
        serve(&["HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n\
         X-A: 1\r\nX-A: 2\r\nSet-Cookie: id=7; Path=/\r\nContent-Length: 11\r\n\r\n{\"up\":true}"]);
    let outcome = run(&uri(&url, json!({"headers": {"X-Number": 5}}))).unwrap();
    assert!(!outcome.changed);
    let result = outcome.result;
    assert_eq!(result["status"], 200);
    assert_eq!(result["json"], json!({"up": true}));
    assert_eq!(result["x_a"], "1, 2");
    assert_eq!(result["cookies"], json!({"id": "7"}));
    assert_eq!(result["cookies_string"], "id=7");
    assert_eq!(result["msg"], "OK (11 bytes)");
    assert_eq!((&result["url"], &result["redirected"]), (&json!(url), &json!(false)));
    assert!(!result.contains_key("content"));
    let request = asked.recv().unwrap();
    assert!(request.starts_with("GET /a/b HTTP/1.1\r\nX-Number: 5\r\n"), "{request}");
    assert!(request.contains("\r\nConnection: close\r\n\r\n"), "{request}");
}

#[test]
fn fails_with_another_status_and_says_which() {
    let missing = "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone";
    let (url, _asked) = serve(&[missing, missing]);
    let error = run(&uri(&url, json!({"return_content": true}))).unwrap_err();
    assert_eq!(error.message, "Status code was 404 and not [200]: HTTP Error 404: Not Found");
    assert_eq!((&error.result["status"], &error.result["content"]), (&json!(404), &json!("gone")));
    assert!(run(&uri(&url, json!({"status_code": "200, 404"}))).is_ok());
}

#[test]
fn tells_when_nobody_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let silent = run(&uri(&url, json!({"timeout": 1}))).unwrap_err();
    assert!(silent.message.contains("-1 and not [200]: failed to ask"), "{silent}");
    assert!(silent.message.ends_with("no answer in time"), "{silent}");
    drop(listener);
    let refused = run(&uri(&url, json!({}))).unwrap_err();
    assert_eq!((&refused.result["status"], &refused.result["elapsed"]), (&json!(-1), &json!(0)));
}

#[test]
fn writes_bodies_in_their_format() {
    let form = json!({"a b": "c&d", "n": [1, "2"]});
    for (more, kind, body) in [
        (json!({"body": {"a": 1}, "body_format": "json"}), "application/json", "{\"a\":1}"),
        (json!({"body": "[1]", "body_format": "json"}), "application/json", "[1]"),
        (
            json!({"body": form, "body_format": "form-urlencoded"}),
            "application/x-www-form-urlencoded",
            "a+b=c%26d&n=1&n=2",
        ),
        (json!({"body": "x", "headers": {"Content-Type": "text/x"}}), "text/x", "x"),
    ] {
        let (url, asked) = serve(&[OK]);
        let uri = Uri { method: "post".into(), ..uri(&url, more) };
        run(&uri).unwrap();
        let request = asked.recv().unwrap();
        assert!(
            request.starts_with("POST ") && request.ends_with(&format!("\r\n\r\n{body}")),
            "{request}"
        );
        assert!(request.contains(&format!("Content-Type: {kind}\r\n")), "{request}");
        assert!(request.contains(&format!("Content-Length: {}\r\n", body.len())), "{request}");
    }
}

#[test]
fn follows_redirects_as_far_as_it_may() {
    let moved = "HTTP/1.1 302 Found\r\nLocation: ../c?d\r\nContent-Length: 0\r\n\r\n";
    let (url, asked) = serve(&[moved, OK]);
    let result = run(&uri(&url, json!({}))).unwrap().result;
    assert_eq!(result["redirected"], true);
    assert!(result["url"].as_str().unwrap().ends_with("/a/../c?d"), "{result:?}");
    drop(asked);
    let (url, _asked) = serve(&[moved]);
    let none = run(&uri(&url, json!({"follow_redirects": "none", "status_code": 302}))).unwrap();
    assert!(none.result["location"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    // What is not safe to repeat is not followed unless told to, and then becomes a GET.
    let post = json!({"method": "POST", "body": "x", "status_code": 302});
    let (url, _asked) = serve(&[moved]);
    assert!(run(&uri(&url, post)).is_ok());
    let all = json!({"method": "POST", "body": "x", "follow_redirects": "all"});
    let (url, asked) = serve(&["HTTP/1.1 303 See Other\r\nLocation: http://ADDRESS/z\r\n\r\n", OK]);
    assert!(run(&uri(&url, all)).is_ok());
    let second = asked.iter().nth(1).unwrap();
    assert!(second.starts_with("GET /z ") && !second.contains("Content-Length"), "{second}");
    let (url, _asked) = serve(&["HTTP/1.1 301 Moved\r\nLocation: https://x/\r\n\r\n"]);
    assert!(run(&uri(&url, json!({}))).unwrap_err().hint.unwrap().contains("curl"));
}

#[test]
fn gives_a_password_when_it_is_asked_for_one_or_told_to() {
    let who = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\n\r\n";
    let basic = "Authorization: Basic dXNlcjpwYXNz\r\n";
    let user = json!({"user": "user", "password": "pass"});
    let (url, asked) = serve(&[who, OK]);
    assert!(run(&uri(&url, user)).is_ok());
    let requests: Vec<String> = asked.iter().collect();
    assert!(!requests[0].contains("Authorization") && requests[1].contains(basic), "{requests:?}");
    let (url, asked) = serve(&[OK]);
    let at_once = json!({"url_username": "user", "url_password": "pass", "force_basic_auth": true});
    assert!(run(&uri(&url, at_once)).is_ok());
    assert!(asked.recv().unwrap().contains(basic));
}

#[test]
fn asks_nothing_in_check_mode_or_when_it_is_not_needed() {
    let uri = uri("http://127.0.0.1:1/", json!({"creates": "/"}));
    assert_eq!(run(&uri).unwrap().skipped.as_deref(), Some("`/` exists"));
    let uri = Uri { creates: None, ..uri };
    let outcome = uri.run(&mut Host::default(), Mode { check: true, diff: false }).unwrap();
    assert!(outcome.skipped.is_some());
}

#[test]
fn refuses_what_it_cannot_ask() {
    for (wrong, hint) in [
        (json!({"url": "https://x/"}), "curl"),
        (json!({"url": "http://u:p@x/"}), "url_username"),
        (json!({"url": "http://x/", "body": {"a": 1}}), "body_format"),
        (json!({"url": "http://x/", "method": "GET /"}), "single word"),
    ] {
        let uri: Uri = serde_json::from_value(wrong.clone()).unwrap();
        let error = uri.check().unwrap_err();
        assert!(error.hint.is_some_and(|said| said.contains(hint)), "{wrong}");
    }
    let codes = serde_json::from_value::<Uri>(json!({"url": "http://x/", "status_code": 7}));
    assert!(codes.unwrap_err().to_string().contains("no status code"));
}
