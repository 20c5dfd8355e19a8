//! What events are drawn from: all kinds of actors and results, and texts that look like parts of a record.
//!
//! Never here: what becomes of an event.

use cloakroom::domain::{
    event::{Actor, Event, EventType, Outcome},
    ids::{ApiKeyId, ConsoleSessionId, FileRequestId, RequestId, ShareId, UserId},
    instant::Instant,
    ledger::RecordHash,
    narrowing::Field,
    principal::PrincipalId,
    refusal::Refusal,
    tenant::Namespace,
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::json;

const TYPES: [&str; 8] = [
    "share.created",
    "share.claimed",
    "share.refused",
    "link.revoked",
    "upload.completed",
    "tenant.deleted",
    "console.signed_in",
    "ledger.event_rejected",
];

const FIELDS: [Field; 4] = [Field::Label, Field::NotBefore, Field::Redemptions, Field::Recipients];

/// A text that somebody may hope to be taken for members of a record.
pub(super) fn text() -> impl Strategy<Value = String> {
    let pieces = [
        "\"",
        "\\",
        "\n",
        "{",
        "}",
        ":",
        ",",
        "seq",
        "\"seq\":1",
        "\",\"seq\":9,\"type\":\"x",
        "\"namespace\":{",
        "prev_hash",
        "\"prev_hash\":\"",
        "type",
        "outcome",
        "version",
        "\u{0}",
        "\u{2028}",
        "é",
        "😀",
        "shr_1",
        "a",
    ];
    prop_oneof![3 => vec(select(pieces.to_vec()), 0..6).prop_map(|pieces| pieces.concat()), 1 => any::<String>()]
}

fn actor() -> impl Strategy<Value = Actor> {
    let id = any::<[u8; 16]>;
    let principal = || {
        let key = id().prop_map(|id| PrincipalId::ApiKey(ApiKeyId::from_bytes(id)));
        prop_oneof![key, id().prop_map(|id| PrincipalId::User(UserId::from_bytes(id)))]
    };
    prop_oneof![
        Just(Actor::System),
        Just(Actor::Bearer),
        id().prop_map(|id| Actor::ApiKey { id: ApiKeyId::from_bytes(id) }),
        id().prop_map(|id| Actor::User { id: UserId::from_bytes(id) }),
        (id(), principal()).prop_map(|(id, operator)| Actor::Impersonation { id: ApiKeyId::from_bytes(id), operator }),
        (principal(), id())
            .prop_map(|(principal, id)| Actor::Console { principal, session: ConsoleSessionId::from_bytes(id) }),
        (id(), text()).prop_map(|(id, claim)| Actor::Session { share: ShareId::from_bytes(id), claim }),
        (id(), text()).prop_map(|(id, claim)| Actor::Submission { request: FileRequestId::from_bytes(id), claim }),
    ]
}

/// An event that can be a record.
pub(super) fn event(namespace: Namespace) -> impl Strategy<Value = Event> {
    let kind = select(&TYPES[..]).prop_map(|name| serde_json::from_value::<EventType>(json!(name)).unwrap());
    let number = || option::of(prop_oneof![0..9_u64, Just((1 << 53) - 1)]);
    let what = (kind, actor(), text(), any::<bool>(), option::of(select(&Refusal::ALL[..])));
    let details = (number(), number(), vec(select(&FIELDS[..]), 0..3));
    let asked = (0..4_000_000_000_000_u64, option::of(any::<[u8; 16]>()), option::of(any::<[u8; 32]>()));
    (what, details, asked).prop_map(move |((kind, actor, resource, done, reason), (count, version, changed), asked)| {
        Event {
            kind,
            namespace,
            actor,
            resource,
            outcome: if done { Outcome::Done } else { Outcome::Refused },
            reason,
            count,
            version,
            changed,
            at: Instant::from_unix_millis(asked.0),
            request: asked.1.map(RequestId::from_bytes),
            client: asked.2.map(|hash| RecordHash::from_bytes(&hash)),
            seen: None,
        }
    })
}
