//! Quotas: that what is charged is what is kept, never more than may be, and that no room is lost.
//!
//! Judged by a list of what is kept, and its sum.

use std::array;

use cloakroom::domain::quota::{Account, Amount, Exceeded, Limits, SHARDS, divide, gather, total};
use proptest::{collection::vec, option, prelude::*, sample::Index};

type Accounts = [Account; SHARDS];

/// What is kept: its size, and to which account it was charged.
type Kept = Vec<(usize, u64)>;

fn sum(kept: &Kept) -> Amount {
    Amount { bytes: kept.iter().map(|(_, bytes)| bytes).sum(), objects: kept.len() as u64 }
}

/// Whether there is room for one more file.
fn is_room(limits: Limits, kept: &Kept, bytes: u64) -> bool {
    let used = sum(kept);
    limits.bytes.is_none_or(|most| used.bytes + bytes <= most) && limits.objects.is_none_or(|most| used.objects < most)
}

/// Charges as a use case does.
fn charge(accounts: &Accounts, shard: usize, bytes: u64) -> Result<Accounts, Exceeded> {
    let amount = Amount::file(bytes);
    match accounts[shard].charge(amount) {
        Some(charged) => Ok(array::from_fn(|index| if index == shard { charged } else { accounts[index] })),
        None => gather(accounts, shard, amount),
    }
}

fn discharge(accounts: &Accounts, shard: usize, bytes: u64) -> Accounts {
    let mut after = *accounts;
    after[shard] = after[shard].discharge(Amount::file(bytes));
    after
}

/// Sizes and limits of one order of magnitude, so that limits are met; now and then of another.
fn bytes() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0..700_u64, 1 => Just(0), 1 => 0..1_u64 << 50]
}

fn limits() -> impl Strategy<Value = Limits> {
    let bytes = prop_oneof![6 => (0..6_000_u64).prop_map(Some), 1 => Just(None), 1 => (0..1_u64 << 54).prop_map(Some)];
    (bytes, option::weighted(0.8, 0..30_u64)).prop_map(|(bytes, objects)| Limits { bytes, objects })
}

#[derive(Clone, Debug)]
enum Step {
    /// A file is declared, and charged to this account.
    Declare(usize, u64),
    /// One of those that are kept is deleted.
    Delete(Index),
    /// Other limits are set.
    Limit(Limits),
    /// An account says something else than what is kept, and is set right.
    SetRight(usize, u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..SHARDS, bytes()).prop_map(|(shard, bytes)| Step::Declare(shard, bytes)),
        5 => any::<Index>().prop_map(Step::Delete),
        1 => limits().prop_map(Step::Limit),
        1 => (0..SHARDS, bytes()).prop_map(|(shard, bytes)| Step::SetRight(shard, bytes)),
    ]
}

proptest! {
    #[test]
    fn what_is_charged_is_what_is_kept_and_never_more_than_may_be(first in limits(), steps in vec(step(), 0..120)) {
        let (mut limits, mut kept) = (first, Kept::new());
        let mut accounts = divide(&[Account::default(); SHARDS], limits);
        for step in steps {
            match step {
                Step::Declare(shard, bytes) => match charge(&accounts, shard, bytes) {
                    Ok(charged) => {
                        prop_assert!(is_room(limits, &kept, bytes), "let in though there was no room");
                        kept.push((shard, bytes));
                        accounts = charged;
                    }
                    Err(refused) => {
                        prop_assert!(!is_room(limits, &kept, bytes), "refused though there was room");
                        prop_assert_eq!(refused, Exceeded { used: sum(&kept), limits });
                    }
                },
                Step::Delete(which) if !kept.is_empty() => {
                    let (shard, bytes) = kept.swap_remove(which.index(kept.len()));
                    accounts = discharge(&accounts, shard, bytes);
                }
                Step::Delete(_) => {}
                Step::Limit(other) => {
                    limits = other;
                    accounts = divide(&accounts, limits);
                }
                Step::SetRight(shard, wrong) => {
                    accounts[shard].used = Amount::file(wrong);
                    let own: [Kept; SHARDS] = array::from_fn(|shard| {
                        kept.iter().filter(|(charged, _)| *charged == shard).copied().collect()
                    });
                    let right = |shard: usize| Account { used: sum(&own[shard]), ..accounts[shard] };
                    accounts = divide(&array::from_fn(right), limits);
                }
            }
            prop_assert_eq!(total(&accounts), (sum(&kept), limits));
        }
    }

    #[test]
    fn whatever_was_charged_all_room_is_there_again_once_it_is_deleted(
        limits in (0..6_000_u64, 1..30_u64),
        files in vec((0..SHARDS, 0..700_u64), 0..40),
        order in vec(any::<Index>(), 40),
        last in 0..SHARDS,
    ) {
        let limits = Limits { bytes: Some(limits.0), objects: Some(limits.1) };
        let mut accounts = divide(&[Account::default(); SHARDS], limits);
        let mut kept = Kept::new();
        for (shard, bytes) in files {
            if let Ok(charged) = charge(&accounts, shard, bytes) {
                accounts = charged;
                kept.push((shard, bytes));
            }
        }
        for which in order.into_iter().take(kept.len()) {
            let (shard, bytes) = kept.swap_remove(which.index(kept.len()));
            accounts = discharge(&accounts, shard, bytes);
        }
        prop_assert_eq!(total(&accounts), (Amount::default(), limits));
        let most = limits.bytes.unwrap();
        prop_assert!(charge(&accounts, last, most + 1).is_err(), "not one byte more");
        prop_assert!(charge(&accounts, last, most).is_ok(), "from whichever account");
    }

    #[test]
    fn what_is_divided_adds_up_to_the_limits(used in vec(bytes(), SHARDS), limits in limits()) {
        let used_before = |shard: usize| Account { used: Amount::file(used[shard]), ..Account::default() };
        let accounts: Accounts = array::from_fn(used_before);
        let divided = divide(&accounts, limits);
        let is_over = limits.bytes.is_some_and(|most| used.iter().sum::<u64>() > most)
            || limits.objects.is_some_and(|most| SHARDS as u64 > most);
        prop_assert_eq!(total(&divided), (total(&accounts).0, limits));
        for (account, before) in divided.iter().zip(accounts) {
            prop_assert_eq!(account.used, before.used);
            prop_assert_eq!(account.closed, is_over);
            let fits = |used: u64, allowance: Option<u64>| allowance.is_none_or(|allowance| used <= allowance);
            let has_its_own = fits(account.used.bytes, account.allowance.bytes)
                && fits(account.used.objects, account.allowance.objects);
            prop_assert!(is_over || has_its_own, "an account without room for what is on it");
        }
    }
}

/// Accounts as a store keeps them: each with a version, by which a commit tells whether somebody else was faster.
struct Store {
    accounts: [(u32, Account); SHARDS],
    limits: Limits,
    kept: Kept,
    /// Of each file that was ever kept: whether it still is.
    files: Vec<Option<(usize, u64)>>,
}

/// What was decided by what was read, and is committed later or never: only if all of what it changes is as it was read.
struct Decided {
    changed: Vec<(usize, u32, Account)>,
    what: Effect,
}

enum Effect {
    Keeps(usize, u64),
    Deletes(usize),
    Limits(Limits),
}

impl Store {
    fn accounts(&self) -> Accounts {
        self.accounts.map(|(_, account)| account)
    }

    /// What differs afterwards, as a use case writes it; everything, where `all` is to be as it was read.
    fn decided(&self, after: &Accounts, all: bool, what: Effect) -> Decided {
        let differs = |shard: &usize| all || after[*shard] != self.accounts[*shard].1;
        let changed = (0..SHARDS).filter(differs).map(|shard| (shard, self.accounts[shard].0, after[shard])).collect();
        Decided { changed, what }
    }

    fn decide(&self, begun: &Begun) -> Option<Decided> {
        match begun {
            Begun::Declare(shard, bytes) => {
                let after = charge(&self.accounts(), *shard, *bytes).ok()?;
                Some(self.decided(&after, false, Effect::Keeps(*shard, *bytes)))
            }
            Begun::Delete(which) => {
                let kept: Vec<_> =
                    self.files.iter().enumerate().filter_map(|(at, file)| Some((at, (*file)?))).collect();
                let (at, (shard, bytes)) = *kept.get(which.index(kept.len().max(1)))?;
                let after = discharge(&self.accounts(), shard, bytes);
                Some(self.decided(&after, false, Effect::Deletes(at)))
            }
            Begun::Limit(limits) => {
                Some(self.decided(&divide(&self.accounts(), *limits), true, Effect::Limits(*limits)))
            }
        }
    }

    /// Whether it was committed.
    fn commit(&mut self, decided: &Decided) -> bool {
        let is_as_read = decided.changed.iter().all(|(shard, version, _)| self.accounts[*shard].0 == *version);
        let is_there = match decided.what {
            Effect::Deletes(file) => self.files[file].is_some(),
            Effect::Keeps(..) | Effect::Limits(_) => true,
        };
        if !is_as_read || !is_there {
            return false;
        }
        for (shard, version, account) in &decided.changed {
            self.accounts[*shard] = (version + 1, *account);
        }
        match decided.what {
            Effect::Keeps(shard, bytes) => self.files.push(Some((shard, bytes))),
            Effect::Deletes(file) => self.files[file] = None,
            Effect::Limits(limits) => self.limits = limits,
        }
        self.kept = self.files.iter().flatten().copied().collect();
        true
    }
}

#[derive(Clone, Debug)]
enum Begun {
    Declare(usize, u64),
    Delete(Index),
    Limit(Limits),
}

#[derive(Clone, Debug)]
enum Turn {
    /// Somebody reads, and decides.
    Begin(Begun),
    /// One of them commits what was decided. Several may have decided to delete one file.
    Commit(Index),
}

fn turn() -> impl Strategy<Value = Turn> {
    let begun = prop_oneof![
        10 => (0..SHARDS, 0..700_u64).prop_map(|(shard, bytes)| Begun::Declare(shard, bytes)),
        5 => any::<Index>().prop_map(Begun::Delete),
        1 => limits().prop_map(Begun::Limit),
    ];
    prop_oneof![begun.prop_map(Turn::Begin), any::<Index>().prop_map(Turn::Commit)]
}

proptest! {
    /// As replicas do that know nothing of each other: each writes what it has changed, on the condition that this is as it was.
    #[test]
    fn whoever_commits_in_whatever_order_no_limit_is_overstepped_and_nothing_counts_twice(
        limits in limits(),
        turns in vec(turn(), 0..160),
    ) {
        let accounts = divide(&[Account::default(); SHARDS], limits).map(|account| (0, account));
        let mut store = Store { accounts, limits, kept: Kept::new(), files: Vec::new() };
        let mut waiting: Vec<Decided> = Vec::new();
        for turn in turns {
            match turn {
                Turn::Begin(begun) => waiting.extend(store.decide(&begun)),
                Turn::Commit(which) if !waiting.is_empty() => {
                    let decided = waiting.swap_remove(which.index(waiting.len()));
                    let (limits, before) = (store.limits, store.kept.clone());
                    if store.commit(&decided) && let Effect::Keeps(_, bytes) = decided.what {
                        prop_assert!(is_room(limits, &before, bytes), "let in though there was no room");
                    }
                    prop_assert_eq!(total(&store.accounts()), (sum(&store.kept), store.limits));
                }
                Turn::Commit(_) => {}
            }
        }
    }
}
