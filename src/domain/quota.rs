//! Quotas: how much may be kept, and how much is.
//!
//! What is declared counts at once, and counts until no URL can bring it any
//! more or the file is deleted; completing an upload changes nothing here. So
//! the sum of all that anybody may still write never exceeds a limit.
//!
//! A count that every upload of a tenant wrote to would be one hot row. There
//! are [`SHARDS`] accounts instead, each with an allowance of its own: an
//! upload is charged to one of them. The allowances add up to the limit, so
//! that no account needs to know the others; only when one runs short is room
//! moved to it from the rest. Where more is used than may be, since a limit was
//! lowered, that does not hold: then every account is closed, until all of them
//! have been looked at again and there is room.

use serde::{Deserialize, Serialize};

use super::{ids::FileRequestId, principal::PrincipalId};

/// Into how many accounts a quota is divided.
pub const SHARDS: usize = 8;

/// So many bytes, in so many files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// Bytes.
    pub bytes: u64,
    /// Files.
    pub objects: u64,
}

impl Amount {
    /// One file of this size.
    pub const fn file(bytes: u64) -> Self {
        Self { bytes, objects: 1 }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { bytes: self.bytes.saturating_add(other.bytes), objects: self.objects.saturating_add(other.objects) }
    }

    fn minus(self, other: Self) -> Self {
        Self { bytes: self.bytes.saturating_sub(other.bytes), objects: self.objects.saturating_sub(other.objects) }
    }
}

/// At most so much of each; none: as much as there is room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// At most so many bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// At most so many files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<u64>,
}

impl Limits {
    /// Whether nothing is limited.
    pub const fn is_none(&self) -> bool {
        self.bytes.is_none() && self.objects.is_none()
    }

    fn hold(&self, amount: Amount) -> bool {
        self.bytes.is_none_or(|limit| amount.bytes <= limit) && self.objects.is_none_or(|limit| amount.objects <= limit)
    }
}

/// What is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// All files of a namespace.
    Tenant,
    /// What came by one principal.
    Principal(PrincipalId),
    /// What came by one file request.
    FileRequest(FileRequestId),
}

impl Scope {
    /// The scope as a part of a row's key.
    pub fn name(&self) -> String {
        match self {
            Self::Tenant => "tenant".into(),
            Self::Principal(id) => id.to_string(),
            Self::FileRequest(request) => request.to_string(),
        }
    }
}

/// To which account an upload, and later its file, is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Charge {
    /// Whose quota.
    pub scope: Scope,
    /// Which of its accounts.
    pub shard: u8,
}

/// One of the accounts of a quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// What is charged to it.
    pub used: Amount,
    /// What may be.
    pub allowance: Limits,
    /// More was used in all than may be: nothing is charged here before all
    /// accounts have been looked at again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub closed: bool,
}

/// A quota has no room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// What is used.
    pub used: Amount,
    /// What may be.
    pub limits: Limits,
}

impl Account {
    /// The account with this much more on it; none when it has no room for it.
    pub fn charge(&self, amount: Amount) -> Option<Self> {
        let used = self.used.plus(amount);
        (!self.closed && self.allowance.hold(used)).then_some(Self { used, ..*self })
    }

    /// The account with this much less on it.
    #[must_use]
    pub fn discharge(&self, amount: Amount) -> Self {
        Self { used: self.used.minus(amount), ..*self }
    }
}

/// What all accounts of a quota add up to.
pub fn total(accounts: &[Account; SHARDS]) -> (Amount, Limits) {
    let used = accounts.iter().fold(Amount::default(), |sum, account| sum.plus(account.used));
    let limit = |of: fn(&Limits) -> Option<u64>| {
        accounts.iter().try_fold(0_u64, |sum, account| Some(sum.saturating_add(of(&account.allowance)?)))
    };
    (used, Limits { bytes: limit(|limits| limits.bytes), objects: limit(|limits| limits.objects) })
}

/// Charges one account that had no room, with room from the others.
///
/// # Errors
/// When all of them together have none.
pub fn gather(accounts: &[Account; SHARDS], shard: usize, amount: Amount) -> Result<[Account; SHARDS], Exceeded> {
    let (used, limits) = total(accounts);
    if !limits.hold(used.plus(amount)) {
        return Err(Exceeded { used, limits });
    }
    let mut moved = if accounts.iter().any(|account| account.closed) { divide(accounts, limits) } else { *accounts };
    move_room(
        &mut moved,
        shard,
        amount.bytes,
        Field { used: |amount| amount.bytes, allowance: |limits| &mut limits.bytes },
    );
    let objects = Field { used: |amount| amount.objects, allowance: |limits| &mut limits.objects };
    move_room(&mut moved, shard, amount.objects, objects);
    moved[shard] = moved[shard].charge(amount).ok_or(Exceeded { used, limits })?;
    Ok(moved)
}

/// Either the bytes or the files of an account.
#[derive(Clone, Copy)]
struct Field {
    used: fn(&Amount) -> u64,
    allowance: fn(&mut Limits) -> &mut Option<u64>,
}

impl Field {
    fn room(self, account: &mut Account) -> u64 {
        let used = (self.used)(&account.used);
        (self.allowance)(&mut account.allowance).map_or(0, |allowance| allowance.saturating_sub(used))
    }
}

/// Moves the room that one account lacks to it, from whoever has the most. An account that
/// gives, gives half of what it has, if so much is not lacking: else the next charge
/// would have to gather again, and all who do meet at the same few accounts.
fn move_room(accounts: &mut [Account; SHARDS], shard: usize, wanted: u64, field: Field) {
    let Some(allowance) = *(field.allowance)(&mut accounts[shard].allowance) else { return };
    // An account may be overdrawn, where a limit was lowered.
    let mut lacking = (field.used)(&accounts[shard].used).saturating_add(wanted).saturating_sub(allowance);
    let mut others: Vec<usize> = (0..SHARDS).filter(|other| *other != shard).collect();
    others.sort_by_key(|other| std::cmp::Reverse(field.room(&mut accounts[*other])));
    for other in others {
        if lacking == 0 {
            return;
        }
        let room = field.room(&mut accounts[other]);
        let given = room.min(lacking.max(room / 2));
        for (account, change) in [(other, -i128::from(given)), (shard, i128::from(given))] {
            if let Some(allowance) = (field.allowance)(&mut accounts[account].allowance) {
                *allowance = u64::try_from(i128::from(*allowance) + change).unwrap_or_default();
            }
        }
        lacking = lacking.saturating_sub(given);
    }
}

/// The accounts under new limits, or with what is used set right. Where more is used
/// already, nothing more is let in until it is less.
pub fn divide(accounts: &[Account; SHARDS], limits: Limits) -> [Account; SHARDS] {
    let share = |limit: Option<u64>, used: fn(&Amount) -> u64| -> [Option<u64>; SHARDS] {
        let Some(limit) = limit else { return [None; SHARDS] };
        let all: u64 = accounts.iter().fold(0, |sum, account| sum.saturating_add(used(&account.used)));
        let mut room = limit.saturating_sub(all);
        // What is used beyond the limit is nobody's allowance.
        let mut covered = limit;
        let mut allowances = [None; SHARDS];
        for (index, account) in accounts.iter().enumerate() {
            let own = used(&account.used).min(covered);
            covered -= own;
            let extra = room / (SHARDS - index) as u64;
            room -= extra;
            allowances[index] = Some(own + extra);
        }
        allowances
    };
    let bytes = share(limits.bytes, |amount| amount.bytes);
    let objects = share(limits.objects, |amount| amount.objects);
    let closed = !limits.hold(total(accounts).0);
    std::array::from_fn(|index| Account {
        used: accounts[index].used,
        allowance: Limits { bytes: bytes[index], objects: objects[index] },
        closed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(bytes: u64, objects: u64) -> [Account; SHARDS] {
        divide(&[Account::default(); SHARDS], Limits { bytes: Some(bytes), objects: Some(objects) })
    }

    /// Charges as a use case does.
    fn charge(accounts: &mut [Account; SHARDS], shard: usize, amount: Amount) -> Result<(), Exceeded> {
        match accounts[shard].charge(amount) {
            Some(charged) => accounts[shard] = charged,
            None => *accounts = gather(accounts, shard, amount)?,
        }
        Ok(())
    }

    #[test]
    fn no_limit_is_no_limit() {
        let account = Account::default().charge(Amount::file(u64::MAX)).unwrap();
        assert_eq!(account.used, Amount { bytes: u64::MAX, objects: 1 });
        assert!(total(&[account; SHARDS]).1.is_none());
    }

    #[test]
    fn what_is_divided_adds_up_to_the_limit() {
        for (bytes, objects) in [(0, 0), (1, 7), (8, 9), (1_000_003, 15), (u64::MAX, u64::MAX)] {
            assert_eq!(total(&limited(bytes, objects)).1, Limits { bytes: Some(bytes), objects: Some(objects) });
        }
    }

    #[test]
    fn the_last_byte_is_found_wherever_it_is_and_not_one_more() {
        for shard in 0..SHARDS {
            let mut accounts = limited(1000, 3);
            charge(&mut accounts, shard, Amount::file(999)).unwrap();
            let full = charge(&mut accounts, (shard + 3) % SHARDS, Amount::file(2)).unwrap_err();
            assert_eq!((full.used.bytes, full.limits.bytes), (999, Some(1000)));
            charge(&mut accounts, (shard + 3) % SHARDS, Amount::file(1)).unwrap();
            charge(&mut accounts, shard, Amount::file(0)).unwrap();
            assert!(charge(&mut accounts, shard, Amount::file(0)).is_err(), "no fourth file");
            assert_eq!(total(&accounts), (Amount { bytes: 1000, objects: 3 }, total(&limited(1000, 3)).1));
        }
    }

    #[test]
    fn whoever_gathers_has_room_for_the_next_ones() {
        let mut accounts = limited(80_000, 1_000);
        charge(&mut accounts, 0, Amount::file(60_000)).unwrap();
        let gathered = (0..190).filter(|step| {
            let shard = step % SHARDS;
            let asks = accounts[shard].charge(Amount::file(100)).is_none();
            charge(&mut accounts, shard, Amount::file(100)).unwrap();
            asks
        });
        assert!(gathered.count() < 40);
    }

    #[test]
    fn a_lowered_limit_lets_nothing_in_until_there_is_room() {
        let mut accounts = limited(1000, 10);
        for shard in 0..SHARDS {
            charge(&mut accounts, shard, Amount::file(100)).unwrap();
        }
        let mut lowered = divide(&accounts, Limits { bytes: Some(300), objects: None });
        assert_eq!(total(&lowered).1, Limits { bytes: Some(300), objects: None });
        assert!(charge(&mut lowered, 0, Amount::file(1)).is_err());
        for account in lowered.iter_mut().take(6) {
            *account = account.discharge(Amount::file(100));
        }
        // 200 are used, all on two accounts that may not have so much.
        assert!(charge(&mut lowered, 0, Amount::file(101)).is_err());
        charge(&mut lowered, 0, Amount::file(60)).unwrap();
        charge(&mut lowered, 7, Amount::file(40)).unwrap();
        for shard in 0..SHARDS {
            assert!(charge(&mut lowered, shard, Amount::file(1)).is_err(), "{shard}");
        }
        let raised = divide(&lowered, Limits::default());
        assert_eq!((total(&raised).0.bytes, total(&raised).1.is_none()), (300, true));
    }

    /// A small generator of its own: the walk is the same every time.
    fn steps(seed: u64) -> impl Iterator<Item = u64> {
        std::iter::successors(Some(seed), |state| {
            let mut next = state ^ (state << 13);
            next ^= next >> 7;
            Some(next ^ (next << 17))
        })
    }

    #[test]
    fn no_walk_of_charges_and_discharges_oversteps_or_loses_room() {
        for seed in 1..50 {
            let mut limits = Limits { bytes: Some(5_000), objects: Some(20) };
            let mut accounts = divide(&[Account::default(); SHARDS], limits);
            let mut held: Vec<(usize, Amount)> = Vec::new();
            for step in steps(seed).take(2_000) {
                let shard = (step % 8) as usize;
                let amount = Amount::file(step / 8 % 700);
                let sum = held.iter().fold(Amount::default(), |sum, (_, amount)| sum.plus(*amount));
                if step % 97 == 0 {
                    limits = Limits { bytes: Some(step / 97 % 8_000), objects: Some(step / 97 % 30) };
                    accounts = divide(&accounts, limits);
                } else if step % 3 == 0 && !held.is_empty() {
                    let (shard, amount) = held.swap_remove((step / 64) as usize % held.len());
                    accounts[shard] = accounts[shard].discharge(amount);
                } else if charge(&mut accounts, shard, amount).is_ok() {
                    held.push((shard, amount));
                    assert!(limits.hold(sum.plus(amount)), "let in though there was no room");
                } else {
                    assert!(!limits.hold(sum.plus(amount)), "refused though there was room");
                }
                let sum = held.iter().fold(Amount::default(), |sum, (_, amount)| sum.plus(*amount));
                assert_eq!(total(&accounts), (sum, limits));
            }
        }
    }

    #[test]
    fn one_limit_is_a_limit() {
        assert!(Limits::default().is_none());
        for limits in [Limits { bytes: Some(0), objects: None }, Limits { bytes: None, objects: Some(0) }] {
            assert!(!limits.is_none());
        }
    }

    #[test]
    fn every_scope_has_accounts_of_its_own() {
        let request = FileRequestId::from_bytes([1; 16]);
        assert_eq!(Scope::Tenant.name(), "tenant");
        assert_eq!(Scope::FileRequest(request).name(), request.to_string());
        let other = FileRequestId::from_bytes([2; 16]);
        assert_ne!(Scope::FileRequest(request).name(), Scope::FileRequest(other).name());
    }
}
