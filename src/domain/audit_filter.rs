//! What somebody looks for in a ledger.

use serde::{
    Deserialize, Serialize,
    de::value::{self, StrDeserializer},
};

use super::{
    event::{Actor, Event, EventType, Outcome},
    ids::{FileRequestId, ShareId},
    instant::Instant,
    ledger::Record,
    principal::PrincipalId,
};

/// Which records; what is not said is not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditFilter {
    /// Of this type.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<EventType>,
    /// By whom: the id of a key, a user, a share or a file request, or a kind of actor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Done to this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// That ended so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// In this request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// That happened after this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Instant>,
    /// That happened before this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Instant>,
}

/// As [`is_by`] takes them.
const KINDS_OF_ACTORS: [&str; 8] =
    ["system", "bearer", "api_key", "user", "impersonation", "console", "session", "submission"];

/// Ids and kinds of actors are shorter.
const LONGEST: usize = 100;

impl AuditFilter {
    /// Which of its texts is longer than anything that it could be found by, if one is.
    pub fn too_long(&self) -> Option<&'static str> {
        let texts = [("actor", &self.actor), ("resource", &self.resource), ("request_id", &self.request)];
        let long = texts.into_iter().find(|(_, text)| text.as_ref().is_some_and(|text| text.len() > LONGEST));
        long.map(|(name, _)| name)
    }

    /// Whether it asks for an actor as there are: by an id, or by a kind. What is kept of a filter, and shown to others, is to be
    /// nothing else that somebody may have pasted.
    pub fn names_an_actor(&self) -> bool {
        let is_id = |text: &str| {
            text.parse::<PrincipalId>().is_ok()
                || text.parse::<ShareId>().is_ok()
                || text.parse::<FileRequestId>().is_ok()
        };
        self.actor.as_deref().is_none_or(|actor| KINDS_OF_ACTORS.contains(&actor) || is_id(actor))
    }

    /// Whether this is one of them.
    pub fn takes(&self, event: &Event) -> bool {
        let is = |wanted: &Option<String>, found: &dyn Fn() -> Option<String>| {
            wanted.as_ref().is_none_or(|wanted| found().as_ref() == Some(wanted))
        };
        self.kind.is_none_or(|kind| event.kind == kind)
            && self.actor.as_ref().is_none_or(|actor| is_by(&event.actor, actor))
            && self.resource.as_ref().is_none_or(|resource| event.resource == *resource)
            && self.outcome.is_none_or(|outcome| event.outcome == outcome)
            && is(&self.request, &|| event.request.map(|request| request.to_string()))
            && self.after.is_none_or(|after| event.at > after)
            && self.before.is_none_or(|before| event.at < before)
    }

    /// What every record has that it takes, as a record says it: members of the record, and their canonical texts. Of `actor`, it is one of
    /// its members that says so.
    pub fn terms(&self) -> Vec<(&'static str, String)> {
        let text = |value: &dyn Fn() -> Option<serde_json::Value>| value().map(|value| value.to_string());
        let of = |wanted: &Option<String>| text(&|| wanted.clone().map(Into::into));
        let said = [
            ("type", text(&|| self.kind.and_then(|kind| serde_json::to_value(kind).ok()))),
            ("outcome", text(&|| self.outcome.and_then(|outcome| serde_json::to_value(outcome).ok()))),
            ("resource", of(&self.resource)),
            ("request", of(&self.request)),
            ("actor", of(&self.actor)),
        ];
        said.into_iter().filter_map(|(member, text)| Some((member, text?))).collect()
    }

    /// Whether a time is asked for.
    pub fn asks_for_time(&self) -> bool {
        self.after.is_some() || self.before.is_some()
    }

    /// What finds them among canonical texts.
    pub fn finder(&self) -> Finder<'_> {
        let said = |(member, text): (&str, String)| match member {
            "actor" => text,
            _ => format!("\"{member}\":{text}"),
        };
        Finder { filter: self, said: self.terms().into_iter().map(said).collect() }
    }

    fn may_have_been_then(&self, text: &str) -> bool {
        let time = if self.asks_for_time() { time_of(text) } else { None };
        time.is_none_or(|at| self.after.is_none_or(|after| at > after) && self.before.is_none_or(|before| at < before))
    }
}

/// Finds records by their texts. Most of those that are not looked for are told by a look at the text: in canonical JSON a member is spelled
/// in one way, and no string holds an unescaped quote.
#[derive(Clone, Debug)]
pub struct Finder<'a> {
    filter: &'a AuditFilter,
    said: Vec<String>,
}

impl Finder<'_> {
    /// The record of this canonical text, if it is one of them.
    pub fn find(&self, text: &str) -> Option<Record> {
        if !self.said.iter().all(|said| text.contains(said)) || !self.filter.may_have_been_then(text) {
            return None;
        }
        let record = Record::parse(text).ok()?;
        self.filter.takes(&record.event).then_some(record)
    }
}

/// The time in a record's text.
fn time_of(text: &str) -> Option<Instant> {
    let (_, from) = text.split_once("\"at\":\"")?;
    let (at, _) = from.split_once('"')?;
    instant_of(at)
}

/// The time that is spelled so.
pub(super) fn instant_of(text: &str) -> Option<Instant> {
    Instant::deserialize(StrDeserializer::<value::Error>::new(text)).ok()
}

fn is_by(actor: &Actor, wanted: &str) -> bool {
    let is = |id: &dyn std::fmt::Display, kind: &str| id.to_string() == wanted || kind == wanted;
    match actor {
        Actor::System => wanted == "system",
        Actor::Bearer => wanted == "bearer",
        Actor::ApiKey { id } => is(id, "api_key"),
        Actor::User { id } => is(id, "user"),
        Actor::Impersonation { id, operator } => is(id, "impersonation") || operator.to_string() == wanted,
        Actor::Console { principal, .. } => is(principal, "console"),
        Actor::Session { share, .. } => is(share, "session"),
        Actor::Submission { request, .. } => is(request, "submission"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        ids::{ApiKeyId, RequestId, ShareId, TenantId},
        ledger::RecordHash,
        tenant::{Mode, Namespace},
    };

    #[test]
    fn an_actor_is_asked_for_by_an_id_or_by_a_kind() {
        let names = |actor: &str| AuditFilter { actor: Some(actor.into()), ..AuditFilter::default() }.names_an_actor();
        let ids = [ApiKeyId::from_bytes([1; 16]).to_string(), ShareId::from_bytes([2; 16]).to_string()];
        assert!(AuditFilter::default().names_an_actor() && ids.iter().all(|id| names(id)));
        assert!(KINDS_OF_ACTORS.iter().all(|kind| names(kind)));
        for other in ["", "somebody", "crk_live_abc", &ids[0][1..], &ids[0].to_uppercase(), &format!("{} ", ids[0])] {
            assert!(!names(other), "{other}");
        }
    }

    fn event(actor: Actor, kind: EventType, resource: &str, outcome: Outcome, at: u64) -> Event {
        Event {
            kind,
            namespace: Namespace { tenant: TenantId::from_bytes([1; 16]), mode: Mode::Live },
            actor,
            resource: resource.into(),
            outcome,
            reason: None,
            count: None,
            version: None,
            changed: Vec::new(),
            at: Instant::from_unix_seconds(at),
            request: Some(RequestId::from_bytes([at as u8; 16])),
            client: None,
            seen: None,
        }
    }

    #[test]
    fn a_filter_takes_what_has_all_that_is_asked_for() {
        let (key, share) = (ApiKeyId::from_bytes([2; 16]), ShareId::from_bytes([3; 16]));
        let one = event(Actor::ApiKey { id: key }, EventType::ShareCreated, &share.to_string(), Outcome::Done, 10);
        let session = Actor::Session { share, claim: "c".into() };
        let other = event(session, EventType::DownloadIssued, "a\"b", Outcome::Refused, 20);
        let filter = AuditFilter::default;
        let at = |seconds| Some(Instant::from_unix_seconds(seconds));
        for (filter, of_one, of_other) in [
            (filter(), true, true),
            (AuditFilter { kind: Some(EventType::ShareCreated), ..filter() }, true, false),
            (AuditFilter { actor: Some(key.to_string()), ..filter() }, true, false),
            (AuditFilter { actor: Some("api_key".into()), ..filter() }, true, false),
            (AuditFilter { actor: Some(share.to_string()), ..filter() }, false, true),
            (AuditFilter { actor: Some("session".into()), ..filter() }, false, true),
            (AuditFilter { actor: Some("system".into()), ..filter() }, false, false),
            (AuditFilter { resource: Some(share.to_string()), ..filter() }, true, false),
            (AuditFilter { resource: Some("a\"b".into()), ..filter() }, false, true),
            (AuditFilter { resource: Some("b".into()), ..filter() }, false, false),
            (AuditFilter { outcome: Some(Outcome::Refused), ..filter() }, false, true),
            (AuditFilter { request: Some(RequestId::from_bytes([20; 16]).to_string()), ..filter() }, false, true),
            (AuditFilter { after: at(10), ..filter() }, false, true),
            (AuditFilter { before: at(20), ..filter() }, true, false),
            (AuditFilter { after: at(9), before: at(11), ..filter() }, true, false),
            (
                AuditFilter { kind: Some(EventType::ShareCreated), outcome: Some(Outcome::Refused), ..filter() },
                false,
                false,
            ),
        ] {
            for (event, taken) in [(&one, of_one), (&other, of_other)] {
                assert_eq!(filter.takes(event), taken, "{filter:?} {event:?}");
                let record = Record {
                    event: event.clone(),
                    id: "evt_1".into(),
                    prev_hash: RecordHash::from_bytes(&[0; 32]),
                    seq: 1,
                };
                let text = record.text().unwrap();
                assert_eq!(filter.finder().find(&text), taken.then_some(record), "{filter:?} {text}");
            }
        }
        assert_eq!(filter().finder().find("{}"), None);
    }
}
