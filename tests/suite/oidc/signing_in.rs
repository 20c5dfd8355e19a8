//! Signing in at an issuer of our own, by the routes of the console.

use std::collections::HashMap;

use cloakroom::{domain::permission::Role, http::problem::Problem};
use url::Url;

use super::{
    console::{Browser, Console, Page},
    signer::encode,
    *,
};

/// Somebody on the way to the provider.
struct Away {
    browser: Browser,
    asked: HashMap<String, String>,
}

struct Fixture {
    issuer: OwnIssuer,
    signer: Signer,
    console: Console,
}

impl Fixture {
    fn new() -> Self {
        Self::of(|settings| settings)
    }

    fn of(change: impl FnOnce(ProviderSettings) -> ProviderSettings) -> Self {
        let signer = Signer::es256("a");
        let issuer = OwnIssuer::with(&[&signer]);
        let other = ProviderSettings { name: "other".into(), audience: None, ..settings(issuer.url()) };
        let console = Console::with(vec![change(settings(issuer.url())), other], None);
        Self { issuer, signer, console }
    }

    fn page(&self, name: &str) -> String {
        format!("{}/console/sign-in/{name}", self.console.url)
    }

    fn depart(&self) -> Away {
        let mut browser = Browser::new();
        let page = browser.get(&self.page("work"));
        assert_eq!(page.status, 303, "{page:?}");
        let url = Url::parse(page.location.as_deref().unwrap()).unwrap();
        Away { browser, asked: url.query_pairs().into_owned().collect() }
    }

    /// The claims of an ID token that is right in everything.
    fn id_claims(&self, away: &Away) -> Value {
        json!({
            "iss": self.issuer.url(), "sub": "alice", "aud": CLIENT, "iat": SECONDS, "exp": SECONDS + 60,
            "nonce": away.asked["nonce"],
        })
    }

    fn answer_with(&self, tokens: Value) {
        self.issuer.change(|published| published.tokens = ("200 OK", tokens));
    }

    fn arrive(&self, away: &mut Away, query: &str) -> Page {
        let url = format!("{}/callback?{query}", self.page("work"));
        away.browser.get(&url)
    }

    fn right(&self, away: &Away) -> String {
        format!("code=c&state={}", away.asked["state"])
    }

    /// What a person gets for whom the provider has this ID token.
    fn arrive_with(&self, change: impl FnOnce(&Self, Value) -> Value) -> Page {
        self.arrives_with(change).1
    }

    /// As [`Self::arrive_with`], and their browser.
    fn arrives_with(&self, change: impl FnOnce(&Self, Value) -> Value) -> (Browser, Page) {
        let mut away = self.depart();
        let tokens = change(self, self.id_claims(&away));
        self.answer_with(tokens);
        let query = self.right(&away);
        let page = self.arrive(&mut away, &query);
        (away.browser, page)
    }
}

#[track_caller]
fn assert_refused(page: &Page) {
    assert_eq!(page.status, 401, "{page:?}");
    assert_eq!((page.set_cookies.len(), page.location.as_deref()), (0, None), "{page:?}");
    let mut document: Value = serde_json::from_str(&page.body).unwrap();
    document.as_object_mut().unwrap().remove("request_id").unwrap();
    let told: Vec<_> = document.as_object().unwrap().iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let expected = Problem::from(cloakroom::service::Error::Unauthenticated).document(None);
    let expected = serde_json::to_value(expected).unwrap();
    assert_eq!(document, expected, "{told:?}");
}

#[test]
fn whoever_signs_in_arrives_at_the_console() {
    let fixture = Fixture::new();
    let mut browser = Browser::new();
    let page = browser.get(&fixture.page("work"));
    let url = Url::parse(page.location.as_deref().unwrap()).unwrap();
    assert!(url.as_str().starts_with(&format!("{}/authorize?x=1&response_type=code&", fixture.issuer.url())), "{url}");
    let asked: HashMap<String, String> = url.query_pairs().into_owned().collect();
    let redirect_uri = format!("{}/callback", fixture.page("work"));
    for (name, value) in [
        ("client_id", CLIENT),
        ("scope", "openid"),
        ("code_challenge_method", "S256"),
        ("redirect_uri", redirect_uri.as_str()),
    ] {
        assert_eq!(asked[name], value);
    }
    let [cookie] = page.set_cookies.as_slice() else { panic!("{page:?}") };
    assert!(cookie.starts_with("cloakroom-signing-in="), "{cookie}");
    assert!(cookie.ends_with("; HttpOnly; SameSite=Lax; Path=/; Max-Age=600"), "{cookie}");
    for name in ["state", "nonce", "code_challenge"] {
        assert_eq!(asked[name].len(), 43, "{name}");
        assert!(!cookie.contains(&asked[name]), "{name}");
    }

    let mut away = Away { browser, asked };
    let claims = with(fixture.id_claims(&away), json!({"amr": ["pwd", "hwk"]}));
    fixture.answer_with(
        json!({"id_token": fixture.signer.id_token(&claims), "access_token": "a", "token_type": "Bearer"}),
    );
    let query = fixture.right(&away);
    let page = fixture.arrive(&mut away, &query);
    assert_eq!((page.status, page.location.as_deref()), (303, Some("/console")), "{page:?}");
    let seen = fixture.console.signed_in(&mut away.browser).unwrap();
    assert_eq!((&seen["principal"]["preview"], &seen["principal"]["role"]), (&json!("alice"), &json!("admin")));
    for (cookie, attributes) in [("cloakroom-console", "; HttpOnly"), ("cloakroom-csrf", "")] {
        let set = page.set_cookies.iter().find(|set| set.starts_with(&format!("{cookie}="))).unwrap();
        assert!(set.contains("; SameSite=Strict") && set.contains(attributes), "{set}");
    }
    assert!(!away.browser.cookies.contains_key("cloakroom-signing-in"));

    let (head, form) = fixture.issuer.change(|published| published.requests.last().unwrap().clone());
    assert!(head.starts_with("POST /realm/token ") && !head.to_lowercase().contains("authorization:"), "{head}");
    let sent: HashMap<String, String> = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    assert_eq!(sent.len(), 5, "{form}");
    for (name, value) in
        [("grant_type", "authorization_code"), ("code", "c"), ("client_id", CLIENT), ("redirect_uri", &redirect_uri)]
    {
        assert_eq!(sent[name], value);
    }
    let challenge = encode(cloakroom::crypto::digest::of(sent["code_verifier"].as_bytes()));
    assert_eq!(challenge, away.asked["code_challenge"]);
}

#[test]
fn behind_tls_the_cookie_is_of_this_host_alone() {
    let issuer = OwnIssuer::with(&[&Signer::es256("a")]);
    let console = Console::reached_at(Some("https://share.example"), vec![settings(issuer.url())], None);
    let mut browser = Browser::asking_for("share.example");
    let page = browser.get(&format!("{}/console/sign-in/work", console.url));
    let back = form_urlencoded::byte_serialize(b"https://share.example/console/sign-in/work/callback");
    let url = page.location.unwrap();
    assert!(url.contains(&format!("redirect_uri={}&", back.collect::<String>())), "{url}");
    let [cookie] = page.set_cookies.as_slice() else { panic!("{:?}", page.set_cookies) };
    assert!(cookie.starts_with("__Host-cloakroom-signing-in="), "{cookie}");
    assert!(cookie.ends_with("; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=600"), "{cookie}");
}

#[test]
fn an_answer_that_belongs_to_no_attempt_of_this_browser_is_refused() {
    let fixture = Fixture::new();
    let mut away = fixture.depart();
    fixture.answer_with(json!({"id_token": fixture.signer.id_token(&fixture.id_claims(&away))}));
    let (right, stranger) = (fixture.right(&away), fixture.depart());
    for query in [
        "",
        "code=c",
        &format!("state={}", away.asked["state"]),
        "code=c&state=",
        &format!("code=c&state={}", stranger.asked["state"]),
        &format!("code=c&state={}", away.asked["nonce"]),
        &format!("{right}&state={}", away.asked["state"]),
        &format!("{right}&iss=https%3A%2F%2Felsewhere.example"),
        &format!("{right}&iss="),
        &format!("{right}&error=access_denied"),
        &format!("error=access_denied&state={}", away.asked["state"]),
        &format!("error=%1b%5b31m%0a&state={}", away.asked["state"]),
        "%ff",
    ] {
        assert_refused(&fixture.arrive(&mut away, query));
    }
    // Somebody else's link, opened in this browser: signing in as somebody else, unnoticed.
    let mut victim = fixture.depart();
    assert_refused(&fixture.arrive(&mut victim, &right));
    let mut nobody = Away { browser: Browser::new(), asked: HashMap::new() };
    assert_refused(&fixture.arrive(&mut nobody, &right));
    for cookie in ["x".into(), away.browser.cookies["cloakroom-signing-in"][1..].to_owned()] {
        nobody.browser.cookies.insert("cloakroom-signing-in".into(), cookie);
        assert_refused(&fixture.arrive(&mut nobody, &right));
    }
    let elsewhere = format!("{}/callback?{right}", fixture.page("other"));
    assert_refused(&away.browser.clone().get(&elsewhere));
    assert_eq!(fixture.issuer.asked("/token"), 0);

    let mut late = away.browser.clone();
    let named =
        format!("{right}&iss={}", form_urlencoded::byte_serialize(fixture.issuer.url().as_bytes()).collect::<String>());
    assert_eq!(fixture.arrive(&mut away, &named).status, 303);
    fixture.console.laboratory.clock.advance(Duration::from_secs(600));
    assert_refused(&late.get(&format!("{}/callback?{right}", fixture.page("work"))));
    assert_eq!(fixture.issuer.asked("/token"), 1);
}

#[test]
fn an_attempt_begins_one_session_and_no_second() {
    let fixture = Fixture::new();
    let mut away = fixture.depart();
    fixture.answer_with(json!({"id_token": fixture.signer.id_token(&fixture.id_claims(&away))}));
    let (query, mut again) = (fixture.right(&away), away.browser.clone());
    assert_eq!(fixture.arrive(&mut away, &query).status, 303);
    // The provider takes the code a second time: what counts is ours.
    assert_refused(&again.get(&format!("{}/callback?{query}", fixture.page("work"))));
    assert!(fixture.console.signed_in(&mut again).is_none());
    assert!(fixture.console.signed_in(&mut away.browser).is_some());
    let another = fixture.arrive_with(|fixture, claims| json!({"id_token": fixture.signer.id_token(&claims)}));
    assert_eq!(another.status, 303);
}

#[test]
fn whoever_was_not_let_in_is_nobody() {
    let fixture = Fixture::new();
    let arrives = |subject: &str| {
        fixture.arrive_with(
            |fixture, claims| json!({"id_token": fixture.signer.id_token(&with(claims, json!({"sub": subject})))}),
        )
    };
    for stranger in ["bob", "Alice", "alice "] {
        assert_refused(&arrives(stranger));
    }
    let issuer = Issuer::parse(fixture.issuer.url()).unwrap();
    fixture.console.let_in(issuer.clone(), "bob", Role::Viewer).unwrap();
    assert_eq!(arrives("bob").status, 303);
    assert!(fixture.console.let_in(issuer, "bob", Role::Viewer).is_err(), "once is enough");
}

#[test]
fn an_administrator_has_used_a_second_factor_where_the_provider_says() {
    let fixture = Fixture::new();
    let issuer = Issuer::parse(fixture.issuer.url()).unwrap();
    fixture.console.let_in(issuer, "bob", Role::Member).unwrap();
    let arrives = |subject: &str, amr: Value| {
        let page = fixture.arrive_with(|fixture, claims| {
            json!({"id_token": fixture.signer.id_token(&with(claims, json!({"sub": subject, "amr": amr})))})
        });
        (page.status, page.set_cookies.len())
    };
    assert_eq!(arrives("alice", json!(["pwd"])), (403, 0));
    assert_eq!(arrives("alice", json!(["pwd", "otp"])).0, 303);
    assert_eq!(arrives("bob", json!(["pwd"])).0, 303);
    let token = |subject: &str, amr: Value| {
        let claims = with(access_claims(fixture.issuer.url()), json!({"sub": subject, "amr": amr}));
        fixture.console.with_token(&fixture.signer.access_token(&claims))
    };
    assert!(token("alice", json!(["pwd"])).unwrap_err().contains("second factor"));
    assert_eq!(token("alice", json!(["mfa"])).unwrap().role, Role::Admin);
    assert_eq!(token("bob", json!(["pwd"])).unwrap().role, Role::Member);
    assert!(token("nobody", json!(["mfa"])).is_err());
}

#[test]
fn who_becomes_an_administrator_signs_in_anew_with_a_second_factor() {
    let fixture = Fixture::new();
    let bob = fixture.console.let_in(Issuer::parse(fixture.issuer.url()).unwrap(), "bob", Role::Member).unwrap();
    let arrives = |amr: Value| {
        fixture.arrives_with(|fixture, claims| {
            json!({"id_token": fixture.signer.id_token(&with(claims, json!({"sub": "bob", "amr": amr})))})
        })
    };
    let ((mut without, _), (mut with, _)) = (arrives(json!(["pwd"])), arrives(json!(["pwd", "otp"])));
    assert!(fixture.console.signed_in(&mut without).is_some());
    fixture.console.promote(&bob);
    let refused = without.get(&format!("{}/v1/console/session", fixture.console.url));
    assert_eq!(refused.status, 401, "as one who is not signed in: {refused:?}");
    assert_eq!(fixture.console.signed_in(&mut with).unwrap()["principal"]["role"], "admin");
}

#[test]
fn an_issuer_that_names_itself_must_do_so() {
    let fixture = Fixture::new();
    fixture.issuer.change(|published| {
        published.metadata["authorization_response_iss_parameter_supported"] = json!(true);
    });
    assert_refused(&fixture.arrive_with(|fixture, claims| json!({"id_token": fixture.signer.id_token(&claims)})));
    assert_eq!(fixture.issuer.asked("/token"), 0);
}

#[test]
fn an_id_token_is_of_this_attempt_for_us_and_for_now() {
    let fixture = Fixture::new();
    let other = Signer::es256("a");
    type Change = Box<dyn Fn(&Fixture, Value) -> Value>;
    let claims = |changes: Value| -> Change {
        Box::new(move |fixture, claims| json!({"id_token": fixture.signer.id_token(&with(claims, changes.clone()))}))
    };
    let wrong: Vec<Change> = vec![
        claims(json!({"nonce": "other"})),
        claims(json!({"nonce": null})),
        claims(json!({"aud": "another-client"})),
        claims(json!({"aud": AUDIENCE})),
        claims(json!({"aud": [CLIENT, "another-client"]})),
        claims(json!({"aud": [CLIENT, "another-client"], "azp": "another-client"})),
        claims(json!({"azp": "another-client"})),
        claims(json!({"exp": SECONDS - 60})),
        claims(json!({"iat": SECONDS + 61})),
        claims(json!({"iss": "https://elsewhere.example"})),
        claims(json!({"sub": ""})),
        Box::new(|fixture, claims| {
            let claims = with(claims, json!({"at_hash": "AAAA"}));
            json!({"id_token": fixture.signer.id_token(&claims), "access_token": "a"})
        }),
        Box::new(|fixture, claims| json!({"id_token": fixture.signer.access_token(&claims)})),
        Box::new(move |_, claims| json!({"id_token": other.id_token(&claims)})),
        Box::new(
            |_, claims| json!({"id_token": format!("{}.{}.", encode(r#"{"alg":"none"}"#), encode(claims.to_string()))}),
        ),
        Box::new(|fixture, claims| json!({"access_token": fixture.signer.id_token(&claims)})),
        Box::new(|_, _| json!({"id_token": null})),
        Box::new(|_, _| json!([])),
    ];
    for change in wrong {
        assert_refused(&fixture.arrive_with(change));
    }
    for (status, tokens) in [
        ("400 Bad Request", json!({"error": "invalid_grant"})),
        ("500 Internal Server Error", json!({"error": "\u{1b}[31m"})),
        ("302 Found\r\nLocation: /realm/keys", json!({})),
    ] {
        let mut away = fixture.depart();
        fixture.issuer.change(|published| published.tokens = (status, tokens));
        let query = fixture.right(&away);
        assert_refused(&fixture.arrive(&mut away, &query));
    }
    let hash = encode(&cloakroom::crypto::digest::of(b"a")[..16]);
    for changes in [
        json!({}),
        json!({"azp": CLIENT}),
        json!({"aud": [CLIENT]}),
        json!({"aud": [CLIENT, "another-client"], "azp": CLIENT}),
        json!({"at_hash": hash}),
    ] {
        let page = fixture.arrive_with(
            |fixture, claims| json!({"id_token": fixture.signer.id_token(&with(claims, changes)), "access_token": "a"}),
        );
        assert_eq!(page.status, 303, "{page:?}");
    }
}

#[test]
fn an_id_token_opens_no_api() {
    let fixture = Fixture::of(|settings| ProviderSettings { audience: Some(CLIENT.into()), ..settings });
    let claims = with(access_claims(fixture.issuer.url()), json!({"aud": CLIENT}));
    let refused = Err(cloakroom::service::Error::Unauthenticated.to_string());
    let with_nonce = with(claims.clone(), json!({"nonce": "n"}));
    for token in [fixture.signer.id_token(&claims), fixture.signer.access_token(&with_nonce), "x".into(), String::new()]
    {
        assert_eq!(fixture.console.identify(&token), refused);
    }
    assert!(fixture.console.identify(&fixture.signer.access_token(&claims)).is_ok());
}

#[test]
fn a_client_shows_its_secret_and_asks_for_the_classes_it_accepts() {
    let fixture = Fixture::of(|settings| ProviderSettings {
        client: Some(Client { id: "a client:1".into(), secret: Some(SecretText::new("p%s +\"")) }),
        accepted_acr: vec!["gold".into(), "silver".into()],
        ..settings
    });
    let mut away = fixture.depart();
    assert_eq!(away.asked["acr_values"], "gold silver");
    let claims = with(fixture.id_claims(&away), json!({"aud": "a client:1", "acr": "silver"}));
    fixture.answer_with(json!({"id_token": fixture.signer.id_token(&claims)}));
    let query = fixture.right(&away);
    assert_eq!(fixture.arrive(&mut away, &query).status, 303);
    let (head, form) = fixture.issuer.change(|published| published.requests.last().unwrap().clone());
    // printf 'a+client%%3A1:p%%25s+%%2B%%22' | base64
    let credentials = "YStjbGllbnQlM0ExOnAlMjVzKyUyQiUyMg==";
    assert!(head.contains(&format!("Basic {credentials}")), "{head}");
    assert!(!form.contains("client_id"), "{form}");
}

#[test]
fn nobody_signs_in_where_it_is_not_offered() {
    let fixture = Fixture::of(|settings| ProviderSettings { client: None, ..settings });
    for name in ["work", "unknown", "work%2F", "WORK"] {
        assert_eq!(Browser::new().get(&fixture.page(name)).status, 404, "{name}");
        assert_eq!(Browser::new().get(&format!("{}/callback", fixture.page(name))).status, 404, "{name}");
    }
    let fixture = Fixture::new();
    fixture.issuer.behave(issuer::Manner::Gone);
    let page = Browser::new().get(&fixture.page("work"));
    assert_eq!((page.status, page.set_cookies.len()), (503, 0), "{page:?}");
    assert!(!page.body.contains("realm"), "{}", page.body);
}
