//! Many files at once, as one ZIP that the browser saves by itself.

use crate::{
    browser::{browser, until},
    delivery::words::unpacked,
    folders::opened,
    house::{Fate, House},
};

/// What is in a ZIP, in the order of names.
#[track_caller]
fn inside(zip: &[u8]) -> Vec<(String, String)> {
    let mut files = unpacked(zip);
    files.sort();
    files
}

fn pairs(files: &[(&str, &str)]) -> Vec<(String, String)> {
    files.iter().map(|&(name, text)| (name.to_owned(), text.to_owned())).collect()
}

const ARCHIVES: &str = "POST /v1/session/archives";

#[test]
fn all_files_or_those_selected_are_saved_as_one_zip() {
    let house = House::open();
    house.has(&[("docs/a.txt", "a"), ("docs/designs/logo.svg", "logo"), ("docs/🎉 fête.txt", "fête"), ("x.txt", "x")]);
    let reader = browser();
    opened(&house, &reader, "read", &["docs/", "x.txt"]);
    reader.shows(&["docs", "x.txt"]);
    reader.presses("archive");
    let all = [("docs/a.txt", "a"), ("docs/designs/logo.svg", "logo"), ("docs/🎉 fête.txt", "fête"), ("x.txt", "x")];
    assert_eq!(inside(&reader.downloaded("files.zip")), pairs(&all));

    reader.clicks("[data-slot=files] [data-path='x.txt'] input");
    reader.presses("archive");
    assert_eq!(inside(&reader.downloaded("x.txt.zip")), pairs(&[("x.txt", "x")]));
    reader.enters("docs");
    reader.clicks("[data-slot=files] [data-path='docs/designs/'] input");
    reader.clicks("[data-slot=files] [data-path='docs/a.txt'] input");
    reader.pictures("session", "archive-selected");
    reader.presses("archive");
    until("it was asked for", || house.seen(ARCHIVES).len() == 3);
    let two = reader.downloaded_first(|name| name.starts_with("files") && name != "files.zip");
    assert_eq!(inside(&two), pairs(&[("a.txt", "a"), ("designs/logo.svg", "logo")]));
    for seen in house.seen(ARCHIVES) {
        assert!(seen.status == "200" && !seen.line.contains("ses_"), "{seen:?}");
    }
    assert_eq!(house.api.history().iter().filter(|(kind, _)| kind == "archive.issued").count(), 3);
}

#[test]
fn a_zip_that_does_not_come_whole_is_no_file_and_the_page_goes_on() {
    let house = House::open();
    house.has(&[("docs/a.txt", &"a".repeat(1_000_000)), ("docs/b.txt", "b")]);
    let reader = browser();
    let share = opened(&house, &reader, "read", &["docs/"]);
    reader.shows(&["a.txt", "b.txt"]);
    house.plan(ARCHIVES, Fate::BreakOff);
    reader.presses("archive");
    reader.until("it says so", "return document.querySelector('[data-slot=fault]').innerText");
    house.mend();
    reader.pictures("session", "archive-refused");

    house.plan(ARCHIVES, Fate::CutAnswerAfter(300_000));
    reader.log("performance");
    reader.presses("archive");
    until("the browser calls it off", || {
        let log = reader.log("performance");
        let told: Vec<_> = log.iter().filter_map(|entry| entry["message"].as_str()).collect();
        told.iter().any(|message| message.contains("downloadProgress") && message.contains("canceled"))
    });
    assert_eq!(reader.downloads_there(), Vec::<String>::new());
    reader.presses("archive");
    let sizes: Vec<_> =
        inside(&reader.downloaded("docs.zip")).iter().map(|(name, text)| (name.clone(), text.len())).collect();
    assert_eq!(sizes, [("docs/a.txt".to_owned(), 1_000_000), ("docs/b.txt".to_owned(), 1)]);

    // Whoever made it ends it while the page is shown.
    let before = house.seen(ARCHIVES).len();
    house.api.delete(house.admin(), &format!("/v1/shares/{share}")).expect(204);
    reader.presses("archive");
    reader.sees("over");
    assert_eq!(house.seen(ARCHIVES).len(), before);
    let _noise = reader.complaints();
}
