//! Principals: whoever may call, and what they may do.
//!
//! An API key, a user whom a provider of identities vouches for, and an operator who acts for a tenant are one kind of
//! thing here: what is minted refers to its principal and never asks which it is.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{
    identity::{Issuer, Subject},
    ids::{ApiKeyId, DataSubjectId, NotAnId, UserId},
    instant::Instant,
    metadata::Metadata,
    permission::{Grants, Role},
    quota::Limits,
    refusal::Refusal,
    tenant::{Generation, Namespace, Tenant},
};

/// Which principal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PrincipalId {
    /// An API key; also that of an operator who acts for a tenant.
    ApiKey(ApiKeyId),
    /// A user.
    User(UserId),
}

impl fmt::Display for PrincipalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ApiKey(id) => id.fmt(f),
            Self::User(id) => id.fmt(f),
        }
    }
}

impl fmt::Debug for PrincipalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PrincipalId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        text.parse().map(Self::ApiKey).or_else(|_| text.parse().map(Self::User))
    }
}

impl Serialize for PrincipalId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PrincipalId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// By what a principal is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum KnownBy {
    /// By the secret of an API key.
    ApiKey {
        /// The secrets that open it: the newest last. There are two while one takes the place of the other.
        secrets: Vec<KeySecret>,
    },
    /// By the word of a provider (OpenID Connect Core 1.0, section 2).
    User {
        /// Whose word.
        issuer: Issuer,
        /// About whom: what the issuer calls them, and nobody else.
        subject: Subject,
    },
    /// By the secret of a key that an operator drew to act for the tenant.
    Impersonation {
        /// The secret.
        secrets: Vec<KeySecret>,
        /// Who acts.
        operator: PrincipalId,
        /// In which namespace the operator is at home.
        operator_namespace: Namespace,
        /// Why: for the tenant to read.
        reason: String,
    },
    /// By nothing any more: it was a user, who was erased.
    Erased {
        /// As whom: what is left of that.
        subject: DataSubjectId,
    },
}

/// A secret of an API key, without the secret. Its hash is in the row that leads here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySecret {
    /// Which of the key's.
    pub number: u32,
    /// The prefix and the first characters.
    pub preview: String,
    /// Until when it is accepted beside a newer one; none for the newest.
    pub until: Option<Instant>,
}

/// How a principal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// When it was revoked.
    pub at: Instant,
    /// Whether what it had minted lives on, for its own time.
    pub keeps_minted: bool,
}

/// Whether a principal may call, as its tenant's administrators see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It may.
    Active,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
    /// It ended with everything that its tenant had.
    CutOff,
}

/// Whoever may call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// Its id.
    pub id: PrincipalId,
    /// The walls around all it can reach.
    pub namespace: Namespace,
    /// The owner's name for it.
    pub label: Option<String>,
    /// Words of the owner's own.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
    /// By what it is known.
    pub known_by: KnownBy,
    /// What it may do at all.
    pub role: Role,
    /// Where it may do what.
    pub grants: Grants,
    /// Whether it may also administer tenants.
    pub operator: bool,
    /// The tenant's generation when it was created.
    pub tenant_generation: Generation,
    /// What everything minted by it was made under.
    pub generation: Generation,
    /// The largest upload it may declare, in bytes, where that is less than
    /// the deployment allows.
    pub largest_upload: Option<u64>,
    /// How much may be kept of what comes by it.
    #[serde(default)]
    pub quota: Limits,
    /// When it was created.
    pub created_at: Instant,
    /// When it ends, if ever.
    pub expires_at: Option<Instant>,
    /// Its revocation.
    pub ended: Option<End>,
}

/// What of a principal can be changed; none where it stays.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// The owner's name for it.
    pub label: Option<Option<String>>,
    /// What it may do, and where.
    pub rights: Option<(Role, Grants)>,
    /// When it ends.
    pub expires_at: Option<Option<Instant>>,
    /// The largest upload it may declare, in bytes.
    pub largest_upload: Option<Option<u64>>,
}

impl Principal {
    /// Whether it may call.
    ///
    /// # Errors
    /// The real reason why not.
    pub fn stands(&self, tenant: &Tenant, now: Instant) -> Result<(), Refusal> {
        self.is_of(tenant)?;
        if self.expires_at.is_some_and(|end| now >= end) || self.ended.is_some() {
            return Err(Refusal::MinterEnded);
        }
        Ok(())
    }

    /// Whether what it minted is still good for anything.
    ///
    /// # Errors
    /// The real reason why not.
    pub fn backs(&self, tenant: &Tenant, now: Instant) -> Result<(), Refusal> {
        match self.ended {
            Some(End { keeps_minted: true, .. }) => self.is_of(tenant)?,
            _ => self.stands(tenant, now)?,
        }
        if self.role.mints() { Ok(()) } else { Err(Refusal::MinterLostRights) }
    }

    /// When it stops backing what it minted, if it does so by itself.
    pub fn backs_until(&self) -> Option<Instant> {
        match self.ended {
            Some(End { keeps_minted: true, .. }) => None,
            _ => self.expires_at,
        }
    }

    fn is_of(&self, tenant: &Tenant) -> Result<(), Refusal> {
        if tenant.suspended {
            return Err(Refusal::TenantSuspended);
        }
        if tenant.id != self.namespace.tenant || tenant.generation != self.tenant_generation {
            return Err(Refusal::GenerationChanged);
        }
        Ok(())
    }

    /// Whether it may call, in a tenant with this generation.
    pub fn status(&self, generation: Generation, now: Instant) -> Status {
        match (self.ended, self.expires_at) {
            (Some(_), _) => Status::Revoked,
            _ if self.tenant_generation != generation => Status::CutOff,
            (None, Some(end)) if now >= end => Status::Expired,
            (None, _) => Status::Active,
        }
    }

    /// What shows which it is, where it has no label.
    pub fn preview(&self) -> String {
        match &self.known_by {
            KnownBy::ApiKey { secrets } | KnownBy::Impersonation { secrets, .. } => {
                secrets.last().map(|secret| secret.preview.clone()).unwrap_or_default()
            }
            KnownBy::User { subject, .. } => subject.expose().to_owned(),
            KnownBy::Erased { .. } => "(erased)".to_owned(),
        }
    }

    /// Whether this secret of its is accepted.
    pub fn accepts(&self, number: u32, now: Instant) -> bool {
        let (KnownBy::ApiKey { secrets } | KnownBy::Impersonation { secrets, .. }) = &self.known_by else {
            return false;
        };
        let mut same = secrets.iter().filter(|secret| secret.number == number);
        same.any(|secret| secret.until.is_none_or(|end| now < end))
    }

    /// The key with a new secret. The one before is accepted until then, and no other; what was minted stays.
    /// None of what is no key, or has ended.
    pub fn rotate(&self, preview: String, until: Instant) -> Option<(Self, u32)> {
        let KnownBy::ApiKey { secrets } = &self.known_by else { return None };
        let newest = secrets.last().filter(|_| self.ended.is_none())?;
        let number = newest.number + 1;
        let before = KeySecret { until: Some(until), ..newest.clone() };
        let secrets = vec![before, KeySecret { number, preview, until: None }];
        Some((Self { known_by: KnownBy::ApiKey { secrets }, ..self.clone() }, number))
    }

    /// The principal with these changes.
    pub fn changed(&self, changes: Changes) -> Self {
        let mut changed = self.clone();
        if let Some(label) = changes.label {
            changed.label = label;
        }
        if let Some((role, grants)) = changes.rights {
            (changed.role, changed.grants) = (role, grants);
        }
        if let Some(expires_at) = changes.expires_at {
            changed.expires_at = expires_at;
        }
        if let Some(largest_upload) = changes.largest_upload {
            changed.largest_upload = largest_upload;
        }
        changed
    }

    /// The principal, which ended with everything that its tenant had, as one that may call again. What it minted before stays
    /// ended; of its secrets the newest is accepted. None of one that did not end so, or acted for the tenant.
    pub fn reinstate(&self, tenant: &Tenant, generation: Generation, now: Instant) -> Option<Self> {
        if self.status(tenant.generation, now) != Status::CutOff {
            return None;
        }
        let known_by = match &self.known_by {
            KnownBy::ApiKey { secrets } => KnownBy::ApiKey { secrets: secrets.last().cloned().into_iter().collect() },
            KnownBy::User { .. } => self.known_by.clone(),
            KnownBy::Impersonation { .. } | KnownBy::Erased { .. } => return None,
        };
        Some(Self { tenant_generation: tenant.generation, generation, known_by, ..self.clone() })
    }

    /// The user after they were erased: ended, with nothing that says who they were. What they may do stays written, since
    /// what they made and is kept rests on it. None of what is no user.
    pub fn erased(&self, subject: DataSubjectId, keeps_minted: bool, now: Instant) -> Option<Self> {
        let KnownBy::User { .. } = self.known_by else { return None };
        let ended = self.ended.unwrap_or(End { at: now, keeps_minted });
        let ended = End { keeps_minted: ended.keeps_minted && keeps_minted, ..ended };
        Some(Self {
            label: None,
            metadata: Metadata::default(),
            known_by: KnownBy::Erased { subject },
            ended: Some(ended),
            ..self.clone()
        })
    }

    /// The principal after its revocation. What was left by an earlier one can still be cut;
    /// none if nothing changes.
    pub fn end(&self, keeps_minted: bool, now: Instant) -> Option<Self> {
        let ended = match self.ended {
            None => End { at: now, keeps_minted },
            Some(end) if end.keeps_minted && !keeps_minted => End { keeps_minted, ..end },
            Some(_) => return None,
        };
        Some(Self { ended: Some(ended), ..self.clone() })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::domain::{ids::TenantId, tenant::Mode};

    /// A key that may do everything.
    pub(crate) fn key(tenant: TenantId) -> Principal {
        Principal {
            id: PrincipalId::ApiKey(ApiKeyId::from_bytes([2; 16])),
            namespace: Namespace { tenant, mode: Mode::Live },
            label: None,
            metadata: Metadata::default(),
            known_by: KnownBy::ApiKey {
                secrets: vec![KeySecret { number: 0, preview: "crk_live_abcd…".into(), until: None }],
            },
            role: Role::Admin,
            grants: Grants::administrator(),
            operator: false,
            tenant_generation: Generation(5),
            generation: Generation(6),
            largest_upload: None,
            quota: Limits::default(),
            created_at: at(1),
            expires_at: None,
            ended: None,
        }
    }

    fn tenant() -> Tenant {
        Tenant {
            id: TenantId::from_bytes([1; 16]),
            name: "t1".into(),
            generation: Generation(5),
            suspended: false,
            quota: Limits::default(),
            allowed_origins: Vec::new(),
            deletion: None,
            created_at: at(1),
        }
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_unix_seconds(seconds)
    }

    #[test]
    fn an_id_survives_its_text_form() {
        let user = PrincipalId::User(UserId::from_bytes([7; 16]));
        let key = PrincipalId::ApiKey(ApiKeyId::from_bytes([7; 16]));
        assert_ne!(user.to_string(), key.to_string());
        for id in [user, key] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        assert!("ten_07070707070707070707070707070707".parse::<PrincipalId>().is_err());
    }

    #[test]
    fn while_a_secret_takes_the_place_of_another_both_are_accepted_and_no_third() {
        let key = key(tenant().id);
        let (key, second) = key.rotate("b".into(), at(100)).unwrap();
        assert!(key.accepts(0, at(99)) && key.accepts(second, at(99)));
        assert!(!key.accepts(0, at(100)) && key.accepts(second, at(100)));
        let (key, third) = key.rotate("c".into(), at(50)).unwrap();
        assert_eq!([0, second, third].map(|number| key.accepts(number, at(20))), [false, true, true]);
        assert_eq!(key.preview(), "c");
        assert!(!key.accepts(third + 1, at(20)));
        assert_eq!(key.end(false, at(20)).unwrap().rotate("d".into(), at(50)), None);
    }

    #[test]
    fn what_was_minted_ends_with_its_principal_unless_it_is_kept() {
        let key = key(tenant().id);
        let kept = key.end(true, at(10)).unwrap();
        assert_eq!(kept.stands(&tenant(), at(10)), Err(Refusal::MinterEnded));
        assert_eq!(kept.backs(&tenant(), at(10)), Ok(()));
        let short = Principal { expires_at: Some(at(50)), ..key };
        assert_eq!(short.backs_until(), Some(at(50)));
        let short = short.end(true, at(10)).unwrap();
        assert_eq!((short.backs(&tenant(), at(60)), short.backs_until()), (Ok(()), None));
        let cut = kept.end(false, at(20)).unwrap();
        assert_eq!(cut.backs(&tenant(), at(20)), Err(Refusal::MinterEnded));
        assert_eq!(cut.ended.unwrap().at, at(10));
        assert_eq!((cut.end(false, at(30)), cut.end(true, at(30)), kept.end(true, at(30))), (None, None, None));
        let suspended = Tenant { suspended: true, ..tenant() };
        assert_eq!(kept.backs(&suspended, at(10)), Err(Refusal::TenantSuspended));
    }

    #[test]
    fn its_status_is_told_as_it_stands() {
        let key = Principal { expires_at: Some(at(50)), ..key(tenant().id) };
        let ended = key.end(false, at(10)).unwrap();
        let of = |key: &Principal, generation, seconds| key.status(Generation(generation), at(seconds));
        assert_eq!([of(&key, 5, 49), of(&key, 5, 50)], [Status::Active, Status::Expired]);
        assert_eq!([of(&key, 6, 49), of(&key, 6, 50)], [Status::CutOff; 2]);
        assert_eq!([of(&ended, 5, 60), of(&ended, 6, 60)], [Status::Revoked; 2]);
    }

    #[test]
    fn who_was_cut_off_may_be_reinstated_and_nobody_else() {
        let (key, _) = key(tenant().id).rotate("b".into(), at(100)).unwrap();
        let cut = Tenant { generation: Generation(9), ..tenant() };
        assert_eq!(key.stands(&cut, at(1)), Err(Refusal::GenerationChanged));
        let again = key.reinstate(&cut, Generation(7), at(1)).unwrap();
        assert_eq!((again.stands(&cut, at(1)), again.generation), (Ok(()), Generation(7)));
        assert!(!again.accepts(0, at(1)) && again.accepts(1, at(1)));
        assert_eq!(again.reinstate(&cut, Generation(8), at(1)), None);
        assert_eq!(key.reinstate(&tenant(), Generation(8), at(1)), None);
        assert_eq!(key.end(true, at(1)).unwrap().reinstate(&cut, Generation(8), at(1)), None);
        let operator = PrincipalId::User(UserId::from_bytes([1; 16]));
        let known_by = KnownBy::Impersonation {
            secrets: Vec::new(),
            operator,
            operator_namespace: key.namespace,
            reason: "r".into(),
        };
        assert_eq!(Principal { known_by, ..key }.reinstate(&cut, Generation(8), at(1)), None);
    }

    #[test]
    fn whoever_may_only_look_backs_nothing() {
        let viewer = Principal { role: Role::Viewer, ..key(tenant().id) };
        assert_eq!(viewer.stands(&tenant(), at(1)), Ok(()));
        assert_eq!(viewer.backs(&tenant(), at(1)), Err(Refusal::MinterLostRights));
    }
}
