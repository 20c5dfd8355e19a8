//! Where webhooks may go beside the public internet.

use crate::{domain::network::Networks, http::guards::authority};

use super::{ConfigError, wrong};

const ALLOW_PRIVATE: &str = "CLOAKROOM_WEBHOOK_ALLOW_PRIVATE";

/// Networks of the operator's own; none where nothing is given.
pub(super) fn allowed(given: Option<String>) -> Result<Networks, ConfigError> {
    let Some(text) = given else { return Ok(Networks::default()) };
    let allowed: Networks = text.parse().map_err(|fault| wrong(ALLOW_PRIVATE, format!("{fault}")))?;
    if allowed.are_everywhere() {
        return Err(wrong(
            ALLOW_PRIVATE,
            "whoever lets webhooks go everywhere lets tenants reach this machine and the credentials of its cloud: name \
             the networks of your receivers, such as 10.20.0.0/16",
        ));
    }
    Ok(allowed)
}

/// By which names and ports this service is reached, of these URLs.
pub(crate) fn own(urls: [&str; 2]) -> Vec<String> {
    let place = |url: &str| {
        let place = authority(url);
        let has_port = place.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
        let usual = if url.starts_with("https:") { 443 } else { 80 };
        if has_port { place.to_owned() } else { format!("{place}:{usual}") }
    };
    urls.map(|url| place(url).to_ascii_lowercase()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_service_is_known_by_its_names_and_ports() {
        let own = own(["https://Share.example", "http://localhost:8081"]);
        assert_eq!(own, ["share.example:443", "localhost:8081"]);
    }

    #[test]
    fn an_operator_does_not_let_webhooks_go_everywhere() {
        assert!(allowed(None).unwrap().is_empty());
        assert!(!allowed(Some("10.0.0.0/8".into())).unwrap().is_empty());
        for wrong in ["0.0.0.0/0", "10.0.0.1,::/0", "everywhere"] {
            assert!(allowed(Some(wrong.into())).unwrap_err().to_string().contains(ALLOW_PRIVATE), "{wrong}");
        }
    }
}
