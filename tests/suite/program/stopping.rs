//! Told to stop, the broker takes nobody in any more, lets requests under way
//! end, and goes with exit code 0.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use serde_json::json;

use super::process::{Place, Served, connect, until};

/// The head and the first half of an upload's body.
fn half_an_upload(served: &Served, key: &str, bytes: &[u8]) -> (TcpStream, String) {
    let body = json!({ "path": "slow.txt", "size": bytes.len(), "content_type": "text/plain" });
    let (status, declared) = served.ask("POST", "/v1/uploads", key, Some(&body));
    assert_eq!(status, 201, "{declared}");
    let url = declared["url"].as_str().unwrap();
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut head =
        format!("PUT /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\nConnection: close\r\n", bytes.len());
    for (name, value) in declared["headers"].as_object().unwrap() {
        head += &format!("{name}: {}\r\n", value.as_str().unwrap());
    }
    let mut connection = connect(served.ports[1]);
    connection.write_all(format!("{head}Expect: 100-continue\r\n\r\n").as_bytes()).unwrap();
    // The broker has begun to answer, so the request is under way.
    let mut going_on = [0; 25];
    connection.read_exact(&mut going_on).unwrap();
    assert_eq!(going_on, *b"HTTP/1.1 100 Continue\r\n\r\n");
    connection.write_all(&bytes[..bytes.len() / 2]).unwrap();
    (connection, declared["id"].as_str().unwrap().into())
}

#[test]
fn an_upload_under_way_ends_well() {
    let place = Place::new();
    let mut served = place.serve();
    let key = place.admin_key();
    let bytes = [7; 4_000];
    let (mut upload, id) = half_an_upload(&served, &key, &bytes);

    served.signal("TERM");
    until("the API takes nobody in", || TcpStream::connect(("127.0.0.1", served.ports[0])).err());
    until("user content takes nobody in", || TcpStream::connect(("127.0.0.1", served.ports[1])).err());
    upload.write_all(&bytes[bytes.len() / 2..]).unwrap();
    let mut answer = String::new();
    upload.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(served.ended(), Some(0), "{}", served.log());

    // What arrived is there for the next start.
    let served = place.serve();
    let (status, done) = served.ask("POST", &format!("/v1/uploads/{id}/complete"), &key, None);
    assert_eq!((status, &done["status"]), (200, &json!("completed")), "{done}");
    served.stop();
}

#[test]
fn an_interrupt_stops_it_too() {
    let place = Place::new();
    let mut served = place.serve();
    served.signal("INT");
    assert_eq!(served.ended(), Some(0), "{}", served.log());
    assert!(served.log().contains("Stopping"));
}

#[test]
fn a_second_interrupt_stops_it_at_once() {
    let place = Place::new();
    let mut served = place.serve();
    let key = place.admin_key();
    let (upload, _) = half_an_upload(&served, &key, &[7; 4_000]);
    served.signal("INT");
    until("it says how to stop at once", || served.log().contains("at once").then_some(()));
    served.signal("INT");
    assert_eq!(served.ended(), Some(1), "{}", served.log());
    drop(upload);
    place.serve().stop();
}

/// Asks something on a connection that may be kept: head and body of the answer.
fn asked_on(connection: &mut TcpStream, path: &str) -> String {
    let port = connection.peer_addr().unwrap().port();
    connection.write_all(format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n").as_bytes()).unwrap();
    let (mut answer, mut byte) = (Vec::new(), [0]);
    // What is asked for here is JSON.
    while !answer.ends_with(b"}") {
        connection.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    String::from_utf8(answer).unwrap()
}

fn noticing(place: &Place, seconds: &str) -> Served {
    let mut command = place.command("serve");
    // A connection that is kept has time.
    command.env("CLOAKROOM_STOP_NOTICE", seconds).env("CLOAKROOM_TRUSTED_PROXIES", "127.0.0.1");
    place.serve_as(command)
}

#[test]
fn it_says_that_it_stops_before_it_does() {
    let place = Place::new();
    let mut served = noticing(&place, "300");
    let key = place.admin_key();
    let [api, _, operators] = served.ports;
    let mut kept = connect(api);
    assert!(!asked_on(&mut kept, "/v1/shares").contains("connection: close"));
    assert!(asked_on(&mut connect(operators), "/readyz").starts_with("HTTP/1.1 200"));

    served.signal("TERM");
    until("it is not ready", || asked_on(&mut connect(operators), "/readyz").starts_with("HTTP/1.1 503").then_some(()));
    assert_eq!(served.ask("GET", "/v1/shares", &key, None).0, 200);
    // It is the last answer on a connection that was kept.
    assert!(asked_on(&mut kept, "/v1/shares").contains("connection: close"));
    assert_eq!(kept.read(&mut [0]).unwrap(), 0);
    // Who has no time for that says so.
    served.signal("INT");
    assert_eq!(served.ended(), Some(1), "{}", served.log());
}

#[test]
fn after_its_notice_it_stops() {
    let place = Place::new();
    noticing(&place, "1").stop();
}

#[test]
fn a_proxys_connections_are_kept_for_longer_than_others() {
    let [alone, behind] = [(); 2].map(|()| Place::new());
    let mut command = behind.command("serve");
    command.env("CLOAKROOM_TRUSTED_PROXIES", "127.0.0.1");
    let [served, proxied] = [alone.serve(), behind.serve_as(command)];
    let mut kept = connect(proxied.ports[0]);
    asked_on(&mut kept, "/v1/shares");
    let mut short = connect(served.ports[0]);
    asked_on(&mut short, "/v1/shares");
    // After seconds of which nobody asks anything.
    assert_eq!(short.read(&mut [0]).unwrap(), 0);
    asked_on(&mut kept, "/v1/shares");
    served.stop();
    proxied.stop();
}
