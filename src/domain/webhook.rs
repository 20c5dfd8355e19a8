//! Webhooks: where events are sent, and which.

use std::{fmt, net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize, de::IntoDeserializer};
use url::{Host, Url};

use super::{
    event::EventType,
    instant::Instant,
    network::{ClientAddress, Networks},
    public_address::is_public,
};

/// The most webhooks of one namespace.
pub const MOST_WEBHOOKS: usize = 20;

/// The most event types that one webhook names.
pub const MOST_PATTERNS: usize = 50;

/// The longest URL, in bytes.
pub const LONGEST_URL: usize = 2_000;

/// For how long a secret signs along that was replaced, where nothing else is said.
pub const OVERLAP: Duration = Duration::from_secs(24 * 3600);

/// Where events are sent: absolute, over TLS, in the one spelling of the URL standard. It may hold a secret of the
/// receiver's, and does not print.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WebhookUrl(String);

/// Why nothing is sent to a URL; the wording is shown to callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAWebhookUrl {
    /// It is no absolute URL.
    #[error("must be a URL of the form https://host/path, of 2,000 characters at most")]
    Form,
    /// Others could read what is sent.
    #[error("must be https")]
    Plain,
    /// It says as whom to send.
    #[error("must not have a user name or password; put a token into the path or query, or verify the signature")]
    Credentials,
    /// It has a part that is not sent.
    #[error("must not have a fragment")]
    Fragment,
    /// A port of something else.
    #[error("must be on port 443, or on one of 1024 and above")]
    Port,
    /// It names no machine of the public internet.
    #[error("must not be an address of this machine, of a private network, or of no public use")]
    Address,
    /// It is where this is served.
    #[error("must not be an address of this service")]
    Own,
}

/// What an operator lets webhooks go to, beside the public internet.
#[derive(Clone, Debug, Default)]
pub struct Reachable {
    /// Networks of the operator's own; there, plain HTTP may be spoken as well.
    pub networks: Networks,
    /// By which host names and ports this service is reached, as `host:port`.
    pub own: Vec<String>,
}

impl Reachable {
    /// Whether something may be sent to this address.
    pub fn allows(&self, address: IpAddr, is_encrypted: bool) -> bool {
        self.networks.contain(ClientAddress::new(address)) || is_encrypted && is_public(address)
    }
}

impl WebhookUrl {
    /// Takes a URL, as far as that can be told of it alone: its name is resolved, and judged, whenever something is sent.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(text: &str, reachable: &Reachable) -> Result<Self, NotAWebhookUrl> {
        let visible = text.chars().all(|character| !character.is_control() && !character.is_whitespace());
        let url = Url::parse(text).ok().filter(|_| text.len() <= LONGEST_URL && visible).ok_or(NotAWebhookUrl::Form)?;
        let is_encrypted = match url.scheme() {
            "https" => true,
            "http" if !reachable.networks.is_empty() => false,
            "http" => return Err(NotAWebhookUrl::Plain),
            _ => return Err(NotAWebhookUrl::Form),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(NotAWebhookUrl::Credentials);
        }
        if url.fragment().is_some() {
            return Err(NotAWebhookUrl::Fragment);
        }
        let (host, port) = (url.host().ok_or(NotAWebhookUrl::Form)?, url.port_or_known_default().unwrap_or_default());
        if port != 443 && port < 1024 && (is_encrypted || port != 80) {
            return Err(NotAWebhookUrl::Port);
        }
        let address = match host {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(IpAddr::from(address)),
            Host::Ipv6(address) => Some(IpAddr::from(address)),
        };
        if address.is_some_and(|address| !reachable.allows(address, is_encrypted)) {
            return Err(NotAWebhookUrl::Address);
        }
        let place = format!("{}:{port}", url.host_str().unwrap_or_default().trim_end_matches('.'));
        let is_own = |own: &String| place == *own || place.strip_suffix(own.as_str()).is_some_and(|r| r.ends_with('.'));
        if reachable.own.iter().any(is_own) {
            return Err(NotAWebhookUrl::Own);
        }
        Ok(Self(url.into()))
    }

    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookUrl(…)")
    }
}

/// What event types begin with, before the full stop: whoever asks for all of a kind names one of these.
const FAMILIES: [&str; 21] = [
    "api_key",
    "archive",
    "artifact",
    "console",
    "data_subject",
    "download",
    "event_stream",
    "export",
    "file_request",
    "ledger",
    "link",
    "object",
    "principals",
    "quota",
    "share",
    "store",
    "tenant",
    "upload",
    "usage",
    "user",
    "webhook",
];

/// One event type, such as `share.claimed`, or all of a kind, such as `share.*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum TypePattern {
    /// This one.
    One(EventType),
    /// All that begin so, the full stop included.
    Family(String),
}

/// Not a type of events; the wording is shown to callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a type of events, such as share.claimed, or all of a kind, such as share.*")]
pub struct NotAPattern;

/// An event type as it is spelled.
pub fn name_of(kind: EventType) -> String {
    serde_json::to_value(kind).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

impl TypePattern {
    /// Whether it means this type.
    pub fn takes(&self, kind: EventType) -> bool {
        match self {
            Self::One(one) => *one == kind,
            Self::Family(beginning) => name_of(kind).starts_with(beginning.as_str()),
        }
    }
}

impl TryFrom<String> for TypePattern {
    type Error = NotAPattern;

    fn try_from(text: String) -> Result<Self, NotAPattern> {
        if let Some(family) = text.strip_suffix(".*") {
            let known = !family.is_empty() && FAMILIES.contains(&family);
            return if known { Ok(Self::Family(format!("{family}."))) } else { Err(NotAPattern) };
        }
        let parsed: Result<_, serde::de::value::Error> = EventType::deserialize(text.as_str().into_deserializer());
        parsed.map(Self::One).map_err(|_| NotAPattern)
    }
}

impl From<TypePattern> for String {
    fn from(pattern: TypePattern) -> Self {
        match pattern {
            TypePattern::One(kind) => name_of(kind),
            TypePattern::Family(beginning) => format!("{beginning}*"),
        }
    }
}

/// Why nothing is sent by a webhook for the time being.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseReason {
    /// Somebody wants it so.
    Asked,
    /// The receiver has answered 410: it is gone.
    Gone,
    /// The receiver has taken nothing for days.
    Failing,
}

impl PauseReason {
    /// As it is told.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Gone => "gone",
            Self::Failing => "failing",
        }
    }
}

/// That nothing is sent, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// Since when.
    pub at: Instant,
    /// Why.
    pub why: PauseReason,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn parse(text: &str, networks: &str) -> Result<String, NotAWebhookUrl> {
        let own = vec!["share.example:443".to_owned(), "content.example:8443".to_owned()];
        let reachable = Reachable { networks: networks.parse().unwrap(), own };
        WebhookUrl::parse(text, &reachable).map(|url| url.0)
    }

    #[test]
    fn a_url_is_of_the_public_internet_and_encrypted() {
        use NotAWebhookUrl::{Address, Credentials, Form, Fragment, Own, Plain, Port};
        for text in
            ["https://hooks.example/a?b=c", "https://hooks.example:8443/", "https://1.1.1.1/", "HTTPS://A.example"]
        {
            assert!(parse(text, "").is_ok(), "{text}");
        }
        for (text, fault) in [
            ("", Form),
            ("hooks.example", Form),
            ("https://", Form),
            ("ftp://hooks.example/", Form),
            ("file:///etc/passwd", Form),
            ("https://hooks.example/a b", Form),
            ("https://hooks.example/\n", Form),
            ("http://hooks.example/", Plain),
            ("https://user@hooks.example/", Credentials),
            ("https://:password@hooks.example/", Credentials),
            ("https://hooks.example/#a", Fragment),
            ("https://hooks.example:22/", Port),
            ("https://hooks.example:80/", Port),
            ("https://127.0.0.1/", Address),
            // Spellings that browsers, and the URL standard, take for addresses.
            ("https://0x7f.1/", Address),
            ("https://2130706433/", Address),
            ("https://0177.0.0.1/", Address),
            ("https://127.1/", Address),
            ("https://\u{ff11}27.0.0.1/", Address),
            ("https://169.254.169.254/latest", Address),
            ("https://[::1]/", Address),
            ("https://[::ffff:10.0.0.1]/", Address),
            ("https://[fd00:ec2::254]/", Address),
            ("https://share.example/v1", Own),
            ("https://SHARE.example./v1", Own),
            ("https://abc.content.example:8443/", Own),
        ] {
            assert_eq!(parse(text, ""), Err(fault), "{text}");
        }
        assert_eq!(parse(&format!("https://hooks.example/{}", "a".repeat(LONGEST_URL)), ""), Err(Form));
    }

    #[test]
    fn an_operator_lets_in_networks_of_their_own() {
        for text in ["http://10.1.2.3/", "https://10.1.2.3:8443/", "http://hooks.internal:8080/"] {
            assert!(parse(text, "10.0.0.0/8").is_ok(), "{text}");
        }
        for text in ["http://11.0.0.1/", "https://192.168.0.1/", "http://10.0.0.1:22/"] {
            assert!(parse(text, "10.0.0.0/8").is_err(), "{text}");
        }
    }

    #[test]
    fn a_pattern_means_one_type_or_all_of_a_kind() {
        let pattern = |text: &str| TypePattern::try_from(text.to_owned());
        assert!(pattern("share.claimed").unwrap().takes(EventType::ShareClaimed));
        assert!(!pattern("share.claimed").unwrap().takes(EventType::ShareCreated));
        assert!(pattern("share.*").unwrap().takes(EventType::ShareClaimed));
        assert!(!pattern("share.*").unwrap().takes(EventType::LinkClaimed));
        for text in ["share.claimed", "file_request.*"] {
            assert_eq!(String::from(pattern(text).unwrap()), text);
        }
        for wrong in ["", "*", ".*", "shares.*", "share", "share.", "share.x", "share.claimed.*", "SHARE.*", "share.* "]
        {
            assert_eq!(pattern(wrong), Err(NotAPattern), "{wrong}");
        }
    }

    #[test]
    fn the_kinds_of_events_are_those_that_there_are() {
        let source = include_str!("event.rs");
        let names = source.split("#[serde(rename = \"").skip(1).filter_map(|rest| rest.split('"').next());
        let families: BTreeSet<_> = names.filter_map(|name| name.split_once('.')).map(|(family, _)| family).collect();
        assert_eq!(families, FAMILIES.into_iter().collect());
    }
}
