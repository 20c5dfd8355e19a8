//! The document of keys in a parameter of the AWS Systems Manager Parameter Store, which is read and never written: a parameter has no
//! write that depends on what is there.
//!
//! `GetParameter` is sent by itself and signed with the library that signs
//! (<https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html>): the client of that service is 18 MB of
//! source for this one call, more than that of S3.

use std::{
    env,
    time::{Duration, UNIX_EPOCH},
};

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use serde::Deserialize;
use serde_json::json;
use ureq::Agent;
use zeroize::Zeroizing;

use crate::{
    clock::{Clock, SystemClock},
    outward::{Destination, agent},
};

const TARGET: &str = "AmazonSSM.GetParameter";
const JSON: &str = "application/x-amz-json-1.1";

/// What an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// As often as the SDK asks other services of Amazon's.
const ATTEMPTS: u32 = 3;
/// The pause before it is asked again; twice as long the next time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Parameter {
    name: String,
    sdk_config: SdkConfig,
    agent: Agent,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Parameter")]
    parameter: Said,
}

#[derive(Deserialize)]
struct Said {
    #[serde(rename = "Value")]
    value: String,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(rename = "__type")]
    kind: String,
    #[serde(default, alias = "Message")]
    message: String,
}

/// Why nothing was read.
enum Unread {
    /// It may be there in a moment.
    ForNow(String),
    /// It would be the same again.
    ForGood(String),
}

impl Unread {
    fn new(is_for_now: bool, why: String) -> Self {
        if is_for_now { Self::ForNow(why) } else { Self::ForGood(why) }
    }
}

impl From<&str> for Unread {
    fn from(why: &str) -> Self {
        Self::ForGood(why.to_owned())
    }
}

impl From<String> for Unread {
    fn from(why: String) -> Self {
        Self::ForGood(why)
    }
}

impl Parameter {
    pub(super) fn new(name: &str, sdk_config: SdkConfig) -> Self {
        Self { name: name.to_owned(), sdk_config, agent: agent(PATIENCE) }
    }

    /// What it says; nothing where there is none. Asked for again where the service, or the way there, fails for a moment.
    pub(super) async fn read(&self) -> Result<Option<Zeroizing<String>>, String> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..ATTEMPTS {
            match self.ask().await {
                Ok(said) => return Ok(said),
                Err(Unread::ForGood(why)) => return Err(why),
                Err(Unread::ForNow(_)) => tokio::time::sleep(pause).await,
            }
            pause *= 2;
        }
        self.ask().await.map_err(|unread| match unread {
            Unread::ForNow(why) | Unread::ForGood(why) => why,
        })
    }

    async fn ask(&self) -> Result<Option<Zeroizing<String>>, Unread> {
        let region = self.sdk_config.region().ok_or("no region is set: name it with AWS_REGION")?.to_string();
        let url = endpoint(self.sdk_config.endpoint_url(), &region)?;
        let body = json!({ "Name": self.name, "WithDecryption": true }).to_string();
        let headers = self.signed(&url, &region, &body).await?;
        let agent = self.agent.clone();
        let sent = tokio::task::spawn_blocking(move || {
            let mut request = agent.post(&url);
            for (name, value) in headers {
                request = request.header(name, value);
            }
            let mut answer = request.send(body)?;
            Ok::<_, ureq::Error>((answer.status().as_u16(), answer.body_mut().read_to_string().map(Zeroizing::new)?))
        });
        let sent = sent.await.map_err(|_| "it was not asked to the end")?;
        let (status, text) = sent.map_err(|fault| Unread::ForNow(fault.to_string()))?;
        if status == 200 {
            // The parser's own message could repeat a secret.
            let answer: Answer = serde_json::from_str(&text).map_err(|_| "its answer is not as it is documented")?;
            return Ok(Some(Zeroizing::new(answer.parameter.value)));
        }
        let refusal: Option<Refusal> = serde_json::from_str(&text).ok();
        let is_for_now = status >= 500;
        match refusal {
            Some(refusal) if refusal.kind.ends_with("ParameterNotFound") => Ok(None),
            Some(Refusal { kind, message }) => {
                let is_for_now = is_for_now || kind.ends_with("ThrottlingException");
                Err(Unread::new(is_for_now, format!("{kind}: {message}")))
            }
            None => Err(Unread::new(is_for_now, format!("it answered {status}"))),
        }
    }

    /// The headers of a request with this body, those of its signature among them.
    async fn signed(&self, url: &str, region: &str, body: &str) -> Result<Vec<(String, String)>, String> {
        let provider = self.sdk_config.credentials_provider().ok_or("no credentials of AWS are set up")?;
        let credentials = provider.provide_credentials().await.map_err(|fault| fault.to_string())?;
        let identity = credentials.into();
        let now = SystemClock::default().now();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name("ssm")
            .time(UNIX_EPOCH + Duration::from_secs(now.as_unix_seconds()))
            .settings(SigningSettings::default())
            .build()
            .map_err(|fault| fault.to_string())?
            .into();
        let given = [("content-type", JSON), ("x-amz-target", TARGET)];
        let signable = SignableRequest::new("POST", url, given.into_iter(), SignableBody::Bytes(body.as_bytes()));
        let output = sign(signable.map_err(|fault| fault.to_string())?, &parameters);
        let (instructions, _) = output.map_err(|fault| fault.to_string())?.into_parts();
        let (signature, _) = instructions.into_parts();
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let signature = signature.iter().map(|header| (header.name().to_owned(), header.value().to_owned()));
        Ok(given.into_iter().chain(signature).collect())
    }
}

/// Where the service is: as the SDK would be told by the same variables, first that of this service and then that of all, or where
/// it is in this region (<https://docs.aws.amazon.com/general/latest/gr/ssm.html>).
fn endpoint(of_all: Option<&str>, region: &str) -> Result<String, String> {
    let Some(given) = env::var("AWS_ENDPOINT_URL_SSM").ok().or_else(|| of_all.map(str::to_owned)) else {
        let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        return Ok(format!("https://ssm.{region}.{suffix}/"));
    };
    let given =
        Destination::parse(&given).map_err(|fault| format!("AWS_ENDPOINT_URL_SSM, or AWS_ENDPOINT_URL, {fault}"))?;
    Ok(format!("{}/", given.as_str().trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_region_has_its_endpoint() {
        assert_eq!(endpoint(None, "eu-central-1").unwrap(), "https://ssm.eu-central-1.amazonaws.com/");
        assert_eq!(endpoint(None, "cn-north-1").unwrap(), "https://ssm.cn-north-1.amazonaws.com.cn/");
        assert_eq!(endpoint(Some("http://127.0.0.1:1"), "cn-north-1").unwrap(), "http://127.0.0.1:1/");
    }
}
