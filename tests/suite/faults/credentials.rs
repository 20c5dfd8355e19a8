//! Credentials that end: others are asked for in time, and where there are none, nothing is done under what has ended.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future},
};
use cloakroom::{
    aws::keeping_credentials,
    clock::{Clock, ManualClock, SystemClock},
    objects::{ObjectStorage, UploadContract, s3::S3Storage},
    store::{Backend, RowKey, dynamodb, dynamodb::DynamoStore},
};

use crate::{
    objects::bench::{contract, s3_settings, setting},
    relaying::relay,
};

const HOUR: Duration = Duration::from_secs(3600);

/// A source as a machine of Amazon's has it: each time it is asked, credentials that end an hour later; or none, while it is
/// away.
#[derive(Debug, Clone)]
struct Source {
    clock: Arc<Mutex<u64>>,
    asked: Arc<AtomicUsize>,
    away: Arc<Mutex<bool>>,
}

impl ProvideCredentials for Source {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        if *self.away.lock().unwrap() {
            return future::ProvideCredentials::ready(Err(CredentialsError::provider_error("away")));
        }
        let end = UNIX_EPOCH + Duration::from_secs(*self.clock.lock().unwrap()) + HOUR;
        let given = Credentials::new(format!("KEY{number}"), "secret", None, Some(end), "test");
        future::ProvideCredentials::ready(Ok(given))
    }
}

/// Table and bucket behind a relay that notes who has signed.
struct Scene {
    clock: Arc<ManualClock>,
    source: Source,
    store: DynamoStore,
    storage: S3Storage,
    signers: Arc<Mutex<Vec<String>>>,
}

impl Scene {
    fn new() -> Self {
        let signers = Arc::<Mutex<Vec<String>>>::default();
        let url = |endpoint: &str| {
            let (behind, noted) = (setting(endpoint).strip_prefix("http://").unwrap().to_owned(), signers.clone());
            relay(move |request| {
                let after = request.headers.split_once("Credential=").unwrap().1;
                noted.lock().unwrap().push(after.split('/').next().unwrap().to_owned());
                request.pass(&behind, |_| {})
            })
        };
        let (table, bucket) = (url("CLOAKROOM_TEST_DYNAMODB_ENDPOINT"), url("CLOAKROOM_TEST_S3_ENDPOINT"));
        let now = SystemClock::default().now();
        let clock = Arc::new(ManualClock::at(now));
        let source =
            Source { clock: Arc::new(Mutex::new(now.as_unix_seconds())), asked: Arc::default(), away: Arc::default() };
        let found = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(source.clone()));
        let config = keeping_credentials(found.build(), clock.clone());
        let store = DynamoStore::new(dynamodb::client(&config, Some(table)), setting("CLOAKROOM_TEST_TABLE"));
        let storage = S3Storage::new(s3_settings(&bucket), &config, Arc::new(SystemClock::default())).unwrap();
        Self { clock, source, store, storage, signers }
    }

    fn pass(&self, time: Duration) {
        self.clock.advance(time);
        *self.source.clock.lock().unwrap() = self.clock.now().as_unix_seconds();
    }

    /// Who signs a read, a question to the bucket, and a URL for somebody else.
    async fn signed_by(&self) -> Option<String> {
        self.signers.lock().unwrap().clear();
        let key = [RowKey::new("credentials", "none")];
        let mut answered = (self.store.get(&key).await.is_ok(), self.storage.ping().await.is_ok());
        let now = self.clock.now();
        let contract = UploadContract { expires_at: now.plus(Duration::from_secs(60)), ..contract(b"bytes") };
        let url = self.storage.sign_put(&contract, now).await;
        let signers = || self.signers.lock().unwrap().clone();
        let Ok(url) = url else {
            assert_eq!((answered, signers()), ((false, false), Vec::new()), "something was sent");
            return None;
        };
        // An emulator that has much to do may be too slow, and is asked again.
        for _ in 0..10 {
            answered.0 = answered.0 || self.store.get(&key).await.is_ok();
            answered.1 = answered.1 || self.storage.ping().await.is_ok();
        }
        assert_eq!(answered, (true, true));
        let signers = signers();
        assert!(signers.len() >= 2 && signers.iter().all(|signer| *signer == signers[0]), "{signers:?}");
        assert!(url.url.contains(&format!("Credential={}%2F", signers[0])), "{}", url.url);
        Some(signers[0].clone())
    }
}

#[tokio::test]
async fn that_end_are_replaced_while_a_clock_that_is_minutes_behind_takes_them_for_good() {
    let scene = Scene::new();
    assert_eq!(scene.signed_by().await.as_deref(), Some("KEY0"));
    scene.pass(HOUR - Duration::from_secs(660));
    assert_eq!(scene.signed_by().await.as_deref(), Some("KEY0"));
    // Ten minutes before their end.
    scene.pass(Duration::from_secs(61));
    assert_eq!(scene.signed_by().await.as_deref(), Some("KEY1"));
    assert_eq!(scene.source.asked.load(Ordering::SeqCst), 2, "all clients together ask once");
}

#[tokio::test]
async fn that_cannot_be_renewed_serve_to_their_end_and_no_longer() {
    let scene = Scene::new();
    assert_eq!(scene.signed_by().await.as_deref(), Some("KEY0"));
    *scene.source.away.lock().unwrap() = true;
    scene.pass(HOUR - Duration::from_secs(30));
    assert_eq!(scene.signed_by().await.as_deref(), Some("KEY0"));
    scene.pass(Duration::from_secs(31));
    assert_eq!(scene.signed_by().await, None);
    *scene.source.away.lock().unwrap() = false;
    let renewed = scene.signed_by().await.unwrap();
    assert_ne!(renewed, "KEY0");
}
