//! Pictures of pages for people to look at, on a telephone and a desktop, light and dark; and what axe-core finds on
//! what is pictured.

use std::{
    fs,
    path::PathBuf,
    sync::{LazyLock, Mutex},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use cloakroom::crypto::digest;
use serde_json::{Value, json};

use crate::browser::Browser;

/// How a page is looked at: by which device, and its width and height in CSS pixels.
const DEVICES: [(&str, u32, u32); 2] = [("phone", 390, 844), ("desktop", 1280, 800)];
const SCHEMES: [&str; 2] = ["light", "dark"];

/// The tallest picture, in CSS pixels: more is left out.
const TALLEST: u64 = 6_000;

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("screenshots");
    fs::create_dir_all(&folder).unwrap();
    folder
});

/// axe-core, as the tools of the tests bring it.
static AXE: LazyLock<String> = LazyLock::new(|| {
    let installed = "localstack/.run/tools/lib/python3.11/site-packages/axe_playwright_python/axe.min.js";
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(installed);
    let source = fs::read(&file).unwrap_or_else(|_| panic!("{installed} is missing: localstack/emulators install"));
    let hash = base16ct::lower::encode_string(&digest::of(&source));
    assert_eq!(hash, AXE_SHA256, "{installed} is another version of axe-core");
    String::from_utf8(source).unwrap()
});

/// axe-core 4.12.1.
const AXE_SHA256: &str = "84494fec757e4710dc751c8d7a636e457f4532f08f85c86dc9070133fbff53bc";

/// The rules of WCAG 2.2, levels A and AA, and what its authors call good practice.
static RULES: LazyLock<Value> = LazyLock::new(|| {
    let tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
    json!({ "type": "tag", "values": tags })
});
static RULES_OF_COLOURS: LazyLock<Value> =
    LazyLock::new(|| json!({ "type": "rule", "values": ["color-contrast", "link-in-text-block"] }));

impl Browser {
    /// Takes the pictures of what is shown, and holds each to the rules of accessibility.
    #[track_caller]
    pub fn pictures(&self, page: &str, state: &str) {
        self.pictures_in(&SCHEMES, page, state, |name, scheme| {
            // What is dark differs by its colours alone.
            self.is_accessible(name, if scheme == SCHEMES[0] { &RULES } else { &RULES_OF_COLOURS });
        });
    }

    /// Takes the pictures of a page that was held to all that before, and differs by its words alone.
    #[track_caller]
    pub fn pictures_of_words(&self, page: &str, state: &str) {
        self.pictures_in(&SCHEMES[..1], page, state, |_, _| {});
    }

    #[track_caller]
    fn pictures_in(&self, schemes: &[&str], page: &str, state: &str, look: impl Fn(&str, &str)) {
        for (device, width, height) in DEVICES {
            let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 800 });
            self.cdp("Emulation.setDeviceMetricsOverride", metrics);
            for scheme in schemes {
                self.cdp(
                    "Emulation.setEmulatedMedia",
                    json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] }),
                );
                let name = format!("{page}-{state}-{device}-{scheme}");
                self.settles();
                self.picture(&name, width, height);
                self.fits(&name);
                look(&name, scheme);
            }
        }
        self.cdp("Emulation.clearDeviceMetricsOverride", json!({}));
        self.cdp("Emulation.setEmulatedMedia", json!({ "features": [] }));
        list();
    }

    /// Waits until nothing moves any more.
    #[track_caller]
    fn settles(&self) {
        let resting = "return document.getAnimations().every((one) => one.playState === 'finished')";
        self.until("nothing moves", resting);
    }

    fn picture(&self, name: &str, width: u32, height: u32) {
        let tall: u64 = self.eval("return document.documentElement.scrollHeight");
        let clip = json!({ "x": 0, "y": 0, "width": width, "height": tall.clamp(height.into(), TALLEST), "scale": 1 });
        let taken = self.cdp("Page.captureScreenshot", json!({ "captureBeyondViewport": true, "clip": clip }));
        let png = STANDARD.decode(taken["data"].as_str().unwrap()).unwrap();
        fs::write(FOLDER.join(format!("{name}.png")), png).unwrap();
    }

    /// Nothing is wider than the window.
    #[track_caller]
    fn fits(&self, name: &str) {
        let root = "document.documentElement";
        let beyond: i64 = self.eval(&format!("return {root}.scrollWidth - {root}.clientWidth"));
        assert!(beyond <= 0, "{name}: {beyond} pixels stick out");
    }

    #[track_caller]
    fn is_accessible(&self, name: &str, rules: &Value) {
        if !self.eval::<bool>("return Boolean(window.axe)") {
            let _none: Value = self.eval(&AXE);
        }
        let run = format!(
            "const done = arguments[0]; axe.run(document, {{ runOnly: {}, \
             resultTypes: ['violations'], preload: false }}).then((found) => done(found.violations.map((one) => \
             ({{ rule: one.id, impact: one.impact, help: one.help, at: one.nodes.map((node) => node.html) }}))), \
             (fault) => done([{{ rule: String(fault), impact: 'critical' }}]));",
            rules
        );
        let findings: Vec<Value> = self.eval_async(&run);
        note("findings.json", name, if findings.is_empty() { None } else { Some(json!(findings)) });
        let is_grave = |finding: &&Value| finding["impact"] == "serious" || finding["impact"] == "critical";
        let grave: Vec<_> = findings.iter().filter(is_grave).collect();
        assert!(grave.is_empty(), "{name}: {grave:#?}");
        for finding in &findings {
            println!("{name}: {finding}");
        }
    }
}

/// What was shown when a test failed.
pub fn of_a_failure(browser: &Browser) {
    let name = std::thread::current().name().unwrap_or("unknown").replace("::", "-");
    let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        browser.picture(&format!("failed-{name}"), 1280, 800);
        println!("{}\n{:#?}", browser.address(), browser.log("browser"));
    }));
    if seen.is_err() {
        println!("nothing could be seen of {name}");
    }
}

/// Writes a value under a name into a file beside the pictures.
pub fn note(file: &str, name: &str, value: Option<Value>) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _held = ONE_AT_A_TIME.lock().unwrap();
    let file = FOLDER.join(file);
    let mut all: Value = fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or(json!({}));
    match value {
        Some(value) => all[name] = value,
        None => drop(all.as_object_mut().unwrap().remove(name)),
    }
    fs::write(file, serde_json::to_string_pretty(&all).unwrap()).unwrap();
}

/// Writes the page that shows all pictures.
fn list() {
    let entries = fs::read_dir(&*FOLDER).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.ends_with(".png")).collect();
    names.sort();
    let figure = |name: &String| {
        let title = name.trim_end_matches(".png");
        format!(
            "<figure><a href=\"{name}\"><img src=\"{name}\" alt=\"{title}\" loading=\"lazy\"></a><figcaption>{title}</figcaption></figure>\n"
        )
    };
    let style = "body{font:1rem system-ui,sans-serif;margin:1rem;background:#777}\
        main{display:flex;flex-wrap:wrap;gap:1rem;align-items:flex-start}\
        figure{margin:0;max-width:24rem;background:#fff;padding:.5rem}img{width:100%}";
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Every page in every state</title>\n\
         <style>{style}</style>\n<main>\n{}</main>\n</html>\n",
        names.iter().map(figure).collect::<String>()
    );
    // Two tests may do this at the same time: none must see the other's half.
    let half = FOLDER.join(format!("index.{:?}", std::thread::current().id()));
    fs::write(&half, page).unwrap();
    fs::rename(half, FOLDER.join("index.html")).unwrap();
}
