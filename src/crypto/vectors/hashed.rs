//! What is kept, found or compared as a hash: tokens, claim keys, recipients, persons, grants, and who asked.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::{
    crypto::{
        claim::ClaimKey,
        client_commitment::Opening,
        grant_hash::grant_hash,
        lookup::LookupHash,
        opaque::{ApiKeySecret, ConsoleSecret, FileRequestToken, LinkToken},
        secret::SecretText,
    },
    domain::{
        authority::MadeUnder,
        client::Client,
        confirmation::CodeMark,
        identity::{Issuer, Subject},
        ids::{ShareId, TenantId},
        instant::Instant,
        narrowing::{AsMinted, Conditions},
        path::PathPin,
        permission::SharePermission,
        recipient::{Address, RecipientMark, Recipients},
        redemption::Terms,
        share::{Pins, ShareGrant},
        tenant::{Generation, Mode, Namespace},
    },
    entropy::Entropy,
};

use super::{Bytes, Recorded, Vectors, text_of};

#[derive(Deserialize)]
struct Opaque {
    kind: String,
    random: Bytes,
    text: String,
    stored: String,
}

#[derive(Deserialize)]
struct NotOpaque {
    name: String,
    kind: String,
    text: String,
}

/// A new token of this kind.
fn generated(kind: &str, entropy: &dyn Entropy) -> String {
    match kind {
        "link" => LinkToken::generate(entropy).expose().to_owned(),
        "file_request" => FileRequestToken::generate(entropy).expose().to_owned(),
        "console_session" => ConsoleSecret::generate(entropy).expose().to_owned(),
        "live_api_key" => ApiKeySecret::generate(Mode::Live, entropy).expose().to_owned(),
        "test_api_key" => ApiKeySecret::generate(Mode::Test, entropy).expose().to_owned(),
        other => panic!("{other}"),
    }
}

/// What is stored of a token of this kind; none where it is no such token.
fn stored(kind: &str, text: &str) -> Option<String> {
    let text = SecretText::new(text);
    let api_key = |mode| ApiKeySecret::parse(&text).ok().filter(|key| key.mode() == mode);
    match kind {
        "link" => LinkToken::parse(&text).ok().map(|token| token.hash().to_string()),
        "file_request" => FileRequestToken::parse(&text).ok().map(|token| token.hash().to_string()),
        "console_session" => ConsoleSecret::parse(&text).ok().map(|secret| secret.hash().to_string()),
        "live_api_key" => api_key(Mode::Live).map(|key| key.hash().to_string()),
        "test_api_key" => api_key(Mode::Test).map(|key| key.hash().to_string()),
        other => panic!("{other}"),
    }
}

#[test]
fn opaque_tokens() {
    let vectors = Vectors::<Opaque, NotOpaque>::read(text_of!("opaque-token"), 5, 65);
    for Opaque { kind, random, text, stored: hash } in &vectors.positives {
        assert_eq!(generated(kind, &Recorded::of(&[&random.0])), *text);
        assert_eq!(stored(kind, text).as_ref(), Some(hash), "{kind}");
    }
    for NotOpaque { name, kind, text } in &vectors.negatives {
        assert_eq!(stored(kind, text), None, "{kind} {name}");
    }
}

#[derive(Deserialize)]
struct Claim {
    text: String,
    claimed: Bytes,
    claim_hash: String,
    session: Bytes,
}

#[derive(Deserialize)]
struct NotAClaim {
    name: String,
    text: String,
}

#[test]
fn claim_keys() {
    let vectors = Vectors::<Claim, NotAClaim>::read(text_of!("claim-key"), 1, 7);
    for Claim { text, claimed, claim_hash, session } in &vectors.positives {
        let key = ClaimKey::parse(&SecretText::new(text)).unwrap();
        assert_eq!(key.hash(&claimed.array()).to_string(), *claim_hash);
        assert_eq!(key.session(&claimed.array()).as_bytes().as_slice(), session.0);
    }
    for NotAClaim { name, text } in &vectors.negatives {
        assert!(ClaimKey::parse(&SecretText::new(text)).is_err(), "{name}");
    }
}

#[derive(Deserialize)]
struct Csrf {
    name: String,
    secret: String,
    token: String,
}

#[test]
fn csrf_tokens() {
    let vectors = Vectors::<Csrf, Csrf>::read(text_of!("csrf-token"), 1, 7);
    let secret = |vector: &Csrf| ConsoleSecret::parse(&SecretText::new(&vector.secret)).unwrap();
    for vector in &vectors.positives {
        assert_eq!(secret(vector).csrf_token().expose(), vector.token);
        assert!(secret(vector).accepts_csrf(&vector.token));
    }
    for vector in &vectors.negatives {
        assert!(!secret(vector).accepts_csrf(&vector.token), "{}", vector.name);
    }
}

#[derive(Deserialize)]
struct Marks {
    tenant: Bytes,
    thing: Bytes,
    addresses: Vec<Address>,
    list: String,
    recipients: Vec<String>,
    code: String,
    code_of: String,
    code_mark: String,
}

#[derive(Deserialize)]
struct NotACode {
    name: String,
    code: String,
    code_of: String,
    code_mark: String,
}

#[test]
fn marks_of_recipients() {
    let vectors = Vectors::<Marks, NotACode>::read(text_of!("recipient-mark"), 1, 9);
    let [marks] = vectors.positives.as_slice() else { panic!("one") };
    let key = vectors.keyring().recipient_key(TenantId::from_bytes(marks.tenant.array()), &marks.thing.array());
    assert_eq!(key.list(&Recipients::try_from(marks.addresses.clone()).unwrap()).0, marks.list);
    for (address, mark) in marks.addresses.iter().zip(&marks.recipients) {
        assert_eq!(key.recipient(address).0, *mark);
    }
    let (of, code) = (RecipientMark(marks.code_of.clone()), SecretText::new(&marks.code));
    assert_eq!(key.code(&of, &code).0, marks.code_mark);
    assert!(key.is_code(&of, &code, &CodeMark(marks.code_mark.clone())));
    for NotACode { name, code, code_of, code_mark } in &vectors.negatives {
        let (of, mark) = (RecipientMark(code_of.clone()), CodeMark(code_mark.clone()));
        assert!(!key.is_code(&of, &SecretText::new(code), &mark), "{name}");
    }
}

#[derive(Deserialize)]
struct Person {
    issuer: String,
    subject: String,
    address: Address,
    user: String,
    data_subject_by_address: String,
    data_subject_by_user: String,
}

#[test]
fn how_persons_are_found() {
    let vectors = Vectors::<Person, ()>::read(text_of!("lookup-hash"), 1, 0);
    let key = vectors.data_key();
    for person in &vectors.positives {
        let (issuer, subject) = (Issuer::parse(&person.issuer).unwrap(), Subject::parse(&person.subject).unwrap());
        assert_eq!(LookupHash::of_user(&key, &issuer, &subject).to_string(), person.user);
        let by_address = LookupHash::of_addressee(&key, &person.address).to_string();
        assert_eq!(by_address, format!("dsu_{}", person.data_subject_by_address));
        let by_user = LookupHash::of_user_as_subject(&key, &issuer, &subject).to_string();
        assert_eq!(by_user, format!("dsu_{}", person.data_subject_by_user));
    }
}

#[derive(Deserialize)]
struct Hashed {
    name: String,
    grant: Granted,
    hash: Bytes,
}

#[derive(Deserialize)]
struct Granted {
    share: Bytes,
    tenant: Bytes,
    mode: Mode,
    minter: String,
    tenant_generation: u64,
    minter_generation: u64,
    permission: SharePermission,
    paths: Vec<PathPin>,
    issued_at_ms: u64,
    not_before_ms: Option<u64>,
    expires_at_ms: u64,
    access_seconds: u64,
    redemptions: u32,
    networks: Vec<String>,
    recipients: Option<String>,
}

impl Granted {
    fn grant(&self) -> ShareGrant {
        let networks = (!self.networks.is_empty()).then_some(&self.networks);
        // As rows have them.
        let restrictions = serde_json::json!({ "networks": networks, "recipients": self.recipients });
        ShareGrant {
            id: ShareId::from_bytes(self.share.array()),
            made: MadeUnder {
                namespace: Namespace { tenant: TenantId::from_bytes(self.tenant.array()), mode: self.mode },
                minter: self.minter.parse().unwrap(),
                tenant_generation: Generation(self.tenant_generation),
                minter_generation: Generation(self.minter_generation),
            },
            permission: self.permission,
            pins: Pins::new(self.paths.clone()).unwrap(),
            conditions: AsMinted::new(Conditions {
                terms: Terms {
                    issued_at: Instant::from_unix_millis(self.issued_at_ms),
                    not_before: self.not_before_ms.map(Instant::from_unix_millis),
                    expires_at: Instant::from_unix_millis(self.expires_at_ms),
                    access_seconds: self.access_seconds,
                    redemptions: self.redemptions,
                },
                restrictions: serde_json::from_value(restrictions).unwrap(),
            }),
        }
    }
}

#[test]
fn hashes_of_grants() {
    let vectors = Vectors::<Hashed, ()>::read(text_of!("grant-hash"), 11, 0);
    for Hashed { name, grant, hash } in &vectors.positives {
        assert_eq!(grant_hash(&grant.grant()).as_slice(), hash.0, "{name}");
    }
    let different: BTreeSet<_> = vectors.positives.iter().map(|vector| vector.hash.0.as_slice()).collect();
    assert_eq!(different.len(), vectors.positives.len());
}

#[derive(Deserialize)]
struct Committed {
    name: String,
    salt: String,
    client: Client,
    commitment: String,
}

impl Committed {
    /// Whether the commitment is to this client, with this salt.
    fn is_to_it(&self) -> bool {
        // As it lies beside the ledger.
        let opening = serde_json::json!({ "salt": self.salt, "client": self.client });
        let opening: Opening = serde_json::from_value(opening).unwrap();
        opening.commitment().as_str() == self.commitment
    }
}

#[test]
fn commitments_to_clients() {
    let vectors = Vectors::<Committed, Committed>::read(text_of!("client-commitment"), 2, 4);
    assert!(vectors.positives.iter().all(Committed::is_to_it));
    for vector in &vectors.negatives {
        assert!(!vector.is_to_it(), "{}", vector.name);
    }
}
