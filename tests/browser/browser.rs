//! A browser, in words for what somebody does with it and what they see.

use std::{fs, path::PathBuf, sync::Arc, thread, time::Duration};

use fantoccini::{Client, Locator, elements::Element, error::CmdError};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    driver::{Beyond, DRIVER},
    pictures,
};

/// How often, and with which pause, something is looked at before a test gives up: a minute, on a machine
/// that has much else to do.
const LOOKS: usize = 3_000;
const PAUSE: Duration = Duration::from_millis(20);

/// The view that is shown, and within it what carries this name.
const SHOWN: &str = "const shown = document.querySelector('[data-view]:not([hidden])');";

/// Keys, as WebDriver writes them.
pub const TAB: char = '\u{e004}';
pub const ARROW_LEFT: char = '\u{e012}';
pub const ARROW_RIGHT: char = '\u{e014}';
pub const ENTER: char = '\u{e007}';
pub const ESCAPE: char = '\u{e00c}';
pub const BACKSPACE: char = '\u{e003}';
pub const CONTROL: char = '\u{e009}';
pub const DOWN: char = '\u{e015}';
pub const END: char = '\u{e010}';
pub const SHIFT: char = '\u{e008}';

/// Waits until something is so.
#[track_caller]
pub fn until(what: &str, mut look: impl FnMut() -> bool) {
    for _ in 0..LOOKS {
        if look() {
            return;
        }
        thread::sleep(PAUSE);
    }
    panic!("in vain: {what}")
}

/// What is special about a browser.
#[derive(Clone, Default)]
pub struct Setup {
    flags: Vec<String>,
    preferences: Vec<(&'static str, Value)>,
    scripts: Vec<&'static str>,
}

impl Setup {
    pub fn preference(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.preferences.push((name, value.into()));
        self
    }

    /// Runs this before anything else on every page.
    pub fn script(mut self, source: &'static str) -> Self {
        self.scripts.push(source);
        self
    }

    pub fn language(mut self, language: &str) -> Self {
        self.flags.push(format!("--lang={language}"));
        self.preference("intl.accept_languages", language)
    }
}

/// A browser with a profile of its own. When a test has gone well, it says what went wrong unseen.
pub struct Browser {
    client: Option<Client>,
    folder: TempDir,
    _seats: Arc<OwnedSemaphorePermit>,
}

/// Browsers as they come.
pub fn browsers<const N: usize>() -> [Browser; N] {
    browsers_as([(); N].map(|()| Setup::default()))
}

pub fn browser() -> Browser {
    let [browser] = browsers();
    browser
}

/// Browsers set up in these ways.
pub fn browsers_as<const N: usize>(setups: [Setup; N]) -> [Browser; N] {
    let seats = Arc::new(DRIVER.seats(N));
    setups.map(|setup| Browser::start(&setup, seats.clone()))
}

impl Browser {
    fn start(setup: &Setup, seats: Arc<OwnedSemaphorePermit>) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let downloads = folder.path().join("downloads");
        fs::create_dir(&downloads).unwrap();
        let mut preferences = json!({
            "download.default_directory": downloads,
            "download.prompt_for_download": false,
            "profile.default_content_setting_values.automatic_downloads": 1,
        });
        for (name, value) in &setup.preferences {
            preferences[*name] = value.clone();
        }
        let profile = folder.path().join("profile");
        let client = DRIVER.browser(profile.to_str().unwrap(), &setup.flags, &preferences);
        let browser = Self { client: Some(client), folder, _seats: seats };
        for source in &setup.scripts {
            browser.cdp("Page.addScriptToEvaluateOnNewDocument", json!({ "source": source }));
        }
        browser
    }

    fn client(&self) -> &Client {
        self.client.as_ref().unwrap()
    }

    fn wait<T>(&self, work: impl Future<Output = Result<T, CmdError>>) -> Result<T, CmdError> {
        DRIVER.runtime.block_on(Box::pin(work))
    }

    // Moving about

    /// As if typed into the address bar.
    #[track_caller]
    pub fn go(&self, url: &str) {
        self.wait(self.client().goto(url)).unwrap();
    }

    #[track_caller]
    pub fn reload(&self) {
        self.wait(self.client().refresh()).unwrap();
    }

    #[track_caller]
    pub fn back(&self) {
        self.wait(self.client().back()).unwrap();
    }

    #[track_caller]
    pub fn forward(&self) {
        self.wait(self.client().forward()).unwrap();
    }

    /// What the address bar says.
    #[track_caller]
    pub fn address(&self) -> String {
        self.eval("return location.href")
    }

    /// Forgets the cookies of the host whose page is shown.
    #[track_caller]
    pub fn forget_cookies(&self) {
        self.wait(self.client().delete_all_cookies()).unwrap();
    }

    // Seeing

    /// Waits until this view is shown.
    #[track_caller]
    pub fn sees(&self, view: &str) {
        self.until(view, &format!("{SHOWN} return shown?.dataset.view === {}", json!(view)));
    }

    /// The text in a slot of the view that is shown.
    #[track_caller]
    pub fn text(&self, slot: &str) -> String {
        self.eval(&format!("{SHOWN} return shown.querySelector('[data-slot={slot}]').innerText"))
    }

    /// The texts of all elements that a selector finds.
    #[track_caller]
    pub fn texts(&self, selector: &str) -> Vec<String> {
        self.eval(&format!("return [...document.querySelectorAll({})].map((one) => one.innerText)", json!(selector)))
    }

    /// What a script answers.
    #[track_caller]
    pub fn eval<T: DeserializeOwned>(&self, script: &str) -> T {
        let value =
            self.wait(self.client().execute(script, Vec::new())).unwrap_or_else(|fault| panic!("{fault}: {script}"));
        serde_json::from_value(value).unwrap()
    }

    /// What a script hands to its last argument, a function, some time.
    #[track_caller]
    pub fn eval_async<T: DeserializeOwned>(&self, script: &str) -> T {
        let value = self.wait(self.client().execute_async(script, Vec::new()));
        serde_json::from_value(value.unwrap_or_else(|fault| panic!("{fault}: {script}"))).unwrap()
    }

    /// Waits until a script answers something true, and takes it.
    #[track_caller]
    pub fn until(&self, what: &str, script: &str) -> Value {
        let mut last = String::new();
        for _ in 0..LOOKS {
            // While a page goes and another comes, nobody answers.
            match self.wait(self.client().execute(script, Vec::new())) {
                Ok(Value::Null | Value::Bool(false)) => {}
                Ok(Value::String(text)) if text.is_empty() => {}
                Ok(found) => return found,
                Err(fault) => last = fault.to_string(),
            }
            thread::sleep(PAUSE);
        }
        let text: String = self.eval("return location.href + '\\n' + document.body.innerText");
        panic!("in vain: {what}\n{last}\n{text}")
    }

    /// Waits until an element is there and can be seen.
    #[track_caller]
    pub fn finds(&self, selector: &str) -> Element {
        let seen = format!("return document.querySelector({})?.checkVisibility() ?? false", json!(selector));
        for _ in 0..LOOKS {
            self.until(selector, &seen);
            // It may have gone since.
            if let Ok(found) = self.wait(self.client().find(Locator::Css(selector))) {
                return found;
            }
        }
        panic!("in vain: {selector}")
    }

    // Doing

    /// Clicks what does this in the view that is shown: a button, or a form by its own.
    #[track_caller]
    pub fn presses(&self, what: &str) {
        let within = format!("[data-view]:not([hidden]) [data-do=\"{what}\"]");
        self.clicks(&format!("{within}:is(button, a), {within}:is(form) button:not([type=\"button\"])"));
    }

    #[track_caller]
    pub fn clicks(&self, selector: &str) {
        for _ in 0..LOOKS {
            let element = self.finds(selector);
            match self.wait(element.click()) {
                Ok(()) => return,
                // Drawn anew, or hidden, between the look and the click.
                Err(fault) if fault.is_stale_element_reference() || fault.is_element_not_interactable() => {
                    thread::sleep(PAUSE);
                }
                Err(fault) => panic!("{fault}: {selector}"),
            }
        }
        panic!("in vain: {selector}")
    }

    /// Writes into a field.
    #[track_caller]
    pub fn fills(&self, selector: &str, text: &str) {
        let element = self.finds(selector);
        self.wait(element.send_keys(text)).unwrap();
    }

    #[track_caller]
    pub fn clears(&self, field: &str) {
        // Key by key: scripts are told of it as if somebody did it.
        self.fills(field, &format!("{CONTROL}a{CONTROL}{BACKSPACE}"));
    }

    /// Chooses files or a folder by their paths, as somebody would who pressed this: the field itself is not seen.
    #[track_caller]
    pub fn chooses(&self, button: &str, field: &str, paths: &str) {
        self.finds(button);
        let field = self.wait(self.client().find(Locator::Css(field))).unwrap();
        self.wait(field.send_keys(paths)).unwrap();
    }

    /// Chooses an option of a list by its value.
    #[track_caller]
    pub fn picks(&self, list: &str, value: &str) {
        let element = self.finds(list);
        self.wait(element.select_by_value(value)).unwrap();
    }

    /// Types a key, wherever the focus is.
    #[track_caller]
    pub fn types(&self, key: char) {
        self.types_all(&[key]);
    }

    /// Types keys that are held together.
    #[track_caller]
    pub fn types_all(&self, keys: &[char]) {
        let down = keys.iter().map(|key| json!({ "type": "keyDown", "value": key }));
        let up = keys.iter().rev().map(|key| json!({ "type": "keyUp", "value": key }));
        let both: Vec<_> = down.chain(up).collect();
        self.beyond("actions", json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": both }] }));
    }

    /// Waits until a file of this name, with something in it, is downloaded whole. Its bytes.
    #[track_caller]
    pub fn downloaded(&self, name: &str) -> Vec<u8> {
        self.downloaded_first(|there| there == name)
    }

    /// The same of the first file whose name is as wanted.
    #[track_caller]
    pub fn downloaded_first(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<u8> {
        for _ in 0..LOOKS {
            // Under way it has another name, and its own is kept by a file with nothing in it.
            let name = self.downloads_there().into_iter().find(|name| is_wanted(name));
            let bytes = name.and_then(|name| fs::read(self.folder.path().join("downloads").join(name)).ok());
            if let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) {
                return bytes;
            }
            thread::sleep(PAUSE);
        }
        panic!("it was not downloaded: {:?}", self.downloads_there())
    }

    /// The names of the files that were downloaded, whole.
    pub fn downloads_there(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path().join("downloads")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !name.ends_with(".crdownload") && !name.starts_with('.')).collect()
    }

    /// A file on this browser's machine.
    pub fn has_file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// A folder on this browser's machine, with files at paths within.
    pub fn has_folder(&self, name: &str, files: &[(&str, &[u8])]) -> PathBuf {
        let folder = self.folder.path().join(name);
        for (path, bytes) in files {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        folder
    }

    // Underneath

    /// A command of the Chrome DevTools protocol.
    #[track_caller]
    pub fn cdp(&self, command: &str, parameters: Value) -> Value {
        self.beyond("goog/cdp/execute", json!({ "cmd": command, "params": parameters }))
    }

    #[track_caller]
    fn beyond(&self, path: &'static str, body: Value) -> Value {
        self.wait(self.client().issue_cmd(Beyond { path, body })).unwrap()
    }

    /// What was logged since this was asked last: `browser` or `performance`.
    #[track_caller]
    pub fn log(&self, kind: &str) -> Vec<Value> {
        match self.beyond("se/log", json!({ "type": kind })) {
            Value::Array(entries) => entries,
            other => panic!("{other}"),
        }
    }

    /// What nobody asked for: violations of the policy, scripts that failed, files that are missing.
    #[track_caller]
    pub fn complaints(&self) -> Vec<String> {
        let text = |entry: &Value| entry["message"].as_str().unwrap_or_default().to_owned();
        // What the API and the storage answer, or don't, is the tests' own doing.
        let is_planned = |url: &str| ["/v1/", "/o/", "/favicon.ico"].iter().any(|part| url.contains(part));
        let is_answer = |entry: &Value| entry["source"] == "network" && is_planned(&text(entry));
        // The page that the browser itself begins with, which is cut short.
        let is_own = |entry: &Value| text(entry).starts_with("chrome://");
        let log = self.log("browser");
        log.iter().filter(|entry| entry["level"] == "SEVERE" && !is_answer(entry) && !is_own(entry)).map(text).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if thread::panicking() {
            pictures::of_a_failure(self);
        }
        let complaints = if thread::panicking() { Vec::new() } else { self.complaints() };
        let client = self.client.take().unwrap();
        let closed = DRIVER.runtime.block_on(client.close());
        if !thread::panicking() {
            assert!(complaints.is_empty(), "{complaints:#?}");
            closed.unwrap();
        }
    }
}
