//! Any request to the content listener: uploads by PUT, by form and in parts, downloads and pages of artifacts. Nothing
//! breaks; nothing is stored but what was declared, to the byte; what comes is the right part of the right bytes; and a
//! page opens to its own cookies alone.

use std::{sync::LazyLock, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use cloakroom::{
    domain::{
        ids::{ObjectId, TenantId},
        tenant::{Mode, Namespace},
    },
    objects::{
        ContentType, Disposition, DownloadContract, InboxSecret, ObjectKey, ObjectStorage, PartContract, SMALLEST_PART,
        SignedRequest, UploadContract,
    },
};
use sha2::{Digest, Sha256};

use super::{
    deeds::random,
    house::{House, assert_nothing_panicked, enter, spliced},
    wire::{Answer, ask, read},
};

/// What every upload declares.
const DECLARED: &[u8] = b"what was agreed";

const TYPE: &str = "text/plain";

/// What a download gives.
static STORED: LazyLock<Vec<u8>> = LazyLock::new(|| (0..1_000_u32).map(|index| (index % 251) as u8).collect());

/// What was signed for one input, as far as it asks for it.
#[derive(Default)]
struct Signed {
    put: Option<UploadContract>,
    form: Option<UploadContract>,
    part: Option<PartContract>,
    /// The paths of the uploads' URLs, and that of the download's.
    paths: Vec<String>,
    download: Option<String>,
}

/// The input is a request as it goes to the socket, with marks where something genuine belongs: `H` the host, `P` the path
/// of a signed PUT, `U` of one without a checksum, `F` of a signed form, `K` its key, `S` the checksum, `M` the path of a
/// part, `G` that of a download, `A` the host of an artifact, `C` the cookies that open it, `N` how long the body is.
pub fn check(data: &[u8]) {
    let house = enter();
    let open = house.as_ref().expect("it is open");
    let mut signed = Signed::default();
    let (request, _) = spliced(data, |letter| signed.for_letter(open, letter));
    let request = with_length(&request);
    let answer = read(&ask(open.api.ports[1], &request, true), request.starts_with(b"HEAD "));
    let told = || format!("{}\n\n{answer:?}", String::from_utf8_lossy(&request));
    let asked = request.split(|byte| *byte == b'\r').next().map(String::from_utf8_lossy).unwrap_or_default();
    let is_first = signed.paths.iter().any(|path| asked.contains(path));
    signed.assert_only_what_was_declared(open, answer.as_ref().filter(|_| is_first), &told);
    if let Some(answer) = &answer {
        assert!(answer.status < 500, "{}", told());
        // Of several requests on one connection, the first is answered first.
        if signed.download.as_ref().is_some_and(|path| request.starts_with(format!("GET {path} ").as_bytes())) {
            assert_right_bytes(answer, &STORED, &request, &told);
        } else {
            assert_admitted(open, answer, &request, &told);
        }
    }
    drop(house);
    assert_nothing_panicked();
}

/// The length of the body in the place of the mark that was left for it.
fn with_length(request: &[u8]) -> Vec<u8> {
    const PLACE: &[u8] = b"LENGTH-OF-BODY";
    let body = request.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| request.len() - at - 4);
    let Some(at) = request.windows(PLACE.len()).position(|some| some == PLACE) else { return request.to_vec() };
    [&request[..at], body.to_string().as_bytes(), &request[at + PLACE.len()..]].concat()
}

impl Signed {
    fn for_letter(&mut self, house: &House, letter: u8) -> Option<Vec<u8>> {
        let (objects, api) = (&house.objects, &house.api);
        let now = api.broker().now();
        let path = |request: SignedRequest| request.url[request.url.find("/o/").expect("a URL of ours")..].to_owned();
        let text = match letter {
            b'H' => format!("localhost:{}", api.ports[1]),
            b'A' => house.artifact.clone(),
            b'C' => house.cookies.clone(),
            b'N' => "LENGTH-OF-BODY".to_owned(),
            b'S' => STANDARD.encode(Sha256::digest(DECLARED)),
            b'P' | b'U' => {
                let contract = self.put.get_or_insert_with(|| declared(house, letter == b'P'));
                path(api.wait(objects.sign_put(contract, now)).expect("it is signed"))
            }
            b'F' | b'K' => {
                let contract = self.form.get_or_insert_with(|| declared(house, true));
                let key = contract.key.as_str().to_owned();
                if letter == b'K' {
                    key
                } else {
                    path(api.wait(objects.sign_post(contract, now)).expect("it is signed"))
                }
            }
            b'M' => {
                let contract = self.part.get_or_insert_with(|| part(house));
                path(api.wait(objects.sign_part(contract, now)).expect("it is signed"))
            }
            b'G' => {
                let path = path(api.wait(objects.sign_get(&download(house), now)).expect("it is signed"));
                self.download.get_or_insert(path).clone()
            }
            _ => return None,
        };
        if matches!(letter, b'P' | b'U' | b'F' | b'M') {
            self.paths.push(text.clone());
        }
        Some(text.into_bytes())
    }

    /// Whatever became of the request.
    fn assert_only_what_was_declared(&self, house: &House, answer: Option<&Answer>, told: &dyn Fn() -> String) {
        let (objects, api) = (&house.objects, &house.api);
        for contract in self.put.iter().chain(&self.form) {
            let Some(facts) = api.wait(objects.head(&contract.key)).expect("it is read") else { continue };
            assert_eq!((facts.size, facts.content_type.as_str()), (contract.size, TYPE), "{}", told());
            if contract.sha256.is_some() {
                assert_eq!(stored(house, &contract.key), DECLARED, "{}", told());
            }
            // Who is told nothing, or that it failed, has failed; but for one whose connection was lost.
            assert!(answer.is_none_or(|answer| answer.status < 300), "it is stored, and refused: {}", told());
        }
        if let Some(PartContract { key, upload, .. }) = &self.part {
            let parts = api.wait(objects.parts(key, upload)).expect("it is read").unwrap_or_default();
            for part in parts {
                let sha256 = Some(Sha256::digest(DECLARED).into());
                assert_eq!((part.number, part.size, part.sha256), (1, DECLARED.len() as u64, sha256), "{}", told());
            }
            api.wait(objects.abort_multipart(key, upload)).expect("it is given up");
        }
    }
}

fn namespace(house: &House) -> Namespace {
    Namespace { tenant: house.api.tenant.id.parse::<TenantId>().expect("an id"), mode: Mode::Live }
}

fn content_type() -> ContentType {
    ContentType::parse(TYPE).expect("a type")
}

fn declared(house: &House, with_checksum: bool) -> UploadContract {
    UploadContract {
        key: ObjectKey::inbox(namespace(house), InboxSecret(random())),
        size: DECLARED.len() as u64,
        content_type: content_type(),
        sha256: with_checksum.then(|| Sha256::digest(DECLARED).into()),
        expires_at: house.api.broker().now().plus(Duration::from_secs(60)),
    }
}

fn part(house: &House) -> PartContract {
    let UploadContract { key, size, content_type, sha256, expires_at } = declared(house, true);
    let begun = house.objects.begin_multipart(&key, &content_type, true);
    let upload = house.api.wait(begun).expect("it is begun");
    PartContract { key, upload, number: 1, part_size: SMALLEST_PART, size, sha256, expires_at }
}

/// Of one object, which is put there for the first that asks for it.
fn download(house: &House) -> DownloadContract {
    let key = ObjectKey::vault(namespace(house), ObjectId::from_bytes([7; 16]));
    if house.api.wait(house.objects.head(&key)).expect("it is read").is_none() {
        let content_type = content_type();
        let put = house.objects.put(&key, &content_type, STORED.clone().into());
        house.api.wait(put).expect("it is stored");
    }
    let disposition = Disposition::Attachment { file_name: "a.txt".to_owned() };
    let expires_at = house.api.broker().now().plus(Duration::from_secs(60));
    DownloadContract { key, content_type: content_type(), disposition, sha256: None, expires_at }
}

fn stored(house: &House, key: &ObjectKey) -> Vec<u8> {
    use futures_util::TryStreamExt;
    let bytes = async {
        let stream = house.objects.read(key, None).await.expect("it is read").expect("it is there");
        stream.map_ok(|piece| piece.to_vec()).try_concat().await.expect("it is read")
    };
    house.api.wait(bytes)
}

/// Of these bytes, all or the part that the answer says it is.
fn assert_right_bytes(answer: &Answer, whole: &[u8], request: &[u8], told: &dyn Fn() -> String) {
    let size = whole.len();
    let extent = answer.header("content-range").map(|extent| extent.strip_prefix("bytes ").expect("of bytes"));
    let expected = match (answer.status, extent) {
        (200, None) => whole,
        (206, Some(extent)) => {
            let (range, of) = extent.split_once('/').unwrap_or_else(|| panic!("{}", told()));
            let (first, last) = range.split_once('-').unwrap_or_else(|| panic!("{}", told()));
            let number = |text: &str| text.parse::<usize>().unwrap_or_else(|_| panic!("{}", told()));
            assert_eq!(number(of), size, "{}", told());
            &whole[number(first)..=number(last)]
        }
        (416, Some(extent)) => return assert_eq!(extent, format!("*/{size}"), "{}", told()),
        (status, extent) => {
            return assert!(extent.is_none() && !matches!(status, 206 | 416), "{}", told());
        }
    };
    // The preflight of a browser, and a HEAD, are answered without.
    if request.starts_with(b"GET ") {
        assert_eq!(answer.body, expected, "{}", told());
    }
}

/// The page of the artifact shows itself, in whole or in part, to who sends all four of its cookies.
fn assert_admitted(house: &House, answer: &Answer, request: &[u8], told: &dyn Fn() -> String) {
    let is_artifact = String::from_utf8_lossy(request).contains(&house.artifact);
    let is_page = !answer.body.is_empty() && house.page.windows(answer.body.len()).any(|part| part == answer.body);
    if !(is_artifact && is_page && matches!(answer.status, 200 | 206)) {
        return;
    }
    assert_right_bytes(answer, &house.page, request, told);
    let sent = String::from_utf8_lossy(request);
    for cookie in house.cookies.split("; ") {
        assert!(sent.contains(cookie), "{cookie} was not sent: {}", told());
    }
}
