//! What every AWS client shares: credentials, region, one HTTP stack, and how a fault is told.

mod credentials;

use std::{sync::Arc, time::Duration};

use aws_config::{BehaviorVersion, SdkConfig, identity::IdentityCache, timeout::TimeoutConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use tokio::sync::OnceCell;

use crate::clock::{Clock, SystemClock};

use credentials::CachedCredentials;

/// What a connection may take; the SDK sets no other limit by itself.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// What one request for a key or a secret may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// What it may take with all its repetitions.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(6);

/// Configuration from where AWS clients usually find it: environment, profile, instance.
pub async fn sdk_config() -> SdkConfig {
    let http_client = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let found = aws_config::defaults(BehaviorVersion::latest()).http_client(http_client).load().await;
    keeping_credentials(found, Arc::new(SystemClock::default()))
}

/// The configuration of one process: found when somebody wants it, and the same for all who do.
#[derive(Clone, Debug, Default)]
pub struct Aws(Arc<OnceCell<SdkConfig>>);

impl Aws {
    /// This one, as somebody has found it.
    pub fn of(config: SdkConfig) -> Self {
        Self(Arc::new(OnceCell::new_with(Some(config))))
    }

    /// The configuration.
    pub async fn config(&self) -> &SdkConfig {
        self.0.get_or_init(sdk_config).await
    }
}

/// The same configuration, whose credentials are kept for all clients together.
///
/// The SDK's own cache asks for others ten seconds before they end, and has none when their source is away just then.
pub fn keeping_credentials(config: SdkConfig, clock: Arc<dyn Clock>) -> SdkConfig {
    let Some(provider) = config.credentials_provider() else { return config };
    let kept = SharedCredentialsProvider::new(CachedCredentials::new(provider, clock));
    config.into_builder().credentials_provider(kept).identity_cache(IdentityCache::no_cache()).build()
}

/// For how long it is waited for a key or a secret.
pub(crate) fn patience() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build()
}

/// What a service answered, with the name it has for that; or why there is no answer.
pub(crate) fn described<E: ProvideErrorMetadata, R>(fault: &SdkError<E, R>) -> String {
    match fault {
        SdkError::ConstructionFailure(_) => "the request could not be made".into(),
        SdkError::TimeoutError(_) => "it does not answer in time".into(),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => "it cannot be reached in time".into(),
        SdkError::DispatchFailure(_) => "it cannot be reached, or there are no credentials for it".into(),
        SdkError::ResponseError(_) => "its answer cannot be read".into(),
        SdkError::ServiceError(answer) => {
            let told = answer.err();
            format!("{}: {}", told.code().unwrap_or("no code"), told.message().unwrap_or("no more is said"))
        }
        _ => "it was not asked".into(),
    }
}
