//! How many parts of one upload are signed in a second: by the storage alone, and asked for
//! through the API, a thousand at a time.

use std::{
    hint::black_box,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use cloakroom::{
    domain::{
        ids::TenantId,
        instant::Instant as Point,
        tenant::{Mode, Namespace},
    },
    http::server::{Capacity, Listeners, bind},
    objects::{InboxSecret, MultipartId, ObjectKey, ObjectStorage, PartContract, embedded::EmbeddedStorage},
};
use serde_json::{Value, json};
use tokio::{runtime, task::spawn_blocking};

use crate::{
    Options, Spread,
    broker::text,
    client,
    inside::{Inside, begins_uploads, s3},
};

const PARTS: u32 = 10_000;
const BATCH: u32 = 1_000;
const PART_SIZE: u64 = 64 << 20;

pub(crate) fn measure(options: &Options, folder: &Path) -> Value {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let stub = begins_uploads();
    println!("10,000 parts signed                 parts/s (least to most)      of the function alone");
    let mut figures = json!({});
    for name in ["embedded", "S3"] {
        let (mut alone, mut asked) = (Vec::new(), Vec::new());
        runtime.block_on(async {
            let ports = [(); 3].map(|()| bind("127.0.0.1:0".parse().unwrap()).unwrap());
            let api = ports[0].address;
            let inside = Inside::open(&folder.join(name), api).await;
            let mut broker = inside.broker.clone();
            if name == "S3" {
                broker.objects = Arc::new(s3(stub));
            }
            let storage = broker.objects.clone();
            let now = broker.now();
            let listeners =
                Listeners::serve(broker, None::<Arc<EmbeddedStorage>>, ports, Capacity::of_workers(options.workers))
                    .unwrap();
            let key = inside.operator.admin_key.secret.expose().to_owned();
            let id = spawn_blocking({
                let key = key.clone();
                move || declared(api, &key)
            });
            let id = Arc::new(id.await.unwrap());
            for _ in 0..options.rounds {
                alone.push(signed_alone(storage.as_ref(), now).await);
                let (key, id) = (key.clone(), id.clone());
                asked.push(spawn_blocking(move || asked_for(api, &key, &id)).await.unwrap());
            }
            listeners.stop().await;
        });
        let ratio = Spread::of(alone.iter().zip(&asked).map(|(alone, asked)| asked / alone));
        let (alone, asked) = (Spread::of(alone), Spread::of(asked));
        println!("{:<35} {}", format!("{name}, the function alone"), alone.coarse());
        println!("{:<35} {:<28} {}", format!("{name}, through the API"), asked.coarse(), ratio.fine());
        figures[name] = json!({ "alone": alone.json(), "through_the_api": asked.json(), "ratio": ratio.json() });
    }
    println!();
    figures
}

fn declared(api: std::net::SocketAddr, key: &str) -> String {
    let body = json!({ "path": "large", "size": u64::from(PARTS) * PART_SIZE, "content_type": "application/octet-stream",
                       "method": "multipart", "part_checksums": true });
    let declared = client::json(api, "POST", "/v1/uploads", key, &body, 201);
    assert_eq!(declared["part_count"], PARTS);
    text(&declared, "id").to_owned()
}

/// Parts a second.
fn asked_for(api: std::net::SocketAddr, key: &str, id: &str) -> f64 {
    let path = format!("/v1/uploads/{id}/parts");
    let bodies = (0..PARTS / BATCH).map(|batch| {
        let parts = (1..=BATCH).map(|number| json!({ "number": batch * BATCH + number, "sha256": "ab".repeat(32) }));
        json!({ "parts": parts.collect::<Vec<_>>() }).to_string()
    });
    let bodies: Vec<_> = bodies.collect();
    let started = Instant::now();
    for body in bodies {
        let (status, answer) = crate::process::call(api, "POST", &path, key, &body);
        assert_eq!(status, 200, "{answer}");
    }
    f64::from(PARTS) / started.elapsed().as_secs_f64()
}

async fn signed_alone(storage: &dyn ObjectStorage, now: Point) -> f64 {
    let namespace = Namespace { tenant: TenantId::from_bytes([4; 16]), mode: Mode::Live };
    let mut contract = PartContract {
        key: ObjectKey::inbox(namespace, InboxSecret([2; 32])),
        upload: MultipartId("u".repeat(64)),
        number: 1,
        part_size: PART_SIZE,
        size: PART_SIZE,
        sha256: Some([3; 32]),
        expires_at: now.plus(Duration::from_secs(600)),
    };
    let started = Instant::now();
    for number in 1..=PARTS {
        contract.number = number;
        black_box(storage.sign_part(&contract, now).await.unwrap());
    }
    f64::from(PARTS) / started.elapsed().as_secs_f64()
}
