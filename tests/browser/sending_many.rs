//! Many small files at once: all arrive, and how soon.

use serde_json::{Value, json};

use crate::{browser::browser, folders::opened, house::House, pictures};

/// How many files, each with this many bytes.
const MANY: usize = 300;
const SMALL: usize = 4_000;

#[test]
fn three_hundred_small_files_all_arrive() {
    // Without relays, which would take part in the time.
    let house = House::direct();
    let sender = browser();
    opened(&house, &sender, "write", &["inbox/"]);
    let bytes: Vec<u8> = (0..SMALL).map(|place| u8::try_from(place % 251).unwrap()).collect();
    let names: Vec<String> = (0..MANY).map(|number| format!("{number:03}.bin")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (&**name, &*bytes)).collect();
    let folder = sender.has_folder("many", &files);
    // As many requests as there are, each to be counted.
    sender.eval::<()>("performance.setResourceTimingBufferSize(10_000); window.begun = performance.now()");
    sender.chooses("[data-slot=upload] [data-do=choose-folder]", "#chosen-folder", folder.to_str().unwrap());
    sender.until("all are sent", "return document.querySelector('.sending > progress').hidden");
    let took: u64 = sender.eval("return Math.round(performance.now() - window.begun)");
    assert_eq!(house.api.paths(house.admin(), "/v1/objects?limit=1000").len(), MANY);
    assert_eq!(house.api.file(house.admin(), "inbox/many/299.bin"), bytes);
    let asked: Value = sender.eval(
        "const all = performance.getEntriesByType('resource').map((one) => one.name);
         const count = (end) => all.filter((name) => name.endsWith(end)).length;
         return { declared: count('/uploads'), declared_together: count('/uploads/batch'), completed: count('/complete') };",
    );
    let figures = json!({ "files": MANY, "bytes_each": SMALL, "took_ms": took, "asked": asked });
    println!("many small files: {figures}");
    pictures::note("figures.json", "many-small-files", Some(figures));
}
