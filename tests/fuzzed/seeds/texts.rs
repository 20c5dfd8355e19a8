//! Seeds of what is parsed by itself.

use cloakroom::domain::ledger::{RecordHash, Segment};
use serde_json::Value;

use crate::checks::GENUINE;

type Seeds = (&'static str, Vec<Vec<u8>>);

pub fn all() -> Vec<Seeds> {
    vec![canonical_json(), edge_cookies(), key_documents(), paths(), ranges(), signed_notes(), tokens(), values()]
}

fn of(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn vectors(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn canonical_json() -> Seeds {
    let ledgers = vectors(include_str!("../../vectors/ledger.json"));
    let segments = vectors(include_str!("../../vectors/segment.json"));
    let mut inputs = of(&[
        "{}",
        r#"{"a":1,"b":[],"c":{"d":"e"}}"#,
        r#"{"a":"\u0001\n\"\\ü\u007f"}"#,
        r#"{"a":9007199254740991,"b":0}"#,
        r#"{"b":1,"a":2}"#,
        r#"{"a":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}"#,
        r#"{"a":1.0}"#,
        r#"{"a":null,"b":true}"#,
        r#"{"a":1,"a":1}"#,
        r#"{"a":"\u000a"}"#,
        r#"{"a":"\u001F\/"}"#,
        r#"{"a":01,"b":-0}"#,
    ]);
    for ledger in ledgers["positives"].as_array().unwrap() {
        let records = ledger["records"].as_array().unwrap();
        inputs.extend(records.iter().map(|record| record["text"].as_str().unwrap().as_bytes().to_vec()));
        let texts = records.iter().map(|record| record["text"].as_str().unwrap().to_owned());
        let head = RecordHash::try_from(ledger["head"].as_str().unwrap()).unwrap();
        inputs.push(Segment { first: 1, records: texts.collect(), head }.text().into_bytes());
    }
    for segment in segments["positives"].as_array().unwrap() {
        let row = segment["row"].as_str().unwrap().as_bytes();
        let digits = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap();
        let row: Vec<_> = row.chunks(2).map(digits).collect();
        // What comes before it vouches for the row.
        inputs.push(row[4 + 32..].to_vec());
    }
    ("canonical_json", inputs)
}

fn edge_cookies() -> Seeds {
    let vectors = vectors(include_str!("../../vectors/edge-cookie.json"));
    let all = ["positives", "negatives"].into_iter().flat_map(|kind| vectors[kind].as_array().unwrap());
    let lines = all.filter_map(|vector| vector["cookies"].as_array()).map(|cookies| {
        let values: Vec<_> = cookies.iter().filter_map(Value::as_str).collect();
        values.join("\n").into_bytes()
    });
    let changed = [b"\xff".to_vec(), b"\xff\0\x10\x01\x01A".to_vec()];
    ("edge_cookies", lines.chain(changed).collect())
}

fn key_documents() -> Seeds {
    let (root, pkcs8) = ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", pkcs8());
    let deployment = "909192939495969798999a9b9c9d9e9f";
    let first = format!(
        r#"{{"format":1,"deployment":"{deployment}","root_keys":[{{"kid":"01020304","state":"primary","secret":"{root}"}}],"edge_key":{{"id":"K1","pkcs8":"{pkcs8}"}}}}"#
    );
    let second = format!(
        r#"{{"format":2,"deployment":"{deployment}","root_keys":[{{"kid":"01020304","state":"primary","since":"2026-11-23T08:00:00Z","secret":"{root}"}},{{"kid":"11121314","state":"accept-only","secret":"{root}"}},{{"kid":"21222324","state":"staged","secret":"{root}"}},{{"kid":"31323334","state":"retired","secret":"{root}"}}],"edge_keys":[{{"id":"K1","state":"primary","since":"2026-11-23T08:00:00Z","pkcs8":"{pkcs8}"}},{{"id":"K2","state":"staged","pkcs8":"{pkcs8}"}}]}}"#
    );
    ("key_documents", of(&[&first, &second, "{}", r#"{"format":3}"#]))
}

/// The key of the edge in the vectors, as documents have it.
fn pkcs8() -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let vectors = vectors(include_str!("../../vectors/edge-cookie.json"));
    let digits = vectors["key"]["pkcs8"].as_str().unwrap();
    let bytes = (0..digits.len() / 2).map(|byte| u8::from_str_radix(&digits[byte * 2..byte * 2 + 2], 16).unwrap());
    URL_SAFE_NO_PAD.encode(bytes.collect::<Vec<_>>())
}

fn paths() -> Seeds {
    let long = "a".repeat(255);
    let inputs = of(&[
        "docs/a.txt\ndocs/\n/",
        "docs/a.txt\ndocs/a.txt\ndocs/a.txt",
        "docs2/a\ndocs/\ndocs2/",
        "a/b/c\na/\na/b/",
        "a/b\na/b/\na/b",
        "日本/ファイル\n日本/\n日/",
        "e\u{301}\n\u{e9}\n\u{e9}/",
        "100%\n50%zz/\n%C3%A9/",
        "a..b/.env/...\na..b/\na..b/.env/",
        &format!("{long}/{long}\n{long}/\n{long}"),
        "../a\na/../b\n./",
        "%2e%2e/a\n%252e%252e/\na%255c",
        "a\u{202e}b\na\0b\na\\b",
        "%c2%a0%e2%80%ae\n%25%32%65/\n//",
    ]);
    ("paths", inputs)
}

fn ranges() -> Seeds {
    let headers = [
        "bytes=0-0",
        "bytes=0-",
        "bytes=-1",
        "bytes=-0",
        "bytes=5-4",
        "bytes=0-9,20-29",
        "bytes=999-1000",
        "bytes=0-18446744073709551615",
        "bytes=18446744073709551616-",
        "bytes=-18446744073709551615",
        "bytes= 0-1",
        "Bytes=0-1",
        "bytes=+1-2",
        "items=0-1",
        "bytes=-",
        "",
    ];
    let sizes = [[0, 0], [0, 1], [3, 0xe8], [0xff, 0], [0xff, 0xff]];
    let all = headers.into_iter().flat_map(|header| sizes.map(|size| [&size, header.as_bytes()].concat()));
    ("ranges", all.collect())
}

fn signed_notes() -> Seeds {
    let vectors = vectors(include_str!("../../vectors/checkpoint.json"));
    let all = ["positives", "negatives"].into_iter().flat_map(|kind| vectors[kind].as_array().unwrap());
    let notes = all.filter_map(|vector| vector["note"].as_str()).map(|note| note.as_bytes().to_vec());
    let key = vectors["positives"][0]["public_key_pem"].as_str().unwrap().as_bytes().to_vec();
    let changed =
        [b"\xf0".to_vec(), b"\xf1".to_vec(), b"\xf0\0\x60\x01\x011".to_vec(), b"\xf1\0\0\0\x04one\n".to_vec()];
    ("signed_notes", notes.chain([key]).chain(changed).collect())
}

fn tokens() -> Seeds {
    let opaque = vectors(include_str!("../../vectors/opaque-token.json"));
    let claim = vectors(include_str!("../../vectors/claim-key.json"));
    let hook = vectors(include_str!("../../vectors/webhook-signature.json"));
    let text = |value: &Value| value.as_str().unwrap().as_bytes().to_vec();
    let mut inputs: Vec<_> = GENUINE.iter().map(|genuine| genuine.text.as_bytes().to_vec()).collect();
    inputs.extend(opaque["positives"].as_array().unwrap().iter().map(|vector| text(&vector["text"])));
    inputs.extend([text(&claim["positives"][0]["text"]), text(&hook["positives"][0]["secret"])]);
    // Right, but for how they are spelled.
    for text in inputs.clone().iter().filter_map(|text| std::str::from_utf8(text).ok()).step_by(5) {
        let (begin, end) = text.split_at(text.len() - 1);
        for other in [format!("{text}="), format!("{text}A"), format!(" {text}"), begin.to_owned(), text.to_uppercase()]
        {
            inputs.push(other.into_bytes());
        }
        // The last character has bits of which none may be set.
        let next = char::from(end.as_bytes()[0] + 1);
        inputs.push(format!("{begin}{next}").into_bytes());
    }
    // One of each kind as it is, and with a bit turned in each of its parts.
    for (which, _) in GENUINE.iter().enumerate().filter(|(_, genuine)| genuine.is_one) {
        inputs.push(vec![0xff, which as u8]);
    }
    for at in [0, 1, 2, 6, 40, 72, 90] {
        inputs.push(vec![0xff, 16, 0, at, 1, 1, 0]);
    }
    ("tokens", inputs)
}

fn values() -> Seeds {
    let inputs = of(&[
        "ten_e9da86d351cf9a7642d8c50195c3f466",
        "key_be9677d2ea649220f63b2ccf6275a49a",
        "usr_be9677d2ea649220f63b2ccf6275a49a",
        "https://app.example",
        "http://localhost:8080",
        "https://[::1]:8443",
        "10.0.0.0/8",
        "::ffff:192.0.2.7/120",
        "2001:db8::/32",
        "ada@example.org",
        "Ada.Lovelace+x@EXAMPLE.org",
        "image/*",
        "application/pdf",
        "text/plain; charset=utf-8",
        "share.*",
        "share.claimed",
        "300/60s",
        "10/m",
        "2026-11-23T08:00:00Z",
        "2026-11-23T08:00:00.123+02:00",
        "1970-01-01T00:00:00-00:00",
        "9999-12-31T23:59:59Z",
        "https://hooks.example/in?x=1",
        "https://hooks.example:8443/%7e",
        "https://127.0.0.1/",
        "https://[::ffff:10.0.0.1]/",
        "https://0x7f.1/",
        "https://8.8.8.8/",
        "01020304",
        "5e4f67c5c24c645488f573352fe12673f7a3a3d2c7392bdb0e16f46040e57a18",
        "7064f2d7a1c49c34e2f7ab1c4bf1c3a9d40b1e5c",
        "cHCYnlITr2JITQ5q4A+5bipRjkNGTJS5QEfUTHojHJ4=",
        "order-17",
        "Ein Ärger, für Ada: ok?",
    ]);
    ("values", inputs)
}
