//! Where in a request a caller can put a text, rightly or not.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use super::description::{Description, HERE, Marked, Sample};

/// What is kept, or told to who asks, as it was written, and why: of a route, or of all. A canary comes there in a text
/// that is refused.
const IN_THE_OPEN: [(&str, &str, &str); 10] = [
    ("", "path", "files are listed by the beginnings of their paths: SECURITY.md, personal data"),
    ("", "paths", "as a path"),
    ("", "folder", "as a path"),
    ("", "index", "the name of a file"),
    ("", "content_type", "what kind of file it is, which whoever downloads is told"),
    ("", "content_types", "which kinds of files are taken, which whoever delivers is told"),
    ("", "issuer", "the address of a provider of identities, and nobody's own"),
    ("", "origins", "the addresses of web pages"),
    ("POST /v1/tenants", "name", "an organisation's, which recipients are told"),
    ("/v1/tenants/{id}/delete", "name", "the same, repeated"),
];

/// Sorts of places of which a refusal tells what stood there, to who has sent it and to nobody else, and why.
const TOLD_BACK: [(&str, &str); 3] = [
    ("the name of a parameter", "whoever has misspelled one is told which"),
    ("the name of a field", "whoever has misspelled one is told which"),
    ("a name in a field", "whoever has misspelled one is told which"),
];

/// A field of a JSON body, with a text in it.
pub const FIELD: &str = "a field";

pub const JSON: &str = "application/json";
pub const FORM: &str = "application/x-www-form-urlencoded";

/// How a canary is written into its place.
pub type Written = fn(&str) -> String;

/// A place in a request of a route.
pub struct Place {
    /// What sort of place: every canary comes to each sort.
    pub sort: &'static str,
    /// Which of its sort.
    pub name: String,
    /// Whether what stands there, and is accepted, is kept in the open.
    pub is_open: bool,
    pub how: How,
}

pub enum How {
    /// In the path, for the parameter of this name.
    Path(String),
    /// As this query.
    Query(String),
    /// In headers of these names, in each another canary.
    Headers(Vec<(&'static str, Written)>),
    /// In a body of this type.
    Body(&'static str, String, Written),
    /// As a part of a form with a file.
    Part(Written),
}

impl Place {
    fn new(sort: &'static str, name: impl Into<String>, how: How) -> Self {
        Self { sort, name: name.into(), is_open: false, how }
    }

    /// Whether whoever has sent it may be told what it was.
    pub fn is_told_back(&self) -> bool {
        TOLD_BACK.iter().any(|(sort, _)| *sort == self.sort)
    }
}

/// Every place in requests of this route.
pub fn of(route: &str, description: &Description, sample: Sample<'_>) -> Vec<Place> {
    let (method, pattern) = route.rsplit_once(' ').unwrap();
    let parameters = pattern.split('{').skip(1).map(|rest| rest.split('}').next().unwrap());
    let in_path = |name: &str| Place::new("a parameter of the path", name, How::Path(name.to_owned()));
    let mut places: Vec<_> = parameters.map(in_path).collect();
    // The only query that the description does not tell: what a provider of identities answers.
    let of_provider: &[&str] = if pattern.ends_with("/callback") { &["code", "state", "iss", "error"] } else { &[] };
    for name in description.query(route).into_iter().chain(of_provider.iter().map(ToString::to_string)) {
        let query = How::Query(format!("?{name}={HERE}"));
        places.push(Place::new("a parameter of the query", name, query));
    }
    places.push(Place::new("the value of no parameter", "x", How::Query(format!("?x={HERE}"))));
    places.push(Place::new("the name of a parameter", "a name", How::Query(format!("?{HERE}=1"))));
    places.extend(headers().into_iter().map(|(sort, headers)| Place::new(sort, headers[0].0, How::Headers(headers))));
    if route == "GET /v1/events" {
        let resumed: [(&'static str, Written); 2] =
            [("accept", |_| "text/event-stream".to_owned()), ("last-event-id", raw)];
        places.push(Place::new("where a stream goes on", "last-event-id", How::Headers(resumed.into())));
    }
    if ["POST", "PUT", "PATCH"].iter().any(|with_body| method.ends_with(with_body)) {
        places.extend(bodies(route, description, sample));
    }
    places
}

fn raw(text: &str) -> String {
    text.to_owned()
}

fn quoted(text: &str) -> String {
    json!(text).to_string()
}

fn in_form(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// All cookies that are ours, by their names.
fn cookies(text: &str) -> String {
    let sealed = ["console", "csrf", "signing-in", "ses_00000000000000000000000000000000"];
    let of_edge = ["Policy", "Signature", "Key-Pair-Id"];
    let ours = sealed.map(|name| format!("cloakroom-{name}={text}")).into_iter();
    let all = ours.chain(of_edge.map(|name| format!("CloudFront-{name}={text}")));
    all.chain(["CloudFront-Hash-Algorithm=SHA256".to_owned()]).collect::<Vec<_>>().join("; ")
}

/// Headers that the broker reads, and some that others read, each sort by itself; those that change no answer together.
fn headers() -> Vec<(&'static str, Vec<(&'static str, Written)>)> {
    let header = |name: &'static str, written: Written| (name, written);
    let schemes: [Written; 7] = [
        |text| format!("Bearer {text}"),
        |text| format!("bearer {text} {text}"),
        |text| format!("Basic {}", STANDARD.encode(format!("{text}:{text}"))),
        |text| format!("Basic {text}"),
        |text| format!("Digest username=\"{text}\", response=\"{text}\""),
        |text| format!("{text} {text}"),
        raw,
    ];
    let mut all: Vec<_> = schemes.map(|scheme| ("authorization", vec![header("authorization", scheme)])).into();
    let beside = ["cloakroom-csrf", "cloakroom-session"].map(|name| header(name, raw));
    all.push(("cookies", [&[header("cookie", cookies)][..], &beside].concat()));
    let alone: [(&'static str, Written); 5] = [
        ("origin", raw),
        ("host", raw),
        ("idempotency-key", raw),
        ("content-type", raw),
        ("accept", |text| format!("text/html, {text}")),
    ];
    all.extend(alone.map(|(name, written)| (name, vec![header(name, written)])));
    let idle = [
        "user-agent",
        "referer",
        "accept-language",
        "if-match",
        "if-none-match",
        "if-range",
        "range",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-real-ip",
        "forwarded",
        "via",
        "traceparent",
        "tracestate",
        "baggage",
        "x-request-id",
        "request-id",
        "x-api-key",
        "x-amz-security-token",
    ];
    all.push(("headers that change nothing", idle.map(|name| header(name, raw)).into()));
    all
}

fn bodies(route: &str, description: &Description, sample: Sample<'_>) -> Vec<Place> {
    match route {
        "content POST /o/{token}" => return parts(),
        "content PUT /o/{token}" => {
            let bytes = How::Body("text/plain", HERE.to_owned(), raw);
            return vec![Place::new("the bytes of a file", "all of them", bytes)];
        }
        "artifact POST /.cloakroom/enter" => {
            let body = |body: String| How::Body(FORM, body, in_form);
            return vec![
                Place::new("a field of a form", "code", body(format!("code={HERE}"))),
                Place::new("a field of a form", "a name", body(format!("{HERE}=x"))),
            ];
        }
        _ => {}
    }
    let Some(usual) = description.usual(route, JSON, sample) else {
        let body = How::Body(JSON, format!("{{\"token\":{HERE}}}"), quoted);
        return vec![Place::new("a body where none is taken", "token", body)];
    };
    let mut places = Vec::new();
    let mut add = |sort, name: &str, body: String, written| {
        let is_open = IN_THE_OPEN.iter().any(|(on, field, _)| *field == name && route.contains(on));
        places.push(Place { sort, name: name.to_owned(), is_open, how: How::Body(JSON, body, written) });
    };
    let fields = description.marked(route, JSON, sample);
    for Marked { field, is_name, body } in &fields {
        if *is_name {
            add("a name in a field", field, body.to_string(), quoted);
            continue;
        }
        add(FIELD, field, body.to_string(), quoted);
        add("a list in a field", field, body.to_string(), |text| json!([text]).to_string());
        add("an object in a field", field, body.to_string(), |text| json!({ "x": text }).to_string());
        add("a name in a field", field, body.to_string(), |text| json!({ (text): "x" }).to_string());
    }
    if let Some(Marked { field, body, .. }) = fields.first() {
        let long: Written = |text| quoted(&format!("{text}{}", "x".repeat(100_000)));
        add("a long text in a field", field, body.to_string(), long);
        let (once, twice) = (format!(":{HERE}"), format!(":{HERE},\"{field}\":{HERE}"));
        add("a field that is there twice", field, body.to_string().replacen(&once, &twice, 1), quoted);
    }
    let more = if usual == json!({}) { "" } else { "," };
    let named = usual.to_string().replacen('{', &format!("{{{HERE}:\"x\"{more}"), 1);
    add("the name of a field", "", named, quoted);
    add("broken JSON", "", format!("{{\"token\":\"{HERE}"), raw);
    add("a text for a body", "", HERE.to_owned(), quoted);
    let of_type = |sort, kind, body, written| Place::new(sort, kind, How::Body(kind, body, written));
    places.push(of_type("no JSON", "text/plain", HERE.to_owned(), raw));
    places.push(of_type("a form", FORM, format!("token={HERE}&{HERE}=x"), in_form));
    let part = format!("--B\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\n{HERE}\r\n--B--\r\n");
    places.push(of_type("a form in parts", "multipart/form-data; boundary=B", part, raw));
    for Marked { field, body, .. } in description.marked(route, FORM, sample) {
        let written = |(name, value): (&String, &serde_json::Value)| match value.as_str().unwrap_or_default() {
            text if HERE.trim_matches('"') == text => format!("{name}={HERE}"),
            text => format!("{name}={}", in_form(text)),
        };
        let body = body.as_object().unwrap().iter().map(written).collect::<Vec<_>>().join("&");
        places.push(Place::new("a field of a form", field, How::Body(FORM, body, in_form)));
    }
    places
}

/// What may be wrong with a form by which a file is sent.
fn parts() -> Vec<Place> {
    let parts: [(&str, Written); 3] = [
        ("value", |text| format!("Content-Disposition: form-data; name=\"x\"\r\n\r\n{text}")),
        ("name", |text| format!("Content-Disposition: form-data; name=\"{}\"\r\n\r\nx", in_form(text))),
        ("header", |text| {
            let name = in_form(text);
            format!("Content-Disposition: form-data; name=\"x\"; filename=\"{name}\"\r\nX-Note: {text}\r\n\r\nx")
        }),
    ];
    parts.map(|(name, written)| Place::new("a part of a form with a file", name, How::Part(written))).into()
}
