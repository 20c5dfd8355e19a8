//! Root keys that are replaced by themselves once they are old: what is to be done next, if anything is.
//!
//! Pure. Keys of the edge are none of its business: where CloudFront is the edge, somebody has to bring it the public half.

use std::time::Duration;

use crate::{
    crypto::keyring::{KeyKind, KeyState, ListedKey},
    domain::instant::Instant,
};

use super::document::SEALED_FOR;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// For so long a new key is accepted and not used, so that it is in a backup before anything is sealed under it.
pub const STAGED_FOR: Duration = DAY.saturating_mul(7);

/// How soon a key may be replaced, and how late, in days.
pub const DAYS: std::ops::RangeInclusive<u16> = 30..=3_650;

/// What is done to the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A new one is made.
    Stage,
    /// This one is used from now on.
    Promote(String),
    /// This one is accepted no more.
    Retire(String),
}

/// What is to be done next, where a root key is replaced after so many `days`. `accepted` tells whether all replicas open what is
/// sealed under a key, `unused` whether no row is under it any more.
pub fn next(
    keys: &[ListedKey],
    days: u16,
    now: Instant,
    accepted: impl Fn(&str) -> bool,
    unused: impl Fn(&str) -> bool,
) -> Option<Step> {
    let roots = || keys.iter().filter(|key| key.kind == KeyKind::Root);
    // Of one without a date nobody knows how old it is.
    let is_older = |key: &ListedKey, than: Duration| key.since.is_some_and(|since| since.plus(than) <= now);
    let old = roots().find(|key| key.state == KeyState::AcceptOnly && is_older(key, SEALED_FOR) && unused(&key.name));
    if let Some(old) = old {
        return Some(Step::Retire(old.name.clone()));
    }
    if let Some(staged) = roots().find(|key| key.state == KeyState::Staged) {
        let is_due = is_older(staged, STAGED_FOR) && accepted(&staged.name);
        return is_due.then(|| Step::Promote(staged.name.clone()));
    }
    let age = DAY.saturating_mul(u32::from(days)).saturating_sub(STAGED_FOR);
    roots().any(|key| key.state == KeyState::Primary && is_older(key, age)).then_some(Step::Stage)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(days: u32) -> Instant {
        Instant::from_unix_seconds(1_800_000_000).plus(DAY * days)
    }

    fn key(name: &str, state: KeyState, since: u32) -> ListedKey {
        ListedKey { kind: KeyKind::Root, name: name.into(), state, since: Some(at(since)) }
    }

    fn step(keys: &[ListedKey], day: u32) -> Option<Step> {
        next(keys, 90, at(day), |_| true, |_| true)
    }

    #[test]
    fn a_key_is_replaced_when_its_days_are_over_and_the_new_one_was_there_for_a_week() {
        let old = key("old", KeyState::Primary, 0);
        assert_eq!(step(std::slice::from_ref(&old), 82), None);
        assert_eq!(step(std::slice::from_ref(&old), 83), Some(Step::Stage));
        let both = [old, key("new", KeyState::Staged, 83)];
        assert_eq!(step(&both, 89), None);
        assert_eq!(step(&both, 90), Some(Step::Promote("new".into())));
        assert_eq!(next(&both, 90, at(90), |_| false, |_| true), None, "some replica would reject what others seal");
        let promoted = [key("old", KeyState::AcceptOnly, 90), key("new", KeyState::Primary, 90)];
        assert_eq!(step(&promoted, 105), None);
        assert_eq!(step(&promoted, 106), Some(Step::Retire("old".into())));
        assert_eq!(next(&promoted, 90, at(106), |_| true, |_| false), None, "rows are under it");
    }

    #[test]
    fn nothing_is_done_to_keys_of_the_edge_nor_to_one_without_a_date() {
        let edge = ListedKey { kind: KeyKind::Edge, ..key("edge", KeyState::Primary, 0) };
        let undated = ListedKey { since: None, ..key("old", KeyState::Primary, 0) };
        assert_eq!(step(&[edge, undated], 3_000), None);
        assert_eq!(step(&[key("old", KeyState::Retired, 0)], 3_000), None);
    }
}
