//! Links that open nothing: one face for all that are dead, another for those that were cut off on their way.

use std::time::Duration;

use serde_json::json;

use crate::{
    api::harness::{claim_key, random},
    browser::browser,
    delivery::words::with_other,
    house::House,
};

/// What does no more than look like a fragment of ours.
const NO_TOKENS: [&str; 7] =
    ["#", "#hello", "#crs_", "#crx_AAAA", "#%E0%A4%A", "#<img src=x onerror=alert(1)>", "#?token=1&x=y"];

#[test]
fn every_dead_link_shows_the_same_face_whatever_it_died_of() {
    let (house, clock) = House::with_a_clock();
    house.has(&[("docs/a.bin", "first")]);
    let key = house.admin();
    let reader = browser();
    let share = || house.shares("read", &["docs/"]);
    let link = || house.links(json!({}));
    let ask = || house.asks(json!({}));
    let own = |page: &str, token: &str| format!("{}/{page}#{token}", house.url);
    let face = |url: &str, cause: &str| {
        // A page of its own: from one fragment to the next, the old page could be taken for the new one.
        reader.go("about:blank");
        reader.go(url);
        reader.sees("dead");
        assert!(reader.address().contains('#'), "{cause}: who reloads sees it again");
        let shown: String = reader.eval("return document.title + '\\n' + document.querySelector('main').innerText");
        assert!(shown.len() > 300, "{cause}: {shown}");
        shown
    };

    let (old_share, old_link, old_request) = (share(), link(), ask());
    let mut faces = [Vec::new(), Vec::new(), Vec::new()];
    let revoked = share();
    house.api.delete(key, &format!("/v1/shares/{}", revoked.id)).expect(204);
    faces[0].push(face(&revoked.url, "revoked"));
    reader.pictures("share", "dead");
    let used = share();
    house.api.redeem(&used.token, &claim_key()).expect(200);
    faces[0].push(face(&used.url, "used"));
    faces[0].push(face(&own("s", &with_other(&share().token, 100)), "tampered"));

    let revoked = link();
    house.api.delete(key, &format!("/v1/links/{}", revoked.id)).expect(204);
    faces[1].push(face(&revoked.url, "revoked"));
    let used = link();
    house.api.redeem_link(&used.token, &claim_key()).expect(200);
    faces[1].push(face(&used.url, "used"));
    faces[1].push(face(&own("l", &unknown("crl_")), "unknown"));

    let closed = ask();
    house.api.delete(key, &format!("/v1/file-requests/{}", closed.id)).expect(204);
    faces[2].push(face(&closed.url, "closed"));
    reader.pictures("request", "dead");
    faces[2].push(face(&own("r", &unknown("crf_")), "unknown"));

    clock.advance(Duration::from_secs(100 * 86_400));
    for (faces, old) in faces.iter_mut().zip([old_share, old_link, old_request]) {
        faces.push(face(&old.url, "expired"));
        faces.dedup();
        assert_eq!(faces.len(), 1, "{faces:#?}");
    }
}

fn unknown(kind: &str) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    format!("{kind}{}", URL_SAFE_NO_PAD.encode(random::<32>()))
}

#[test]
fn what_is_no_whole_link_is_told_apart_here_and_nobody_is_asked() {
    let house = House::open();
    house.has(&[("docs/a.bin", "first")]);
    let (share, link, asked) = (house.shares("read", &["docs/"]), house.links(json!({})), house.asks(json!({})));
    let reader = browser();
    for (page, whole) in [("s", &share), ("l", &link), ("r", &asked)] {
        let (cut, longer) = (&whole.url[..whole.url.len() - 1], format!("{}A", whole.url));
        let others = [&share, &link, &asked].map(|other| format!("{}/{page}#{}", house.url, other.token));
        let elsewhere = others.into_iter().filter(|url| *url != whole.url);
        let no_tokens = NO_TOKENS.map(|fragment| format!("{}/{page}{fragment}", house.url));
        let huge = format!("{}/{page}#{}", house.url, "A".repeat(100_000));
        for url in [cut.to_owned(), longer, huge].into_iter().chain(elsewhere).chain(no_tokens) {
            reader.go("about:blank");
            reader.go(&url);
            reader.until(
                "it is not a whole link",
                "return document.querySelector('[data-view=cut]:not([hidden])') !== null",
            );
        }
        // What is written behind a whole link is not part of it.
        reader.go("about:blank");
        reader.go(&format!("{}.", whole.url));
        reader.sees("offer");
    }
    reader.go(&format!("{}/s#crs_", house.url));
    reader.sees("cut");
    reader.pictures("share", "cut");
    assert_eq!(house.seen("POST /v1/").iter().filter(|seen| seen.line.contains("/redeem")).count(), 3);
}
