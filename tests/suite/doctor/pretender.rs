//! A storage that knows no signatures and no contracts: whatever comes, it does.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    sync::{Arc, Mutex, mpsc},
    thread,
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    dev::ServerHandle,
    http::{Method, StatusCode},
    web::{self, Bytes},
};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use cloakroom::{
    clock::SystemClock,
    objects::s3::{S3Settings, S3Storage},
};

type Stored = Arc<Mutex<Held>>;

#[derive(Default)]
struct Held {
    /// Type and bytes, by `bucket/key`.
    objects: BTreeMap<String, (String, Vec<u8>)>,
    /// The parts of uploads under way, by their ids.
    uploads: BTreeMap<String, BTreeMap<u32, Vec<u8>>>,
    begun: usize,
}

/// What it refuses all the same: the status and the code of S3. With the code
/// [`LIE`] it says so, and does it; with 200 and no code it says that it has done it.
pub type Whim = fn(&HttpRequest) -> Option<(u16, &'static str)>;

pub const LIE: &str = "Lie";

pub struct Pretender {
    pub url: String,
    stored: Stored,
    server: ServerHandle,
}

impl Drop for Pretender {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

impl Pretender {
    pub fn start(whim: Whim) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stored = Stored::default();
        let (sender, receiver) = mpsc::channel();
        let served = stored.clone();
        thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let app = move || {
                    let stored = served.clone();
                    let answer = move |request: HttpRequest, body: Bytes| {
                        let stored = stored.clone();
                        async move { answer(whim, &request, &body, &stored) }
                    };
                    App::new().default_service(web::to(answer))
                };
                let server = HttpServer::new(app).workers(1).disable_signals().listen(listener).unwrap().run();
                sender.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        });
        Self { url, stored, server: receiver.recv().unwrap() }
    }

    /// The port to it.
    pub fn storage(&self) -> S3Storage {
        let settings = S3Settings {
            bucket: "bucket".into(),
            region: "us-east-1".into(),
            endpoint: Some(self.url.clone()),
            public_endpoint: None,
            path_style: true,
        };
        let credentials = SharedCredentialsProvider::new(Credentials::new("test", "test", None, None, "test"));
        let configuration = aws_config::SdkConfig::builder().credentials_provider(credentials).build();
        S3Storage::new(settings, &configuration, Arc::new(SystemClock::default())).unwrap()
    }

    /// What is in it now: the keys of objects, and the ids of uploads under way.
    pub fn left(&self) -> Vec<String> {
        let held = self.stored.lock().unwrap();
        held.objects.keys().chain(held.uploads.keys()).cloned().collect()
    }
}

fn answer(whim: Whim, request: &HttpRequest, body: &Bytes, stored: &Stored) -> HttpResponse {
    let Some((status, code)) = whim(request) else { return done(request, body, stored) };
    if code == LIE {
        done(request, body, stored);
    }
    let mut response = HttpResponse::build(StatusCode::from_u16(status).unwrap());
    match code {
        // As S3 answers where it matters: an SDK looks for it.
        "" => response.body("<CompleteMultipartUploadResult></CompleteMultipartUploadResult>"),
        code => response.body(format!("<Error><Code>{code}</Code></Error>")),
    }
}

fn etag(bytes: &[u8]) -> String {
    format!("\"{}\"", bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>())
}

/// What is asked of an upload in parts, if anything is. Everybody may send parts of any
/// upload, even of one that is over; and all that arrived goes into the object.
fn of_parts(request: &HttpRequest, body: &Bytes, key: &str, held: &mut Held) -> Option<HttpResponse> {
    let query: BTreeMap<_, _> =
        request.query_string().split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
    if query.contains_key("uploads") {
        held.begun += 1;
        let id = format!("upload-{}", held.begun);
        held.uploads.insert(id.clone(), BTreeMap::new());
        let begun = format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>");
        return Some(HttpResponse::Ok().body(begun));
    }
    let id = *query.get("uploadId")?;
    let number = query.get("partNumber").map(|number| number.parse::<u32>().unwrap());
    Some(match *request.method() {
        Method::PUT => {
            held.uploads.entry(id.into()).or_default().insert(number.unwrap(), body.to_vec());
            HttpResponse::Ok().insert_header(("etag", etag(body))).finish()
        }
        Method::POST => {
            let bytes = held.uploads.remove(id).unwrap_or_default().into_values().collect::<Vec<_>>().concat();
            let tag = etag(&bytes);
            held.objects.insert(key.into(), (String::new(), bytes));
            let done = format!("<CompleteMultipartUploadResult><ETag>{tag}</ETag></CompleteMultipartUploadResult>");
            HttpResponse::Ok().body(done)
        }
        Method::DELETE => {
            held.uploads.remove(id);
            HttpResponse::NoContent().finish()
        }
        _ => match held.uploads.get(id) {
            None => HttpResponse::NotFound().body("<Error><Code>NoSuchUpload</Code></Error>"),
            Some(parts) => {
                let part = |(number, bytes): (&u32, &Vec<u8>)| {
                    let (tag, size) = (etag(bytes), bytes.len());
                    format!("<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag><Size>{size}</Size></Part>")
                };
                let parts: String = parts.iter().map(part).collect();
                HttpResponse::Ok().body(format!("<ListPartsResult>{parts}</ListPartsResult>"))
            }
        },
    })
}

fn done(request: &HttpRequest, body: &Bytes, stored: &Stored) -> HttpResponse {
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let key = request.path().trim_start_matches('/').to_owned();
    let mut held = stored.lock().unwrap();
    if let Some(answer) = of_parts(request, body, &key, &mut held) {
        return answer;
    }
    let stored = &mut held.objects;
    match *request.method() {
        Method::PUT => {
            let object = match header("x-amz-copy-source") {
                Some(source) => stored[source.trim_start_matches('/')].clone(),
                None => (header("content-type").unwrap_or_default(), body.to_vec()),
            };
            let tag = etag(&object.1);
            let copied = format!("<CopyObjectResult><ETag>{tag}</ETag></CopyObjectResult>");
            stored.insert(key, object);
            HttpResponse::Ok().insert_header(("etag", tag)).body(copied)
        }
        Method::POST => {
            let field = |name: &str| -> Vec<u8> {
                let text = String::from_utf8_lossy(body).into_owned();
                let after = text.split_once(&format!("name=\"{name}\"")).unwrap().1;
                after.split_once("\r\n\r\n").unwrap().1.split("\r\n--").next().unwrap().into()
            };
            let name = format!("{key}/{}", String::from_utf8(field("key")).unwrap());
            stored.insert(name, (String::from_utf8(field("Content-Type")).unwrap(), field("file")));
            HttpResponse::NoContent().finish()
        }
        Method::DELETE => {
            stored.remove(&key);
            HttpResponse::NoContent().finish()
        }
        _ => match stored.get(&key) {
            None => HttpResponse::NotFound().finish(),
            Some((kind, bytes)) => HttpResponse::Ok()
                .insert_header(("etag", etag(bytes)))
                .insert_header(("content-type", kind.as_str()))
                .body(bytes.clone()),
        },
    }
}
