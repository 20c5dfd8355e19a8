//! Usage: charging what is declared to quotas, and giving it back.
//!
//! Every function answers writes that belong into the transaction of the very
//! change they account for; nothing is charged by itself.

use crate::{
    domain::{
        event::EventType,
        ids::TenantId,
        principal::{Principal, PrincipalId},
        quota::{Account, Amount, Charge, Exceeded, Limits, SHARDS, Scope, divide, gather, total},
        tenant::{Mode, Namespace, Tenant},
    },
    store::{Expected, Row, RowKey, Write},
};

use super::{
    Broker, Caller, Error,
    events::Origin,
    records::{Committed, ROUNDS, Record, committed, outrun},
    rows,
};

/// How much of something is used, and how much may be.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// What is kept and what may still arrive.
    pub used: Amount,
    /// The limits.
    pub limits: Limits,
}

/// What of a caller's is counted.
#[derive(Clone, Copy, Debug)]
pub struct UsageReport {
    /// All of the namespace.
    pub tenant: Usage,
    /// What came by the caller's key, where that has a quota.
    pub key: Option<Usage>,
}

/// Charges, and the writes that make them.
pub(super) struct Charged {
    pub(super) charges: Vec<Charge>,
    pub(super) writes: Vec<Write>,
}

type Found = Record<Account>;

/// Where the accounts lie that are charged for these scopes.
pub(super) fn account_keys(namespace: Namespace, scopes: &[(Scope, Limits)], shard: usize) -> Vec<RowKey> {
    scopes.iter().map(|(scope, _)| rows::account(namespace, *scope, shard)).collect()
}

impl Broker {
    /// Charges an amount to every scope, each with the limits that it is known
    /// to have, in the account of its that was found under [`account_keys`].
    pub(super) async fn charge(
        &self,
        namespace: Namespace,
        scopes: &[(Scope, Limits)],
        amount: Amount,
        shard: usize,
        found: Vec<Option<Row>>,
    ) -> Result<Charged, Error> {
        let keys = account_keys(namespace, scopes, shard);
        let mut charged = Charged { charges: Vec::new(), writes: Vec::new() };
        for ((scope, limits), (key, row)) in scopes.iter().zip(keys.into_iter().zip(found)) {
            let (account, expected) = self.account(row.as_ref(), limits)?;
            match account.charge(amount) {
                Some(account) => charged.writes.push(self.put(key, expected, &account, None)?),
                None => charged.writes.extend(self.charge_with_room_of_others(namespace, *scope, shard, amount).await?),
            }
            charged.charges.push(Charge { scope: *scope, shard: shard as u8 });
        }
        Ok(charged)
    }

    /// The account in a row. One that is missing where there is a limit is a
    /// fault, never an empty account.
    fn account(&self, row: Option<&Row>, limits: &Limits) -> Result<(Account, Expected), Error> {
        match self.decode_if::<Account>(row)? {
            Some(Found { value, version }) => Ok((value, Expected::Version(version))),
            None if limits.is_none() => Ok((Account::default(), Expected::Absent)),
            None => Err(Error::Internal("an account of a quota is missing".into())),
        }
    }

    async fn charge_with_room_of_others(
        &self,
        namespace: Namespace,
        scope: Scope,
        shard: usize,
        amount: Amount,
    ) -> Result<Vec<Write>, Error> {
        let (accounts, expected) = self.accounts(namespace, scope).await?;
        let moved = gather(&accounts, shard, amount).map_err(|exceeded| quota_exceeded(scope, amount, &exceeded))?;
        let changed = (0..SHARDS).filter(|index| moved[*index] != accounts[*index]);
        changed
            .map(|index| self.put(rows::account(namespace, scope, index), expected[index], &moved[index], None))
            .collect()
    }

    /// All accounts of a scope, and what a write to each must expect.
    async fn accounts(
        &self,
        namespace: Namespace,
        scope: Scope,
    ) -> Result<([Account; SHARDS], [Expected; SHARDS]), Error> {
        let keys: [RowKey; SHARDS] = std::array::from_fn(|shard| rows::account(namespace, scope, shard));
        let found = self.store.get(keys).await?;
        let (mut accounts, mut expected) = ([Account::default(); SHARDS], [Expected::Absent; SHARDS]);
        for (index, row) in found.iter().enumerate() {
            (accounts[index], expected[index]) = self.account(row.as_ref(), &Limits::default())?;
        }
        Ok((accounts, expected))
    }

    /// Gives back what was charged. An account that is missing owes nothing.
    pub(super) async fn discharge(
        &self,
        namespace: Namespace,
        charges: &[Charge],
        amount: Amount,
    ) -> Result<Vec<Write>, Error> {
        let key = |charge: &Charge| rows::account(namespace, charge.scope, usize::from(charge.shard));
        let keys: Vec<_> = charges.iter().map(key).collect();
        let found = self.store.get_all(&keys).await?;
        let mut writes = Vec::new();
        for (key, row) in keys.into_iter().zip(found) {
            if let Some(Found { value, version }) = self.decode_if::<Account>(row.as_ref())? {
                writes.push(self.put(key, Expected::Version(version), &value.discharge(amount), None)?);
            }
        }
        Ok(writes)
    }

    /// The empty accounts of a new scope that has limits.
    pub(super) fn new_accounts(&self, namespace: Namespace, scope: Scope, limits: Limits) -> Result<Vec<Write>, Error> {
        if limits.is_none() {
            return Ok(Vec::new());
        }
        let accounts = divide(&[Account::default(); SHARDS], limits);
        let key = |shard| rows::account(namespace, scope, shard);
        let writes = accounts.iter().enumerate();
        writes.map(|(shard, account)| self.put(key(shard), Expected::Absent, account, None)).collect()
    }

    /// How much the caller's namespace and key use.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn usage(&self, caller: &Caller) -> Result<UsageReport, Error> {
        let tenant = self.usage_of(caller.namespace(), Scope::Tenant).await?;
        Ok(UsageReport { tenant, key: self.usage_of_key(&caller.principal).await? })
    }

    /// How much of what came by a key is kept, where it has a quota.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn usage_of_key(&self, key: &Principal) -> Result<Option<Usage>, Error> {
        match key.quota.is_none() {
            true => Ok(None),
            false => self.usage_of(key.namespace, Scope::Principal(key.id)).await.map(Some),
        }
    }

    pub(super) async fn usage_of(&self, namespace: Namespace, scope: Scope) -> Result<Usage, Error> {
        let (accounts, _) = self.accounts(namespace, scope).await?;
        let (used, limits) = total(&accounts);
        Ok(Usage { used, limits })
    }

    /// Limits what each namespace of a tenant may keep.
    ///
    /// # Errors
    /// When the caller is no operator, or there is no such tenant.
    pub async fn set_quota(&self, caller: &Caller, tenant: TenantId, quota: Limits) -> Result<Tenant, Error> {
        caller.operates()?;
        for _ in 0..ROUNDS {
            let [row] = self.store.get([rows::tenant(tenant)]).await?;
            let found = self.decode_if::<Tenant>(row.as_ref())?.ok_or(Error::NotFound)?;
            let changed = Tenant { quota, ..found.value };
            let namespace = Namespace { tenant, mode: Mode::Live };
            let origin = Origin { namespace, asking: Some(caller.asking), at: self.now() };
            let event = origin.done(EventType::QuotaChanged, caller.actor(), tenant);
            let write = self.put(rows::tenant(tenant), Expected::Version(found.version), &changed, None)?;
            let mut transaction = self.recording(&event)?.write(write);
            for mode in [Mode::Live, Mode::Test] {
                let namespace = Namespace { tenant, mode };
                let (accounts, expected) = self.accounts(namespace, Scope::Tenant).await?;
                let divided = divide(&accounts, quota);
                for (shard, expected) in expected.into_iter().enumerate() {
                    let key = rows::account(namespace, Scope::Tenant, shard);
                    transaction = transaction.write(self.put(key, expected, &divided[shard], None)?);
                }
            }
            match committed(self.store.commit(transaction).await)? {
                Committed::Done => return Ok(changed),
                Committed::ReadAgain => {}
            }
        }
        Err(outrun())
    }
}

/// Tells the caller whose limit it is, and how far from it they are.
fn quota_exceeded(scope: Scope, amount: Amount, exceeded: &Exceeded) -> Error {
    let whose = match scope {
        Scope::Tenant => "the tenant's quota",
        Scope::Principal(PrincipalId::ApiKey(_)) => "this API key's quota",
        Scope::Principal(PrincipalId::User(_)) => "this user's quota",
        Scope::FileRequest(_) => "what may be delivered here",
    };
    let Exceeded { used, limits } = exceeded;
    let over = |limit: Option<u64>, used: u64, more: u64| limit.filter(|limit| used.saturating_add(more) > *limit);
    let detail = match over(limits.objects, used.objects, amount.objects) {
        Some(limit) => format!("{whose} is {limit} files, {} are there or on their way", used.objects),
        None => format!(
            "{whose} is {} bytes, {} are there or on their way, {} more were asked for",
            limits.bytes.unwrap_or(u64::MAX),
            used.bytes,
            amount.bytes
        ),
    };
    Error::QuotaExceeded { detail }
}
