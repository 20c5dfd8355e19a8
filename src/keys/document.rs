//! The text in which the keys of a deployment are kept, wherever that is, and how its keys go from state to state.
//!
//! Pure: where the text lies, and who reads it again, is not known here. Never here: an error that repeats a secret.

use std::{fmt, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    crypto::{
        edge_cookie::EdgeKey,
        edge_keys::EdgeKeys,
        keyring::{DeploymentId, KeyKind, KeyState, Keyring, Kid, ListedKey, RootKey},
    },
    domain::{instant::Instant, lifetime},
    entropy::Entropy,
};

use super::Keys;

/// What a document says it is. Of format 1, which had one edge key and no dates, it is read still.
const FORMAT: u32 = 2;

/// For so long after a key has sealed its last, something may be good that it sealed: a share that is claimed at its end, for
/// as long as access lasts; and clocks may differ.
pub const SEALED_FOR: Duration = Duration::from_secs(
    lifetime::SHARE.most + lifetime::SHARE_ACCESS.most + 24 * 3600 + lifetime::CLOCK_SKEW.as_secs(),
);

/// The same for a key of the edge, whose cookies are renewed.
pub const SIGNED_FOR: Duration = Duration::from_secs(lifetime::CREDENTIAL.as_secs() + lifetime::CLOCK_SKEW.as_secs());

/// Why a text is no document of keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotADocument(String);

/// Why a key does not come into a state, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPossible {
    /// There is none.
    #[error("there is no key {0}: see cloakroom keys list")]
    NoSuchKey(String),
    /// It is in another state than that which leads there.
    #[error("the key {name} is {}, and not {wanted}", state.as_str())]
    OtherState {
        /// Which key.
        name: String,
        /// Its state.
        state: KeyState,
        /// In which it would have to be.
        wanted: &'static str,
    },
    /// There is one already.
    #[error("the key {0} is staged already: promote it, or retire it first")]
    StagedAlready(String),
    /// What it sealed may still be good.
    #[error(
        "what the key {name} sealed may be good until {until}: wait, or, if the key has leaked, say --leaked, and all of that \
         is worth nothing"
    )]
    TooSoon {
        /// Which key.
        name: String,
        /// Until when.
        until: Instant,
    },
    /// Keys could not be made, or made use of.
    #[error("{0}")]
    Unusable(String),
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    format: u32,
    deployment: String,
    root_keys: Vec<RootEntry>,
    /// In format 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    edge_key: Option<EdgeEntry>,
    #[serde(default)]
    edge_keys: Vec<EdgeEntry>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RootEntry {
    kid: String,
    state: KeyState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Instant>,
    secret: Zeroized,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EdgeEntry {
    id: String,
    #[serde(default = "primary")]
    state: KeyState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Instant>,
    pkcs8: Zeroized,
}

const fn primary() -> KeyState {
    KeyState::Primary
}

/// A text in the document that is wiped from memory after use.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
struct Zeroized(String);

impl Drop for Zeroized {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

/// The keys of a deployment, as they are kept.
#[derive(Clone)]
pub struct KeyDocument {
    deployment: DeploymentId,
    roots: Vec<RootEntry>,
    edges: Vec<EdgeEntry>,
}

impl fmt::Debug for KeyDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.listed()).finish()
    }
}

impl KeyDocument {
    /// New keys for a new deployment.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn generate(now: Instant, entropy: &dyn Entropy) -> Result<Self, NotPossible> {
        Ok(Self {
            deployment: DeploymentId(entropy.bytes()),
            roots: vec![root_entry(KeyState::Primary, now, entropy)],
            edges: vec![edge_entry(KeyState::Primary, now, entropy)?],
        })
    }

    /// Reads a document.
    ///
    /// # Errors
    /// What is wrong with it, without any of its secrets.
    pub fn parse(text: &str) -> Result<Self, NotADocument> {
        // The parser's own message could repeat a secret.
        let text: Text =
            serde_json::from_str(text).map_err(|fault| NotADocument(format!("line {} is not right", fault.line())))?;
        if !(1..=FORMAT).contains(&text.format) {
            return Err(NotADocument(format!("it has format {}, this program knows {FORMAT}", text.format)));
        }
        let mut deployment = [0; 16];
        let decoded = base16ct::lower::decode(&text.deployment, &mut deployment).map(<[u8]>::len);
        if decoded != Ok(16) {
            return Err(NotADocument("the deployment id is not 32 hexadecimal digits".into()));
        }
        let edges = text.edge_key.into_iter().chain(text.edge_keys).collect();
        let document = Self { deployment: DeploymentId(deployment), roots: text.root_keys, edges };
        document.keys()?;
        Ok(document)
    }

    /// The text.
    ///
    /// # Errors
    /// Never for what [`KeyDocument::parse`] has read.
    pub fn text(&self) -> Result<Zeroizing<String>, NotADocument> {
        let text = Text {
            format: FORMAT,
            deployment: self.deployment.to_string(),
            root_keys: self.roots.clone(),
            edge_key: None,
            edge_keys: self.edges.clone(),
        };
        let text = serde_json::to_string_pretty(&text).map(Zeroizing::new);
        text.map_err(|_| NotADocument("it could not be written as JSON".into()))
    }

    /// The keys in it, to be used.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn keys(&self) -> Result<Keys, NotADocument> {
        let wrong = |reason: String| NotADocument(reason);
        let mut roots = Vec::with_capacity(self.roots.len());
        for entry in &self.roots {
            let kid = Kid::parse(&entry.kid).ok_or_else(|| wrong("a kid is not 8 hexadecimal digits".into()))?;
            let mut secret = Zeroizing::new([0; 32]);
            if URL_SAFE_NO_PAD.decode_slice(&entry.secret.0, secret.as_mut()) != Ok(32) {
                return Err(wrong(format!("the secret of {} is not 32 bytes in base64url", entry.kid)));
            }
            roots.push(RootKey::new(kid, entry.state, secret));
        }
        let keyring = Keyring::new(self.deployment, roots).map_err(|fault| wrong(fault.to_string()))?;
        let mut edges = Vec::with_capacity(self.edges.len());
        for entry in &self.edges {
            let pkcs8 = URL_SAFE_NO_PAD.decode(&entry.pkcs8.0).map(Zeroizing::new);
            let pkcs8 = pkcs8.map_err(|_| wrong(format!("the edge key {} is not base64url", entry.id)))?;
            let key = EdgeKey::from_pkcs8(&entry.id, &pkcs8).map_err(|fault| wrong(fault.to_string()))?;
            edges.push((entry.state, key));
        }
        let edge = EdgeKeys::new(edges)
            .ok_or_else(|| wrong("of the edge keys not exactly one is primary, or two have the same id".into()))?;
        Ok(Keys { keyring: Arc::new(keyring), edge: Arc::new(edge) })
    }

    /// All keys, without their secrets.
    pub fn listed(&self) -> Vec<ListedKey> {
        let roots = self.roots.iter().map(|entry| ListedKey {
            kind: KeyKind::Root,
            name: entry.kid.clone(),
            state: entry.state,
            since: entry.since,
        });
        let edges = self.edges.iter().map(|entry| ListedKey {
            kind: KeyKind::Edge,
            name: entry.id.clone(),
            state: entry.state,
            since: entry.since,
        });
        roots.chain(edges).collect()
    }

    /// Adds a new key that is accepted, and not used yet. Answers its name.
    ///
    /// # Errors
    /// When there is one already.
    pub fn stage(&mut self, kind: KeyKind, now: Instant, entropy: &dyn Entropy) -> Result<String, NotPossible> {
        let staged = self.listed().into_iter().find(|key| key.kind == kind && key.state == KeyState::Staged);
        if let Some(staged) = staged {
            return Err(NotPossible::StagedAlready(staged.name));
        }
        match kind {
            KeyKind::Root => {
                let entry = root_entry(KeyState::Staged, now, entropy);
                self.roots.push(entry.clone());
                Ok(entry.kid.clone())
            }
            KeyKind::Edge => {
                let entry = edge_entry(KeyState::Staged, now, entropy)?;
                self.edges.push(entry.clone());
                Ok(entry.id.clone())
            }
        }
    }

    /// The public half of an edge key, in PEM, for CloudFront.
    ///
    /// # Errors
    /// When there is no such edge key.
    pub fn public_edge_key(&self, name: &str) -> Result<String, NotPossible> {
        let entry = self.edges.iter().find(|entry| entry.id == name);
        let entry = entry.ok_or_else(|| NotPossible::NoSuchKey(name.into()))?;
        let unusable = || NotPossible::Unusable(format!("the edge key {name} cannot be read"));
        let pkcs8 = URL_SAFE_NO_PAD.decode(&entry.pkcs8.0).map(Zeroizing::new).map_err(|_| unusable())?;
        Ok(EdgeKey::from_pkcs8(name, &pkcs8).map_err(|_| unusable())?.public_key_pem())
    }

    /// Calls an edge key what CloudFront calls it.
    ///
    /// # Errors
    /// When there is no such edge key, or another key is called so.
    pub fn rename(&mut self, name: &str, id: &str) -> Result<(), NotPossible> {
        let is_taken = name != id && self.find(id).is_ok();
        let entry = self.edges.iter_mut().find(|entry| entry.id == name);
        let entry = entry.ok_or_else(|| NotPossible::NoSuchKey(name.into()))?;
        if is_taken {
            return Err(NotPossible::Unusable(format!("another key is called {id}")));
        }
        let before = std::mem::replace(&mut entry.id, id.to_owned());
        let usable = self.keys().map(drop).map_err(|fault| NotPossible::Unusable(fault.to_string()));
        if usable.is_err()
            && let Some(entry) = self.edges.iter_mut().find(|entry| entry.id == id)
        {
            entry.id = before;
        }
        usable
    }

    /// Makes a key primary that all replicas accept, and the one before accepted only. An edge key is known to CloudFront `as`
    /// this from then on. Promoted again, a key that was primary before takes its place back.
    ///
    /// # Errors
    /// When it is not staged, nor accepted only, or another key is called so. Then nothing has changed.
    pub fn promote(&mut self, name: &str, renamed: Option<&str>, now: Instant) -> Result<KeyKind, NotPossible> {
        let key = self.find(name)?;
        if !matches!(key.state, KeyState::Staged | KeyState::AcceptOnly) {
            return Err(other_state(&key, "staged or accept-only"));
        }
        // First, since it may be refused, and then nothing is to have changed.
        let name = match (key.kind, renamed) {
            (KeyKind::Edge, Some(id)) => self.rename(name, id).map(|()| id)?,
            (KeyKind::Edge, None) | (KeyKind::Root, _) => name,
        };
        let next = |state: &mut KeyState, since: &mut Option<Instant>, is_it: bool| {
            let becomes = match (*state, is_it) {
                (_, true) => KeyState::Primary,
                (KeyState::Primary, false) => KeyState::AcceptOnly,
                (other, false) => other,
            };
            if becomes != *state {
                (*state, *since) = (becomes, Some(now));
            }
        };
        match key.kind {
            KeyKind::Root => {
                self.roots.iter_mut().for_each(|entry| next(&mut entry.state, &mut entry.since, entry.kid == name));
            }
            KeyKind::Edge => {
                self.edges.iter_mut().for_each(|entry| next(&mut entry.state, &mut entry.since, entry.id == name));
            }
        }
        self.keys().map_err(|fault| NotPossible::Unusable(fault.to_string()))?;
        Ok(key.kind)
    }

    /// Retires a key: what it sealed opens no more. A root key that was used is kept, since it says which receipts are genuine;
    /// one that was staged only, and an edge key, is gone. Where it `leaked`, it is not waited for what it sealed.
    ///
    /// # Errors
    /// When it is primary, or what it sealed may be good.
    pub fn retire(&mut self, name: &str, leaked: bool, now: Instant) -> Result<KeyKind, NotPossible> {
        let key = self.find(name)?;
        let good_for = match (key.state, key.kind) {
            (KeyState::Staged, _) => Duration::ZERO,
            (KeyState::AcceptOnly, KeyKind::Root) => SEALED_FOR,
            (KeyState::AcceptOnly, KeyKind::Edge) => SIGNED_FOR,
            (KeyState::Primary | KeyState::Retired, _) => return Err(other_state(&key, "staged or accept-only")),
        };
        // Of one without a date nobody knows since when it has not been used.
        let until = key.since.unwrap_or(now).plus(good_for);
        if now < until && !leaked {
            return Err(NotPossible::TooSoon { name: name.into(), until });
        }
        match (key.kind, key.state) {
            (KeyKind::Root, KeyState::Staged) => self.roots.retain(|entry| entry.kid != name),
            (KeyKind::Root, _) => {
                if let Some(entry) = self.roots.iter_mut().find(|entry| entry.kid == name) {
                    (entry.state, entry.since) = (KeyState::Retired, Some(now));
                }
            }
            (KeyKind::Edge, _) => self.edges.retain(|entry| entry.id != name),
        }
        Ok(key.kind)
    }

    fn find(&self, name: &str) -> Result<ListedKey, NotPossible> {
        let found = self.listed().into_iter().find(|key| key.name == name);
        found.ok_or_else(|| NotPossible::NoSuchKey(name.into()))
    }
}

fn other_state(key: &ListedKey, wanted: &'static str) -> NotPossible {
    NotPossible::OtherState { name: key.name.clone(), state: key.state, wanted }
}

fn root_entry(state: KeyState, now: Instant, entropy: &dyn Entropy) -> RootEntry {
    let key = RootKey::generate(state, entropy);
    RootEntry { kid: key.kid.to_string(), state, since: Some(now), secret: Zeroized(key.expose().to_string()) }
}

fn edge_entry(state: KeyState, now: Instant, entropy: &dyn Entropy) -> Result<EdgeEntry, NotPossible> {
    let pkcs8 = EdgeKey::generate_pkcs8().map_err(|_| NotPossible::Unusable("no edge key could be made".into()))?;
    Ok(EdgeEntry {
        id: format!("K{}", base16ct::upper::encode_string(&entropy.bytes::<7>())),
        state,
        since: Some(now),
        pkcs8: Zeroized(URL_SAFE_NO_PAD.encode(pkcs8.as_slice())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    fn at(seconds: u64) -> Instant {
        Instant::from_unix_seconds(1_800_000_000 + seconds)
    }

    fn document() -> KeyDocument {
        KeyDocument::generate(at(0), &SystemEntropy).unwrap()
    }

    fn states(document: &KeyDocument, kind: KeyKind) -> Vec<KeyState> {
        document.listed().into_iter().filter(|key| key.kind == kind).map(|key| key.state).collect()
    }

    #[test]
    fn a_key_goes_through_its_four_states() {
        use KeyState::{AcceptOnly, Primary, Retired, Staged};
        let mut document = document();
        let first = document.listed()[0].name.clone();
        let second = document.stage(KeyKind::Root, at(1), &SystemEntropy).unwrap();
        assert_eq!(states(&document, KeyKind::Root), [Primary, Staged]);
        let again = document.stage(KeyKind::Root, at(1), &SystemEntropy);
        assert_eq!(again, Err(NotPossible::StagedAlready(second.clone())));
        assert!(matches!(document.retire(&first, true, at(1)), Err(NotPossible::OtherState { .. })), "it seals");
        document.promote(&second, None, at(2)).unwrap();
        assert_eq!(states(&document, KeyKind::Root), [AcceptOnly, Primary]);
        // Back, and forth again, which begins its time anew.
        document.promote(&first, None, at(3)).unwrap();
        assert_eq!(states(&document, KeyKind::Root), [Primary, AcceptOnly]);
        document.promote(&second, None, at(10)).unwrap();
        let until = at(10).plus(SEALED_FOR);
        let early = document.retire(&first, false, until.minus(Duration::from_millis(1)));
        assert_eq!(early, Err(NotPossible::TooSoon { name: first.clone(), until }));
        let leaked = document.clone().retire(&first, true, at(11));
        assert_eq!(leaked, Ok(KeyKind::Root));
        document.retire(&first, false, until).unwrap();
        assert_eq!(states(&document, KeyKind::Root), [Retired, Primary]);
        assert!(matches!(document.promote(&first, None, until), Err(NotPossible::OtherState { .. })));
        assert!(matches!(document.promote("00000000", None, until), Err(NotPossible::NoSuchKey(_))));
        // One that was never used needs no time.
        let third = document.stage(KeyKind::Root, until, &SystemEntropy).unwrap();
        document.retire(&third, false, until).unwrap();
        assert_eq!(states(&document, KeyKind::Root), [Retired, Primary], "it is gone");
    }

    #[test]
    fn what_is_written_is_read_as_it_was() {
        let mut written = document();
        written.stage(KeyKind::Root, at(1), &SystemEntropy).unwrap();
        let edge = written.stage(KeyKind::Edge, at(1), &SystemEntropy).unwrap();
        let read = KeyDocument::parse(&written.text().unwrap()).unwrap();
        assert_eq!(read.listed(), written.listed());
        assert_eq!(read.public_edge_key(&edge), written.public_edge_key(&edge));
        assert!(!written.keys().unwrap().keyring.replace(&read.keys().unwrap().keyring).unwrap());
    }

    #[test]
    fn an_edge_key_is_called_what_cloudfront_calls_it() {
        let mut document = document();
        let first = document.listed()[1].name.clone();
        let drawn = document.stage(KeyKind::Edge, at(1), &SystemEntropy).unwrap();
        document.promote(&drawn, Some("K2JCJMDEHXQW5F"), at(2)).unwrap();
        assert_eq!(document.listed()[2].name, "K2JCJMDEHXQW5F");
        assert_eq!(document.keys().unwrap().edge.primary().id(), "K2JCJMDEHXQW5F");
        assert!(matches!(document.retire(&first, false, at(3)), Err(NotPossible::TooSoon { .. })));
        document.retire(&first, false, at(2).plus(SIGNED_FOR)).unwrap();
        assert_eq!(states(&document, KeyKind::Edge), [KeyState::Primary]);
    }

    #[test]
    fn no_key_is_called_as_another_is_and_who_asks_for_it_has_changed_nothing() {
        let mut document = document();
        let staged = document.stage(KeyKind::Edge, at(1), &SystemEntropy).unwrap();
        let before = document.text().unwrap();
        for taken in document.listed().into_iter().map(|key| key.name).filter(|name| *name != staged) {
            assert!(matches!(document.rename(&staged, &taken), Err(NotPossible::Unusable(_))), "{taken}");
            assert!(matches!(document.promote(&staged, Some(&taken), at(2)), Err(NotPossible::Unusable(_))), "{taken}");
            assert_eq!(document.text().unwrap(), before);
        }
        document.promote(&staged, Some(&staged), at(2)).unwrap();
        assert_eq!(states(&document, KeyKind::Edge), [KeyState::AcceptOnly, KeyState::Primary]);
    }

    #[test]
    fn a_document_of_the_first_format_is_read() {
        let text = document().text().unwrap();
        let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut edge = value["edge_keys"][0].clone();
        for field in ["state", "since"] {
            edge.as_object_mut().unwrap().remove(field);
        }
        value.as_object_mut().unwrap().remove("edge_keys");
        value["edge_key"] = edge;
        value["format"] = 1.into();
        value["root_keys"][0].as_object_mut().unwrap().remove("since");
        let mut read = KeyDocument::parse(&value.to_string()).unwrap();
        assert_eq!(read.listed()[0].since, None);
        let next = read.stage(KeyKind::Root, at(1), &SystemEntropy).unwrap();
        read.promote(&next, None, at(2)).unwrap();
        assert!(read.text().unwrap().contains("\"format\": 2"));
    }

    #[test]
    fn nothing_that_is_printed_has_a_secret_in_it() {
        let document = document();
        let secret = document.roots[0].secret.0.clone();
        assert!(!format!("{document:?}").contains(&secret));
        let text = document.text().unwrap();
        assert!(text.contains(&secret));
        for damaged in [text.replace("root_keys", &secret), text.replace("primary", &secret), text[..90].to_owned()] {
            assert!(!KeyDocument::parse(&damaged).unwrap_err().to_string().contains(&secret));
        }
    }
}
