//! What a panic in a handler prints: where it was, and of the secrets that a request brought dots.
//!
//! Nothing in the product panics when a test wants it. So handlers that do are put behind the guards of the API, with
//! what handlers get at hand; in a process of its own, since there is one hook that prints for all threads.

use std::{
    env, fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
};

use actix_web::{App, HttpResponse, HttpServer, middleware::from_fn, web};
use cloakroom::{
    config::{Given, LogFormat, LogLevel},
    http::{
        extract::{Authenticated, With},
        guards,
        json::Json,
        links::{MintBody, RedeemBody},
    },
    telemetry,
};
use serde_json::{Value, json};

use crate::api::{
    harness::{claim_key, runtime},
    laboratory::Laboratory,
};

use super::search::{Canary, Search};

/// The file in which one process tells the other what it has sent.
const SECRETS: &str = "CLOAKROOM_TEST_PANICS_SECRETS";

#[test]
fn a_panic_prints_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets");
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "api::never_in_the_clear::panics::panics_with_secrets_at_hand", "--ignored", "--nocapture"])
        .env(SECRETS, &file)
        .output()
        .unwrap();
    let printed = [output.stdout, output.stderr].concat();
    let words = String::from_utf8_lossy(&printed);
    assert!(output.status.success(), "{words}");
    let secrets = fs::read_to_string(file).unwrap();
    let canaries: Vec<_> = secrets.lines().map(|secret| Canary::new("a secret", secret)).collect();
    let found = Search::new(&canaries).find("what was printed", &printed);
    assert!(canaries.len() == 4 && found.is_empty(), "{words}");
    // All was at hand.
    assert_eq!(words.matches("panicked at").count(), 2, "{words}");
    for visible in ["a body: RedeemBody", "a body: MintBody", "a visible label", "SecretText(…)", "a caller: "] {
        assert!(words.contains(visible), "{visible}: {words}");
    }
}

async fn redeems(Json(body): Json<RedeemBody>) -> HttpResponse {
    panic!("a body: {body:?}")
}

async fn mints(With(Authenticated(caller), body): With<Authenticated, MintBody>) -> HttpResponse {
    panic!("a body: {body:?}, a caller: {caller:?}")
}

/// The child of the test above: it ends well, since a panic ends the request that it is about and nothing else.
#[test]
#[ignore = "started by a_panic_prints_no_secret"]
fn panics_with_secrets_at_hand() {
    let file = env::var(SECRETS).expect("started by another test");
    let logging = Given { log: Some(LogLevel::Trace), log_format: Some(LogFormat::Json), ..Given::default() };
    telemetry::start(&logging.complete().unwrap());
    let runtime = runtime();
    let laboratory = runtime.block_on(Laboratory::new());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut broker = laboratory.broker.clone();
    broker.settings.public_url = format!("http://{address}");
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(broker.clone()))
            .wrap(from_fn(guards::api))
            .route("/v1/redeems", web::post().to(redeems))
            .route("/v1/mints", web::post().to(mints))
    });
    let server = {
        let _inside = runtime.enter();
        server.workers(1).disable_signals().listen(listener).unwrap().run()
    };
    let handle = server.handle();
    runtime.spawn(server);

    let [token, password, claim_key] = [(); 3].map(|()| claim_key());
    let admin = laboratory.tenant.admin.secret.as_str();
    fs::write(file, [token.as_str(), &password, &claim_key, admin].join("\n")).unwrap();
    let recipient = json!({ "address": "ada@example.org", "code": password });
    let body = json!({ "token": token, "password": password, "claim_key": claim_key, "recipient": recipient });
    let artifact = format!("art_{}", "0".repeat(32));
    let minting = json!({ "artifact": artifact, "password": password, "label": "a visible label" });
    for (path, body) in [("/v1/redeems", body), ("/v1/mints", minting)] {
        assert_eq!(answer(address, &format!("{path}?token={token}"), admin, &body), "", "it has panicked");
    }
    // The one thread there is goes on.
    assert!(answer(address, "/v1/others", admin, &json!({})).starts_with("HTTP/1.1 404"));
    runtime.block_on(handle.stop(false));
}

/// What came back before the connection ended.
fn answer(address: SocketAddr, path: &str, bearer: &str, body: &Value) -> String {
    let body = body.to_string();
    let head = format!("POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {bearer}\r\n");
    let kind = format!("content-type: application/json\r\ncontent-length: {}\r\nconnection: close", body.len());
    let mut connection = TcpStream::connect(address).unwrap();
    connection.write_all(format!("{head}{kind}\r\n\r\n{body}").as_bytes()).unwrap();
    let mut answer = Vec::new();
    // It may end abruptly.
    let _broken = connection.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}
