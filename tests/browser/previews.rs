//! What is shown of a file without saving it: pictures, texts, sounds and films; and that nothing of it is executed.

use serde_json::json;

use crate::{
    browser::{ARROW_LEFT, ARROW_RIGHT, Browser, DOWN, ENTER, ESCAPE, browser, until},
    folders::opened,
    house::House,
};
use base64::{Engine, engine::general_purpose::STANDARD};

/// A red picture of one pixel.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";

/// A tenth of a second of silence.
fn wav() -> Vec<u8> {
    let (rate, samples) = (8_000_u32, 800_u32);
    let mut bytes = Vec::new();
    for part in [&b"RIFF"[..], &(36 + samples).to_le_bytes(), b"WAVEfmt ", &16_u32.to_le_bytes()] {
        bytes.extend_from_slice(part);
    }
    // PCM, one channel, eight bits.
    bytes.extend_from_slice(&[1, 0, 1, 0]);
    bytes.extend_from_slice(&rate.to_le_bytes());
    bytes.extend_from_slice(&rate.to_le_bytes());
    bytes.extend_from_slice(&[1, 0, 8, 0]);
    bytes.extend_from_slice(b"data");
    bytes.extend_from_slice(&samples.to_le_bytes());
    bytes.resize(bytes.len() + samples as usize, 128);
    bytes
}

impl Browser {
    /// A film of a few frames, as this browser records it.
    pub fn film(&self) -> Vec<u8> {
        let film: String = self.eval_async(
            "const done = arguments[0];
             const canvas = document.createElement('canvas');
             const draw = canvas.getContext('2d');
             const recorder = new MediaRecorder(canvas.captureStream(30), { mimeType: 'video/webm;codecs=vp8' });
             const parts = [];
             let begun = 0;
             // So long from the first frame on, however late that comes.
             recorder.ondataavailable = ({ data }) => {
               if (data.size === 0) return;
               parts.push(data);
               begun ||= performance.now();
               if (recorder.state === 'recording' && performance.now() - begun > 400) recorder.stop();
             };
             recorder.onstop = () => {
               const reader = new FileReader();
               reader.onload = () => done(reader.result.split(',')[1]);
               reader.readAsDataURL(new Blob(parts));
             };
             recorder.start(50);
             const paint = () => { draw.fillRect(Math.random() * 99, 0, 9, 9); if (recorder.state !== 'inactive') requestAnimationFrame(paint); };
             paint();",
        );
        STANDARD.decode(film).unwrap()
    }

    /// Waits until something is shown in the preview, and it is of this kind.
    #[track_caller]
    fn stages(&self, selector: &str) {
        self.finds(&format!("dialog[open] [data-slot=stage] {selector}"));
    }

    /// The name of the file that the preview is of.
    #[track_caller]
    fn staged(&self) -> String {
        self.eval("return document.querySelector('dialog[open] [data-slot=title]').innerText")
    }
}

/// How many URLs of files were given.
fn downloads(house: &House) -> usize {
    house.api.history().iter().filter(|(kind, _)| kind == "download.issued").count()
}

#[test]
fn files_are_looked_at_one_after_the_other_and_nothing_of_them_runs() {
    let house = House::open();
    let reader = browser();
    reader.go(&house.url);
    let film = reader.film();
    let long = "ä".repeat(200_000);
    let page = "<script>parent.document.title = document.title = 'run'</script><b id=bold>bold</b>";
    let svg = "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'><script>alert(1)</script></svg>";
    let files: [(&str, &str, &[u8]); 9] = [
        ("1 picture.png", "image/png", &STANDARD.decode(PNG).unwrap()),
        ("2 notes.txt", "text/plain; charset=utf-8", "grüße\n<b>שלום</b>".as_bytes()),
        ("3 page.html", "text/html", page.as_bytes()),
        ("4 drawing.svg", "image/svg+xml", svg.as_bytes()),
        ("5 paper.pdf", "application/pdf", b"%PDF-1.4"),
        ("6 sound.wav", "audio/wav", &wav()),
        ("7 film.webm", "video/webm", &film),
        ("8 long.log", "text/plain", long.as_bytes()),
        ("9 broken.png", "image/png", b"no picture"),
    ];
    for (name, kind, bytes) in files {
        house.api.put_file(house.admin(), &format!("docs/{name}"), kind, bytes);
    }
    let share = opened(&house, &reader, "read", &["docs/"]);
    reader.until("all are listed", "return document.querySelectorAll('[data-slot=files] .row').length === 9");
    reader.pictures("session", "many-types");
    reader.tabs_to("[data-slot=files]");
    reader.types(ENTER);
    reader.stages("img");
    reader.until("the picture is shown", "return document.querySelector('[data-slot=stage] img').naturalWidth === 1");
    reader.pictures("session", "preview-picture");
    reader.types(ARROW_LEFT);
    assert_eq!(reader.staged(), "1 picture.png", "there is none before");

    reader.types(ARROW_RIGHT);
    reader.stages("pre");
    assert_eq!(reader.texts("[data-slot=stage] pre"), ["grüße\n<b>שלום</b>"]);
    reader.pictures("session", "preview-text");
    reader.types(ARROW_RIGHT);
    reader.until(
        "it is the next one",
        "return document.querySelector('[data-slot=stage] pre')?.innerText.includes('<script>')",
    );
    assert_eq!(reader.texts("[data-slot=stage] pre"), [page]);
    assert!(reader.eval::<bool>("return !document.querySelector('#bold') && document.title !== 'run'"));
    reader.types(ARROW_RIGHT);
    assert_eq!(reader.staged(), "4 drawing.svg");
    reader.stages("p.quiet");
    reader.pictures("session", "preview-none");
    reader.types(ARROW_RIGHT);
    reader.stages("button[data-do=open-pdf]");
    reader.pictures("session", "preview-pdf");
    let fetched = || house.seen("GET /o/").len();
    let (issued, before) = (downloads(&house), fetched());
    reader.clicks("[data-do=open-pdf]");
    until("it is opened, in a tab of its own", || fetched() == before + 1);
    assert_eq!(downloads(&house), issued + 1, "who only looks leaves no trace of opening it");
    // What is not in front plays nothing.
    reader.cdp("Page.bringToFront", json!({}));
    reader.stages("button[data-do=open-pdf]");
    reader.types(ARROW_RIGHT);
    reader.types(ARROW_LEFT);
    reader.stages("button[data-do=open-pdf]");
    until("of the one beside it", || downloads(&house) == issued + 2);
    for (name, kind) in [("6 sound.wav", "audio"), ("7 film.webm", "video")] {
        reader.types(ARROW_RIGHT);
        assert_eq!(reader.staged(), name);
        reader.stages(&format!("{kind}[controls]"));
        let ready = format!("return document.querySelector('[data-slot=stage] {kind}').readyState >= 1");
        reader.until("as much is here as to begin", &ready);
        reader.pictures("session", &format!("preview-{kind}"));
    }
    reader.types(ARROW_RIGHT);
    reader.stages("pre + p.quiet");
    let shown: usize = reader
        .eval("return new TextEncoder().encode(document.querySelector('[data-slot=stage] pre').textContent).length");
    assert!((262_000..263_000).contains(&shown), "{shown}");
    assert!(house.seen("GET /o/").iter().any(|seen| seen.headers.to_lowercase().contains("range: bytes=0-262143")));
    reader.types(ARROW_RIGHT);
    reader.until("it says that it is not shown", "return document.querySelector('[data-slot=stage] img') === null && document.querySelector('[data-slot=stage] p')?.innerText.length > 20");
    reader.pictures("session", "preview-broken");

    // Back by the keyboard, from where a button led to the end.
    reader.types(ARROW_LEFT);
    reader.clicks("dialog[open] [data-do=next]");
    assert_eq!(reader.staged(), "9 broken.png");
    reader.types(ARROW_LEFT);
    assert_eq!(reader.staged(), "8 long.log", "what has the focus is still of use");
    reader.types(ESCAPE);
    // The list has the focus a moment after the dialog is gone.
    reader.until("it is closed", "return document.querySelector('dialog[open]') === null && document.activeElement.closest('[data-slot=files]') !== null");
    reader.types(DOWN);
    reader.types(ENTER);
    reader.until(
        "the list went on from there",
        "return document.querySelector('dialog[open] [data-slot=title]')?.innerText === '9 broken.png'",
    );
    reader.clicks("dialog[open] [data-do=save]");
    assert_eq!(reader.downloaded("9 broken.png"), b"no picture");
    // Each that was looked at is on record, once.
    let issued = house.api.events(&house.api.ledger());
    let issued: Vec<_> = issued
        .iter()
        .map(|event| serde_json::to_value(event).unwrap())
        .filter(|event| event["type"] == "download.issued")
        .collect();
    println!("{}", json!(issued.first()));
    assert!(issued.len() >= 10, "{}", issued.len());
    assert_eq!(house.claims("share", &share), 1);
    // The browser complains about the broken picture's bytes at most.
    let _broken = reader.complaints();
}
