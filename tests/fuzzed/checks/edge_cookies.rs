//! Cookies of the edge and the policy documents in them: they open the host for which they were signed, until the time that
//! was signed, and nothing else is taken for signed.

use std::sync::LazyLock;

use cloakroom::{
    crypto::edge_cookie::{EdgeCookies, EdgeKey},
    domain::instant::Instant,
};
use serde_json::Value;

use super::altered::{altered, first};

struct Signed {
    key: EdgeKey,
    origin: String,
    until: Instant,
    values: [String; 4],
}

static SIGNED: LazyLock<Signed> = LazyLock::new(|| {
    let vectors: Value = serde_json::from_str(include_str!("../../vectors/edge-cookie.json")).unwrap();
    let (key, vector) = (&vectors["key"], &vectors["positives"][0]);
    let pkcs8 = key["pkcs8"].as_str().unwrap();
    let pkcs8: Vec<_> =
        (0..pkcs8.len() / 2).map(|byte| u8::from_str_radix(&pkcs8[byte * 2..byte * 2 + 2], 16).unwrap()).collect();
    Signed {
        key: EdgeKey::from_pkcs8(key["key_pair_id"].as_str().unwrap(), &pkcs8).unwrap(),
        origin: vector["origin"].as_str().unwrap().to_owned(),
        until: Instant::from_unix_seconds(vector["until_seconds"].as_u64().unwrap()),
        values: std::array::from_fn(|index| vector["cookies"][index].as_str().unwrap().to_owned()),
    }
});

/// Four lines are four cookies; or, after a byte that no text begins with, the genuine ones with changes.
pub fn check(data: &[u8]) {
    let genuine = SIGNED.values.join("\n");
    let text = match first(data) {
        (0xff, changes) => altered(genuine.as_bytes(), changes),
        _ => data.to_vec(),
    };
    let Ok(text) = String::from_utf8(text) else { return };
    let mut lines = text.splitn(4, '\n').map(str::to_owned);
    let cookies = EdgeCookies { values: std::array::from_fn(|_| lines.next().unwrap_or_default()) };
    let Signed { key, origin, until, values } = &*SIGNED;
    let before = Instant::from_unix_millis(until.as_unix_millis() - 1);
    for (host, now) in [(origin.as_str(), before), (origin, *until), ("https://abd.content.example", before)] {
        let admitted = key.verify(&cookies, host, now);
        let is_genuine = cookies.values == *values && host == origin && now == before;
        assert_eq!(admitted.ok(), is_genuine.then_some(*until), "{cookies:?} {text:?}");
    }
}
