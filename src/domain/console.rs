//! Sessions of the console: somebody who has signed in, and what to offer them.

use serde::{Deserialize, Serialize};

use super::{
    authority::MadeUnder,
    identity::SecondFactor,
    ids::ConsoleSessionId,
    instant::Instant,
    lifetime,
    path::PathPin,
    permission::{PathGrant, Permission},
    principal::Principal,
    refusal::Refusal,
    tenant::Tenant,
};

/// A session of the console. Its row is keyed by the hash of its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleSession {
    /// Which one.
    pub id: ConsoleSessionId,
    /// Who it is of, and under which generations they signed in.
    pub principal: MadeUnder,
    /// What was said, when they signed in, of how.
    pub second_factor: SecondFactor,
    /// When they signed in.
    pub created_at: Instant,
    /// When it ends by itself.
    pub expires_at: Instant,
    /// When they signed out.
    pub ended_at: Option<Instant>,
}

impl ConsoleSession {
    /// A session of this principal: 12 hours, or until that ends.
    pub fn begin(
        id: ConsoleSessionId,
        tenant: &Tenant,
        principal: &Principal,
        second_factor: SecondFactor,
        now: Instant,
    ) -> Self {
        let longest = now.plus(lifetime::CONSOLE_SESSION);
        Self {
            id,
            principal: MadeUnder::now(tenant, principal),
            second_factor,
            created_at: now,
            expires_at: principal.expires_at.map_or(longest, |end| end.min(longest)),
            ended_at: None,
        }
    }

    /// Whether anything may still be done in it.
    ///
    /// # Errors
    /// The real reason why not.
    pub fn stands(&self, tenant: Option<&Tenant>, of: Option<&Principal>, now: Instant) -> Result<(), Refusal> {
        if self.ended_at.is_some() {
            return Err(Refusal::Revoked);
        }
        if now >= self.expires_at {
            return Err(Refusal::Expired);
        }
        self.principal.stands(tenant, of, now)
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
    /// What this principal may do somewhere.
    pub fn to(who: &Principal) -> Self {
        let any = |permission| who.role.mints() && who.grants.0.iter().any(|grant| grant.permission >= permission);
        let folder = |pin: &PathPin| matches!(pin, PathPin::Folder(_));
        let into = |grant: &PathGrant| grant.permission >= Permission::Write && folder(&grant.path);
        Self {
            share: any(Permission::Read),
            request: who.role.mints() && who.grants.0.iter().any(into),
            publish: any(Permission::Read),
            upload: any(Permission::Write),
            administer: who.grants.administer(),
            operate: who.operator,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::{ids::TenantId, principal, quota::Limits, tenant::Generation};

    const NOW: Instant = Instant::from_unix_seconds(1_000);

    fn tenant() -> Tenant {
        Tenant {
            id: TenantId::from_bytes([1; 16]),
            name: "t1".into(),
            generation: Generation(5),
            suspended: false,
            quota: Limits::default(),
            allowed_origins: Vec::new(),
            deletion: None,
            created_at: NOW,
        }
    }

    fn key() -> Principal {
        principal::tests::key(tenant().id)
    }

    fn begin(key: &Principal) -> ConsoleSession {
        ConsoleSession::begin(ConsoleSessionId::from_bytes([3; 16]), &tenant(), key, SecondFactor::NotSaid, NOW)
    }

    #[test]
    fn it_ends_with_its_time_its_key_its_tenant_and_by_signing_out() {
        let session = begin(&key());
        let stands = |session: &ConsoleSession, tenant: Tenant, key: Principal, now| {
            session.stands(Some(&tenant), Some(&key), now)
        };
        let last = NOW.plus(Duration::from_secs(12 * 3_600 - 1));
        assert_eq!(stands(&session, tenant(), key(), last), Ok(()));
        let over = last.plus(Duration::from_secs(1));
        assert_eq!(stands(&session, tenant(), key(), over), Err(Refusal::Expired));
        let revoked = key().end(false, NOW).unwrap();
        assert_eq!(stands(&session, tenant(), revoked, NOW), Err(Refusal::MinterEnded));
        let anew = Principal { generation: Generation(9), ..key() };
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
        assert_eq!(begin(&Principal { expires_at: Some(end), ..key() }).expires_at, end);
    }

    #[test]
    fn a_session_survives_its_stored_form() {
        let session = begin(&key());
        let stored = serde_json::to_value(&session).unwrap();
        assert_eq!(serde_json::from_value::<ConsoleSession>(stored).unwrap(), session);
    }
}
