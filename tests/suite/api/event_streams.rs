//! Events, listed and followed: each once and in its order, for whoever may at that moment, and without harm by those who
//! do not read.

use std::{net::TcpStream, time::Duration};

use cloakroom::{
    crypto::record_hash,
    domain::{
        ledger::{Record, Segment},
        tenant::{Mode, Namespace},
    },
    service::{
        event_lists::WantedEvents,
        event_streams::{Ended, Follower, Reading, Tiding},
    },
    store::{Expected, Write},
};
use serde_json::{Value, json};

use super::{
    calls::text,
    harness::{Api, Backend},
    laboratory::Laboratory,
};
use crate::program::process::until;

/// All events of the first tenant, oldest first, as the audit trail has them.
fn trail(api: &Api) -> Vec<Value> {
    let mut all = api.get(api.admin(), "/v1/audit?limit=1000").expect(200)["items"].as_array().unwrap().clone();
    all.reverse();
    all
}

fn end(api: &Api) -> u64 {
    trail(api).len() as u64
}

fn open(api: &Api) -> u64 {
    api.broker().event_streams.figures().open
}

fn minted(api: &Api, count: usize) -> Vec<String> {
    (0..count).map(|_| api.mint(api.admin(), "read", &["a.txt"]).id).collect()
}

pub fn events_are_listed_oldest_first_from_a_number_on(api: &Api) {
    minted(api, 5);
    let share = api.mint(api.admin(), "read", &["a.txt"]);
    api.all_is_chained();
    api.open(&share);
    let all = trail(api);
    let (mut listed, mut after) = (Vec::new(), 0);
    loop {
        let page = api.get(api.admin(), &format!("/v1/events?limit=3&after={after}")).expect(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 3);
        listed.extend(items.clone());
        after = page["next_after"].as_u64().unwrap();
        if page["more"] == false {
            break;
        }
    }
    assert_eq!(listed, all);
    assert_eq!(after, all.len() as u64);
    let none = api.get(api.admin(), &format!("/v1/events?after={after}")).expect(200);
    assert_eq!(none, json!({ "items": [], "next_after": after, "more": false }));

    let of_types = |limit: usize, after: u64| {
        let path = format!("/v1/events?type=share.claimed,share.created&limit={limit}&after={after}");
        api.get(api.admin(), &path).expect(200)
    };
    let kinds: Vec<_> = of_types(100, 0)["items"].as_array().unwrap().iter().map(|event| text(event, "type")).collect();
    assert_eq!(kinds.iter().filter(|kind| *kind == "share.created").count(), 6);
    assert_eq!((kinds.len(), kinds.last().unwrap().as_str()), (7, "share.claimed"));
    // Where a page is full it goes on after its last, whatever lies between.
    let page = of_types(6, 0);
    assert_eq!((page["items"].as_array().unwrap().len(), &page["more"]), (6, &json!(true)));
    let rest = of_types(6, page["next_after"].as_u64().unwrap());
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);
    assert_eq!(rest["more"], false);
}

#[test]
fn what_is_no_number_or_type_is_refused_by_its_name() {
    let (api, _, _) = Laboratory::served();
    let end = end(&api);
    let beyond = format!("the last event has the number {end}");
    for (query, pointer, words) in [
        ("after=-1", "after", "number of an event"),
        ("after=%2B1", "after", "number of an event"),
        ("after=x", "after", "number of an event"),
        ("after=", "after", "number of an event"),
        ("after=99999999999999999999", "after", "number of an event"),
        (&format!("after={}", end + 1), "after", &beyond),
        ("limit=0", "limit", "between 1 and 1,000"),
        ("limit=1001", "limit", "between 1 and 1,000"),
        ("type=", "type", "share.claimed"),
        ("type=share.claimed,x", "type", "share.claimed"),
        (&format!("type={}", vec!["share.claimed"; 21].join(",")), "type", "at most 20"),
        ("afer=1", "query", "afer"),
    ] {
        let problem = api.get(api.admin(), &format!("/v1/events?{query}")).problem(422, "invalid");
        let (found, detail) = (problem.pointer.unwrap(), problem.detail.unwrap());
        assert!(found == pointer && detail.contains(words), "{query}: {found} {detail}");
        let (status, problem) = api.follow(api.admin(), &format!("/v1/events?{query}"), &[]).refused();
        assert_eq!((status, text(&problem, "pointer").as_str()), (422, pointer), "{query}");
    }
    for wrong in ["x", "-1", "", "1,2", &format!("{}", end + 1)] {
        let (status, problem) = api.follow(api.admin(), "/v1/events?after=0", &[("last-event-id", wrong)]).refused();
        assert_eq!((status, text(&problem, "pointer").as_str()), (422, "Last-Event-ID"), "{wrong}");
    }
    let (status, problem) = api.follow(api.admin(), "/v1/events?limit=5", &[]).refused();
    assert_eq!((status, text(&problem, "pointer").as_str()), (422, "limit"));
    assert_eq!(open(&api), 0, "what was refused takes no place");
}

pub fn what_happens_is_told_while_it_happens_and_nothing_twice(api: &Api) {
    minted(api, 3);
    let before = end(api);
    let mut stream = api.follow(api.admin(), "/v1/events", &[]);
    assert_eq!(stream.status, 200);
    for header in ["content-type: text/event-stream", "cache-control: no-store", "x-accel-buffering: no"] {
        assert!(stream.head.contains(header), "{}", stream.head);
    }
    // It begins with what is new, and nothing here looks at the trail. One after the other: what happens meanwhile is
    // told in any order.
    let (ids, told): (Vec<_>, Vec<_>) = (0..3).map(|_| (minted(api, 1).remove(0), stream.event())).unzip();
    assert_eq!(told.iter().map(|event| text(event, "resource")).collect::<Vec<_>>(), ids);
    assert_eq!(told[0]["seq"], json!(before + 1));
    assert_eq!(told, trail(api)[usize::try_from(before).unwrap()..]);

    // Two more follow, one from the first event on, one some types alone.
    let mut whole = api.follow(api.admin(), "/v1/events?after=0", &[]);
    let mut some = api.follow(api.admin(), "/v1/events?after=0&type=share.revoked", &[]);
    assert_eq!(whole.until(before + 3), trail(api));
    api.delete(api.admin(), &format!("/v1/shares/{}", ids[0])).expect(204);
    let revoked = some.event();
    assert_eq!((text(&revoked, "type"), text(&revoked, "resource")), ("share.revoked".into(), ids[0].clone()));
    assert_eq!(whole.event(), revoked);

    // The connection is lost, things go on, and it comes back where it was, whatever its address says.
    let last = stream.until(before + 4).pop().unwrap();
    assert_eq!(last, revoked);
    drop(stream);
    let missed: Vec<_> = (0..4)
        .map(|_| {
            let share = minted(api, 1).remove(0);
            assert_eq!(text(&whole.event(), "resource"), share);
            share
        })
        .collect();
    let id = (before + 4).to_string();
    let mut stream = api.follow(api.admin(), "/v1/events?after=0", &[("last-event-id", &id)]);
    let told: Vec<_> = (0..4).map(|_| stream.event()).collect();
    assert_eq!(told.iter().map(|event| text(event, "resource")).collect::<Vec<_>>(), missed);
    assert_eq!(told[0]["seq"], json!(before + 5));
    drop((stream, whole, some));
    minted(api, 1);
    until("the feed ends with its last follower", || {
        (api.broker().event_streams.figures().followed == 0).then_some(())
    });
}

pub fn nobody_hears_of_what_is_another_tenants(api: &Api) {
    let other = api.new_tenant("Other");
    let test = api.new_key(api.admin(), "test", &[("/", "admin")]);
    let keys = [api.admin(), &other.admin.secret, &test.secret];
    let mut streams = keys.map(|key| api.follow(key, "/v1/events", &[]));
    let mut shares = Vec::new();
    for round in 0..9 {
        let share = api.mint(keys[round % 3], "read", &["a.txt"]).id;
        assert_eq!(text(&streams[round % 3].event(), "resource"), share);
        shares.push(share);
    }
    for (mine, key) in keys.into_iter().enumerate() {
        let listed = api.get(key, "/v1/events?limit=1000").body;
        let listed = String::from_utf8(listed).unwrap();
        for (of, share) in shares.iter().enumerate() {
            assert_eq!(listed.contains(share), of % 3 == mine);
        }
    }
    let member = json!({ "role": "member", "grants": [{ "path": "/", "permission": "write" }] });
    let member = api.post(api.admin(), "/v1/api-keys", &member).text("secret");
    assert_eq!(api.follow(&member, "/v1/events", &[]).refused().0, 403);
    api.get(&member, "/v1/events").problem(403, "forbidden");
}

#[test]
fn what_ends_the_right_to_follow_ends_the_stream() {
    let api = Api::start(Backend::Embedded);
    let admin = |api: &Api| api.new_key(api.admin(), "live", &[("/", "admin")]);
    let path = |key: &str| format!("/v1/api-keys/{key}");
    let mut bystander = api.follow(api.admin(), "/v1/events?type=quota.changed", &[]);
    let follows = |secret: &str| {
        let mut stream = api.follow(secret, "/v1/events?after=0", &[]);
        stream.event();
        stream
    };
    let ends = |mut stream: super::streaming::Following, what: &str| {
        let said = stream.end();
        assert!(said.contains("you may follow these events no more"), "{what}: {said}");
    };

    let key = admin(&api);
    let stream = follows(&key.secret);
    api.delete(api.admin(), &path(&key.id)).expect(204);
    ends(stream, "its key is revoked");

    let key = admin(&api);
    let stream = follows(&key.secret);
    let member = json!({ "role": "member", "grants": [{ "path": "/", "permission": "write" }] });
    api.call("PATCH", &path(&key.id)).bearer(api.admin()).json(&member).send().expect(200);
    ends(stream, "it administers no more");

    // Of a key's secrets, the one that it came with.
    let key = admin(&api);
    let stream = follows(&key.secret);
    let rotated = api.post(api.admin(), &format!("{}/rotate", path(&key.id)), &json!({ "overlap": 0 })).expect(201);
    ends(stream, "its secret was replaced");
    let stream = follows(&text(&rotated, "secret"));

    let console = api.sign_in(api.admin());
    let connection = TcpStream::connect(("127.0.0.1", api.ports[0])).unwrap();
    let mut of_console = api.follow_as("/v1/events?after=0", &[("cookie", &console.cookies())], connection);
    of_console.event();
    api.call("DELETE", "/v1/console/session").console(&console).send().expect(204);
    ends(of_console, "its session has ended");
    drop(stream);

    let other = api.new_tenant("Other");
    let acting = json!({ "reason": "a test", "role": "admin", "expires_in": 3600 });
    let acting = api.post(api.admin(), &format!("/v1/tenants/{}/impersonations", other.id), &acting).expect(201);
    let (of_tenant, acts) = (follows(&other.admin.secret), follows(&text(&acting, "secret")));
    api.delete(&other.admin.secret, &path(&text(&acting, "id"))).expect(204);
    ends(acts, "who acted may do so no more");
    api.post(api.admin(), &format!("/v1/tenants/{}/suspend", other.id), &json!({})).expect(200);
    ends(of_tenant, "its tenant is suspended");

    // Whoever still may hears nothing of all that, and goes on.
    until("all others are gone", || (open(&api) == 1).then_some(()));
    let quota = json!({ "bytes": 1_000_000 });
    api.call("PUT", &format!("/v1/tenants/{}/quota", api.tenant.id))
        .bearer(api.admin())
        .json(&quota)
        .send()
        .expect(200);
    assert_eq!(text(&bystander.event(), "type"), "quota.changed");
}

#[test]
fn a_stream_lasts_an_hour_at_most() {
    let (api, clock, _) = Laboratory::served();
    let mut stream = api.follow(api.admin(), "/v1/events", &[]);
    clock.advance(Duration::from_secs(3_600));
    assert!(stream.end().contains("an hour at most"), "{:?}", stream.comments);
}

fn namespace(laboratory: &Laboratory) -> Namespace {
    Namespace { tenant: laboratory.tenant.id.parse().unwrap(), mode: Mode::Live }
}

/// Puts segments of large records behind the ledger: more than a connection holds.
fn fill(api: &Api, segments: u64) {
    let rows = api.rows(&format!("ledger#{}", api.ledger()));
    let last = rows.last().unwrap();
    let keyring = &api.broker().keyring;
    let body = keyring.authentic_by_first_line(&last.key.partition, &last.key.sort, &last.body).unwrap();
    let last = Segment::read(body).unwrap();
    let mut head = last.end();
    let one = Record::parse(last.records[0]).unwrap();
    for _ in 0..segments {
        let (first, mut records) = (head.size + 1, Vec::new());
        for _ in 0..90 {
            let mut record = one.clone();
            record.event.resource = "x".repeat(3_000);
            record.seq = head.size + 1;
            record.prev_hash = head.hash.clone();
            let text = record.text().unwrap();
            head.size += 1;
            head.hash = record_hash::of_record(&text);
            records.push(text);
        }
        let segment = Segment { first, records, head: head.hash.clone() };
        let key = cloakroom::store::RowKey::new(format!("ledger#{}", api.ledger()), format!("{first:016x}"));
        let body = keyring.authenticate_first_line(&key.partition, &key.sort, segment.text().as_bytes());
        api.write(Write { key, expected: Expected::Absent, body, purge_after: None });
    }
}

/// A connection that holds little of what is sent to it.
fn narrow(api: &Api) -> TcpStream {
    let connecting = async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        let connection = socket.connect(([127, 0, 0, 1], api.ports[0]).into()).await.unwrap();
        connection.into_std().unwrap()
    };
    let connection = api.wait(connecting);
    connection.set_nonblocking(false).unwrap();
    connection
}

#[test]
fn whoever_takes_nothing_is_let_go_and_nobody_else() {
    let (api, clock, _) = Laboratory::served();
    let before = end(&api);
    let bearer = format!("Bearer {}", api.admin());
    fill(&api, 30);
    let all = before + 30 * 90;
    let mut idle = api.follow_as("/v1/events?after=0", &[("authorization", &bearer)], narrow(&api));
    let mut reader = api.follow(api.admin(), "/v1/events?after=0", &[]);
    assert_eq!(reader.until(all).len() as u64, all);
    // Nothing moves, until the one has taken nothing for half a minute; the other waits for news, which is no fault.
    let (mut sent, mut looks) = (0, 0);
    until("what is on its way is all that there is room for", || {
        let figures = api.broker().event_streams.figures();
        looks = if (figures.open, figures.sent) == (2, sent) { looks + 1 } else { 0 };
        sent = figures.sent;
        (looks == 200).then_some(())
    });
    let shares = minted(&api, 1);
    api.get(api.admin(), "/v1/events?limit=1").expect(200);
    assert_eq!(text(&reader.event(), "resource"), shares[0]);
    let sent = api.broker().event_streams.figures().sent;
    assert!(sent < 2 * all, "{sent} of {all}: it holds everything");
    clock.advance(Duration::from_secs(29));
    let shares = minted(&api, 1);
    api.get(api.admin(), "/v1/events?limit=1").expect(200);
    assert_eq!(text(&reader.event(), "resource"), shares[0]);
    assert_eq!(api.broker().event_streams.figures().not_read, 0);
    clock.advance(Duration::from_secs(1));
    until("it is let go", || (api.broker().event_streams.figures().not_read == 1).then_some(()));
    until("its connection has ended", || (open(&api) == 1).then_some(()));
    let metrics = api.metrics();
    for line in ["cloakroom_event_streams_open 1", "cloakroom_event_streams_evicted_total 1"] {
        assert!(metrics.lines().any(|found| found == line), "{metrics}");
    }
    // What had arrived is good: it goes on after that, and misses nothing.
    while idle.next().is_some() {}
    let last = idle.last.unwrap();
    assert!(last < all);
    let mut again = api.follow(api.admin(), "/v1/events", &[("last-event-id", &last.to_string())]);
    let rest = again.until(all + 2);
    assert_eq!((rest[0]["seq"].as_u64(), rest.len() as u64), (Some(last + 1), all + 2 - last));
}

#[test]
fn as_many_follow_as_may_and_no_more() {
    let (api, _, _) =
        Laboratory::served_limited("streams_of_principal=2,streams_of_address=4,streams_of_tenant=3", "127.0.0.1");
    let other = api.new_tenant("Other");
    let second = api.new_key(api.admin(), "live", &[("/", "admin")]);
    let from = |secret: &str, client: &str| api.follow(secret, "/v1/events", &[("x-forwarded-for", client)]);
    let refused = |secret: &str, client: &str, words: &str| {
        let stream = from(secret, client);
        assert!(stream.head.contains("retry-after: "), "{}", stream.head);
        let (status, problem) = stream.refused();
        assert_eq!((status, text(&problem, "code").as_str()), (429, "too_many_at_once"));
        assert!(text(&problem, "detail").contains(words), "{problem}");
    };
    let mut streams = vec![from(api.admin(), "192.0.2.1"), from(api.admin(), "192.0.2.1")];
    refused(api.admin(), "192.0.2.2", "streams_of_principal");
    streams.push(from(&second.secret, "192.0.2.1"));
    refused(&second.secret, "192.0.2.2", "streams_of_tenant");
    streams.push(from(&other.admin.secret, "192.0.2.1"));
    refused(&other.admin.secret, "192.0.2.1", "streams_of_address");
    streams.push(from(&other.admin.secret, "192.0.2.2"));
    assert!(streams.iter().all(|stream| stream.status == 200));
    // Whoever leaves makes room.
    streams.remove(0);
    until("there is room", || {
        let stream = from(api.admin(), "192.0.2.3");
        (stream.status == 200).then_some(stream)
    });
}

#[test]
fn a_segment_that_cannot_be_read_hides_nothing_that_follows() {
    let (api, _, _) = Laboratory::served();
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.extend(minted(&api, 1));
        api.get(api.admin(), "/v1/audit?limit=1").expect(200);
    }
    let mut following = api.follow(api.admin(), "/v1/events", &[]);
    let rows = api.rows(&format!("ledger#{}", api.ledger()));
    let lost = rows.iter().position(|row| String::from_utf8_lossy(&row.body).contains(&ids[2])).unwrap();
    let row = rows[lost].clone();
    let damaged =
        Write { key: row.key, expected: Expected::Version(row.version), body: b"{}".to_vec(), purge_after: None };
    api.write(damaged);

    let listed = api.get(api.admin(), "/v1/events?after=0&type=share.created").expect(200);
    let told: Vec<_> = listed["items"].as_array().unwrap().iter().map(|event| text(event, "resource")).collect();
    let left: Vec<_> = ids.iter().filter(|id| **id != ids[2]).cloned().collect();
    assert_eq!(told, left);
    assert_eq!(listed["more"], false);
    let mut stream = api.follow(api.admin(), "/v1/events?after=0&type=share.created", &[]);
    assert_eq!((0..4).map(|_| text(&stream.event(), "resource")).collect::<Vec<_>>(), left);
    let next = minted(&api, 1);
    api.get(api.admin(), "/v1/audit?limit=1").expect(200);
    assert_eq!(text(&stream.event(), "resource"), next[0]);
    assert_eq!(text(&following.event(), "resource"), next[0]);
}

#[test]
fn while_nobody_knows_who_may_follow_nothing_is_told() {
    let (api, _, faults) = Laboratory::served();
    let mut stream = api.follow(api.admin(), "/v1/events?after=0", &[]);
    let before = stream.until(end(&api)).len() as u64;
    minted(&api, 1);
    faults.fail_reads(true);
    let (status, problem) = api.follow(api.admin(), "/v1/events", &[]).refused();
    assert_eq!((status, text(&problem, "code").as_str()), (503, "unavailable"));
    faults.fail_reads(false);
    api.get(api.admin(), "/v1/audit?limit=1").expect(200);
    assert_eq!(stream.event()["seq"], json!(before + 1));
}

fn plain(recorded: cloakroom::service::history::Recorded) -> String {
    recorded.event.resource
}

async fn follower(laboratory: &Laboratory, after: Option<u64>) -> Follower {
    let caller = laboratory.caller(&laboratory.tenant.admin).await.unwrap();
    let wanted = WantedEvents { after, kinds: Vec::new() };
    let reading = Reading { written: plain, hang_up: Box::new(|| ()) };
    laboratory.broker.follow_events(&caller, wanted, reading).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_silence_is_filled_and_says_where_to_go_on() {
    let laboratory = Laboratory::new().await;
    let chained = laboratory.broker.chain(namespace(&laboratory)).await.unwrap() as u64;
    let mut follower = follower(&laboratory, None).await;
    let begun = tokio::time::Instant::now();
    assert!(matches!(follower.next().await, Tiding::StillHere(position) if position == chained && chained > 0));
    assert_eq!(begun.elapsed().as_secs(), 15);
    laboratory.broker.event_streams.close().await;
    assert!(matches!(follower.next().await, Tiding::Ended(Ended::Closing)));
}

#[tokio::test(start_paused = true)]
async fn whoever_falls_behind_reads_the_ledger_and_misses_nothing() {
    let laboratory = Laboratory::new().await;
    let namespace = namespace(&laboratory);
    let before = laboratory.broker.chain(namespace).await.unwrap() as u64;
    let mut follower = follower(&laboratory, Some(0)).await;
    let mut quick = self::follower(&laboratory, None).await;
    // More than is kept for anybody who does not read, in several turns of the feed.
    let mut heard = 0;
    for _ in 0..6 {
        for _ in 0..250 {
            laboratory.mint(cloakroom::domain::permission::SharePermission::Read, &["a.txt"]).await;
        }
        laboratory.broker.chain(namespace).await.unwrap();
        while heard < 250 {
            if let Tiding::Event(_) = quick.next().await {
                heard += 1;
            }
        }
        heard = 0;
    }
    let mut expected = 1;
    while expected <= before + 1_500 {
        match follower.next().await {
            Tiding::Event(told) => {
                assert_eq!(told.seq, expected);
                expected += 1;
            }
            Tiding::StillHere(_) => {}
            Tiding::Ended(why) => panic!("{why:?}"),
        }
    }
    let minted = laboratory.mint(cloakroom::domain::permission::SharePermission::Read, &["a.txt"]).await;
    laboratory.broker.chain(namespace).await.unwrap();
    let Tiding::Event(told) = follower.next().await else { panic!("it has ended") };
    assert_eq!((told.seq, told.text.as_str()), (before + 1_501, minted.share.grant.id.to_string().as_str()));
    assert!(matches!(follower.next().await, Tiding::StillHere(position) if position == before + 1_501));
}
