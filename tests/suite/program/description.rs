//! The description of the API says what the API does: every route, both ways.

use std::{collections::BTreeSet, fs, path::Path};

use crate::api::harness::{Answer, Api, Backend};

/// Method and path of every route in the route table.
fn routes() -> BTreeSet<String> {
    let table = include_str!("../../../src/http/routes.rs");
    let table: String = table.lines().map(str::trim).filter(|line| !line.starts_with("//")).collect();
    let mut routes = BTreeSet::new();
    for resource in table.split(".service(").skip(1) {
        let begin = resource.find("resource(\"").unwrap() + "resource(\"".len();
        let path = resource[begin..].split('"').next().unwrap().replace(":.*}", "}");
        for method in ["get", "post", "put", "delete", "patch"] {
            if resource.contains(&format!(".route({method}()")) && path.starts_with("/v1/") {
                routes.insert(format!("{method} {path}"));
            }
        }
    }
    assert!(routes.len() > 30 && routes.contains("delete /v1/objects/{path}"), "{routes:?}");
    routes
}

fn described(document: &serde_json::Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |method| format!("{method} {path}")))
        .collect()
}

fn description(api: &Api) -> Answer {
    let answer = api.call("GET", "/openapi.json").send();
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"), "{answer:?}");
    answer
}

#[test]
fn every_route_is_described_and_no_other() {
    let api = Api::start(Backend::Embedded);
    let document = description(&api).json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."), "{}", document["openapi"]);
    assert_eq!(document["info"]["title"], "Cloakroom");
    assert_eq!(described(&document), routes());
}

#[test]
fn every_described_route_answers() {
    let api = Api::start(Backend::Embedded);
    for route in described(&description(&api).json()) {
        let (method, path) = route.split_once(' ').unwrap();
        let method = method.to_uppercase();
        let path = path.replace("{id}", "x").replace("{path}", "x");
        let answer = api.call(&method, &path).header("content-type", "application/json").body(b"").send();
        assert_ne!(answer.status, 405, "{route}");
        if route == "get /v1/console/providers" {
            answer.expect(200);
            continue;
        }
        let code = answer.text("code");
        if route == "get /v1/events/ws" {
            // What opens it is in its query.
            answer.problem(422, "invalid");
            continue;
        }
        // Without a key, or with nothing in the body; never "there is no such route".
        assert!(matches!((answer.status, code.as_str()), (401, _) | (400, "malformed")), "{route}: {answer:?}");
    }
}

#[test]
fn no_two_shapes_have_one_name() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http");
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        for derived in
            text.split("#[derive(").skip(1).filter(|rest| rest.split(')').next().unwrap().contains("ToSchema"))
        {
            let declared = |line: &&str| line.starts_with("pub struct ") || line.starts_with("pub enum ");
            let own = derived.lines().find(declared).unwrap();
            let attributes = derived.split(own).next().unwrap();
            let renamed = attributes.split_once("schema(as = ").map(|(_, name)| name.split(')').next().unwrap());
            let name = renamed.unwrap_or_else(|| own.split_whitespace().nth(2).unwrap());
            assert!(names.insert(name.to_owned()), "two shapes are called {name}");
        }
    }
    assert!(names.len() > 80 && names.contains("CreateApiKeyBody"), "{names:?}");
}

#[test]
fn what_is_refused_is_described_as_a_problem() {
    let document = description(&Api::start(Backend::Embedded)).json();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let answers = operation["responses"].as_object().unwrap();
            assert!(answers.contains_key("4XX"), "{method} {path}");
            for (status, answer) in answers.iter().filter(|(status, _)| status.starts_with('4')) {
                let types: Vec<_> = answer["content"].as_object().unwrap().keys().collect();
                assert_eq!(types, ["application/problem+json"], "{method} {path} {status}");
            }
        }
    }
}

#[test]
fn every_operation_says_how_it_is_called_and_answered() {
    let api = Api::start(Backend::Embedded);
    let document = description(&api).json();
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let of = format!("{method} {path}");
            assert!(operation["summary"].is_string() || operation["description"].is_string(), "{of}");
            assert!(ids.insert(operation["operationId"].to_string()), "{of}: two operations have one id");
            let public =
                path.contains("/redeem") || ["post /v1/console/session", "get /v1/console/providers"].contains(&&*of);
            assert_eq!(operation.get("security").is_none(), public, "{of}");
            let answers = operation["responses"].as_object().unwrap();
            // What becomes a WebSocket is answered 101.
            assert!(answers.keys().any(|status| status.starts_with('2') || status == "101"), "{of}");
            assert!(answers.keys().any(|status| status.starts_with('4')), "{of}");
        }
    }
    // Every reference leads somewhere.
    let text = document.to_string();
    let mut rest = text.as_str();
    while let Some((_, after)) = rest.split_once("\"#/components/") {
        let (name, after) = after.split_once('"').unwrap();
        let pointer = format!("/components/{name}");
        assert!(document.pointer(&pointer).is_some(), "{pointer}");
        rest = after;
    }
}

#[test]
fn the_description_can_be_read() {
    let api = Api::start(Backend::Embedded);
    let page = api.call("GET", "/docs").send();
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"), "{page:?}");
    assert!(page.header("content-security-policy").contains("default-src 'none'"), "{page:?}");
    let html = String::from_utf8(page.body).unwrap();
    assert!(html.starts_with("<!doctype html>") || html.starts_with("<!DOCTYPE html>"), "{html}");
    assert!(!html.contains("<script"), "it needs no script");
    for path in description(&api).json()["paths"].as_object().unwrap().keys() {
        assert!(html.contains(path), "{path}");
    }
}
