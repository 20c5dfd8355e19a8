//! Identity providers: a certified one, and an issuer of our own that answers as a test wants. Whatever is not
//! exactly right is refused, with a reason for the log.

mod certified;
mod console;
mod issuer;
mod keeping;
mod refusals;
mod signer;
mod signing_in;

use std::{sync::Arc, time::Duration};

use cloakroom::{
    clock::{Clock, ManualClock},
    crypto::secret::SecretText,
    domain::{
        identity::{Identity, Issuer},
        ids::TenantId,
        instant::Instant,
    },
    oidc::{Client, ProviderSettings, Providers, Rejected},
    outward::Destination,
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use issuer::OwnIssuer;
use signer::Signer;

const NOW: Instant = Instant::from_unix_seconds(1_800_000_000);
const SECONDS: u64 = NOW.as_unix_seconds();
const AUDIENCE: &str = "https://share.example";
const CLIENT: &str = "console";
const TENANT: TenantId = TenantId::from_bytes([7; 16]);

/// Long enough for anything that ends by itself.
const AGES: Duration = Duration::from_secs(120);

/// For what is to run into it.
const MOMENT: Duration = Duration::from_millis(300);

pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

pub fn settings(issuer: &str) -> ProviderSettings {
    ProviderSettings {
        name: "work".into(),
        issuer: Issuer::parse(issuer).unwrap(),
        location: Destination::parse(issuer).unwrap(),
        audience: Some(AUDIENCE.into()),
        client: Some(Client { id: CLIENT.into(), secret: None }),
        tenant: TENANT,
        accepted_acr: Vec::new(),
        patience: AGES,
    }
}

/// Providers that trust issuers of our own, under a clock that the test moves.
struct Desk {
    runtime: Runtime,
    clock: Arc<ManualClock>,
    providers: Arc<Providers>,
}

impl Desk {
    fn trusting(issuers: &[&OwnIssuer]) -> Self {
        Self::with(issuers.iter().map(|issuer| settings(issuer.url())).collect())
    }

    fn with(settings: Vec<ProviderSettings>) -> Self {
        let (runtime, clock) = (runtime(), Arc::new(ManualClock::at(NOW)));
        let read: Arc<dyn Clock> = clock.clone();
        let providers = Arc::new(Providers::new(settings, &read, runtime.handle()));
        Self { runtime, clock, providers }
    }

    fn identify(&self, token: &str) -> Result<Identity, Rejected> {
        self.runtime.block_on(self.providers.identify(&SecretText::new(token)))
    }

    #[track_caller]
    fn refuses(&self, token: &str, why: &Rejected) {
        assert_eq!(self.identify(token).as_ref(), Err(why), "{token}");
    }

    /// What so many get who come with this token at the same time.
    fn at_once(&self, count: usize, token: impl Fn(usize) -> String) -> Vec<Result<Identity, Rejected>> {
        let come = |number| {
            let (providers, token) = (Arc::clone(&self.providers), SecretText::new(token(number)));
            self.runtime.spawn(async move { providers.identify(&token).await })
        };
        let coming: Vec<_> = (0..count).map(come).collect();
        coming.into_iter().map(|coming| self.runtime.block_on(coming).unwrap()).collect()
    }
}

/// The claims of an access token that is right in everything.
fn access_claims(issuer: &str) -> Value {
    json!({
        "iss": issuer, "sub": "user-1", "aud": AUDIENCE, "client_id": "someone", "jti": "1",
        "iat": SECONDS - 5, "exp": SECONDS + 600,
    })
}

fn with(mut claims: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

fn without(mut claims: Value, name: &str) -> Value {
    claims.as_object_mut().unwrap().remove(name);
    claims
}

/// An access token of this issuer that is right in everything.
fn access_token(issuer: &OwnIssuer, signer: &Signer) -> String {
    signer.access_token(&access_claims(issuer.url()))
}
