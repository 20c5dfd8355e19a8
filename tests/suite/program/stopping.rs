//! Told to stop, the broker takes nobody in any more, lets requests under way
//! end, and goes with exit code 0.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use serde_json::json;

use super::process::{Place, connect, until};

/// The head and the first half of an upload's body.
fn half_an_upload(served: &super::process::Served, key: &str, bytes: &[u8]) -> (TcpStream, String) {
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
