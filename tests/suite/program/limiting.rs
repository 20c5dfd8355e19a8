//! The program with its usual limits: on unless switched off by name, and what it tells the operator.

use serde_json::{Value, json};

use super::process::{Place, Served};

fn limited(place: &Place) -> Served {
    let mut command = place.command("serve");
    command.env_remove("CLOAKROOM_LIMITS");
    place.serve_as(command)
}

/// How many of so many sign-ins with a key that is none are answered with each status.
fn sign_ins(served: &Served, times: usize) -> [usize; 2] {
    let statuses: Vec<_> = (0..times)
        .map(|number| {
            let body = json!({ "api_key": format!("crk_live_{number}") });
            served.ask("POST", "/v1/console/session", "none", Some(&body)).0
        })
        .collect();
    [401, 429].map(|wanted| statuses.iter().filter(|status| **status == wanted).count())
}

#[test]
fn limits_are_on_unless_switched_off_by_name() {
    let place = Place::new();
    let served = limited(&place);
    let [looked_at, refused] = sign_ins(&served, 100);
    // One more with each two seconds that this takes.
    assert!((30..60).contains(&looked_at) && looked_at + refused == 100, "{looked_at} {refused}");
    let metrics = served.metrics();
    for line in [
        format!(r#"cloakroom_limited_total{{limit="sign_in"}} {refused}"#),
        r#"cloakroom_limited_total{limit="redeem"} 0"#.into(),
    ] {
        assert!(metrics.lines().any(|told| told == line), "{line}: {metrics}");
    }
    served.stop();
    let served = place.serve();
    assert_eq!(sign_ins(&served, 100), [100, 0]);
    served.stop();
}

#[test]
fn an_attack_is_told_in_the_log_without_what_it_was_tried_with() {
    let place = Place::new();
    let served = limited(&place);
    assert_eq!(sign_ins(&served, 12)[0], 12);
    for number in 0..31 {
        assert_eq!(served.ask("GET", "/v1/objects", &format!("crk_live_{number}"), None).0, 401);
    }
    let log = served.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let events: Vec<_> = lines.filter(|line| line["message"] == "security event").collect();
    let told: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(told, ["sign_in_failures_from_one_address", "dead_tokens_from_one_address"], "{log}");
    for event in events {
        assert_eq!((&event["level"], &event["address"]), (&json!("WARN"), &json!("127.0.0.1")), "{event}");
        assert!(event["request"].as_str().unwrap().starts_with("req_"), "{event}");
    }
    let metrics = served.metrics();
    for line in [
        r#"cloakroom_security_events_total{event="sign_in_failures_from_one_address"} 1"#,
        r#"cloakroom_security_events_total{event="dead_tokens_from_one_address"} 1"#,
        r#"cloakroom_security_events_total{event="wrong_passwords_from_one_address"} 0"#,
        r#"cloakroom_stranger_refusals_total{what="sign_in"} 12"#,
        r#"cloakroom_stranger_refusals_total{what="token"} 31"#,
    ] {
        assert!(metrics.lines().any(|told| told == line), "{line}: {metrics}");
    }
    assert!(metrics.ends_with("# EOF\n") && !metrics.contains("127.0.0.1"), "{metrics}");
    // No credential is in the log: looked at when it stops.
    served.stop();
}
