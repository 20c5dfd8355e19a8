//! Sessions of the console: somebody who has signed in, and what to offer them.

use serde::{Deserialize, Serialize};

use super::{
    api_key::ApiKey, authority::MadeUnder, ids::ConsoleSessionId, instant::Instant, lifetime, path::PathPin,
    permission::Permission, refusal::Refusal, tenant::Tenant,
};

/// As whom somebody has signed in, and under which generations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Principal {
    /// As the holder of an API key.
    ApiKey(MadeUnder),
}

/// A session of the console. Its row is keyed by the hash of its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleSession {
    /// Which one.
    pub id: ConsoleSessionId,
    /// Who it is of.
    pub principal: Principal,
    /// When they signed in.
    pub created_at: Instant,
    /// When it ends by itself.
    pub expires_at: Instant,
    /// When they signed out.
    pub ended_at: Option<Instant>,
}

impl ConsoleSession {
    /// A session of this key's holder: 12 hours, or until the key ends.
    pub fn begin(id: ConsoleSessionId, tenant: &Tenant, key: &ApiKey, now: Instant) -> Self {
        let longest = now.plus(lifetime::CONSOLE_SESSION);
        Self {
            id,
            principal: Principal::ApiKey(MadeUnder::now(tenant, key)),
            created_at: now,
            expires_at: key.expires_at.map_or(longest, |end| end.min(longest)),
            ended_at: None,
        }
    }

    /// Whether anything may still be done in it.
    ///
    /// # Errors
    /// The real reason why not.
    pub fn stands(&self, tenant: Option<&Tenant>, key: Option<&ApiKey>, now: Instant) -> Result<(), Refusal> {
        if self.ended_at.is_some() {
            return Err(Refusal::Revoked);
        }
        if now >= self.expires_at {
            return Err(Refusal::Expired);
        }
        let Principal::ApiKey(made) = &self.principal;
        made.stands(tenant, key, now)
    }

    /// The session after signing out; none if that has happened.
    pub fn end(&self, now: Instant) -> Option<Self> {
        match self.ended_at {
            Some(_) => None,
            None => Some(Self { ended_at: Some(now), ..self.clone() }),
        }
    }
}

/// What a console offers somebody. No route goes by it: each decides for
/// itself, about the very thing that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Offers {
    /// To share files.
    pub share: bool,
    /// To ask others for files.
    pub request: bool,
    /// To publish files as an artifact, and to link to it.
    pub publish: bool,
    /// To upload.
    pub upload: bool,
    /// To administer keys, and to read the audit trail.
    pub administer: bool,
    /// To administer tenants.
    pub operate: bool,
}

impl Offers {
    /// What the holder of this key may do somewhere.
    pub fn to(key: &ApiKey) -> Self {
        let any = |permission| key.grants.0.iter().any(|grant| grant.permission >= permission);
        let folder = |pin: &PathPin| matches!(pin, PathPin::Folder(_));
        Self {
            share: any(Permission::Read),
            request: key.grants.0.iter().any(|grant| grant.permission >= Permission::Write && folder(&grant.path)),
            publish: any(Permission::Read),
            upload: any(Permission::Write),
            administer: key.grants.administer(),
            operate: key.operator,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::{
        ids::{ApiKeyId, TenantId},
        permission::Grants,
        quota::Limits,
        tenant::{Generation, Mode, Namespace},
    };

    const NOW: Instant = Instant::from_unix_seconds(1_000);

    fn tenant() -> Tenant {
        Tenant {
            id: TenantId::from_bytes([1; 16]),
            name: "t1".into(),
            generation: Generation(5),
            suspended: false,
            quota: Limits::default(),
            created_at: NOW,
        }
    }

    fn key() -> ApiKey {
        ApiKey {
            id: ApiKeyId::from_bytes([2; 16]),
            namespace: Namespace { tenant: tenant().id, mode: Mode::Live },
            label: None,
            metadata: Default::default(),
            preview: "crk_live_abcd…".into(),
            grants: Grants::administrator(),
            operator: false,
            tenant_generation: Generation(5),
            generation: Generation(6),
            largest_upload: None,
            quota: Limits::default(),
            created_at: NOW,
            expires_at: None,
            revoked_at: None,
        }
    }

    fn begin(key: &ApiKey) -> ConsoleSession {
        ConsoleSession::begin(ConsoleSessionId::from_bytes([3; 16]), &tenant(), key, NOW)
    }

    #[test]
    fn it_ends_with_its_time_its_key_its_tenant_and_by_signing_out() {
        let session = begin(&key());
        let stands =
            |session: &ConsoleSession, tenant: Tenant, key: ApiKey, now| session.stands(Some(&tenant), Some(&key), now);
        let last = NOW.plus(Duration::from_secs(12 * 3_600 - 1));
        assert_eq!(stands(&session, tenant(), key(), last), Ok(()));
        let over = last.plus(Duration::from_secs(1));
        assert_eq!(stands(&session, tenant(), key(), over), Err(Refusal::Expired));
        let revoked = key().revoke(NOW).unwrap();
        assert_eq!(stands(&session, tenant(), revoked, NOW), Err(Refusal::MinterEnded));
        let anew = ApiKey { generation: Generation(9), ..key() };
        assert_eq!(stands(&session, tenant(), anew, NOW), Err(Refusal::GenerationChanged));
        let suspended = Tenant { suspended: true, ..tenant() };
        assert_eq!(stands(&session, suspended, key(), NOW), Err(Refusal::TenantSuspended));
        assert_eq!(session.stands(Some(&tenant()), None, NOW), Err(Refusal::MinterEnded));
        let ended = session.end(NOW).unwrap();
        assert_eq!(stands(&ended, tenant(), key(), NOW), Err(Refusal::Revoked));
        assert_eq!(ended.end(NOW), None);
    }

    #[test]
    fn a_key_that_ends_sooner_ends_it() {
        let end = NOW.plus(Duration::from_secs(60));
        assert_eq!(begin(&ApiKey { expires_at: Some(end), ..key() }).expires_at, end);
    }

    #[test]
    fn a_session_survives_its_stored_form() {
        let session = begin(&key());
        let stored = serde_json::to_value(&session).unwrap();
        assert_eq!(stored["principal"]["kind"], "api_key");
        assert_eq!(serde_json::from_value::<ConsoleSession>(stored).unwrap(), session);
    }
}
