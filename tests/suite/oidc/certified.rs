//! Against a provider that the OpenID Foundation has certified: `oidc-provider`, a process of its own.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use cloakroom::{clock::SystemClock, domain::identity::SecondFactor};

use super::{
    console::{Browser, Console},
    *,
};

const CALLBACK: &str = "/console/sign-in/work/callback";

/// It ends with its input, and is killed when this is dropped.
struct Certified {
    child: Child,
    output: BufReader<ChildStdout>,
    url: String,
}

impl Drop for Certified {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _killed = self.child.kill();
        let _status = self.child.wait();
    }
}

impl Certified {
    fn signing_with(algorithm: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("localstack");
        let installed = root.join(".run/openid-provider");
        let node = installed.join("node");
        assert!(node.exists(), "{} is missing: run localstack/emulators install", node.display());
        let settings = json!({"algorithm": algorithm, "audience": AUDIENCE, "callback": CALLBACK});
        let mut child = Command::new(node)
            .arg(root.join("openid-provider/serve.mjs"))
            .arg(installed.join("provider"))
            .arg(settings.to_string())
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut provider = Self { child, output, url: String::new() };
        provider.url = provider.says("ready ");
        provider
    }

    /// The rest of the line that begins like this.
    fn says(&mut self, beginning: &str) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "the provider has ended");
            if let Some(rest) = line.strip_prefix(beginning) {
                return rest.trim_end().to_owned();
            }
        }
    }

    fn take_new_keys(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        self.says("rotated");
    }

    /// An access token by client credentials.
    fn access_token(&self) -> String {
        let request = cloakroom::outward::agent(AGES).post(format!("{}/token", self.url));
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        // machine:machine-secret
        let request = request.header("Authorization", "Basic bWFjaGluZTptYWNoaW5lLXNlY3JldA==");
        let mut answer = request.send("grant_type=client_credentials").unwrap();
        let answer: Value = answer.body_mut().read_json().unwrap();
        answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// Where the provider sends this person who asks to sign in, says who they are, and agrees.
    fn sign_in(&self, browser: &mut Browser, from: &str, back: &str) -> String {
        let mut at = from.to_owned();
        for _ in 0..10 {
            let page = browser.get(&at);
            let page = match page.location {
                Some(_) => page,
                None if page.body.contains(r#"value="login""#) => {
                    browser.post(&at, "prompt=login&login=alice&password=any")
                }
                None => {
                    assert!(page.body.contains(r#"value="consent""#), "{page:?}");
                    browser.post(&at, "prompt=consent")
                }
            };
            let next = page.location.unwrap_or_else(|| panic!("{}", page.body));
            if next.starts_with(back) {
                return next;
            }
            at = if next.starts_with('/') { format!("{}{next}", self.url) } else { next };
        }
        panic!("it goes round and round: {at}");
    }
}

/// The time of day, and then as the test moves it: the provider has a clock of its own.
fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(SystemClock::default().now()))
}

#[test]
fn access_tokens_are_taken_and_new_keys_are_seen_without_a_restart() {
    for algorithm in ["RS256", "ES256"] {
        let mut provider = Certified::signing_with(algorithm);
        let (runtime, clock) = (runtime(), clock());
        let read: Arc<dyn Clock> = clock.clone();
        let providers = Providers::new(vec![settings(&provider.url)], &read, runtime.handle());
        let identify = |token: &str| runtime.block_on(providers.identify(&SecretText::new(token)));

        let identity = identify(&provider.access_token()).unwrap();
        assert_eq!((identity.issuer.as_str(), identity.subject.expose()), (provider.url.as_str(), "machine"));
        assert_eq!(identity.second_factor, SecondFactor::NotSaid);

        let old = provider.access_token();
        provider.take_new_keys();
        let new = provider.access_token();
        assert_eq!(identify(&new), Err(Rejected::UnknownKey));
        clock.advance(Duration::from_secs(10));
        assert!(identify(&new).is_ok());
        assert_eq!(identify(&old), Err(Rejected::UnknownKey));

        let other = ProviderSettings { audience: Some("https://other.example".into()), ..settings(&provider.url) };
        let others = Providers::new(vec![other], &read, runtime.handle());
        assert_eq!(runtime.block_on(others.identify(&SecretText::new(new))), Err(Rejected::WrongAudience));
    }
}

#[test]
fn people_sign_in_by_code_with_and_without_a_secret() {
    let secret = SecretText::new("a secret: with \"marks\" & spaces %");
    for (algorithm, client) in [
        ("RS256", Client { id: "console".into(), secret: Some(secret) }),
        ("ES256", Client { id: "public".into(), secret: None }),
    ] {
        let provider = Certified::signing_with(algorithm);
        let settings = ProviderSettings { client: Some(client), ..settings(&provider.url) };
        let read: Arc<dyn Clock> = clock();
        let console = Console::with(vec![settings], Some(read));
        let mut browser = Browser::new();
        let page = browser.get(&format!("{}/console/sign-in/work", console.url));
        let back = provider.sign_in(&mut browser, &page.location.unwrap(), &console.url);
        assert!(back.contains("iss="), "it names itself: {back}");
        // Another browser cannot go on with it.
        assert_eq!(Browser::new().get(&back).status, 401);
        let page = browser.get(&back);
        assert_eq!((page.status, page.location.as_deref()), (303, Some("/console")), "{page:?}");
        assert_eq!(console.signed_in(&mut browser).unwrap()["principal"]["preview"], "alice");
    }
}

#[test]
fn a_client_with_another_secret_signs_nobody_in() {
    let provider = Certified::signing_with("ES256");
    let client = Client { id: "console".into(), secret: Some(SecretText::new("another")) };
    let settings = ProviderSettings { client: Some(client), ..settings(&provider.url) };
    let read: Arc<dyn Clock> = clock();
    let console = Console::with(vec![settings], Some(read));
    let mut browser = Browser::new();
    let page = browser.get(&format!("{}/console/sign-in/work", console.url));
    let back = provider.sign_in(&mut browser, &page.location.unwrap(), &console.url);
    assert_eq!(browser.get(&back).status, 401);
}
