//! What it costs that files of tenants are sealed: the embedded storage with a file of a tenant's and with one of the broker's
//! own, which lies in the open, in turns.

use std::{hint::black_box, path::Path, time::Instant};

use bytes::Bytes;
use cloakroom::{
    domain::{
        ids::ObjectId,
        tenant::{Mode, Namespace},
    },
    objects::{ContentType, ObjectKey, ObjectStorage},
};
use futures_util::TryStreamExt;
use serde_json::{Value, json};
use tokio::runtime;

use crate::{Options, Spread, inside::Inside};

const LARGE: usize = 256 << 20;
const SMALL: usize = 10_000;
const MANY: usize = 200;

pub(crate) fn measure(options: &Options, folder: &Path) -> Value {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    println!("files sealed at rest                            sealed           in the open      sealed/open");
    runtime.block_on(async {
        let inside = Inside::open(folder, "127.0.0.1:1".parse().unwrap()).await;
        let storage = inside.broker.objects.as_ref();
        let namespace = Namespace { tenant: inside.operator.tenant.id, mode: Mode::Live };
        let sealed = |number: u64| ObjectKey::vault(namespace, ObjectId::from_bytes(u128::from(number).to_be_bytes()));
        let open = |number: u64| ObjectKey::checkpoint(namespace, number);
        let mut figures = json!({});
        let cases: [(&str, usize, usize); 2] = [("256 MiB, MB/s", LARGE, 1), ("10 kB, files/s", SMALL, MANY)];
        for (name, size, count) in cases {
            let bytes = Bytes::from(vec![b'x'; size]);
            let per_second = |seconds: f64| match count {
                1 => size as f64 / 1e6 / seconds,
                count => count as f64 / seconds,
            };
            let (mut puts, mut reads) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
            for round in 0..options.rounds as u64 {
                for (kind, key) in [&sealed as &dyn Fn(u64) -> ObjectKey, &open].into_iter().enumerate() {
                    let keys: Vec<_> = (0..count as u64).map(|number| key(round * 1_000 + number)).collect();
                    let began = Instant::now();
                    for key in &keys {
                        storage.put(key, &ContentType::unknown(), bytes.clone()).await.unwrap();
                    }
                    puts[kind].push(per_second(began.elapsed().as_secs_f64()));
                    let began = Instant::now();
                    for key in &keys {
                        read(storage, key).await;
                    }
                    reads[kind].push(per_second(began.elapsed().as_secs_f64()));
                    for key in &keys {
                        storage.delete(key).await.unwrap();
                    }
                }
            }
            for (what, [sealed, open]) in [("written", puts), ("read", reads)] {
                let ratio = Spread::of(sealed.iter().zip(&open).map(|(sealed, open)| sealed / open));
                let (sealed, open) = (Spread::of(sealed), Spread::of(open));
                println!("{name:<24} {what:<12} {:>20} {:>20} {:>22}", sealed.coarse(), open.coarse(), ratio.fine());
                figures[format!("{name} {what}")] =
                    json!({ "sealed": sealed.json(), "open": open.json(), "ratio": ratio.json() });
            }
        }
        println!();
        figures
    })
}

async fn read(storage: &dyn ObjectStorage, key: &ObjectKey) {
    let mut stream = storage.read(key, None).await.unwrap().unwrap();
    while let Some(piece) = stream.try_next().await.unwrap() {
        black_box(piece);
    }
}
