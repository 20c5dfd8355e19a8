//! Calls of KMS, Secrets Manager and Systems Manager, made as the broker makes them.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use cloakroom::{
    aws::Aws,
    crypto::keyring::DeploymentId,
    domain::{ids::TenantId, instant::Instant},
    entropy::{Entropy, SystemEntropy},
    keys::{document::KeyDocument, place::KeyPlace, source::KeySource},
    kms::Kms,
};
use serde_json::json;

use super::unreliable::Fault;
use crate::objects::bench::setting;

pub const CALLS: [&str; 6] =
    ["Decrypt", "Encrypt", "GetParameter", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage"];

/// What the service itself says when it cannot; and what lines do.
pub const FAULTS: [Fault; 10] = [
    Fault::Told(400, "ThrottlingException"),
    Fault::Told(400, "ExpiredTokenException"),
    Fault::Told(500, "InternalServiceError"),
    Fault::Told(503, "ServiceUnavailable"),
    Fault::ToldDone(500, "InternalServiceError"),
    Fault::Unheard,
    Fault::Lost,
    Fault::Half,
    Fault::Garbled,
    Fault::Silent,
];

/// Which emulator has the service of this call.
pub fn endpoint_of(call: &str) -> String {
    setting(match call {
        "Decrypt" | "Encrypt" => "CLOAKROOM_TEST_S3_ENDPOINT",
        _ => "CLOAKROOM_TEST_DYNAMODB_ENDPOINT",
    })
}

fn config(url: &str) -> SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(url)
        .build()
}

const TENANT: TenantId = TenantId::from_bytes([7; 16]);

/// A key of KMS, what it has encrypted, and a secret with root keys in it.
#[derive(Clone)]
pub struct Kept {
    key: String,
    ciphertext: Vec<u8>,
    document: String,
}

impl Kept {
    pub async fn new() -> Self {
        let config = config(&endpoint_of("Encrypt"));
        let made = aws_sdk_kms::Client::new(&config).create_key().send().await.unwrap();
        let key = made.key_metadata.unwrap().key_id;
        let ciphertext = Kms::new(&key, DeploymentId([1; 16]), &config).encrypt(TENANT, &[3; 32]).await.unwrap();
        let document = KeyDocument::generate(Instant::from_unix_seconds(1_800_000_000), &SystemEntropy).unwrap();
        Self { key, ciphertext, document: document.text().unwrap().to_string() }
    }
}

/// An emulator keeps it for anybody; there is no client of this service here.
fn put_parameter(endpoint: &str, name: &str, value: &str) {
    let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
    let request = agent.post(endpoint).header("x-amz-target", "AmazonSSM.PutParameter");
    let body = json!({ "Name": name, "Value": value, "Type": "SecureString" }).to_string();
    request.content_type("application/x-amz-json-1.1").send(body).unwrap();
}

/// The services at this address, with a secret or parameter of its own.
pub struct KeyCalls {
    kms: Kms,
    place: KeyPlace,
    kept: Kept,
}

impl KeyCalls {
    pub async fn at(url: &str, kept: Kept, call: &str) -> Self {
        let random: [u8; 8] = (&SystemEntropy as &dyn Entropy).bytes();
        let name = format!("faults-{:016x}", u64::from_be_bytes(random));
        let (document, endpoint) = (kept.document.as_str(), endpoint_of(call));
        let source = match call {
            "GetParameter" => {
                put_parameter(&endpoint, &name, document);
                KeySource::Parameter(name)
            }
            "Decrypt" | "Encrypt" => KeySource::Secret(name),
            _ => {
                let secrets = aws_sdk_secretsmanager::Client::new(&config(&endpoint));
                secrets.create_secret().name(&name).secret_string(document).send().await.unwrap();
                KeySource::Secret(name)
            }
        };
        let place = KeyPlace::of(&source, &Aws::of(config(url))).await;
        Self { kms: Kms::new(&kept.key, DeploymentId([1; 16]), &config(url)), place, kept }
    }

    /// Makes the call. What it answers, if that tells anything.
    pub async fn make(&self, call: &str) -> Result<(), String> {
        let told = |fault: &dyn std::fmt::Display| fault.to_string();
        match call {
            "Encrypt" => self.kms.encrypt(TENANT, &[3; 32]).await.map(drop).map_err(|fault| told(&fault)),
            "Decrypt" => {
                let plaintext = self.kms.decrypt(TENANT, &self.kept.ciphertext).await;
                plaintext.map(|plaintext| assert_eq!(*plaintext, [3; 32])).map_err(|fault| told(&fault))
            }
            "GetParameter" | "GetSecretValue" => {
                let read = self.place.read().await.map_err(|fault| told(&fault))?;
                assert_eq!(*read.unwrap().text().unwrap(), self.kept.document);
                Ok(())
            }
            "PutSecretValue" | "UpdateSecretVersionStage" => {
                self.place.change(|_| Ok(()), &SystemEntropy).await.map_err(|fault| told(&fault))
            }
            other => panic!("nobody makes {other}"),
        }
    }
}

/// Whether what was done is found out, though no answer tells it.
pub fn is_found_out(call: &str, fault: Fault) -> bool {
    call == "UpdateSecretVersionStage" && fault.is_done()
}
