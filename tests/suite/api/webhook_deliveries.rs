//! What happens is delivered at least once, whatever receivers, networks, processes and stores do; and nobody who names a
//! receiver reaches what they could not reach without.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use cloakroom::{
    domain::tenant::{Mode, Namespace},
    service::Broker,
    store::faulty::Fault,
};
use serde_json::{Value, json};

use super::{
    harness::{Api, text},
    laboratory::{Laboratory, webhooks},
    receiver::{Got, Receiver, Reply, answer, status},
    webhooks::hook,
};

fn namespace(api: &Api, mode: &str) -> Namespace {
    let mode = if mode == "live" { Mode::Live } else { Mode::Test };
    Namespace { tenant: api.tenant.id.parse().unwrap(), mode }
}

/// Delivers what there is to deliver now.
pub fn deliver_in(api: &Api, mode: &str) {
    api.wait(api.broker().deliver(namespace(api, mode))).unwrap();
}

fn deliver(api: &Api) {
    deliver_in(api, "live");
}

fn seen(api: &Api, id: &str) -> Value {
    api.get(api.admin(), &format!("/v1/webhooks/{id}")).expect(200)
}

fn deliveries(api: &Api, id: &str) -> Vec<Value> {
    let listed = api.get(api.admin(), &format!("/v1/webhooks/{id}/deliveries")).expect(200);
    listed["items"].as_array().unwrap().clone()
}

fn change(api: &Api, id: &str, body: &Value) -> Value {
    api.call("PATCH", &format!("/v1/webhooks/{id}")).bearer(api.admin()).json(body).send().expect(200)
}

/// Something that happens: a share is made.
fn happen(api: &Api, times: usize) -> Vec<String> {
    (0..times).map(|_| api.mint(api.admin(), "read", &["a.txt"]).id).collect()
}

/// About which shares something came.
fn about(got: &[Got]) -> BTreeSet<String> {
    got.iter().map(|got| text(&got.json()["data"], "resource")).collect()
}

const SHARES: &str = "share.created";

fn shares() -> Value {
    json!({ "types": [SHARES] })
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn what_fails_is_tried_again_under_its_id_and_holds_up_nothing_else() {
    let (api, clock, _) = Laboratory::served_delivering();
    let receiver = Receiver::new();
    let (id, _) = hook(&api, &receiver, shares());
    let bad = happen(&api, 1).remove(0);
    let refused = bad.clone();
    receiver.now(move |got| status(if text(&got.json()["data"], "resource") == refused { 500 } else { 200 }));
    let good = happen(&api, 9);
    deliver(&api);
    let arrived = receiver.got();
    assert_eq!(about(&arrived), good.iter().chain([&bad]).cloned().collect());
    assert_eq!(arrived.len(), 10, "each once");

    let waiting = deliveries(&api, &id);
    assert_eq!(waiting.len(), 1, "{waiting:?}");
    let waiting = &waiting[0];
    assert_eq!((&waiting["state"], &waiting["attempts"]), (&json!("waiting"), &json!(1)));
    assert_eq!((&waiting["last_status"], &waiting["last_problem"]), (&json!(500), &json!("status")));
    assert_eq!(seen(&api, &id)["waiting"], 1);

    receiver.forget();
    clock.advance(seconds(4));
    deliver(&api);
    assert_eq!(receiver.got().len(), 0, "it is not due");
    clock.advance(seconds(2));
    receiver.now(|_| status(200));
    deliver(&api);
    let again = receiver.got();
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].header("webhook-id"), text(waiting, "message"));
    let first = arrived.iter().find(|got| got.header("webhook-id") == again[0].header("webhook-id")).unwrap();
    assert_eq!(first.body, again[0].body);
    assert_ne!(first.header("webhook-timestamp"), again[0].header("webhook-timestamp"), "signed anew");
    assert_eq!(deliveries(&api, &id), Vec::<Value>::new());
    assert_eq!(seen(&api, &id)["waiting"], 0);
    let ids: BTreeSet<_> = arrived.iter().map(|got| got.header("webhook-id")).collect();
    assert_eq!(ids.len(), 10, "each has an id of its own");
}

#[test]
fn what_is_tried_in_vain_is_left_told_and_can_be_sent_once_more() {
    let (api, clock, _) = Laboratory::served_delivering();
    let receiver = Receiver::new();
    let (id, _) = hook(&api, &receiver, json!({ "types": [SHARES, "webhook.*"] }));
    let bad = happen(&api, 1).remove(0);
    let refused = bad.clone();
    receiver.now(move |got| status(if text(&got.json()["data"], "resource") == refused { 400 } else { 200 }));
    // Waits are up to a tenth longer, and each ends within one of these.
    for _ in 0..60 {
        deliver(&api);
        // The receiver is well; this one event it does not take.
        happen(&api, 1);
        clock.advance(seconds(2 * 3600));
    }
    deliver(&api);
    let tries: Vec<_> =
        receiver.got().into_iter().filter(|got| about(std::slice::from_ref(got)).contains(&bad)).collect();
    assert_eq!(tries.len(), 10);
    assert_eq!(tries.iter().map(|got| got.header("webhook-id")).collect::<BTreeSet<_>>().len(), 1);
    let left = deliveries(&api, &id);
    assert_eq!((left.len(), &left[0]["state"], &left[0]["attempts"]), (1, &json!("dead"), &json!(10)));
    assert_eq!((&seen(&api, &id)["waiting"], &seen(&api, &id)["dead_letters"]), (&json!(0), &json!(1)));
    assert_eq!(api.happened("webhook.delivery_failed", &id), 1);
    assert_eq!(seen(&api, &id)["status"], "active");
    assert_eq!(receiver.of("webhook.delivery_failed").len(), 0, "not by the way that it is about");

    // In vain, and not.
    let replay = format!("/v1/webhooks/{id}/deliveries/{}/replay", left[0]["seq"]);
    let replay = || api.call("POST", &replay).bearer(api.admin()).send().expect(200);
    let stands = replay();
    assert_eq!((&stands["state"], &stands["attempts"]), (&json!("dead"), &json!(11)));
    receiver.forget();
    receiver.now(|_| status(200));
    assert_eq!(replay()["state"], "delivered");
    let got = receiver.got();
    assert_eq!((got.len(), got[0].header("webhook-id")), (1, tries[0].header("webhook-id")));
    assert_eq!(deliveries(&api, &id), Vec::<Value>::new());
    // Nobody else's.
    let other = api.new_tenant("Other");
    let route = format!("/v1/webhooks/{id}/deliveries/{}/replay", left[0]["seq"]);
    api.call("POST", &route).bearer(&other.admin.secret).send().problem(404, "not_found");
}

#[test]
fn whatever_a_receiver_does_is_told_and_holds_nobody_up() {
    let (api, _, _) = Laboratory::served_delivering();
    let receiver = Receiver::new();
    let (id, _) = hook(&api, &receiver, json!({ "types": ["user.created"] }));
    let elsewhere = Receiver::new();
    let redirect = format!("location: http://127.0.0.1:{}/\r\n", elsewhere.port);
    let metadata = "location: http://169.254.169.254/latest/meta-data/\r\n";
    let tested = |reply: Reply| {
        receiver.now(move |_| reply.clone());
        api.call("POST", &format!("/v1/webhooks/{id}/test")).bearer(api.admin()).send().expect(200)
    };
    for (reply, status, problem) in [
        (status(200), json!(200), Value::Null),
        (status(299), json!(299), Value::Null),
        (Reply::Endless, json!(200), Value::Null),
        (status(500), json!(500), json!("status")),
        (status(404), json!(404), json!("status")),
        (answer(302, metadata), json!(302), json!("status")),
        (answer(307, &redirect), json!(307), json!("status")),
        (answer(308, &redirect), json!(308), json!("status")),
        (Reply::Hang, Value::Null, json!("timeout")),
        (Reply::Close, Value::Null, json!("broken")),
        (Reply::EndlessHeaders, Value::Null, json!("broken")),
        (Reply::Text("SSH-2.0-OpenSSH_9.2\r\n\r\n".into()), Value::Null, json!("broken")),
    ] {
        let said = format!("{reply:?}");
        let came = tested(reply);
        assert_eq!((&came["status"], &came["problem"]), (&status, &problem), "{said}: {came}");
        assert_eq!(came["delivered"], problem.is_null(), "{said}");
    }
    assert_eq!(elsewhere.got().len(), 0);
    // Nothing of what it answers is passed on.
    let secret = Reply::Text("HTTP/1.1 500 No\r\nx: inside\r\ncontent-length: 6\r\n\r\ninside".into());
    assert!(!tested(secret).to_string().contains("inside"));
    let (_taken, nobody) = crate::program::process::nobody();
    change(&api, &id, &json!({ "url": format!("http://{nobody}/") }));
    let came = api.call("POST", &format!("/v1/webhooks/{id}/test")).bearer(api.admin()).send().expect(200);
    assert_eq!(came["problem"], "unreachable");
}

#[test]
fn a_name_leads_to_no_address_that_nothing_is_sent_to() {
    let (api, _, _) = Laboratory::served_delivering();
    let receiver = Receiver::new();
    let (id, _) = hook(&api, &receiver, json!({ "types": ["user.created"] }));
    let tested = |host: &str, scheme: &str| {
        change(&api, &id, &json!({ "url": format!("{scheme}://{host}:{}/", receiver.port) }));
        let came = api.call("POST", &format!("/v1/webhooks/{id}/test")).bearer(api.admin()).send().expect(200);
        text(&came, "problem")
    };
    for scheme in ["http", "https"] {
        for host in [
            "inside.example",
            "loopback.example",
            "mapped.example",
            "translated.example",
            "metadata.example",
            "both.example",
        ] {
            assert_eq!(tested(host, scheme), "address_refused", "{scheme} {host}");
        }
    }
    assert_eq!(tested("nobody.example", "http"), "name_not_found");
    assert_eq!(receiver.got().len(), 0);
    // The name that the operator lets through is gone to, with its name in the request.
    change(&api, &id, &json!({ "url": format!("http://receiver.example:{}/", receiver.port) }));
    api.call("POST", &format!("/v1/webhooks/{id}/test")).bearer(api.admin()).send().expect(200);
    assert_eq!(receiver.got()[0].header("host"), format!("receiver.example:{}", receiver.port));
}

#[test]
fn a_receiver_that_is_gone_is_asked_no_more_until_somebody_wants_that() {
    let (api, clock, _) = Laboratory::served_delivering();
    let receiver = Receiver::that(|_| status(410));
    let (id, _) = hook(&api, &receiver, shares());
    let mut all = happen(&api, 1);
    deliver(&api);
    let paused = seen(&api, &id);
    assert_eq!((&paused["status"], &paused["paused"]["reason"]), (&json!("paused"), &json!("gone")));
    assert_eq!(api.happened("webhook.paused", &id), 1);
    all.extend(happen(&api, 30));
    clock.advance(seconds(3600));
    deliver(&api);
    assert_eq!(receiver.got().len(), 1);
    // It goes on from where it was.
    receiver.forget();
    receiver.now(|_| status(200));
    change(&api, &id, &json!({ "paused": false }));
    deliver(&api);
    assert_eq!(about(&receiver.got()), all.into_iter().collect());
    assert_eq!((receiver.got().len(), &seen(&api, &id)["waiting"]), (31, &json!(0)));
}

#[test]
fn a_receiver_that_is_down_is_left_alone_and_paused_after_days_and_nothing_is_lost() {
    let (api, clock, _) = Laboratory::served_delivering();
    let receiver = Receiver::that(|_| status(503));
    let (id, _) = hook(&api, &receiver, shares());
    let all = happen(&api, 50);
    deliver(&api);
    let asked = receiver.got().len();
    assert!((5..=8).contains(&asked), "{asked}");
    assert!(seen(&api, &id)["rests_until"].is_string() && seen(&api, &id)["failing_since"].is_string());
    deliver(&api);
    assert_eq!(receiver.got().len(), asked, "it rests");
    let mut paused = 0;
    for hour in 0..200 {
        clock.advance(seconds(3600));
        deliver(&api);
        if seen(&api, &id)["status"] == "paused" {
            paused = hour + 1;
            break;
        }
    }
    assert_eq!(paused, 120, "five days");
    assert_eq!(seen(&api, &id)["paused"]["reason"], "failing");
    assert_eq!(api.happened("webhook.paused", &id), 1);
    receiver.forget();
    receiver.now(|_| status(200));
    change(&api, &id, &json!({ "paused": false }));
    deliver(&api);
    // What was left meanwhile is there to be looked at; everything else arrives, each at its time.
    clock.advance(seconds(27 * 3600));
    deliver(&api);
    let left: BTreeSet<_> = deliveries(&api, &id).iter().map(|one| one["seq"].as_u64().unwrap()).collect();
    let arrived: BTreeSet<_> = receiver.got().iter().map(Got::seq).collect();
    assert_eq!(left.len() + arrived.len(), all.len(), "{left:?} {arrived:?}");
    assert!(left.is_disjoint(&arrived));
    let states: BTreeSet<_> = deliveries(&api, &id).iter().map(|one| text(one, "state")).collect();
    assert!(states.iter().all(|state| state == "dead"), "{states:?}");
}

#[test]
fn a_receiver_is_left_alone_for_as_long_as_it_wants_within_bounds() {
    let (api, clock, _) = Laboratory::served_delivering();
    let receiver = Receiver::that(|_| answer(429, "retry-after: 100\r\n"));
    let (_, _) = hook(&api, &receiver, shares());
    happen(&api, 1);
    deliver(&api);
    happen(&api, 1);
    receiver.now(|_| status(200));
    clock.advance(seconds(99));
    deliver(&api);
    assert_eq!(receiver.got().len(), 1);
    clock.advance(seconds(2));
    deliver(&api);
    assert_eq!(receiver.got().len(), 3);
}

#[test]
fn what_was_sent_before_a_crash_is_sent_again_under_its_id() {
    let (api, clock, _) = Laboratory::served_delivering();
    let receiver = Receiver::that(|_| Reply::Hang);
    let (id, _) = hook(&api, &receiver, shares());
    let all: BTreeSet<_> = happen(&api, 3).into_iter().collect();
    // The process ends while messages are on their way.
    let broker = Broker { webhooks: Arc::new(webhooks("127.0.0.1")), ..api.broker().clone() };
    let namespace = namespace(&api, "live");
    let sent = api.wait(async {
        let at_work = tokio::spawn(async move { broker.deliver(namespace).await });
        let sent = receiver.until(|got| (got.len() == 3).then(|| got.to_vec()));
        at_work.abort();
        sent
    });
    receiver.forget();
    receiver.now(|_| status(200));
    // Another one waits until the lease is over, and goes on.
    deliver(&api);
    assert_eq!(receiver.got().len(), 0);
    clock.advance(seconds(46));
    deliver(&api);
    assert_eq!(about(&receiver.got()), all);
    let ids = |got: &[Got]| got.iter().map(|got| (got.seq(), got.header("webhook-id"))).collect::<BTreeMap<_, _>>();
    assert_eq!(ids(&sent), ids(&receiver.got()));
    assert_eq!(seen(&api, &id)["waiting"], 0);
}

#[test]
fn a_commit_of_which_nothing_is_known_loses_nothing() {
    for fault in Fault::ALL {
        let (api, clock, faults) = Laboratory::served_delivering();
        let receiver = Receiver::new();
        let (id, _) = hook(&api, &receiver, shares());
        let all: BTreeSet<_> = happen(&api, 3).into_iter().collect();
        api.wait(api.broker().chain(namespace(&api, "live"))).unwrap();
        // The first is that of the lease, the second says what became of the messages.
        faults.plan([Fault::Ok, fault]);
        let _whatever = api.wait(api.broker().deliver(namespace(&api, "live")));
        faults.clear_plan();
        api.wait(faults.settle());
        clock.advance(seconds(60));
        deliver(&api);
        assert_eq!(about(&receiver.got()), all, "{fault:?}");
        let ids: BTreeSet<_> = receiver.got().iter().map(|got| got.header("webhook-id")).collect();
        assert_eq!(ids.len(), 3, "{fault:?}");
        assert_eq!(seen(&api, &id)["waiting"], 0);
    }
}

#[test]
fn two_replicas_lose_nothing_and_do_not_do_everything_twice() {
    let (api, _, _) = Laboratory::served_delivering();
    let receiver = Receiver::new();
    let (_, _) = hook(&api, &receiver, shares());
    let mut all = BTreeSet::new();
    let other = Broker { webhooks: Arc::new(webhooks("127.0.0.1")), ..api.broker().clone() };
    for _ in 0..10 {
        all.extend(happen(&api, 12));
        let namespace = namespace(&api, "live");
        let both = api.wait(async { tokio::join!(api.broker().deliver(namespace), other.deliver(namespace)) });
        both.0.and(both.1).unwrap();
    }
    // Whoever came second has left what came after to the first.
    deliver(&api);
    api.wait(other.deliver(namespace(&api, "live"))).unwrap();
    assert_eq!(about(&receiver.got()), all);
    assert_eq!(receiver.got().len(), all.len(), "the lease kept them apart");
}

#[test]
fn a_backlog_is_worked_off_and_can_be_sent_again_from_a_record_on() {
    let (api, _, _) = Laboratory::served_delivering();
    let receiver = Receiver::new();
    let (id, _) = hook(&api, &receiver, json!({ "types": ["share.*"] }));
    change(&api, &id, &json!({ "paused": true }));
    let all: BTreeSet<_> = happen(&api, 600).into_iter().collect();
    deliver(&api);
    assert_eq!(receiver.got().len(), 0);
    change(&api, &id, &json!({ "paused": false }));
    deliver(&api);
    assert_eq!((receiver.got().len(), about(&receiver.got())), (600, all.clone()));

    let seqs: Vec<_> = receiver.got().iter().map(Got::seq).collect();
    let after = *seqs.iter().max().unwrap() - 100;
    receiver.forget();
    let replay = format!("/v1/webhooks/{id}/replay");
    assert_eq!(api.post(api.admin(), &replay, &json!({ "after": after })).expect(200)["seq"], after);
    deliver(&api);
    let again: BTreeSet<_> = receiver.got().iter().map(Got::seq).collect();
    // Not every record is one of a share: what happens within a millisecond is chained in any order.
    assert_eq!(again, seqs.into_iter().filter(|seq| *seq > after).collect(), "{:?}", deliveries(&api, &id));
    // What is passed over is not sent.
    happen(&api, 5);
    receiver.forget();
    let last = api.get(api.admin(), "/v1/audit?limit=1").expect(200)["items"][0]["seq"].as_u64().unwrap();
    api.post(api.admin(), &replay, &json!({ "after": last })).expect(200);
    deliver(&api);
    assert_eq!(receiver.got().len(), 0);
}

#[test]
fn what_webhooks_cause_does_not_go_round_in_circles() {
    let (api, clock, _) = Laboratory::served_delivering();
    // Neither takes what is about webhooks, and one of them not every share either.
    let bad = |got: &Got| got.kind().starts_with("webhook.");
    let other = Receiver::that(move |got| status(if bad(got) { 500 } else { 200 }));
    let one = Receiver::new();
    let first = happen(&api, 1);
    let (one_id, _) = hook(&api, &one, json!({}));
    let (other_id, _) = hook(&api, &other, json!({}));
    drop(first);
    let poison = happen(&api, 1).remove(0);
    one.now(move |got| status(if bad(got) || text(&got.json()["data"], "resource") == poison { 500 } else { 200 }));
    for _ in 0..150 {
        deliver(&api);
        happen(&api, 1);
        clock.advance(seconds(2 * 3600));
    }
    deliver(&api);
    let told = |id: &str| api.happened("webhook.delivery_failed", id);
    // That the share did not arrive; and that webhooks were set up, which one or the other does not take either.
    assert!(told(&one_id) <= 3 && told(&other_id) <= 3, "{} {}", told(&one_id), told(&other_id));
    assert!(told(&one_id) >= 1);
    let before = told(&one_id) + told(&other_id);
    for _ in 0..60 {
        happen(&api, 1);
        clock.advance(seconds(2 * 3600));
        deliver(&api);
    }
    assert_eq!(told(&one_id) + told(&other_id), before);
}

#[test]
fn a_suspended_tenant_sends_nothing_until_it_is_resumed() {
    let (api, clock, _) = Laboratory::served_delivering();
    let tenant = api.new_tenant("Second");
    let receiver = Receiver::new();
    let body = json!({ "url": receiver.url(), "types": [SHARES] });
    api.post(&tenant.admin.secret, "/v1/webhooks", &body).expect(201);
    let namespace = Namespace { tenant: tenant.id.parse().unwrap(), mode: Mode::Live };
    api.mint(&tenant.admin.secret, "read", &["a.txt"]);
    let call = |what: &str| api.call("POST", &format!("/v1/tenants/{}/{what}", tenant.id)).bearer(api.admin()).send();
    assert!(call("suspend").status < 300);
    api.wait(api.broker().deliver(namespace)).unwrap();
    assert_eq!(receiver.got().len(), 0);
    assert!(call("resume").status < 300);
    clock.advance(seconds(60));
    api.wait(api.broker().deliver(namespace)).unwrap();
    assert_eq!(receiver.got().len(), 1);
}

#[test]
fn operators_are_told_what_becomes_of_deliveries() {
    let (api, clock, _) = Laboratory::served_delivering();
    let receiver = Receiver::new();
    hook(&api, &receiver, shares());
    happen(&api, 2);
    deliver(&api);
    receiver.now(|_| status(500));
    happen(&api, 1);
    deliver(&api);
    clock.advance(seconds(3));
    let metrics = api.metrics();
    for line in [
        "cloakroom_webhook_deliveries_total{outcome=\"delivered\"} 2",
        "cloakroom_webhook_deliveries_total{outcome=\"failed\"} 1",
        "cloakroom_webhook_dead_letters_total 0",
        "cloakroom_webhook_waiting 1",
        "cloakroom_webhook_waiting_seconds 3",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
    }
}
