//! How many requests there were, and how they ended: told to whoever watches, by nothing that a stranger chose.

use super::harness::{Api, Backend, claim_key};

/// What is told of requests so.
fn count(metrics: &str, labels: &str) -> u64 {
    let wanted = format!("cloakroom_requests_total{{{labels}}} ");
    let found = metrics.lines().find_map(|line| line.strip_prefix(&wanted));
    found.map_or(0, |count| count.parse().unwrap())
}

#[test]
fn requests_are_counted_by_route_and_by_how_they_ended() {
    let api = Api::start(Backend::Embedded);
    let minted = api.mint(api.admin(), "read", &["a.txt"]);
    api.mint(api.admin(), "read", &["a.txt"]);
    api.redeem(&minted.token, &claim_key()).expect(200);
    api.redeem(&minted.token, &claim_key()).problem(404, "dead_token");
    for canary in ["/v1/canary-one", "/canary-two?x=canary-three", "/v1/shares/canary-four"] {
        api.get(api.admin(), canary);
    }
    api.call("BREW", "/v1/shares").bearer(api.admin()).send();
    let metrics = api.metrics();
    let of = |method: &str, route: &str, status: &str| {
        count(&metrics, &format!(r#"listener="api",method="{method}",route="{route}",status="{status}""#))
    };
    assert_eq!(of("POST", "/v1/shares", "2xx"), 2);
    assert_eq!(of("POST", "/v1/shares/redeem", "2xx"), 1);
    assert_eq!(of("POST", "/v1/shares/redeem", "4xx"), 1);
    assert_eq!(of("GET", "/v1/shares/{id}", "4xx"), 1);
    assert_eq!(of("GET", "none", "4xx"), 2);
    assert_eq!(of("other", "/v1/shares", "4xx"), 1);
    assert!(!metrics.contains("canary") && !metrics.contains("BREW"), "{metrics}");
    let all = metrics.lines().find(|line| line.starts_with("cloakroom_answering_seconds_count{listener=\"api\"}"));
    let all: u64 = all.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    assert!(all >= 8);
}

#[test]
fn refusals_are_counted_by_the_reason_that_nobody_is_told() {
    let api = Api::start(Backend::Embedded);
    let [claimed, revoked] = [(); 2].map(|()| api.mint(api.admin(), "read", &["a.txt"]));
    api.redeem(&claimed.token, &claim_key()).expect(200);
    api.delete(api.admin(), &format!("/v1/shares/{}", revoked.id)).expect(204);
    // More often than is recorded one by one.
    for _ in 0..12 {
        api.redeem(&claimed.token, &claim_key()).problem(404, "dead_token");
    }
    api.redeem(&revoked.token, &claim_key()).problem(404, "dead_token");
    api.redeem("crs_AAAA", &claim_key()).problem(404, "dead_token");
    let metrics = api.metrics();
    let counts = [("already_claimed", 12), ("revoked", 1), ("unattributed", 1), ("expired", 0)];
    for (reason, count) in counts {
        let line = format!("cloakroom_refusals_total{{reason=\"{reason}\"}} {count}");
        assert!(metrics.lines().any(|told| told == line), "{line}: {metrics}");
    }
}
