//! URLs of the embedded storage. What is behind one is the storage's to judge; that it is one of ours and good now, is the
//! broker's promise.

use cloakroom::crypto::sealed::Purpose;
use serde_json::{Value, json};

use super::{
    altered::not_ours,
    house::House,
    table::Case,
    tickets::{Held, Ticket},
};
use crate::api::harness::text;

#[test]
fn every_url_that_is_not_good_has_one_answer() {
    let house = House::open();
    let (api, admin) = (&house.api, house.api.admin());
    api.upload(admin, "a.txt", b"a");
    let of = |method: &str, answer: &Value| {
        let url = text(answer, "url");
        Held { name: method.into(), ..Held::new(url.split("/o/").nth(1).unwrap()) }
    };
    let mut number = 0;
    let mut four = || {
        number += 1;
        let upload = |method: &str| {
            let path = format!("{method}-{number}.txt");
            api.declare_as(admin, &json!({ "path": path, "size": 1, "content_type": "text/plain", "method": method }))
        };
        let parts = format!("/v1/uploads/{}/parts", text(&upload("multipart"), "id"));
        let part = house.post(&parts, &json!({ "parts": [{ "number": 1 }] }));
        let get = house.post("/v1/objects/downloads", &json!({ "path": "a.txt" }));
        [
            (Purpose::ObjectPut, of("PUT", &upload("put"))),
            (Purpose::ObjectPost, of("POST", &upload("post"))),
            (Purpose::ObjectPart, of("PUT", &part["items"][0])),
            (Purpose::ObjectGet, of("GET", &get)),
        ]
    };
    let mut cases = Vec::new();
    let expired = four();
    house.passes(600);
    for (purpose, held) in expired {
        cases.push(Case::new("expired", format!("{purpose:?}"), held));
    }
    for (purpose, live) in four() {
        // A part and a whole object are put to one address; which of them it is, the seal says.
        let either = |other: &str| matches!(other, "ObjectPut" | "ObjectPart") && live.name == "PUT";
        let mut none = not_ours(&house, (purpose, ""), &live, |token| live.with(token));
        none.retain(|case| !(case.cause == "for another purpose" && either(&case.what)));
        // In a path a token ends with the path.
        none.retain(|case| !case.held.token.is_empty());
        for case in &mut none {
            case.what = format!("{purpose:?} {}", case.what);
        }
        cases.extend(none);
        for method in ["GET", "HEAD", "PUT", "POST"] {
            let reads = ["GET", "HEAD"];
            if method != live.name && !(reads.contains(&method) && purpose == Purpose::ObjectGet) {
                let held = Held { name: method.into(), ..live.clone() };
                cases.push(Case::new("for another place", format!("{purpose:?} by {method}"), held));
            }
        }
    }
    house.hold(Ticket::Url, cases);
}
