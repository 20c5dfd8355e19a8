//! What an issuer publishes about itself: OpenID Connect Discovery 1.0, section 4.

use serde::Deserialize;

use crate::outward::Destination;

use super::{json, settings::ProviderSettings};

#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// Where an issuer's endpoints are.
#[derive(Debug)]
pub(super) struct Metadata {
    pub(super) keys: Destination,
    /// Where people sign in, and where a code is exchanged.
    pub(super) authorization: Option<Endpoints>,
    /// Whether its answers name it (RFC 9207).
    pub(super) names_itself: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Endpoints {
    pub(super) authorization: Destination,
    pub(super) token: Destination,
}

/// Where the document is.
pub(super) fn location(settings: &ProviderSettings) -> String {
    format!("{}/.well-known/openid-configuration", settings.location.as_str().trim_end_matches('/'))
}

impl Metadata {
    /// Reads the document of this issuer. What is wrong comes back in words for the log.
    pub(super) fn parse(document: &[u8], settings: &ProviderSettings) -> Result<Self, String> {
        let document: Document = json::object(document).ok_or("its discovery document cannot be read")?;
        // Section 4.3: else one issuer could speak for another.
        if document.issuer != settings.issuer.as_str() {
            return Err("its discovery document is another issuer's".into());
        }
        let endpoint = |name: &str, url: &str| match Destination::parse(url) {
            // Nobody on the way may answer instead of an issuer that is reached over TLS.
            Ok(endpoint) if endpoint.is_encrypted() || !settings.location.is_encrypted() => Ok(endpoint),
            Ok(_) => Err(format!("its {name} must be https")),
            Err(fault) => Err(format!("its {name} {fault}")),
        };
        let authorization = match (document.authorization_endpoint, document.token_endpoint) {
            (Some(authorization), Some(token)) => Some(Endpoints {
                authorization: endpoint("authorization_endpoint", &authorization)?,
                token: endpoint("token_endpoint", &token)?,
            }),
            _ => None,
        };
        Ok(Self {
            keys: endpoint("jwks_uri", &document.jwks_uri)?,
            authorization,
            names_itself: document.authorization_response_iss_parameter_supported,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::{identity::Issuer, ids::TenantId};

    #[test]
    fn an_issuer_behind_tls_sends_nobody_to_where_there_is_none() {
        let issuer = "https://id.example/";
        let settings = ProviderSettings {
            name: "work".into(),
            issuer: Issuer::parse(issuer).unwrap(),
            location: Destination::parse(issuer).unwrap(),
            audience: None,
            client: None,
            tenant: TenantId::from_bytes([1; 16]),
            accepted_acr: Vec::new(),
            patience: Duration::from_secs(1),
        };
        assert_eq!(location(&settings), "https://id.example/.well-known/openid-configuration");
        let parse = |keys: &str| {
            let document = format!(r#"{{"issuer":"{issuer}","jwks_uri":"{keys}"}}"#);
            Metadata::parse(document.as_bytes(), &settings).map(|metadata| metadata.keys)
        };
        // Another host is not unusual.
        assert!(parse("https://keys.example/set").is_ok());
        for wrong in ["http://id.example/keys", "http://127.0.0.1/keys", "http://localhost/keys", "/keys", ""] {
            assert!(parse(wrong).unwrap_err().contains("jwks_uri"), "{wrong}");
        }
    }
}
