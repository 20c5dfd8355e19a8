//! Events on the command line, and when the broker is told to stop while somebody follows them.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Stdio},
    thread,
};

use cloakroom::{
    clock::{Clock, SystemClock},
    crypto::{secret::SecretText, webhook_signature::WebhookSecret},
    domain::instant::Instant,
};
use serde_json::Value;

use super::process::{Place, outcome, program, until, wrote};
use crate::api::{harness::Api, streaming::Frame};

/// A command that runs until it is dropped.
struct Runs(Child);

impl Drop for Runs {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

impl Runs {
    /// The lines that it prints.
    fn lines(&mut self) -> impl Iterator<Item = String> + use<> {
        BufReader::new(self.0.stdout.take().unwrap()).lines().map(Result::unwrap)
    }
}

/// The head of a request, and as much of a body as it announces.
fn request(connection: &TcpStream) -> (String, Vec<u8>) {
    let (mut reader, mut head) = (BufReader::new(connection), String::new());
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
    }
    let head = head.to_lowercase();
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |at| at.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (head, body)
}

#[test]
fn what_is_followed_goes_on_where_it_was_when_the_connection_is_lost() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let event = |seq: u64| format!("id: {seq}\ndata: {{\"seq\":{seq},\"at\":\"t\",\"type\":\"share.created\"}}\n\n");
    let answers = [
        format!("retry: 2000\n: after 4\n\n{}{}id: 7\ndata: {{\"seq\":7", event(5), event(6)),
        format!("{}{}: still here\nid: 30\n\n", event(7), event(8)),
        String::new(),
    ];
    let serving = thread::spawn(move || {
        let asked = answers.map(|answer| {
            let (mut connection, _) = listener.accept().unwrap();
            let (head, _) = request(&connection);
            let begin = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
            connection.write_all(format!("{begin}{answer}").as_bytes()).unwrap();
            head
        });
        let (mut connection, _) = listener.accept().unwrap();
        let (head, _) = request(&connection);
        connection.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}").unwrap();
        [&asked[..], &[head]].concat()
    });
    let mut command = program();
    command.env("CLOAKROOM_URL", url).env("CLOAKROOM_API_KEY", "crk_live_x");
    command.args(["events", "--follow", "--json", "--type", "share.created,share.claimed"]);
    let (said, remarked) = wrote(&outcome(&mut command), 1);
    let seqs: Vec<_> = said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].clone()).collect();
    assert_eq!(seqs, [5, 6, 7, 8]);
    assert!(remarked.contains("401"), "{remarked}");
    let asked = serving.join().unwrap();
    let after: Vec<_> =
        asked.iter().map(|head| head.lines().find_map(|line| line.strip_prefix("last-event-id: "))).collect();
    assert_eq!(after, [None, Some("6"), Some("30"), Some("30")]);
    assert!(
        asked.iter().all(|head| head.starts_with("get /v1/events?type=share.created%2cshare.claimed http")),
        "{asked:?}"
    );
}

#[test]
fn events_are_listed_and_followed_by_a_command() {
    let place = Place::new();
    let served = place.serve();
    let key = place.admin_key();
    let ids = [(); 3].map(|()| served.mint(&key, "a.txt").0);
    let listed = wrote(&served.client(&key, &["events", "--type", "share.created"]), 0).0;
    let lines: Vec<_> = listed.lines().collect();
    assert_eq!(lines.len(), 3, "{listed}");
    assert!(ids.iter().zip(&lines).all(|(id, line)| line.contains(id)), "{listed}");
    let after = lines[0].split_whitespace().next().unwrap();
    let rest = wrote(&served.client(&key, &["events", "--after", after, "--type", "share.created"]), 0).0;
    assert_eq!(rest, format!("{}\n{}\n", lines[1], lines[2]));

    let mut following = program();
    following.env("CLOAKROOM_URL", served.url()).env("CLOAKROOM_API_KEY", &key).stdout(Stdio::piped());
    following.args(["events", "--follow", "--after", after, "--type", "share.created"]);
    let mut following = Runs(following.spawn().unwrap());
    let mut followed = following.lines();
    assert_eq!(followed.next().as_deref(), Some(lines[1]));
    assert_eq!(followed.next().as_deref(), Some(lines[2]));
    let (id, _) = served.mint(&key, "a.txt");
    assert!(followed.next().unwrap().contains(&id));
    drop(following);
    let wrong = wrote(&served.client(&key, &["events", "--follow", "--after", "1000000"]), 1).1;
    assert!(wrong.contains("the last event has the number"), "{wrong}");
    served.stop();
}

#[test]
fn what_is_listened_to_is_sent_on_as_webhooks_are() {
    let place = Place::new();
    let served = place.serve();
    let key = place.admin_key();
    let hook = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook?x=1", hook.local_addr().unwrap());
    let mut listening = program();
    listening
        .env("CLOAKROOM_URL", served.url())
        .env("CLOAKROOM_API_KEY", &key)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    listening.args(["listen", "--forward-to", &url, "--after", "0", "--type", "share.created"]);
    let mut listening = Runs(listening.spawn().unwrap());
    let said = BufReader::new(listening.0.stderr.take().unwrap()).lines().next().unwrap().unwrap();
    let secret = said.split_whitespace().find(|word| word.starts_with("whsec_")).unwrap();
    let secret = WebhookSecret::parse(&SecretText::new(secret)).unwrap();
    let mut lines = listening.lines();
    for status in [204, 500] {
        let (id, _) = served.mint(&key, "a.txt");
        let (mut connection, _) = hook.accept().unwrap();
        let (head, body) = request(&connection);
        connection.write_all(format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n").as_bytes()).unwrap();
        let header =
            |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap().to_owned();
        assert!(head.starts_with("post /hook?x=1 http/1.1"), "{head}");
        assert_eq!(header("content-type"), "application/json");
        let sent: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&sent["type"], &sent["data"]["resource"]), (&"share.created".into(), &id.into()));
        assert_eq!((&sent["timestamp"], &sent["data"]["id"]), (&sent["data"]["at"], &header("webhook-id").into()));
        // Small letters were made of the head above, and the signature has large ones too: it is taken as it was sent.
        let at = Instant::from_unix_seconds(header("webhook-timestamp").parse().unwrap());
        let expected = secret.sign(&header("webhook-id"), at, &body);
        assert_eq!(header("webhook-signature"), expected.to_lowercase());
        assert!(SystemClock::default().now().since(at).as_secs() < 300);
        assert!(lines.next().unwrap().contains(&format!("  {status}")));
    }
    drop(hook);
    served.mint(&key, "a.txt");
    assert!(lines.next().unwrap().contains("not sent: "));
    drop(listening);
    for (arguments, words) in [
        (["listen", "--forward-to", "127.0.0.1:3000"], "--forward-to"),
        (["listen", "--forward-to", "ftp://127.0.0.1/"], "http://"),
    ] {
        assert!(wrote(&served.client(&key, &arguments), 1).1.contains(words));
    }
    served.stop();
}

#[test]
fn a_broker_that_stops_waits_for_nobody_who_follows() {
    let place = Place::new();
    let served = place.serve();
    let key = place.admin_key();
    let api = Api::of_process(served.ports, key.clone());
    let mut stream = api.follow(&key, "/v1/events?after=0", &[]);
    stream.event();
    let ticket = api.call("POST", "/v1/events/tickets").bearer(&key).send().text("ticket");
    let mut socket = api.socket(&format!("/v1/events/ws?ticket={ticket}"), &[]).ok().unwrap();
    socket.event();
    let mut idle = api.socket(&format!("/v1/events/ws?ticket={ticket}"), &[]).err();
    assert_eq!(idle.take().unwrap().1, "dead_token");
    // Both are ended by the broker, and not by force: each hears why.
    let ending = thread::spawn(move || {
        let said = stream.end();
        let closed = loop {
            match socket.frame() {
                Frame::Close(code, why) => break (code, why),
                Frame::Gone => panic!("it is gone without a word"),
                _ => {}
            }
        };
        (said, closed)
    });
    // Whoever stops it sees that no ticket is in its log.
    served.stop();
    let (said, closed) = ending.join().unwrap();
    assert_eq!(said, "ended: the server ends; go on with another");
    assert_eq!(closed, (1001, "the server ends; go on with another".into()));
    until("nobody is let in", || TcpStream::connect(("127.0.0.1", api.ports[0])).err());
}
