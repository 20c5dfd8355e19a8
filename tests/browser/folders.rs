//! The files of a session as folders: where one is, in which order, what is looked for, by mouse and by keyboard; and
//! that ten thousand are no slower than ten.

use serde_json::{Value, json};

use crate::{
    browser::{BACKSPACE, Browser, CONTROL, DOWN, END, ENTER, browser},
    house::House,
    pictures,
};

/// The rows that are on the page, in their order, by their names.
const ROWS: &str =
    "[...document.querySelectorAll('[data-slot=files] .row')].map((row) => row.querySelector('.name').innerText)";

impl Browser {
    /// Waits until these are listed, in this order.
    #[track_caller]
    pub fn shows(&self, names: &[&str]) {
        let names = json!(names).to_string();
        self.until(&names, &format!("return JSON.stringify({ROWS}) === {}", json!(names)));
    }

    /// What of this the page says: the current row, those that are selected, the folder.
    fn grid(&self) -> Value {
        self.eval(
            "const name = (row) => row?.querySelector('.name').innerText ?? null;
             const grid = document.querySelector('[data-slot=files]');
             const current = document.getElementById(grid.getAttribute('aria-activedescendant'));
             const selected = [...grid.querySelectorAll('[aria-selected=true]')].map(name);
             return { current: name(current), selected, focused: document.activeElement === grid };",
        )
    }
}

/// Opens a share of these paths: the session's page is shown.
#[track_caller]
pub fn opened(house: &House, reader: &Browser, permission: &str, paths: &[&str]) -> String {
    let share = house.shares(permission, paths);
    reader.go(&share.url);
    reader.presses("open");
    reader.sees("open");
    share.id
}

fn house() -> House {
    let house = House::open();
    house.has(&[
        ("docs/report 10.bin", "xxx"),
        ("docs/report 9.bin", "xxxxxxxxx"),
        ("docs/designs/logo.bin", "xx"),
        ("docs/designs/old/logo.bin", "x"),
        ("docs/Zebra.bin", "x"),
        ("elsewhere/note.bin", "x"),
        ("private.bin", "x"),
    ]);
    house
}

#[test]
fn folders_are_walked_through_sorted_and_searched() {
    let house = house();
    let reader = browser();
    opened(&house, &reader, "read", &["docs/"]);
    reader.shows(&["designs", "report 9.bin", "report 10.bin", "Zebra.bin"]);
    reader.picks("#sort", "size");
    reader.shows(&["designs", "report 9.bin", "report 10.bin", "Zebra.bin"]);
    reader.picks("#sort", "newest");
    reader.shows(&["designs", "Zebra.bin", "report 9.bin", "report 10.bin"]);
    reader.picks("#sort", "name");
    reader.fills("#filter", "LOGO");
    reader.shows(&["logo.bin", "logo.bin"]);
    reader.pictures("session", "filtered");
    reader.fills("#filter", " nowhere");
    reader.finds("[data-slot=empty]");
    reader.pictures("session", "nothing-found");
    reader.clears("#filter");
    reader.shows(&["designs", "report 9.bin", "report 10.bin", "Zebra.bin"]);

    reader.enters("designs");
    reader.shows(&["old", "logo.bin"]);
    reader.enters("old");
    reader.shows(&["logo.bin"]);
    assert_eq!(reader.texts("[data-slot=crumbs] li"), ["docs", "designs", "old"]);
    reader.pictures("session", "folder");
    reader.reload();
    reader.shows(&["logo.bin"]);
    reader.back();
    reader.shows(&["old", "logo.bin"]);
    reader.clicks("[data-slot=crumbs] a");
    reader.shows(&["designs", "report 9.bin", "report 10.bin", "Zebra.bin"]);
    // An address that somebody made up shows what there is.
    let session = reader.address();
    for made_up in ["#/elsewhere/", "#/docs/nowhere/", "#/../", "#/%", "#/private.bin", "#crs_x"] {
        reader.go("about:blank");
        reader.go(&format!("{}{made_up}", session.split('#').next().unwrap()));
        reader.shows(&["designs", "report 9.bin", "report 10.bin", "Zebra.bin"]);
    }

    // Pins that lie apart are reached from above.
    opened(&house, &reader, "read", &["docs/designs/", "elsewhere/note.bin"]);
    reader.shows(&["docs", "elsewhere"]);
    reader.enters("elsewhere");
    reader.shows(&["note.bin"]);
}

#[test]
fn folders_are_walked_through_and_files_selected_by_the_keyboard_alone() {
    let house = house();
    let reader = browser();
    opened(&house, &reader, "read", &["docs/"]);
    reader.shows(&["designs", "report 9.bin", "report 10.bin", "Zebra.bin"]);
    reader.tabs_to("[data-slot=files]");
    assert_eq!(reader.grid(), json!({ "current": "designs", "selected": [], "focused": true }));
    reader.types(ENTER);
    reader.shows(&["old", "logo.bin"]);
    reader.types(ENTER);
    reader.shows(&["logo.bin"]);
    reader.types(BACKSPACE);
    reader.shows(&["old", "logo.bin"]);
    assert_eq!(reader.grid()["current"], "old", "where one came from");
    reader.types(BACKSPACE);
    reader.shows(&["designs", "report 9.bin", "report 10.bin", "Zebra.bin"]);
    reader.types(BACKSPACE);
    reader.types(DOWN);
    reader.types(' ');
    reader.types(END);
    reader.types(' ');
    assert_eq!(
        reader.grid(),
        json!({ "current": "Zebra.bin", "selected": ["report 9.bin", "Zebra.bin"], "focused": true })
    );
    reader.pictures("session", "selected");
    reader.types_all(&[CONTROL, 'a']);
    assert_eq!(reader.grid()["selected"].as_array().unwrap().len(), 4);
    reader.types(ENTER);
    reader.finds("dialog[open]");
}

/// How many files, how many rows at most are on the page, and what of them is looked for.
const MANY: usize = 10_000;
const MOST_ROWS: usize = 100;

#[test]
fn of_ten_thousand_files_only_what_is_in_sight_is_on_the_page() {
    // In memory: ten thousand commits that each reach the disk take longer than all of this.
    let (house, _) = House::with_a_clock();
    house.api.has_rows_of(&(0..MANY).map(|number| format!("many/{number:05}.txt")).collect::<Vec<_>>());
    let share = house.shares("read", &["many/"]);
    let reader = browser();
    reader.go(&share.url);
    reader.sees("offer");
    reader.eval::<()>("window.name = JSON.stringify(Date.now())");
    reader.presses("open");
    let whole = format!("return document.querySelector('[data-slot=files]')?.ariaRowCount === '{MANY}'");
    reader.until("all are listed", &whole);
    let rows = || reader.eval::<usize>("return document.querySelectorAll('[data-slot=files] .row').length");
    let measured: Value = reader.eval_async(
        "const done = arguments[0];
         const all = performance.getEntriesByType('resource').filter((one) => one.name.includes('/v1/session/objects'));
         new PerformanceObserver((list, observer) => { observer.disconnect(); finish(list.getEntries()); })
           .observe({ type: 'longtask', buffered: true });
         const timer = setTimeout(() => finish([]), 200);
         const finish = (tasks) => { clearTimeout(timer); done({
           nodes: document.querySelectorAll('*').length,
           pages: all.length,
           listed_after_ms: Math.round(Math.max(...all.map((one) => one.responseEnd))),
           long_tasks: tasks.length,
           longest_task_ms: Math.round(Math.max(0, ...tasks.map((one) => one.duration))),
         }); };",
    );
    assert!((1..MOST_ROWS).contains(&rows()), "{}", rows());
    // To the end and back: what was there gives way.
    reader.tabs_to("[data-slot=files]");
    reader.types(END);
    reader.until("the last is the current one", &format!("return {ROWS}.at(-1) === '09999.txt'"));
    assert_eq!(reader.grid()["current"], "09999.txt");
    assert!((1..MOST_ROWS).contains(&rows()), "{}", rows());
    let scrolled: Value = reader.eval_async(
        "const done = arguments[0];
         let [most, frames, begun] = [0, 0, performance.now()];
         const step = () => {
           scrollTo(0, document.documentElement.scrollHeight * (1 - frames / 60));
           most = Math.max(most, document.querySelectorAll('[data-slot=files] .row').length);
           frames += 1;
           if (frames <= 60) requestAnimationFrame(step);
           else done({ most_rows: most, ms_a_frame: Math.round((performance.now() - begun) / 60) });
         };
         requestAnimationFrame(step);",
    );
    assert!(scrolled["most_rows"].as_u64().unwrap() < MOST_ROWS as u64, "{scrolled}");
    reader.fills("#filter", "0777");
    reader.shows(&[
        "00777.txt",
        "07770.txt",
        "07771.txt",
        "07772.txt",
        "07773.txt",
        "07774.txt",
        "07775.txt",
        "07776.txt",
        "07777.txt",
        "07778.txt",
        "07779.txt",
    ]);
    reader.pictures("session", "ten-thousand");
    let filtered: u64 = reader.eval(
        "const begun = performance.now();
         const filter = document.getElementById('filter');
         filter.value = '';
         filter.dispatchEvent(new Event('input'));
         return Math.round(performance.now() - begun);",
    );
    let figures =
        json!({ "files": MANY, "rows": rows(), "first": measured, "scrolled": scrolled, "unfiltered_ms": filtered });
    println!("ten thousand files: {figures}");
    pictures::note("figures.json", "ten-thousand-files", Some(figures));
}
