//! What pages say is so: of times, sizes, numbers and what was made; and what is kept is not forgotten too soon.

use std::time::Duration;

use serde_json::json;

use crate::{
    browser::{Setup, browser, browsers_as, until},
    console::said,
    delivery::words::unpacked,
    folders::opened,
    house::{Fate, House},
};

#[test]
fn a_time_of_another_year_says_which_and_a_size_that_was_not_counted_out_says_so() {
    // Its clock stands in another year than the browser's.
    let (house, clock) = House::with_a_clock();
    clock.advance(Duration::from_secs(400 * 86_400));
    house.api.has_rows_of(&(0..1_001).map(|number| format!("many/{number}")).collect::<Vec<_>>());
    let (share, few) = (house.shares("read", &["many/"]), house.shares("read", &["many/1", "many/2"]));
    let reader = browser();
    reader.go(&share.url);
    reader.sees("offer");
    let year: bool = reader.eval(
        "const said = document.querySelector('[data-slot=by]').innerText.match(/\\b20\\d\\d\\b/);
         return said !== null && Number(said[0]) > new Date().getFullYear()",
    );
    assert!(year, "{}", reader.text("by"));
    assert!(reader.text("items").contains("at least"), "{}", reader.text("items"));
    reader.pictures("share", "many");
    reader.go(&few.url);
    reader.sees("offer");
    assert!(!reader.text("items").contains("at least"), "{}", reader.text("items"));
}

#[test]
fn a_request_for_files_promises_no_more_time_than_it_has() {
    let (house, clock) = House::with_a_clock();
    let asked = house.asks(json!({ "expires_in": 3_600, "access_expires_in": 86_400 }));
    let sender = browser();
    sender.go(&asked.url);
    sender.sees("offer");
    sender.presses("begin");
    sender.sees("open");
    assert_eq!(sender.text("until"), sender.text("by"));
    sender.sends("one.bin", b"1");
    sender.is("one.bin", "done");
    clock.advance(Duration::from_secs(4_000));
    sender.sends("two.bin", b"2");
    sender.is("two.bin", "failed");
    house.api.delete(house.admin(), &format!("/v1/file-requests/{}", asked.id)).expect(204);
    sender.sends("three.bin", b"3");
    sender.sees("over");
    assert!(sender.text("arrived").contains("1 of 3"), "{}", sender.text("arrived"));
    sender.pictures("request", "over");
}

#[test]
fn a_browser_whose_clock_is_ahead_keeps_the_keys_to_what_it_opened() {
    let house = House::open();
    let ahead = "const real = Date.now; Date.now = () => real() + 40 * 86_400_000";
    let [reader] = browsers_as([Setup::default().script(ahead)]);
    let link = house.links(json!({}));
    reader.go(&link.url);
    reader.sees("offer");
    reader.presses("open");
    reader.finds("#site");
    reader.go(&format!("{}/l", house.url));
    reader.sees("cut");
    reader.go(&link.url);
    reader.finds("#site");
    assert_eq!(house.claims("link", &link.id), 1);
}

#[test]
fn a_zip_of_what_was_selected_under_a_filter_has_that_in_it_and_no_more() {
    let house = House::open();
    house.has(&[("docs/a.txt", "a"), ("docs/deep/logo.txt", "logo"), ("docs/deep/private.txt", "private")]);
    let reader = browser();
    opened(&house, &reader, "read", &["docs/"]);
    reader.shows(&["deep", "a.txt"]);
    reader.fills("#filter", "logo");
    reader.shows(&["logo.txt"]);
    reader.clicks("[data-slot=files] [data-path='docs/deep/logo.txt'] input");
    reader.clears("#filter");
    reader.shows(&["deep", "a.txt"]);
    reader.clicks("[data-slot=files] [data-path='docs/a.txt'] input");
    let all: bool = reader.eval("return document.getElementById('everything').checked");
    assert!(!all, "as many are selected as are shown, and others");
    reader.presses("archive");
    let mut names: Vec<_> =
        unpacked(&reader.downloaded_first(|name| name.ends_with(".zip"))).into_iter().map(|(name, _)| name).collect();
    names.sort();
    assert_eq!(names, ["a.txt", "deep/logo.txt"]);
}

#[test]
fn whether_something_was_made_is_not_known_without_an_answer() {
    let house = House::open();
    house.has(&[("docs/a.bin", "first")]);
    let owner = browser();
    owner.signs_in(&house, house.admin());
    owner.visits("files");
    owner.lists(1);
    owner.selects("docs");
    owner.presses("share");
    house.plan("POST /v1/shares HTTP", Fate::LoseAnswer);
    owner.clicks("#new-share[open] button.main");
    owner.until("it says so", "return document.querySelector('#new-share [data-slot=fault]').innerText");
    assert_eq!(owner.texts("#new-share [data-slot=fault]"), [said("fault.unknown")]);
    owner.pictures("console", "perhaps-made");
    house.mend();
    owner.clicks("#new-share [data-do=cancel]");
    owner.visits("file-links");
    owner.lists(1);
}

#[test]
fn a_folder_with_more_files_than_are_listed_says_so() {
    let (house, _) = House::with_a_clock();
    house.api.has_rows_of(&(0..20_001).map(|number| format!("many/{number:05}")).collect::<Vec<_>>());
    let owner = browser();
    owner.signs_in(&house, house.admin());
    owner.visits("files");
    owner.until("it says so", "return document.querySelector('[data-view=files] [data-slot=partial]').innerText");
    owner.pictures("console", "files-in-part");
}

#[test]
fn a_film_that_stops_is_gone_on_with_wherever_it_was() {
    let house = House::open();
    let reader = browser();
    reader.go(&house.url);
    let film = reader.film();
    house.api.put_file(house.admin(), "docs/film.webm", "video/webm", &film);
    opened(&house, &reader, "read", &["docs/"]);
    reader.clicks("[data-slot=files] [data-do=entry]");
    let ready = "return document.querySelector('[data-slot=stage] video')?.readyState >= 1";
    reader.until("it is here", ready);
    // Later first, then earlier, as by whoever goes back.
    for at in ["0.1", "0"] {
        let before = reader.eval::<String>("return document.querySelector('[data-slot=stage] video').src");
        reader.eval::<()>(&format!(
            "const film = document.querySelector('[data-slot=stage] video');
             film.addEventListener('seeked', () => film.dispatchEvent(new Event('error')), {{ once: true }});
             film.currentTime = {at}"
        ));
        let before = json!(before);
        reader.until(
            "it has another URL",
            &format!("return document.querySelector('[data-slot=stage] video').src !== {before}"),
        );
        reader.until("it is here", ready);
    }
}

#[test]
fn who_ends_a_thing_in_a_list_goes_on_from_its_heading() {
    let house = House::open();
    let key = house.api.new_key(house.admin(), "live", &[("docs/", "read")]);
    let owner = browser();
    owner.signs_in(&house, house.admin());
    owner.visits("keys");
    owner.lists(2);
    owner.clicks("[data-view=keys] .danger");
    owner.clicks("#confirm[open] [data-slot=yes]");
    owner.until("nothing is left to revoke", "return document.querySelector('[data-view=keys] .danger') === null");
    assert_eq!(owner.eval::<String>("return document.activeElement.tagName"), "H1");
    until("it is revoked", || house.api.get(&key.secret, "/v1/objects").status == 401);
}
