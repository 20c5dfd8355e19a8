//! `/.well-known/security.txt`: what the operator has set, and nothing where nothing is.

use std::io::{Read, Write};

use super::process::{Place, Served, connect, fault, outcome};

fn get(served: &Served) -> String {
    let port = served.ports[0];
    let mut stream = connect(port);
    let request = "GET /.well-known/security.txt HTTP/1.1";
    write!(stream, "{request}\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn who_found_a_weakness_is_told_where_to_turn() {
    let place = Place::new();
    let served = place.serve();
    assert!(get(&served).starts_with("HTTP/1.1 404 "));
    served.stop();

    let mut command = place.command("serve");
    command.env("CLOAKROOM_SECURITY_CONTACT", "mailto:security@example.com");
    let served = place.serve_as(command);
    let answer = get(&served);
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("content-type: text/plain; charset=utf-8\r\n"));
    let (_, file) = answer.split_once("\r\n\r\n").unwrap();
    let [contact, expires, canonical] = file.lines().collect::<Vec<_>>()[..] else { panic!("{file}") };
    assert_eq!(contact, "Contact: mailto:security@example.com");
    assert_eq!(canonical, format!("Canonical: {}/.well-known/security.txt", served.url()));
    // RFC 3339, and within a year: 180 days from now.
    let (name, until) = expires.split_once(": ").unwrap();
    assert_eq!(name, "Expires");
    let until = time::OffsetDateTime::parse(until, &time::format_description::well_known::Rfc3339).unwrap();
    let ahead = until.unix_timestamp() - cloakroom_now();
    assert!((179 * 86_400..=180 * 86_400).contains(&ahead), "{expires}");
    served.stop();
}

/// Seconds since 1970, by the clock of the program.
fn cloakroom_now() -> i64 {
    use cloakroom::clock::{Clock, SystemClock};
    let now = SystemClock::default().now().to_string();
    time::OffsetDateTime::parse(&now, &time::format_description::well_known::Rfc3339).unwrap().unix_timestamp()
}

#[test]
fn what_is_no_contact_is_refused() {
    let place = Place::new();
    for wrong in ["security@example.com", "http://example.com", "mailto:", "mailto:a@b c", "https://a\nExpires: x", ""]
    {
        let output = outcome(place.command("serve").env("CLOAKROOM_SECURITY_CONTACT", wrong));
        assert!(fault(&output).contains("CLOAKROOM_SECURITY_CONTACT"), "{wrong}");
    }
}
