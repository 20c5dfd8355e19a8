//! Authority: what a token was made under, and whether that still stands.

use serde::{Deserialize, Serialize};

use super::{
    instant::Instant,
    principal::{Principal, PrincipalId},
    refusal::Refusal,
    tenant::{Generation, Namespace, Tenant},
};

/// Who made something, and under which generations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeUnder {
    /// The walls it lies within.
    pub namespace: Namespace,
    /// Who made it.
    pub minter: PrincipalId,
    /// The tenant's generation at that time.
    pub tenant_generation: Generation,
    /// The minter's generation at that time.
    pub minter_generation: Generation,
}

impl MadeUnder {
    /// What something made now by this principal would be made under.
    pub fn now(tenant: &Tenant, minter: &Principal) -> Self {
        Self {
            namespace: minter.namespace,
            minter: minter.id,
            tenant_generation: tenant.generation,
            minter_generation: minter.generation,
        }
    }

    /// Whether tenant and minter, as they are now, still back it.
    ///
    /// # Errors
    /// The real reason why not. Rows of somebody else count as missing ones.
    pub fn is_backed(&self, tenant: Option<&Tenant>, minter: Option<&Principal>, now: Instant) -> Result<(), Refusal> {
        self.holds(tenant, minter, |tenant, minter| minter.backs(tenant, now))
    }

    /// Whether the minter may still call, under the generations of that time.
    ///
    /// # Errors
    /// As [`Self::is_backed`].
    pub fn stands(&self, tenant: Option<&Tenant>, minter: Option<&Principal>, now: Instant) -> Result<(), Refusal> {
        self.holds(tenant, minter, |tenant, minter| minter.stands(tenant, now))
    }

    fn holds(
        &self,
        tenant: Option<&Tenant>,
        minter: Option<&Principal>,
        judge: impl Fn(&Tenant, &Principal) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let tenant = tenant.filter(|tenant| tenant.id == self.namespace.tenant).ok_or(Refusal::Unknown)?;
        let mine = |minter: &&Principal| minter.id == self.minter && minter.namespace == self.namespace;
        let minter = minter.filter(mine).ok_or(Refusal::MinterEnded)?;
        judge(tenant, minter)?;
        if tenant.generation != self.tenant_generation || minter.generation != self.minter_generation {
            return Err(Refusal::GenerationChanged);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ids::TenantId, permission::Role, principal::tests::key, quota::Limits, tenant::Mode};

    fn tenant() -> Tenant {
        Tenant {
            id: TenantId::from_bytes([1; 16]),
            name: "t1".into(),
            generation: Generation(5),
            suspended: false,
            quota: Limits::default(),
            allowed_origins: Vec::new(),
            deletion: None,
            created_at: Instant::from_unix_seconds(1),
        }
    }

    fn minter() -> Principal {
        Principal { expires_at: Some(Instant::from_unix_seconds(1_000)), ..key(tenant().id) }
    }

    #[test]
    fn every_change_of_authority_ends_what_was_made_under_it() {
        let made = MadeUnder::now(&tenant(), &minter());
        let now = Instant::from_unix_seconds(10);
        let stands = |tenant: Tenant, minter: Principal, now| made.is_backed(Some(&tenant), Some(&minter), now);

        assert_eq!(stands(tenant(), minter(), now), Ok(()));
        let suspended = Tenant { suspended: true, ..tenant() };
        assert_eq!(stands(suspended, minter(), now), Err(Refusal::TenantSuspended));
        let regenerated = Tenant { generation: Generation(9), ..tenant() };
        assert_eq!(stands(regenerated, minter(), now), Err(Refusal::GenerationChanged));
        let regenerated = Principal { generation: Generation(9), ..minter() };
        assert_eq!(stands(tenant(), regenerated, now), Err(Refusal::GenerationChanged));
        let revoked = minter().end(false, now).unwrap();
        assert_eq!(stands(tenant(), revoked, now), Err(Refusal::MinterEnded));
        assert_eq!(stands(tenant(), minter(), Instant::from_unix_seconds(1_000)), Err(Refusal::MinterEnded));
        let viewer = Principal { role: Role::Viewer, ..minter() };
        assert_eq!(stands(tenant(), viewer.clone(), now), Err(Refusal::MinterLostRights));
        assert_eq!(made.stands(Some(&tenant()), Some(&viewer), now), Ok(()));
    }

    #[test]
    fn rows_of_others_and_missing_rows_count_for_nothing() {
        let made = MadeUnder::now(&tenant(), &minter());
        let now = Instant::from_unix_seconds(10);
        let other_tenant = Tenant { id: TenantId::from_bytes([9; 16]), ..tenant() };
        let other_mode = Principal { namespace: Namespace { tenant: tenant().id, mode: Mode::Test }, ..minter() };
        assert_eq!(made.is_backed(None, Some(&minter()), now), Err(Refusal::Unknown));
        assert_eq!(made.is_backed(Some(&other_tenant), Some(&minter()), now), Err(Refusal::Unknown));
        assert_eq!(made.is_backed(Some(&tenant()), None, now), Err(Refusal::MinterEnded));
        assert_eq!(made.is_backed(Some(&tenant()), Some(&other_mode), now), Err(Refusal::MinterEnded));
    }

    #[test]
    fn a_minter_who_may_not_call_does_not_stand() {
        let made = MadeUnder::now(&tenant(), &minter());
        let now = Instant::from_unix_seconds(10);
        let suspended = Tenant { suspended: true, ..tenant() };
        assert_eq!(made.stands(Some(&suspended), Some(&minter()), now), Err(Refusal::TenantSuspended));
        let revoked = minter().end(false, now).unwrap();
        assert_eq!(made.stands(Some(&tenant()), Some(&revoked), now), Err(Refusal::MinterEnded));
        let regenerated = Tenant { generation: Generation(9), ..tenant() };
        assert_eq!(made.stands(Some(&regenerated), Some(&minter()), now), Err(Refusal::GenerationChanged));
        assert_eq!(made.stands(Some(&tenant()), None, now), Err(Refusal::MinterEnded));
    }
}
