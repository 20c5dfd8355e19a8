//! Amazon's clock and ours differ by minutes: what the broker asks itself is signed by Amazon's time, as soon as it is known.

use std::{
    io::{self, Write},
    net::Shutdown,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use cloakroom::{
    clock::{Clock, SystemClock},
    objects::{Disposition, DownloadContract, ObjectStorage},
};
use time::{Duration, OffsetDateTime, PrimitiveDateTime, format_description::parse_borrowed};

use super::{operation::named, store_calls::StoreCalls};
use crate::{
    objects::bench::{content_type, contract, inbox, s3_at, setting, vault},
    relaying::{Arriving, relay},
};

/// More than Amazon lets pass for any request of its own.
const APART: [Duration; 2] = [Duration::seconds(310), Duration::seconds(-310)];
const TOLERATED: Duration = Duration::minutes(5);

const SIGNED_AT: &str = "[year][month][day]T[hour][minute][second]Z";
const DATE: &str = "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT";

/// A service whose clock is so far from ours. It refuses what was signed at another time than its own.
struct Elsewhen {
    url: String,
    refused: Arc<AtomicUsize>,
}

impl Elsewhen {
    fn before(endpoint: &str, apart: Duration) -> Self {
        let refused = Arc::<AtomicUsize>::default();
        let (behind, counted) = (endpoint.strip_prefix("http://").unwrap().to_owned(), refused.clone());
        let url = relay(move |request| answer(request, &behind, apart, &counted));
        Self { url, refused }
    }

    fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }
}

fn answer(mut request: Arriving, behind: &str, apart: Duration, refused: &AtomicUsize) -> io::Result<()> {
    let now = OffsetDateTime::from_unix_timestamp(SystemClock::default().now().as_unix_seconds().cast_signed())
        .unwrap()
        + apart;
    let date = now.format(&parse_borrowed::<2>(DATE).unwrap()).unwrap();
    let header = |line: &str, name: &str| line.to_lowercase().starts_with(name);
    let signed = request.headers.lines().find(|line| header(line, "x-amz-date:")).unwrap().split_once(':').unwrap().1;
    let signed =
        PrimitiveDateTime::parse(signed.trim(), &parse_borrowed::<2>(SIGNED_AT).unwrap()).unwrap().assume_utc();
    let body = request.body()?;
    let answer = if (now - signed).abs() > TOLERATED {
        refused.fetch_add(1, Ordering::SeqCst);
        let (status, body) = match named(&request.line, &request.headers).as_str() {
            "GetItem" | "TransactWriteItems" => (
                400,
                r#"{"__type":"com.amazon.coral.service#InvalidSignatureException","message":"Signature expired"}"#,
            ),
            _ => (403, "<Error><Code>RequestTimeTooSkewed</Code><Message>too large</Message></Error>"),
        };
        let length = body.len();
        format!("HTTP/1.1 {status} X\r\nConnection: close\r\nDate: {date}\r\nContent-Length: {length}\r\n\r\n{body}")
            .into_bytes()
    } else {
        let done = request.done(behind, &body)?;
        let end = done.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = std::str::from_utf8(&done[..end]).unwrap().lines();
        let mut told: Vec<_> = head.filter(|line| !header(line, "date:")).map(str::to_owned).collect();
        told.push(format!("Date: {date}"));
        [told.join("\r\n").as_bytes(), &done[end..]].concat()
    };
    request.client.write_all(&answer)?;
    request.client.shutdown(Shutdown::Both)
}

#[tokio::test]
async fn that_differ_are_got_over_by_reads_and_by_commits() {
    for apart in APART {
        let service = Elsewhen::before(&setting("CLOAKROOM_TEST_DYNAMODB_ENDPOINT"), apart);
        let calls = StoreCalls::at(&service.url, setting("CLOAKROOM_TEST_TABLE"));
        // Once, unless that it was refused is answered too late to be heard of.
        calls.make("TransactWriteItems").await.unwrap();
        let of_commits = service.refused();
        assert!(of_commits > 0, "the first commit of a broker");
        calls.make("GetItem").await.unwrap();
        let of_both = service.refused();
        assert!(of_both > of_commits, "the first read");
        calls.make("TransactWriteItems").await.unwrap();
        calls.make("GetItem").await.unwrap();
        assert_eq!(service.refused(), of_both, "then it is known");
    }
}

#[tokio::test]
async fn that_differ_are_got_over_by_the_storage() {
    for apart in APART {
        let service = Elsewhen::before(&setting("CLOAKROOM_TEST_S3_ENDPOINT"), apart);
        let storage = s3_at(&service.url);
        // A refusal without a body names no reason: a HEAD is not repeated.
        storage.ping().await.unwrap_err();
        let refused = service.refused();
        assert!(refused > 0);
        storage.ping().await.unwrap();
        assert_eq!(service.refused(), refused, "then it is known");
        let other = s3_at(&service.url);
        other.put(&inbox(), &content_type("text/plain"), "bytes".into()).await.unwrap();
        let of_both = service.refused();
        assert!(of_both > refused);
        other.ping().await.unwrap();
        assert_eq!(service.refused(), of_both, "then it is known");
    }
}

/// What is handed out for a minute is good for a minute, by the clock of whoever holds it to that.
#[tokio::test]
async fn that_differ_end_no_url_before_its_time_or_after() {
    for apart in APART {
        let service = Elsewhen::before(&setting("CLOAKROOM_TEST_S3_ENDPOINT"), apart);
        let storage = s3_at(&service.url);
        let now = SystemClock::default().now();
        let download = DownloadContract {
            key: vault(),
            content_type: content_type("text/plain"),
            disposition: Disposition::Attachment { file_name: "a.txt".into() },
            sha256: None,
            expires_at: now.plus(std::time::Duration::from_secs(60)),
        };
        let upload = contract(b"bytes");
        storage.ping().await.unwrap_err();
        let signed = [
            storage.sign_get(&download, now).await.unwrap(),
            storage.sign_put(&upload, now).await.unwrap(),
            storage.sign_post(&upload, now).await.unwrap(),
        ];
        for request in &signed {
            // In our time it ends as it was asked to.
            let left = request.expires_at.since(now);
            assert!((58..=60).contains(&left.as_secs()), "{apart}: {left:?}");
            assert!(request.expires_at <= download.expires_at);
        }
        let there = OffsetDateTime::from_unix_timestamp(now.as_unix_seconds().cast_signed()).unwrap() + apart;
        for request in &signed[..2] {
            let (_, rest) = request.url.split_once("X-Amz-Date=").unwrap();
            let at = PrimitiveDateTime::parse(&rest[..16], &parse_borrowed::<2>(SIGNED_AT).unwrap()).unwrap();
            assert!((at.assume_utc() - there).abs() <= Duration::seconds(3), "{apart}: {}", request.url);
            let (_, rest) = request.url.split_once("X-Amz-Expires=").unwrap();
            let lives: u64 = rest.split('&').next().unwrap().parse().unwrap();
            assert!((58..=60).contains(&lives), "{}", request.url);
        }
    }
}
