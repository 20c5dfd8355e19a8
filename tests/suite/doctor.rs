//! The doctor: what it finds, that it leaves nothing behind, and what a start makes of it.

mod documented;
mod fence;
mod left_behind;
mod pretended;
mod pretender;
mod printed;
mod starting;

use std::path::Path;

use cloakroom::config::{Config, Given, ObjectsKind};

/// The configuration of a broker whose objects are in this bucket; credentials come from the environment.
fn s3(data_dir: &Path, endpoint: &str, bucket: &str) -> Config {
    let given = Given {
        data_dir: Some(data_dir.to_owned()),
        objects: Some(ObjectsKind::S3),
        s3_bucket: Some(bucket.into()),
        s3_endpoint: Some(endpoint.into()),
        s3_path_style: Some(true),
        ..Given::default()
    };
    given.complete().unwrap()
}

pub fn setting(name: &str) -> String {
    match std::env::var(name) {
        Ok(value) if !value.is_empty() => value,
        _ => panic!("{name} is not set: run ./test, or start the emulators with localstack/emulators"),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}
