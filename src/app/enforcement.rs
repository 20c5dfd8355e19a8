//! Whether the object storage is fit to serve with: looked at before every
//! start on S3, and by `cloakroom doctor`.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    aws,
    clock::{Clock, SystemClock},
    config::{Config, ObjectsConfig, StoreConfig, Unenforced},
    doctor::{self, Finding, Method, Report},
    domain::tenant::{Mode, Namespace},
    entropy::{Entropy, SystemEntropy},
    keys::source::KeySource,
    objects::s3::{S3Settings, S3Storage},
    service::{Broker, Offered},
};

use super::{Running, StartError, create_private, s3_settings, start};

/// Examines the object storage of the configuration, and opens nothing else.
/// What it is, in words, and what was found.
///
/// For the embedded storage a broker of its own is served meanwhile on free
/// loopback ports, in a temporary folder beside the data: another process may have the real one open.
///
/// # Errors
/// When the storage cannot be opened, or does not do what was agreed.
pub async fn diagnose(config: &Config) -> Result<(String, Report), StartError> {
    let Some(settings) = s3_settings(config) else { return Box::pin(diagnose_embedded(config)).await };
    let sdk = aws::sdk_config().await;
    let region = sdk.region().map(ToString::to_string).unwrap_or_default();
    let clock = Arc::new(SystemClock::default());
    let storage = S3Storage::new(S3Settings { region, ..settings }, &sdk, Arc::<SystemClock>::clone(&clock))?;
    let namespace = doctor::namespace(clock.as_ref(), &SystemEntropy);
    let report = doctor::examine(&storage, clock.as_ref(), &SystemEntropy, namespace).await?;
    Ok((described(config), report))
}

async fn diagnose_embedded(config: &Config) -> Result<(String, Report), StartError> {
    let scratch = Scratch::new(&config.data_dir)?;
    let free = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let own = Config {
        root_keys: KeySource::File(scratch.0.join("root-keys.json")),
        data_dir: scratch.0.clone(),
        listen: free,
        content_listen: free,
        ops_listen: free,
        public_url: None,
        content_url: None,
        workers: 1,
        store: StoreConfig::Embedded,
        root_key_days: None,
        kms_key: None,
        scanner: None,
        ..config.clone()
    };
    let running: Running = start(&own).await?;
    let broker = running.broker();
    // Files lie under the key of a tenant that there is.
    let made = broker.create_first_tenant("doctor".into()).await?;
    let namespace = Namespace { tenant: made.tenant.id, mode: Mode::Test };
    let examined =
        doctor::examine(broker.objects.as_ref(), broker.clock.as_ref(), broker.entropy.as_ref(), namespace).await;
    running.stop().await;
    Ok((described(config), examined?))
}

/// A folder that is gone afterwards.
struct Scratch(PathBuf);

impl Scratch {
    /// On the file system of the data, if there is one: links behave as they do there.
    fn new(data_dir: &Path) -> Result<Self, StartError> {
        let entropy: &dyn Entropy = &SystemEntropy;
        let name = format!("doctor-{}", base16ct::lower::encode_string(&entropy.bytes::<8>()));
        let folder = if data_dir.is_dir() { data_dir.join(name) } else { std::env::temp_dir().join(name) };
        create_private(&folder).map_err(|source| StartError::DataDirectory { folder: folder.clone(), source })?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Threads that end may still hold a file; what stays is named after us and harms nobody.
        let _removed = fs::remove_dir_all(&self.0);
    }
}

/// Which storage it is, for people.
fn described(config: &Config) -> String {
    match &config.objects {
        ObjectsConfig::Embedded => "Embedded object storage".into(),
        ObjectsConfig::S3 { bucket, endpoint, public_endpoint, .. } => {
            match public_endpoint.as_ref().or(endpoint.as_ref()) {
                Some(endpoint) => format!("Bucket {bucket} at {endpoint}"),
                None => format!("Bucket {bucket} on Amazon S3"),
            }
        }
    }
}

/// What may be offered with this storage.
pub(super) async fn checked(config: &Config, broker: &Broker) -> Result<Offered, StartError> {
    // The embedded storage is ours and has tests of its own: it needs no examination at each start.
    if config.objects == ObjectsConfig::Embedded {
        return Ok(Offered::default());
    }
    let (clock, entropy): (&dyn Clock, &dyn Entropy) = (broker.clock.as_ref(), broker.entropy.as_ref());
    let namespace = doctor::namespace(clock, entropy);
    let report = doctor::examine(broker.objects.as_ref(), clock, entropy, namespace).await?;
    if report.left_behind > 0 {
        tracing::warn!(left = report.left_behind, "what the examination left in the inbox could not be removed");
    }
    let offered = judged(&report, config.unenforced, &described(config)).map_err(StartError::Unenforced)?;
    let took_ms = u64::try_from(report.took.as_millis()).unwrap_or(u64::MAX);
    tracing::info!(verdict = ?report.verdict(), ?offered, took_ms, "object storage examined");
    Ok(offered)
}

/// Whether to start, and with what.
fn judged(report: &Report, unenforced: Unenforced, storage: &str) -> Result<Offered, String> {
    let mut offered = Offered::default();
    for finding in report.open() {
        let (constraint, answer) = (finding.constraint.id, finding.answer());
        tracing::warn!(
            constraint,
            weight = finding.constraint.weight.words(),
            answer,
            "the object storage lets it pass"
        );
    }
    for (method, reason) in &report.unusable {
        tracing::warn!(?method, reason, "the object storage does not do what was agreed: not offered");
        withhold(&mut offered, *method);
    }
    let fatal: Vec<&Finding> = report.fatal().collect();
    if fatal.is_empty() || unenforced == Unenforced::Accept {
        return Ok(offered);
    }
    let lost: Vec<&Finding> = fatal.iter().copied().filter(|finding| !can_be_withheld(finding)).collect();
    if unenforced == Unenforced::Downgrade && lost.is_empty() {
        for finding in fatal {
            withhold(&mut offered, finding.constraint.method);
        }
        tracing::warn!(
            ?offered,
            "withheld: the object storage does not check what is signed for it, and takes forged requests still"
        );
        return Ok(offered);
    }
    let named = if unenforced == Unenforced::Downgrade { &lost } else { &fatal };
    let named: Vec<_> = named
        .iter()
        .map(|finding| format!("{} ({}, {})", finding.constraint.attempt, finding.constraint.id, finding.answer()))
        .collect();
    let concerns = |method| fatal.iter().any(|finding| finding.constraint.method == method);
    let remedy = match (lost.is_empty(), concerns(Method::Post), concerns(Method::Part)) {
        (false, ..) => "no method of upload can be left out to mend that",
        (_, true, true) => "CLOAKROOM_UNENFORCED=downgrade starts without uploads by form and without uploads in parts",
        (_, true, false) => "CLOAKROOM_UNENFORCED=downgrade starts without uploads by form",
        _ => "CLOAKROOM_UNENFORCED=downgrade starts without uploads in parts",
    };
    Err(format!(
        "{storage} does not enforce what its URLs say: {}. Look at it with: cloakroom doctor. Use a storage that does; \
         {remedy}; CLOAKROOM_UNENFORCED=accept starts all the same, for emulators that hold nothing of value",
        named.join(", ")
    ))
}

/// Whether there is another way to do the same.
fn can_be_withheld(finding: &Finding) -> bool {
    matches!(finding.constraint.method, Method::Post | Method::Part)
}

fn withhold(offered: &mut Offered, method: Method) {
    match method {
        Method::Post => offered.post = false,
        Method::Part => offered.multipart = false,
        // Without these there is no broker.
        Method::Put | Method::Get | Method::Copy => {}
    }
}
