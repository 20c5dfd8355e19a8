//! Declarers that call the API of a broker in a process of its own, each over
//! one connection that stays open.

use std::{net::SocketAddr, path::Path};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::{Handle, Runtime},
};

use crate::{
    Options,
    broker::text,
    client,
    process::{Server, admin_key, request},
    quotas::{Answer, DECLARERS, Declarer, Reach, SIZE},
};

pub(crate) struct OverHttp {
    server: Server,
    operator: String,
    runtime: Handle,
}

impl OverHttp {
    pub(crate) fn start(runtime: &Runtime, options: &Options, folder: &Path) -> Self {
        let data = folder.join("http");
        let (server, _) = Server::start(&options.program, &data, options.workers);
        Self { server, operator: admin_key(&data), runtime: runtime.handle().clone() }
    }

    /// The key of a new tenant of whom this much is declared already.
    fn tenant(&self, limit: Option<u64>, before: Option<u64>) -> String {
        let call = |method: &str, path: &str, key: &str, body: &Value, expected| {
            client::json(self.server.api, method, path, key, body, expected)
        };
        let tenant = call("POST", "/v1/tenants", &self.operator, &json!({ "name": "Crowd" }), 201);
        if let Some(limit) = limit {
            let path = format!("/v1/tenants/{}/quota", text(&tenant, "id"));
            call("PUT", &path, &self.operator, &json!({ "bytes": limit }), 200);
        }
        let key = text(&tenant["admin_key"], "secret").to_owned();
        if let Some(size) = before {
            call("POST", "/v1/uploads", &key, &declaration(size), 201);
        }
        key
    }
}

fn declaration(size: u64) -> Value {
    json!({ "path": "docs/report.pdf", "size": size, "content_type": "application/pdf", "method": "put" })
}

impl Reach for OverHttp {
    type Declarer = Connection;

    fn declarers(&self, tenants: usize, limit: Option<u64>, before: Option<u64>) -> Vec<Connection> {
        let keys: Vec<_> = (0..tenants).map(|_| self.tenant(limit, before)).collect();
        let keys = keys.iter().cycle().take(DECLARERS);
        keys.map(|key| self.runtime.block_on(Connection::open(self.server.api, key))).collect()
    }

    fn counts(&self) -> (Option<usize>, Option<f64>) {
        (None, Some(self.server.process.processor_seconds()))
    }
}

pub(crate) struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Connection {
    async fn open(api: SocketAddr, key: &str) -> Self {
        let stream = TcpStream::connect(api).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let request = request(api, "POST", "/v1/uploads", key, &declaration(SIZE).to_string(), "keep-alive");
        Self { stream, request, answer: Vec::new() }
    }

    /// How long the head and how long the body is, once the head is there.
    fn lengths(&self) -> Option<(usize, usize)> {
        let end = self.answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
        let head = std::str::from_utf8(&self.answer[..end]).unwrap().to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        Some((end, length.parse().unwrap()))
    }
}

impl Declarer for Connection {
    async fn declare(&mut self) -> Answer {
        self.stream.write_all(&self.request).await.unwrap();
        self.answer.clear();
        let (head, body) = loop {
            assert_ne!(self.stream.read_buf(&mut self.answer).await.unwrap(), 0, "the connection was closed");
            if let Some(lengths) = self.lengths() {
                break lengths;
            }
        };
        while self.answer.len() < head + body {
            assert_ne!(self.stream.read_buf(&mut self.answer).await.unwrap(), 0, "the connection was closed");
        }
        let problem = || serde_json::from_slice::<Value>(&self.answer[head..]).unwrap();
        match &self.answer[9..12] {
            b"201" => Answer::Granted,
            b"409" if problem()["code"] == "quota_exceeded" => Answer::Full,
            b"503" if problem()["code"] == "busy" => Answer::Busy,
            _ => panic!("{}", String::from_utf8_lossy(&self.answer)),
        }
    }
}
