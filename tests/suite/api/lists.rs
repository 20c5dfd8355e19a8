//! Lists come in pages; a cursor goes on where it was made, and nowhere else.

use serde_json::Value;

use super::{
    harness::{Api, Backend, text},
    laboratory::Laboratory,
};

/// All items, a page of this many at a time.
fn all(api: &Api, bearer: &str, route: &str, limit: usize) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), None::<String>);
    let mark = if route.contains('?') { '&' } else { '?' };
    loop {
        let cursor_part = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let page = api.get(bearer, &format!("{route}{mark}limit={limit}{cursor_part}")).expect(200);
        let found = page["items"].as_array().unwrap();
        assert!(found.len() <= limit);
        items.extend(found.iter().cloned());
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return items;
        }
    }
}

fn ids(items: &[Value]) -> Vec<String> {
    items.iter().map(|item| text(item, if item["id"].is_null() { "path" } else { "id" })).collect()
}

pub fn pages_of_any_size_make_the_same_list(api: &Api) {
    let names: Vec<_> = (0..7).map(|number| format!("docs/{number}.txt")).collect();
    for name in &names {
        api.upload(api.admin(), name, b"x");
        api.mint(api.admin(), "read", &[name]);
        api.new_key(api.admin(), "live", &[("docs/", "read")]);
    }
    let session = api.open(&api.mint(api.admin(), "read", &["docs/", "docs/3.txt"])).token;
    let routes = [
        (api.admin(), "/v1/shares", 8),
        (api.admin(), "/v1/uploads", 7),
        (api.admin(), "/v1/api-keys", 8),
        (api.admin(), "/v1/objects", 7),
        (api.admin(), "/v1/objects?prefix=docs/", 7),
        (&session, "/v1/session/objects", 7),
    ];
    for (bearer, route, count) in routes {
        let whole = ids(&all(api, bearer, route, 1_000));
        assert_eq!(whole.len(), count, "{route}");
        for limit in [1, 2, 3, count - 1, count, count + 1] {
            assert_eq!(ids(&all(api, bearer, route, limit)), whole, "{route} by {limit}");
        }
        let newest_first = whole.is_sorted_by(|a, b| a > b);
        assert_eq!(newest_first, !route.contains("objects"), "{route}: {whole:?}");
    }
    assert_eq!(ids(&all(api, &session, "/v1/session/objects", 2)), names);
}

pub fn a_narrow_key_pages_through_its_own(api: &Api) {
    let narrow =
        api.new_key(api.admin(), "live", &[("docs/", "write"), ("docs/deep/", "read"), ("z.txt", "read")]).secret;
    let mut own = Vec::new();
    for number in 0..4 {
        api.upload(api.admin(), &format!("other/{number}"), b"x");
        api.upload(api.admin(), &format!("docs/{number}"), b"x");
        api.mint(api.admin(), "read", &["docs/"]);
        api.a_moment_passes();
        own.insert(0, api.mint(&narrow, "read", &["docs/"]).id);
    }
    api.upload(api.admin(), "z.txt", b"x");
    for limit in [1, 2, 3, 5, 100] {
        assert_eq!(ids(&all(api, &narrow, "/v1/shares", limit)), own, "by {limit}");
        let paths = ids(&all(api, &narrow, "/v1/objects", limit));
        assert_eq!(paths, ["docs/0", "docs/1", "docs/2", "docs/3", "z.txt"], "by {limit}");
        assert_eq!(all(api, &narrow, "/v1/uploads", limit).len(), 5, "by {limit}");
    }
}

pub fn a_cursor_goes_on_with_its_own_list_alone(api: &Api) {
    for name in ["a", "b", "c"] {
        api.upload(api.admin(), name, b"x");
        api.mint(api.admin(), "read", &[name]);
        api.new_key(api.admin(), "live", &[("/", "read")]);
    }
    let second = api.new_tenant("Second").admin.secret;
    let test_key = api.new_key(api.admin(), "test", &[("/", "admin")]).secret;
    let cursor = |route: &str| text(&api.get(api.admin(), &format!("{route}?limit=1")).expect(200), "next_cursor");
    let routes = ["/v1/shares", "/v1/uploads", "/v1/objects", "/v1/api-keys"];
    for made in routes {
        let cursor = cursor(made);
        for used in routes.into_iter().chain(["/v1/links", "/v1/artifacts", "/v1/tenants"]) {
            let answer = api.get(api.admin(), &format!("{used}?cursor={cursor}"));
            assert_eq!(answer.status, if used == made { 200 } else { 422 }, "{made} {used} {answer:?}");
        }
        for stranger in [&second, &test_key] {
            let problem = api.get(stranger, &format!("{made}?cursor={cursor}")).problem(422, "invalid");
            assert_eq!(problem.pointer.as_deref(), Some("cursor"));
        }
        let (head, tail) = cursor.split_at(cursor.len() - 1);
        let tampered = format!("{head}{}", if tail == "A" { "B" } else { "A" });
        let session = api.open(&api.mint(api.admin(), "read", &["a"])).token;
        for garbage in ["", "x", "%00", &tampered, head, &session, &session[4..], api.admin(), &"A".repeat(5_000)] {
            let problem = api.get(api.admin(), &format!("{made}?cursor={garbage}")).problem(422, "invalid");
            assert_eq!(problem.pointer.as_deref(), Some("cursor"), "{garbage}");
        }
    }
    // A cursor of one prefix does not go on with another.
    let cursor = text(&api.get(api.admin(), "/v1/objects?limit=1").expect(200), "next_cursor");
    api.get(api.admin(), &format!("/v1/objects?prefix=a&cursor={cursor}")).problem(422, "invalid");
}

pub fn a_page_has_1_to_1000_items(api: &Api) {
    for route in ["/v1/shares", "/v1/uploads", "/v1/objects", "/v1/api-keys", "/v1/links", "/v1/artifacts"] {
        for wrong in
            ["limit=0", "limit=1001", "limit=-1", "limit=x", "limit=", "limit=1.5", "limit=99999999999999999999"]
        {
            assert_eq!(api.get(api.admin(), &format!("{route}?{wrong}")).status, 422, "{route} {wrong}");
        }
        for wrong in ["limt=1", "limit=1&limit=2", "x=y"] {
            assert_eq!(api.get(api.admin(), &format!("{route}?{wrong}")).status, 422, "{route} {wrong}");
        }
        for right in ["limit=1", "limit=1000", ""] {
            let page = api.get(api.admin(), &format!("{route}?{right}")).expect(200);
            assert_eq!(page.as_object().unwrap().len(), 2, "{page}");
        }
    }
    for wrong in ["prefix=../x", "prefix=a//b", "prefix=/a", "prefix=%00", "prefix=a%5Cb"] {
        assert_eq!(api.get(api.admin(), &format!("/v1/objects?{wrong}")).status, 422, "{wrong}");
    }
}

/// Embedded only: on a table that many deployments share, the rows of others are none of ours.
#[test]
fn the_operator_pages_through_all_tenants() {
    let api = Api::start(Backend::Embedded);
    let mut tenants = vec![api.tenant.id.clone()];
    for name in ["Second", "Third", "Fourth"] {
        api.a_moment_passes();
        tenants.insert(0, api.new_tenant(name).id);
    }
    for limit in [1, 2, 3, 4, 5] {
        assert_eq!(ids(&all(&api, api.admin(), "/v1/tenants", limit)), tenants, "by {limit}");
    }
    assert_eq!(api.get(api.admin(), "/v1/tenants?limit=0").status, 422);
}

/// A folder as large as people have: listed in ten pages, each file once.
#[test]
fn ten_thousand_files_in_one_folder_come_once_each() {
    let (api, _, _) = Laboratory::served();
    let names: Vec<_> = (0..10_000).map(|number| format!("many/{number:05}.txt")).collect();
    api.has_rows_of(&names);
    // Beside it, and not in it.
    api.upload(api.admin(), "many.txt", b"x");
    let minted = api.mint(api.admin(), "read", &["many/", "many/00007.txt"]);
    assert_eq!(ids(&all(&api, api.admin(), &format!("/v1/shares/{}/objects", minted.id), 1_000)), names);
    let session = api.open(&minted).token;
    assert_eq!(ids(&all(&api, &session, "/v1/session/objects", 1_000)), names);
    assert_eq!(ids(&all(&api, &session, "/v1/session/objects?prefix=many/0999", 1_000)), names[9_990..]);
}
