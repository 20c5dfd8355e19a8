//! The search for secrets: whole or cut, in every spelling in which they may have been written down.

use std::collections::{BTreeSet, HashMap};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// How many characters of a secret count as the secret. Its beginning, its middle and its end are looked for, so that
/// whatever holds all of it, or a half, is found.
const PIECE: usize = 16;

/// The same of the bytes that it encodes.
const PIECE_OF_BYTES: usize = 12;

/// By so many bytes spellings are looked up; none is shorter.
const HEAD: usize = 8;

/// How secrets begin: that says of which kind they are, and nothing else.
const BEGINNINGS: [&str; 11] =
    ["crk_live_", "crk_test_", "crs_", "crl_", "crf_", "crm_", "crc_", "cst_", "csb_", "cet_", "whsec_"];

/// Version, suite and key id of a sealed token, in base64url: the same in all of them.
const SEALED: (&str, usize) = ("AQ", 8);

/// What percent-encoding leaves as it is (RFC 3986, section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A secret that is sent where it does not belong, and searched for.
#[derive(Clone)]
pub struct Canary {
    /// What it is.
    pub what: &'static str,
    /// As it was handed out.
    pub text: String,
}

impl Canary {
    pub fn new(what: &'static str, text: impl Into<String>) -> Self {
        Self { what, text: text.into() }
    }

    /// What of it is secret.
    fn secret(&self) -> &str {
        let text = self.text.as_str();
        let text = if text.starts_with("http") { text.rsplit('/').next().unwrap_or(text) } else { text };
        // Of a provider's token everybody may read all but the signature.
        let text = if text.starts_with("eyJ") { text.rsplit('.').next().unwrap_or(text) } else { text };
        let text = BEGINNINGS.iter().find_map(|beginning| text.strip_prefix(*beginning)).unwrap_or(text);
        let (sealed, head) = SEALED;
        if text.starts_with(sealed) && text.len() > 64 { &text[head..] } else { text }
    }

    /// A number that people type: it counts where it stands alone, since it is a part of many others.
    fn is_short(&self) -> bool {
        self.secret().len() < PIECE
    }

    /// All that is looked for, in small letters.
    fn spellings(&self) -> BTreeSet<Vec<u8>> {
        let secret = self.secret();
        assert!(secret.len() >= HEAD && secret.is_ascii(), "{} is too short to be found", self.what);
        if self.is_short() {
            return [secret.to_ascii_lowercase().into_bytes()].into();
        }
        let mut all = Vec::new();
        for piece in pieces(secret.as_bytes(), PIECE) {
            all.extend(escaped(str::from_utf8(piece).unwrap()).map(String::into_bytes));
            all.extend(encoded(piece));
        }
        let decoded = URL_SAFE_NO_PAD.decode(secret).or_else(|_| STANDARD.decode(secret)).unwrap_or_default();
        for piece in pieces(&decoded, PIECE_OF_BYTES).into_iter().filter(|piece| piece.len() == PIECE_OF_BYTES) {
            all.push(piece.to_vec());
            all.extend(encoded(piece));
        }
        all.into_iter().map(|spelling| spelling.to_ascii_lowercase()).collect()
    }
}

/// The beginning, the middle and the end; all of it, where it is no longer than one of them.
fn pieces(bytes: &[u8], length: usize) -> [&[u8]; 3] {
    let last = bytes.len().saturating_sub(length);
    [0, last / 2, last].map(|from| &bytes[from..bytes.len().min(from + length)])
}

/// A text as it is, and as it stands in a URL, a form, JSON, JSON within JSON, HTML and what `Debug` prints.
fn escaped(text: &str) -> [String; 8] {
    let json = |text: &str| {
        let quoted = serde_json::to_string(text).unwrap();
        quoted[1..quoted.len() - 1].to_owned()
    };
    let html = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let debug = format!("{text:?}");
    [
        text.to_owned(),
        utf8_percent_encode(text, RESERVED).to_string(),
        form_urlencoded::byte_serialize(text.as_bytes()).collect(),
        json(text),
        json(&json(text)),
        html.replace('"', "&quot;"),
        html.replace('"', "&#34;"),
        debug[1..debug.len() - 1].to_owned(),
    ]
}

/// Bytes in hexadecimal, as lists of numbers, and in base64, wherever they stand in what was encoded.
fn encoded(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut all = vec![base16ct::lower::encode_string(bytes).into_bytes()];
    let numbers: Vec<_> = bytes.iter().map(ToString::to_string).collect();
    all.extend([", ", ","].map(|between| numbers.join(between).into_bytes()));
    for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
        for before in 0..3 {
            let encoded = engine.encode([vec![0; before], bytes.to_vec()].concat());
            // Without the characters that it shares with its neighbours.
            let own = (before * 4).div_ceil(3)..(before + bytes.len()) * 4 / 3;
            all.push(encoded.as_bytes()[own].to_vec());
        }
    }
    all
}

/// A canary that was found.
pub struct Found {
    /// Which one, by its number.
    pub canary: usize,
    /// The place, in words.
    words: String,
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.words)
    }
}

/// Looks for many canaries at once.
pub struct Search {
    canaries: Vec<Canary>,
    /// Each spelling with the number of its canary, by how it begins.
    spellings: HashMap<[u8; HEAD], Vec<(usize, Vec<u8>)>>,
    /// Whether a spelling begins with these three bytes: by that alone most places are passed over.
    begins: Vec<bool>,
}

impl Search {
    pub fn new(canaries: &[Canary]) -> Self {
        let mut spellings: HashMap<_, Vec<_>> = HashMap::new();
        let mut begins = vec![false; 1 << 24];
        for (number, canary) in canaries.iter().enumerate() {
            for spelling in canary.spellings() {
                begins[beginning(&spelling)] = true;
                spellings.entry(head(&spelling)).or_default().push((number, spelling));
            }
        }
        Self { canaries: canaries.to_vec(), spellings, begins }
    }

    /// Which canaries are in these bytes, each told once.
    pub fn find(&self, place: &str, bytes: &[u8]) -> Vec<Found> {
        // Whoever changes the case of a secret has not hidden it.
        let small = bytes.to_ascii_lowercase();
        let mut found: Vec<Found> = Vec::new();
        for at in 0..(small.len() + 1).saturating_sub(HEAD) {
            let rest = &small[at..];
            if !self.begins[beginning(rest)] {
                continue;
            }
            for (canary, spelling) in self.spellings.get(&head(rest)).into_iter().flatten() {
                let is_known = found.iter().any(|found| found.canary == *canary);
                if is_known || !rest.starts_with(spelling) || !self.counts(*canary, &small, at, spelling.len()) {
                    continue;
                }
                let around = &bytes[at.saturating_sub(80)..bytes.len().min(at + 120)];
                let (what, around) = (self.canaries[*canary].what, String::from_utf8_lossy(around));
                found.push(Found { canary: *canary, words: format!("{what} is in {place}: …{around}…") });
            }
        }
        found
    }

    /// Whether one is the other, or lies in it, as the nonce does in an ID token.
    pub fn is_in(&self, one: usize, other: usize) -> bool {
        one == other || self.find("", self.canaries[other].text.as_bytes()).iter().any(|found| found.canary == one)
    }

    fn counts(&self, canary: usize, bytes: &[u8], at: usize, length: usize) -> bool {
        let goes_on = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        !self.canaries[canary].is_short() || !(goes_on(before) || goes_on(bytes.get(at + length)))
    }
}

fn head(bytes: &[u8]) -> [u8; HEAD] {
    bytes[..HEAD].try_into().unwrap()
}

fn beginning(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 16 | usize::from(bytes[1]) << 8 | usize::from(bytes[2])
}

#[test]
fn a_secret_is_found_whole_and_cut_in_every_spelling_and_what_is_public_is_not() {
    let bytes: Vec<u8> = (1..=90).map(|number: u8| number.wrapping_mul(151)).collect();
    let others: Vec<u8> = bytes.iter().rev().copied().collect();
    let token = format!("crs_AQEBAQEB{}", URL_SAFE_NO_PAD.encode(&bytes));
    let password = "Tr0ubador & \"3\" <horses>";
    let url = format!("http://localhost:1/o/AQEBAQEB{}", URL_SAFE_NO_PAD.encode(others));
    let canaries = [
        Canary::new("a token", token.as_str()),
        Canary::new("a password", password),
        Canary::new("a URL", url.as_str()),
        Canary::new("a code", "20304050"),
    ];
    let search = Search::new(&canaries);
    let found = |written: &str| -> Vec<usize> {
        search.find("", format!("x{written}x").as_bytes()).iter().map(|found| found.canary).collect()
    };
    let mixed = STANDARD.encode(format!("user:{token}"));
    for written in [
        token.as_str(),
        &token.to_uppercase(),
        &token[..28],
        &token[token.len() - 16..],
        &base16ct::upper::encode_string(token.as_bytes()),
        &base16ct::lower::encode_string(&bytes[..12]),
        &mixed,
        &mixed[..48],
        &STANDARD.encode(&bytes),
        &format!("{bytes:?}"),
        &serde_json::to_string(&bytes).unwrap(),
    ] {
        assert_eq!(found(written), [0], "{written}");
    }
    for written in escaped(password) {
        assert_eq!(found(&written), [1], "{written}");
    }
    assert_eq!(found(&STANDARD.encode(password)), [1]);
    assert_eq!(found(&format!("{:?}", password.as_bytes())), [1]);
    assert_eq!((found(&url), found("/20304050/")), (vec![2], vec![3]));
    let raw = search.find("", &[&bytes[..12], b"and more"].concat());
    assert!(raw.iter().map(|found| found.canary).eq([0]));
    let digest = base16ct::lower::encode_string(&cloakroom::crypto::digest::of(token.as_bytes()));
    let short = ["120304050", "20304050a", "", "x"];
    for public in [&token[..12], &token[..27], &url[..29], &digest, &password[..15]].into_iter().chain(short) {
        assert_eq!(found(public), [0; 0], "{public}");
    }
}
