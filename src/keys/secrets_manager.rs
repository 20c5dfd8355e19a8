//! The document of keys in a secret of AWS Secrets Manager.
//!
//! A change is put as a version of its own beside the current one, and becomes the current one only if that is still the one that was
//! changed: moving a label names the version that has it, and is refused where another has it
//! (<https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecretVersionStage.html>).

use aws_config::SdkConfig;
use aws_sdk_secretsmanager::{
    Client,
    config::{Builder, retry::RetryConfig},
    error::SdkError,
    operation::{get_secret_value::GetSecretValueError, update_secret_version_stage::UpdateSecretVersionStageError},
};
use zeroize::Zeroizing;

use crate::{aws, entropy::Entropy};

use super::place::{Kept, NotKept};

const CURRENT: &str = "AWSCURRENT";

/// What a version is called before it is the current one.
const NEXT: &str = "CLOAKROOM_NEXT";

const ATTEMPTS: u32 = 3;

pub(super) struct Secret {
    client: Client,
    id: String,
}

impl Secret {
    pub(super) fn new(id: &str, sdk_config: &SdkConfig) -> Self {
        let config = Builder::from(sdk_config)
            .timeout_config(aws::patience())
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .build();
        Self { client: Client::from_conf(config), id: id.to_owned() }
    }

    /// What it says now; nothing where it says nothing yet.
    pub(super) async fn read(&self) -> Result<Option<Kept>, String> {
        let answer = match self.client.get_secret_value().secret_id(&self.id).send().await {
            Ok(answer) => answer,
            // Whether it is missing, or has no value, is told by whoever writes to it.
            Err(SdkError::ServiceError(fault))
                if matches!(fault.err(), GetSecretValueError::ResourceNotFoundException(_)) =>
            {
                return Ok(None);
            }
            Err(fault) => return Err(aws::described(&fault)),
        };
        let version = answer.version_id.unwrap_or_default();
        Ok(answer.secret_string.map(|text| Kept { text: Zeroizing::new(text), version }))
    }

    /// Says this, where it has said nothing yet.
    pub(super) async fn make(&self, text: &str, entropy: &dyn Entropy) -> Result<(), String> {
        let put = self.client.put_secret_value().secret_id(&self.id).client_request_token(token(entropy));
        put.secret_string(text).send().await.map(drop).map_err(|fault| aws::described(&fault))
    }

    /// Says this from now on, if it still says what it did in that version.
    pub(super) async fn replace(&self, version: &str, text: &str, entropy: &dyn Entropy) -> Result<(), NotKept> {
        let token = token(entropy);
        let put = self.client.put_secret_value().secret_id(&self.id).client_request_token(&token).version_stages(NEXT);
        put.secret_string(text).send().await.map_err(|fault| NotKept::Fault(aws::described(&fault)))?;
        let label = self.client.update_secret_version_stage().secret_id(&self.id).version_stage(CURRENT);
        let moved = label.remove_from_version_id(version).move_to_version_id(&token).send().await;
        match moved {
            Ok(_) => Ok(()),
            Err(fault) => {
                // An answer that was lost: done is done, whoever hears of it.
                if self.read().await.is_ok_and(|kept| kept.is_some_and(|kept| kept.version == token)) {
                    return Ok(());
                }
                let is_other = fault
                    .as_service_error()
                    .is_some_and(|fault| matches!(fault, UpdateSecretVersionStageError::InvalidParameterException(_)));
                Err(if is_other { NotKept::Changed } else { NotKept::Fault(aws::described(&fault)) })
            }
        }
    }
}

/// Becomes the id of the version, so that a request that is sent again makes no second one.
fn token(entropy: &dyn Entropy) -> String {
    base16ct::lower::encode_string(&entropy.bytes::<16>())
}
