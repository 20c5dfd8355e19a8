//! Reconciling: the index of a vault held against what is stored, and its
//! accounts against what is kept.
//!
//! Completion and deletion keep both true by themselves, but for what a crash
//! leaves: a copy that was never committed, bytes that could not be deleted.
//! This finds those. It changes nothing that a request under way could still need.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use crate::{
    domain::{
        event::{Actor, EventType},
        file_request::FileRequest,
        ids::ObjectId,
        instant::Instant,
        object::{PathEntry, VaultFile},
        path::VaultPath,
        principal::Principal,
        quota::{Account, Amount, Charge, SHARDS, Scope, divide, total},
        tenant::Namespace,
        upload::Upload,
    },
    objects::{ObjectFolder, ObjectKey},
    store::{Direction, Expected, Query, Row},
};

use super::{
    Broker, Caller, Error,
    events::Origin,
    records::{Committed, Record, committed},
    rows,
    uploads::LONGEST_PROMOTION,
};

/// A copy without a path is left alone for so long; it may still get one.
const LONGEST_COMPLETION: Duration = LONGEST_PROMOTION.saturating_mul(2);

const PORTION: usize = 1_000;

/// What differs between the index and the storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Stored bytes that no path leads to. They are removed.
    Orphan {
        /// Which.
        object: ObjectId,
        /// How many bytes.
        bytes: u64,
    },
    /// A path whose bytes are gone. Only said: nothing here could bring them back.
    Missing {
        /// Which path.
        path: VaultPath,
        /// Which bytes it leads to.
        object: ObjectId,
    },
    /// An account that says something else than what is kept. It is set right.
    Miscounted {
        /// Which account.
        charge: Charge,
        /// What it says.
        counted: Amount,
        /// What is kept.
        kept: Amount,
    },
}

/// How a namespace was found.
#[derive(Clone, Debug, Default)]
pub struct Reconciliation {
    /// How many files the index has.
    pub files: usize,
    /// What differs.
    pub differences: Vec<Difference>,
}

/// What lies in storage, by its id: how many bytes.
type Stored = HashMap<ObjectId, u64>;

/// The accounts of a scope that have been charged, or have a limit: then all of them.
type Accounts = Vec<(u8, Record<Account>)>;

impl Broker {
    /// Holds the caller's vault against what is stored, and, unless it is a
    /// dry run, sets right what can be.
    ///
    /// # Errors
    /// When the caller does not administer the tenant, or a backend does not answer.
    pub async fn reconcile(&self, caller: &Caller, dry_run: bool) -> Result<Reconciliation, Error> {
        caller.administers()?;
        let origin = caller.origin(self);
        let namespace = origin.namespace;
        // Accounts, uploads, files, in this order: see `charges`.
        let accounts = self.accounts_in_use(namespace).await?;
        let sealed = self.sealed(namespace.tenant).await?;
        let uploads = self.all(rows::uploads(namespace), |row| sealed.decode::<Upload>(row)).await?;
        let entries = self.all(rows::vault(namespace), |row| self.decode::<PathEntry>(row)).await?;
        let files: Vec<_> = entries.into_iter().filter_map(PathEntry::file).collect();
        let stored = self.stored(namespace).await?;

        let mut differences = orphans(&stored, &files, origin.at);
        if !dry_run {
            for difference in &differences {
                if let Difference::Orphan { object, .. } = difference {
                    self.objects.delete(&ObjectKey::vault(namespace, *object)).await?;
                }
            }
        }
        differences.extend(self.missing(namespace, &files, &stored).await?);
        let charges = charges(&uploads, &files);
        for (scope, accounts) in accounts {
            let kept = |shard| charges.get(&Charge { scope, shard }).copied().unwrap_or_default();
            let miscounted: Vec<_> = accounts
                .iter()
                .filter(|(shard, account)| account.value.used != kept(*shard))
                .map(|(shard, account)| {
                    let charge = Charge { scope, shard: *shard };
                    Difference::Miscounted { charge, counted: account.value.used, kept: kept(*shard) }
                })
                .collect();
            if miscounted.is_empty() {
                continue;
            }
            if dry_run || self.set_right(origin, caller.actor(), scope, kept, &accounts).await? {
                differences.extend(miscounted);
            }
        }
        Ok(Reconciliation { files: files.len(), differences })
    }

    /// All values of a partition. Every row must be readable: an index with
    /// holes would make orphans of files.
    async fn all<T>(
        &self,
        partition: String,
        decode: impl Fn(&Row) -> Result<Record<T>, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut values = Vec::new();
        let mut after = None;
        loop {
            let (partition, begins_with) = (partition.clone(), String::new());
            let query = Query { partition, begins_with, after, limit: PORTION, direction: Direction::Ascending };
            let found = self.store.query(&query).await?;
            for row in &found {
                values.push(decode(row)?.value);
            }
            match found.last() {
                Some(last) if found.len() == PORTION => after = Some(last.key.sort.clone()),
                _ => return Ok(values),
            }
        }
    }

    async fn stored(&self, namespace: Namespace) -> Result<Stored, Error> {
        let folder = ObjectFolder::Vault(namespace);
        let prefix = folder.prefix();
        let mut stored = HashMap::new();
        let mut after: Option<ObjectKey> = None;
        loop {
            let listed = self.objects.list(&folder, after.as_ref()).await?;
            let Some(last) = listed.last() else { return Ok(stored) };
            after = Some(last.key.clone());
            for found in &listed {
                let name = found.key.as_str().strip_prefix(&prefix).unwrap_or_default();
                // What is not named by an id is not ours to judge.
                if let Ok(object) = name.parse::<ObjectId>() {
                    stored.insert(object, found.size);
                }
            }
        }
    }

    async fn missing(
        &self,
        namespace: Namespace,
        files: &[VaultFile],
        stored: &Stored,
    ) -> Result<Vec<Difference>, Error> {
        let mut missing = Vec::new();
        for file in files.iter().filter(|file| !stored.contains_key(&file.object)) {
            // It may have come, been deleted or replaced since the lists were read.
            let entry = self.path_entry(namespace, &file.path).await?;
            let is_current = entry.and_then(|entry| entry.value.file()).is_some_and(|now| now.object == file.object);
            if is_current && self.objects.head(&ObjectKey::vault(namespace, file.object)).await?.is_none() {
                tracing::error!(object = %file.object, "the bytes of a file are gone");
                missing.push(Difference::Missing { path: file.path.clone(), object: file.object });
            }
        }
        Ok(missing)
    }

    /// Every account that may have something on it, by what it belongs to.
    async fn accounts_in_use(&self, namespace: Namespace) -> Result<Vec<(Scope, Accounts)>, Error> {
        let sealed = self.sealed(namespace.tenant).await?;
        let principal = |row: &Row| sealed.decode::<Principal>(row);
        let mut principals = self.all(rows::api_keys(namespace), principal).await?;
        principals.extend(self.all(rows::users(namespace), principal).await?);
        let requests = self.all(rows::file_requests(namespace), |row| sealed.decode::<FileRequest>(row)).await?;
        let limited = principals.iter().filter(|who| !who.quota.is_none()).map(|who| Scope::Principal(who.id));
        let scopes = [Scope::Tenant].into_iter().chain(limited);
        let scopes: Vec<_> = scopes.chain(requests.iter().map(|request| Scope::FileRequest(request.id))).collect();
        let of_scope = |scope| (0..SHARDS).map(move |shard| rows::account(namespace, scope, shard));
        let rows: Vec<_> = scopes.iter().flat_map(|scope| of_scope(*scope)).collect();
        let found = self.store.get_all(&rows).await?;
        let mut in_use = Vec::new();
        for (scope, found) in scopes.into_iter().zip(found.chunks(SHARDS)) {
            let mut accounts = Accounts::new();
            for (shard, row) in (0..).zip(found) {
                if let Some(account) = self.decode_if::<Account>(row.as_ref())? {
                    accounts.push((shard, account));
                }
            }
            in_use.push((scope, accounts));
        }
        Ok(in_use)
    }

    /// Sets the accounts of a scope right, if nobody has charged one since they
    /// were read. All together: what one has too much of, another may not have.
    async fn set_right(
        &self,
        origin: Origin,
        actor: Actor,
        scope: Scope,
        kept: impl Fn(u8) -> Amount,
        accounts: &Accounts,
    ) -> Result<bool, Error> {
        let mut right = [Account::default(); SHARDS];
        let (_, limits) = total(&std::array::from_fn(|index| {
            let found = accounts.iter().find(|(shard, _)| usize::from(*shard) == index);
            found.map_or_else(Account::default, |(_, account)| account.value)
        }));
        for (shard, account) in accounts {
            right[usize::from(*shard)] = Account { used: kept(*shard), ..account.value };
        }
        let right = divide(&right, limits);
        let event = origin.done(EventType::UsageCorrected, actor, scope.name());
        let mut transaction = self.recording(&event)?;
        for (shard, account) in accounts {
            let index = usize::from(*shard);
            let key = rows::account(origin.namespace, scope, index);
            transaction = transaction.write(self.put(key, Expected::Version(account.version), &right[index], None)?);
        }
        match committed(self.store.commit(transaction).await)? {
            Committed::Done => Ok(true),
            Committed::ReadAgain => Ok(false),
        }
    }
}

/// Bytes without a path that are too old to get one. Their age is that of the
/// id, which a completion draws before it copies.
fn orphans(stored: &Stored, files: &[VaultFile], now: Instant) -> Vec<Difference> {
    let known: HashSet<ObjectId> = files.iter().map(|file| file.object).collect();
    let without_a_path = stored.iter().filter(|(object, _)| !known.contains(object));
    let old = without_a_path.filter(|(object, _)| now.since(object.created_at()) > LONGEST_COMPLETION);
    old.map(|(object, bytes)| Difference::Orphan { object: *object, bytes: *bytes }).collect()
}

/// What every account is charged, by uploads that were read first and by files
/// that were read after: one that was completed in between is in both, and
/// counts once. Whatever else changes meanwhile changes the account too, and
/// then nothing is set right.
fn charges(uploads: &[Upload], files: &[VaultFile]) -> HashMap<Charge, Amount> {
    let mut charges: HashMap<Charge, Amount> = HashMap::new();
    let mut add = |charged: &[Charge], amount: Amount| {
        for charge in charged {
            let sum = charges.entry(*charge).or_default();
            *sum = sum.plus(amount);
        }
    };
    let mut under_way = HashSet::new();
    for upload in uploads.iter().filter(|upload| !upload.charges.is_empty()) {
        under_way.insert(upload.declaration.id);
        add(&upload.charges, upload.declaration.amount());
    }
    for file in files.iter().filter(|file| file.upload.is_none_or(|upload| !under_way.contains(&upload))) {
        add(&file.charges, file.amount());
    }
    charges
}
