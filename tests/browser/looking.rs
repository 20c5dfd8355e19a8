//! Looking costs nothing: what previews links, renders and prefetches pages uses nothing up.

use serde_json::json;

use crate::{
    browser::{browsers, until},
    house::House,
};

const PREVIEW: &str = "POST /v1/shares/redeem/preview";

#[test]
fn robots_that_preview_and_render_every_page_use_nothing_up() {
    let house = House::open();
    house.has(&[("docs/a.bin", "first")]);
    let (share, link, asked) = (house.shares("read", &["docs/"]), house.links(json!({})), house.asks(json!({})));
    let urls = [&share.url, &link.url, &asked.url];

    for page in ["/s", "/l", "/r", "/session/ses_x", "/"] {
        for (method, agent) in [("GET", "Slackbot-LinkExpanding 1.0"), ("HEAD", "Microsoft Office"), ("GET", "")] {
            let call = house.api.call(method, page).header("user-agent", agent).header("purpose", "prefetch");
            assert_eq!(call.send().status, 200, "{method} {page}");
        }
    }

    // One that renders, and one to which another page has said what to prefetch and to render ahead.
    let [robot, ahead] = browsers();
    for url in urls {
        robot.go(url);
        robot.sees("offer");
        robot.reload();
        robot.sees("offer");
    }
    ahead.cdp("Page.setBypassCSP", json!({ "enabled": true }));
    ahead.go(&house.url);
    let before = house.seen(PREVIEW).len();
    let _told: bool = ahead.eval(&format!(
        "const urls = {}; \
         for (const url of urls) document.head.append(Object.assign(document.createElement('link'), {{ rel: 'prefetch', href: url }})); \
         const rules = Object.assign(document.createElement('script'), {{ type: 'speculationrules' }}); \
         rules.textContent = JSON.stringify({{ prerender: [{{ urls, eagerness: 'immediate' }}] }}); \
         document.head.append(rules); return true;",
        json!(urls)
    ));
    until("the page is rendered ahead", || house.seen(PREVIEW).len() > before);

    for (kind, id) in [("share", &share.id), ("link", &link.id), ("file_request", &asked.id)] {
        assert_eq!(house.claims(kind, id), 0, "{kind}");
    }
    let person = robot;
    person.go(&share.url);
    person.presses("open");
    assert_eq!(person.listed(), ["a.bin"]);
    person.go(&link.url);
    person.presses("open");
    person.finds("#site");
    person.go(&asked.url);
    person.presses("begin");
    person.sees("open");
    assert_eq!((house.claims("share", &share.id), house.claims("link", &link.id)), (1, 1));
}
