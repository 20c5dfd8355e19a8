//! What owners make in the console: a file link, a site link with a password, a request for files. Each is opened by
//! somebody else, what came of it is told, and it is ended.

use serde_json::json;

use crate::{
    api::deeds::claim_key,
    browser::{Browser, browser, browsers, until},
    console::said,
    house::House,
};

impl Browser {
    /// What a camera reads from the code that is drawn in this: nothing if it is not dark on light.
    #[track_caller]
    pub fn decodes(&self, within: &str) -> Option<String> {
        let drawn = format!("{within} svg");
        self.finds(&drawn);
        let (rows, colours): (Vec<String>, [String; 2]) = self.eval(&format!(
            "const svg = document.querySelector({});
             const path = svg.querySelector('path');
             const modules = [...Array(svg.viewBox.baseVal.width).keys()];
             const isDark = (x, y) => path.isPointInFill(new DOMPoint(x + .5, y + .5));
             const rows = modules.map((y) => modules.map((x) => (isDark(x, y) ? '#' : ' ')).join(''));
             return [rows, [getComputedStyle(path).fill, getComputedStyle(svg).backgroundColor]];",
            json!(drawn)
        ));
        assert_eq!(colours, ["rgb(0, 0, 0)", "rgb(255, 255, 255)"], "no camera reads light on dark");
        const SCALE: usize = 4;
        let side = rows.len() * SCALE;
        let mut picture = rqrr::PreparedImage::prepare_from_greyscale(side, side, |x, y| {
            if rows[y / SCALE].as_bytes()[x / SCALE] == b'#' { 0 } else { 255 }
        });
        let codes = picture.detect_grids();
        codes.first().map(|code| code.decode().unwrap().1)
    }

    /// What is on the clipboard.
    #[track_caller]
    pub fn clipboard(&self) -> String {
        self.cdp("Browser.grantPermissions", json!({ "permissions": ["clipboardReadWrite"] }));
        self.cdp("Emulation.setFocusEmulationEnabled", json!({ "enabled": true }));
        self.eval_async(
            "const done = arguments[0]; navigator.clipboard.readText().then(done, (fault) => done(String(fault)))",
        )
    }

    /// Copies what was made, and reads its code: what the dialog shows, each time.
    #[track_caller]
    fn copies_and_decodes(&self, made: &str) {
        self.clicks("#made[open] [data-do=copy]");
        self.until("it is copied", "return document.querySelector('#made [data-slot=copied]').innerText");
        assert_eq!(self.clipboard(), made);
        assert_eq!(self.decodes("#made[open] [data-slot=code]").as_deref(), Some(made));
    }

    /// Ends the thing that is shown, having thought better of it once.
    #[track_caller]
    fn revokes(&self, picture: &str) {
        self.presses("revoke");
        self.finds("#confirm[open]");
        self.pictures("console", picture);
        self.clicks("#confirm[open] [data-do=cancel]");
        self.until("it is closed", "return document.querySelector('dialog[open]') === null");
        self.presses("revoke");
        self.clicks("#confirm[open] [data-slot=yes]");
        self.until(
            "it cannot be ended again",
            "return document.querySelector('[data-view=thing] [data-do=revoke]').hidden",
        );
    }
}

#[test]
fn a_file_link_is_made_opened_by_somebody_else_followed_and_revoked() {
    let house = House::open();
    house.has(&[("docs/a.bin", "first"), ("docs/b.bin", "second"), ("top.bin", "third")]);
    let [owner, reader] = browsers();
    owner.signs_in(&house, house.admin());
    owner.clicks("[data-view=overview] [data-offer=share] a");
    assert_eq!(owner.lists(2), ["docs/", "top.bin"]);
    owner.clicks("[data-view=files] a.name");
    assert_eq!(owner.lists(2), ["a.bin", "b.bin"]);
    owner.pictures("console", "files");
    owner.selects("b.bin");
    owner.finds("[data-view=files] [data-slot=selection]");
    owner.pictures("console", "files-selected");
    owner.presses("share");
    assert_eq!(owner.texts("#new-share [data-slot=pins] li"), ["docs/b.bin"]);
    let usual: String = owner.eval("return document.querySelector('#share-until').value");
    assert_eq!(usual, "86400", "24 hours, whatever the API takes where nothing is said");
    owner.pictures("console", "new-file-link");
    owner.fills("#share-label", "for Ann");
    let url = owner.makes("new-share");
    owner.pictures("console", "made-file-link");
    owner.copies_and_decodes(&url);
    owner.closes();

    owner.sees("thing");
    assert_eq!(owner.text("name"), "for Ann");
    assert_eq!(owner.eval::<usize>("return document.documentElement.outerHTML.split('crs_').length"), 1, "only once");
    owner.history_of(1);
    reader.go(&url);
    reader.sees("offer");
    house.api.previews_recorded();
    reader.presses("open");
    assert_eq!(reader.listed(), ["b.bin"]);
    // Somebody else comes too late.
    house.api.redeem(url.rsplit('#').next().unwrap(), &claim_key()).problem(404, "dead_token");
    owner.reload();
    let history = owner.history_of(4);
    let refused = said("same.because")
        .replace("{what}", &said("event.share.refused"))
        .replace("{reason}", &said("reason.already_claimed"));
    let told = ["share.claimed", "share.previewed", "share.created"].map(|kind| said(&format!("event.{kind}")));
    assert_eq!(history[0], refused);
    assert_eq!(history[1..], told);
    owner.pictures("console", "file-link");

    owner.revokes("revoke-file-link");
    assert_eq!(owner.history_of(5)[0], said("event.share.revoked"));
    reader.reload();
    reader.sees("over");
    owner.visits("file-links");
    assert_eq!(owner.lists(1), ["for Ann"]);
    assert_eq!(owner.texts("[data-view=file-links] .tag"), [said("status.revoked")]);
    owner.pictures("console", "file-links");
    for seen in house.seen("") {
        assert!(!seen.line.contains("crs_") && !seen.headers.contains("crs_"), "{seen:?}");
    }
}

#[test]
fn a_site_is_published_from_a_folder_and_its_link_asks_for_the_password() {
    let house = House::open();
    let page = "<!doctype html><title>Site</title><p id=site>hello";
    house.api.put_file(house.admin(), "sites/spring/index.html", "text/html", page.as_bytes());
    let [owner, reader] = browsers();
    owner.signs_in(&house, house.admin());
    owner.clicks("[data-view=overview] [data-offer=publish] a");
    assert_eq!(owner.lists(1), ["sites/"]);
    owner.clicks("[data-view=files] a.name");
    assert_eq!(owner.lists(1), ["spring/"]);
    owner.selects("spring");
    owner.presses("publish");
    owner.fills("#link-password", "open sesame");
    owner.fills("#link-label", "the spring site");
    owner.pictures("console", "new-site-link");
    let url = owner.makes("new-link");
    assert!(url.contains("/l#crl_"), "{url}");
    owner.pictures("console", "made-site-link");
    owner.copies_and_decodes(&url);
    owner.closes();
    owner.sees("thing");
    assert_eq!(owner.text("name"), "the spring site");
    let thing = owner.address();
    // Whoever made it would use it up: they are told so.
    owner.go(&url);
    owner.finds("[data-view=offer] [data-slot=yours]");
    assert!(!owner.eval::<bool>("return document.querySelector('[data-do=open]').checkVisibility()"));
    owner.pictures("link", "yours");
    owner.go(&thing);
    owner.sees("thing");

    reader.go(&url);
    reader.sees("offer");
    house.api.previews_recorded();
    reader.fills("#password", "open barley");
    reader.presses("open");
    reader.until("it says that this is not it", "return document.querySelector('[data-slot=wrong]').innerText !== ''");
    reader.fills("#password", "open sesame");
    reader.presses("open");
    reader.finds("#site");
    owner.reload();
    owner.sees("thing");
    let tried = said("same.because")
        .replace("{what}", &said("event.link.refused"))
        .replace("{reason}", &said("reason.wrong_password"));
    owner.until(
        "it is told",
        &format!("return document.querySelector('.history').innerText.includes({})", json!(tried)),
    );
    owner.until(
        "so is what came of it",
        &format!("return document.querySelector('.history').innerText.includes({})", json!(said("event.link.entered"))),
    );
    owner.pictures("console", "site-link");
    owner.visits("site-links");
    assert_eq!(owner.lists(1), ["the spring site"]);
    // Another link to what is published, and none to anything else.
    owner.clicks("[data-slot=sites] li button");
    owner.picks("#link-until", "3600");
    let second = owner.makes("new-link");
    assert_ne!(second, url);
    owner.closes();
    owner.sees("thing");
    owner.revokes("revoke-site-link");
    reader.go(&second);
    reader.sees("dead");
    let artifacts = house.api.get(house.admin(), "/v1/artifacts").expect(200);
    assert_eq!(artifacts["items"].as_array().unwrap().len(), 1);

    owner.visits("site-links");
    owner.lists(2);
    owner.pictures("console", "site-links");
    owner.clicks("[data-slot=sites] li button:last-child");
    owner.clicks("#confirm[open] [data-slot=yes]");
    owner.finds("[data-slot=no-sites]");
}

#[test]
fn files_are_asked_for_with_limits_arrive_and_the_request_is_closed() {
    let house = House::open();
    let [owner, sender] = browsers();
    owner.signs_in(&house, house.admin());
    owner.presses("request");
    let folder: String = owner.eval("return document.getElementById('request-folder').value");
    assert_eq!(folder, "incoming/");
    owner.fills("#request-message", "Your invoices, please");
    owner.clicks("#new-request summary");
    owner.fills("#request-objects", "5");
    owner.fills("#request-largest", "1");
    owner.fills("#request-types", "application/octet-stream");
    owner.fills("#request-label", "invoices");
    owner.pictures("console", "new-file-request");
    let url = owner.makes("new-request");
    assert!(url.contains("/r#"), "{url}");
    owner.copies_and_decodes(&url);
    owner.closes();
    owner.sees("thing");
    assert_eq!(owner.text("name"), "invoices");

    sender.go(&url);
    sender.sees("offer");
    assert_eq!(sender.text("message"), "Your invoices, please");
    for limit in ["5", "1 MB"] {
        assert!(sender.text("files").contains(limit), "{limit}: {}", sender.text("files"));
    }
    house.api.previews_recorded();
    sender.presses("begin");
    sender.sees("open");
    sender.sends("a.bin", b"first");
    until("it has arrived", || house.delivered() == ["a.bin"]);
    owner.reload();
    owner.sees("thing");
    let arrived = json!(said("event.upload.completed"));
    owner.until("it is told", &format!("return document.querySelector('.history').innerText.includes({arrived})"));
    owner.pictures("console", "file-request");
    owner.clicks("[data-view=thing] [data-slot=facts] a");
    owner.sees("files");
    owner.lists(1);
    owner.back();
    owner.sees("thing");
    owner.revokes("close-file-request");
    sender.reload();
    sender.sees("dead");
    owner.visits("file-requests");
    assert_eq!(owner.lists(1), ["invoices"]);
    owner.pictures("console", "file-requests");
}

#[test]
fn files_and_folders_are_added_in_the_console_and_downloaded_again() {
    let house = House::open();
    house.has(&[("docs/a.bin", "first")]);
    let owner = browser();
    owner.signs_in(&house, house.admin());
    owner.visits("files");
    owner.clicks("[data-view=files] a.name");
    owner.lists(1);
    owner.sends("b.bin", &[7; 100_000]);
    assert_eq!(owner.lists(2), ["a.bin", "b.bin"]);
    assert_eq!(house.api.file(house.admin(), "docs/b.bin"), [7; 100_000]);
    let folder = owner.has_folder("photos", &[("one.bin", b"1"), ("trips/two.bin", b"2")]);
    owner.chooses("[data-view=files] [data-do=choose-folder]", "#chosen-folder", folder.to_str().unwrap());
    assert_eq!(owner.lists(3), ["photos/", "a.bin", "b.bin"]);
    until("all have arrived", || house.api.vault(house.admin()).len() == 4);
    assert_eq!(house.api.file(house.admin(), "docs/photos/trips/two.bin"), b"2");
    owner.until(
        "all are told to have arrived",
        "return [...document.querySelectorAll('[data-slot=sent] progress')].every((one) => one.hidden)",
    );
    owner.pictures("console", "files-added");
    let download = said("download_of").replace("{name}", "b.bin");
    owner.clicks(&format!("[data-view=files] button[aria-label={}]", json!(download)));
    assert_eq!(owner.downloaded("b.bin"), [7; 100_000]);
    owner.fills("#filter", "nothing like this");
    owner.finds("[data-view=files] [data-slot=none]");
}
