//! How heavy the recipients' pages are, when they begin to show something, and that nothing on them jumps: by
//! Chromium's own measurements.

use serde_json::{Value, json};

use crate::{
    browser::{Browser, browser},
    house::House,
    pictures,
};

/// The heaviest that a recipient's page may be: what comes over the wire, headers included.
const HEAVIEST: u64 = 60_000;

/// What Chromium has measured of the page that is shown, and of what it loaded.
const MEASURED: &str = "
    const done = arguments[0];
    const shifts = new PerformanceObserver((list) => {
      shifts.disconnect();
      finish(list.getEntries());
    });
    const finish = (entries) => done({
      first_contentful_paint_ms: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null,
      layout_shift: entries.filter((one) => !one.hadRecentInput).reduce((sum, one) => sum + one.value, 0),
    });
    shifts.observe({ type: 'layout-shift', buffered: true });
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => { shifts.disconnect(); finish(shifts.takeRecords()); }, 50)));";

/// How often a page is loaded anew to see how soon it shows something.
const LOADS: usize = 7;

/// The bytes that came from this origin since this was asked last, and in how many answers.
fn transferred(browser: &Browser, origin: &str) -> (u64, usize) {
    let messages: Vec<Value> = browser
        .log("performance")
        .iter()
        .map(|entry| serde_json::from_str::<Value>(entry["message"].as_str().unwrap()).unwrap()["message"].clone())
        .collect();
    let of =
        |method: &'static str| messages.iter().filter(move |one| one["method"] == method).map(|one| &one["params"]);
    let from_there = |one: &&Value| one["response"]["url"].as_str().unwrap().starts_with(origin);
    let ours: Vec<_> = of("Network.responseReceived").filter(from_there).map(|one| &one["requestId"]).collect();
    let finished = of("Network.loadingFinished").filter(|one| ours.contains(&&one["requestId"]));
    let sizes: Vec<_> = finished.map(|one| one["encodedDataLength"].as_f64().unwrap() as u64).collect();
    (sizes.iter().sum(), sizes.len())
}

#[track_caller]
fn measure(browser: &Browser, origin: &str, page: &str, mut show: impl FnMut(&Browser)) {
    browser.log("performance");
    browser.cdp("Network.clearBrowserCache", json!({}));
    show(browser);
    let measured: Value = browser.eval_async(MEASURED);
    let (bytes, answers) = transferred(browser, origin);
    let paint = |measured: &Value| measured["first_contentful_paint_ms"].as_f64();
    let mut paints: Vec<_> = paint(&measured).into_iter().collect();
    for _ in 1..LOADS {
        browser.cdp("Network.clearBrowserCache", json!({}));
        browser.reload();
        paints.extend(paint(&browser.eval_async(MEASURED)));
    }
    paints.sort_by(f64::total_cmp);
    let median = paints.get(paints.len() / 2).copied();
    let figures = json!({
        "transferred_bytes": bytes, "answers": answers, "layout_shift": measured["layout_shift"],
        "first_contentful_paint_ms": { "median": median, "least": paints.first(), "most": paints.last(), "loads": paints.len() },
    });
    println!("{page}: {figures}");
    pictures::note("figures.json", page, Some(figures));
    assert!((1..HEAVIEST).contains(&bytes), "{page}: {bytes} bytes");
    assert_eq!(measured["layout_shift"], 0, "{page}");
}

#[test]
fn the_recipients_pages_are_light_and_nothing_on_them_jumps() {
    // Without relays, which would take part in the time.
    let house = House::direct();
    house.has(&[("docs/a.bin", "first"), ("docs/b.bin", "second")]);
    let link = house.links(json!({}));
    let share = house.shares("write", &["docs/"]);
    let asked = house.asks(json!({ "message": "Your invoices, please" }));
    let reader = browser();
    let shows = |url: String, view: &'static str| {
        move |browser: &Browser| {
            browser.go("about:blank");
            browser.go(&url);
            browser.sees(view);
        }
    };
    measure(&reader, &house.url, "share-offer", shows(share.url.clone(), "offer"));
    measure(&reader, &house.url, "link-offer", shows(link.url.clone(), "offer"));
    measure(&reader, &house.url, "request-offer", shows(asked.url.clone(), "offer"));
    measure(&reader, &house.url, "share-dead", shows(format!("{}/s#crs_{}", house.url, "A".repeat(248)), "dead"));
    reader.go("about:blank");
    reader.go(&share.url);
    reader.presses("open");
    reader.listed();
    let session = reader.address();
    measure(&reader, &house.url, "session", |browser| {
        browser.go("about:blank");
        browser.go(&session);
        browser.listed();
    });
    reader.go(&asked.url);
    reader.presses("begin");
    reader.sees("open");
    measure(&reader, &house.url, "request-open", shows(asked.url.clone(), "open"));
}
