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
use cloakroom::objects::s3::{S3Settings, S3Storage};

/// Type and bytes of what is stored, by `bucket/key`.
type Stored = Arc<Mutex<BTreeMap<String, (String, Vec<u8>)>>>;

/// What it refuses all the same: the status and the code of S3. With the code
/// [`LIE`] it says so, and does it.
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
        S3Storage::new(settings, &configuration).unwrap()
    }

    /// What is stored now.
    pub fn keys(&self) -> Vec<String> {
        self.stored.lock().unwrap().keys().cloned().collect()
    }
}

fn answer(whim: Whim, request: &HttpRequest, body: &Bytes, stored: &Stored) -> HttpResponse {
    let Some((status, code)) = whim(request) else { return done(request, body, stored) };
    if code == LIE {
        done(request, body, stored);
    }
    HttpResponse::build(StatusCode::from_u16(status).unwrap()).body(format!("<Error><Code>{code}</Code></Error>"))
}

fn done(request: &HttpRequest, body: &Bytes, stored: &Stored) -> HttpResponse {
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let key = request.path().trim_start_matches('/').to_owned();
    let mut stored = stored.lock().unwrap();
    let etag = |bytes: &[u8]| format!("\"{}\"", bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>());
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
