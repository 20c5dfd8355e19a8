//! Keys through rotations at random: which steps are possible, and that what was sealed opens exactly as long as its key does.
//!
//! Judged by a list of keys with their states, to which each step is applied by hand.

use cloakroom::{
    crypto::keyring::{KeyKind, KeyState, Kid, ListedKey},
    domain::instant::Instant,
    keys::{
        Keys,
        document::{KeyDocument, SEALED_FOR, SIGNED_FOR},
    },
};
use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::{Index, select},
};

use super::sealed::{Drawn, Kind, Sealed};

/// A key as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    /// The same for as long as it is the same key, whatever it is called.
    number: usize,
    kind: KeyKind,
    name: String,
    state: KeyState,
    since: Instant,
}

/// All keys as they should be: those of tokens, then those of the edge, each in the order of their making.
#[derive(Clone, Debug, Default)]
struct Expected {
    keys: Vec<Key>,
    made: usize,
}

impl Expected {
    fn of(document: &KeyDocument, now: Instant) -> Self {
        let mut expected = Self::default();
        for key in document.listed() {
            expected.add(key.kind, &key.name, KeyState::Primary, now);
        }
        expected
    }

    fn add(&mut self, kind: KeyKind, name: &str, state: KeyState, since: Instant) {
        self.made += 1;
        let after =
            self.keys.iter().rposition(|key| key.kind == KeyKind::Root || key.kind == kind).map_or(0, |at| at + 1);
        self.keys.insert(after, Key { number: self.made, kind, name: name.into(), state, since });
    }

    fn find(&self, name: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    fn primary(&self, kind: KeyKind) -> &Key {
        self.keys.iter().find(|key| key.kind == kind && key.state == KeyState::Primary).unwrap()
    }

    fn opens(&self, sealed_by: &Key) -> bool {
        let is_it = |key: &&Key| key.number == sealed_by.number && key.name == sealed_by.name;
        self.keys.iter().find(is_it).is_some_and(|key| key.state != KeyState::Retired)
    }

    fn may_stage(&self, kind: KeyKind) -> bool {
        !self.keys.iter().any(|key| key.kind == kind && key.state == KeyState::Staged)
    }

    fn may_rename(&self, name: &str, to: &str) -> bool {
        let is_edge = self.find(name).is_some_and(|key| key.kind == KeyKind::Edge);
        is_edge && (name == to || self.find(to).is_none())
    }

    fn rename(&mut self, name: &str, to: &str) {
        self.keys.iter_mut().filter(|key| key.name == name).for_each(|key| key.name = to.into());
    }

    fn may_promote(&self, name: &str, renamed: Option<&str>) -> bool {
        let Some(key) = self.find(name) else { return false };
        let may_be_called = key.kind == KeyKind::Root || renamed.is_none_or(|to| self.may_rename(name, to));
        matches!(key.state, KeyState::Staged | KeyState::AcceptOnly) && may_be_called
    }

    fn promote(&mut self, name: &str, renamed: Option<&str>, now: Instant) {
        let kind = self.find(name).unwrap().kind;
        for key in self.keys.iter_mut().filter(|key| key.kind == kind) {
            if key.name == name {
                (key.state, key.since) = (KeyState::Primary, now);
            } else if key.state == KeyState::Primary {
                (key.state, key.since) = (KeyState::AcceptOnly, now);
            }
        }
        if let (Some(to), KeyKind::Edge) = (renamed, kind) {
            self.rename(name, to);
        }
    }

    fn may_retire(&self, name: &str, leaked: bool, now: Instant) -> bool {
        let Some(key) = self.find(name) else { return false };
        let good_for = if key.kind == KeyKind::Root { SEALED_FOR } else { SIGNED_FOR };
        match key.state {
            KeyState::Staged => true,
            KeyState::AcceptOnly => leaked || now >= key.since.plus(good_for),
            KeyState::Primary | KeyState::Retired => false,
        }
    }

    fn retire(&mut self, name: &str, now: Instant) {
        let is_kept = |key: &Key| key.kind == KeyKind::Root && key.state == KeyState::AcceptOnly;
        self.keys.retain(|key| key.name != name || is_kept(key));
        for key in self.keys.iter_mut().filter(|key| key.name == name) {
            (key.state, key.since) = (KeyState::Retired, now);
        }
    }

    fn listed(&self) -> Vec<ListedKey> {
        let listed =
            |key: &Key| ListedKey { kind: key.kind, name: key.name.clone(), state: key.state, since: Some(key.since) };
        self.keys.iter().map(listed).collect()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Stage(KeyKind),
    /// One of the keys, or one that does not exist; and what it is called from then on.
    Promote(Index, Option<To>),
    Retire(Index, bool),
    Rename(Index, To),
    /// So many hours pass.
    Wait(u32),
    /// A replica reads the keys again.
    Refresh(usize),
    /// A replica seals something.
    Seal(usize, Kind),
}

/// What a key is to be called: as another is, or something new.
#[derive(Clone, Debug)]
enum To {
    Taken(Index),
    New(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let to = || prop_oneof![any::<Index>().prop_map(To::Taken), any::<u8>().prop_map(To::New)];
    prop_oneof![
        3 => select(&[KeyKind::Root, KeyKind::Edge][..]).prop_map(Step::Stage),
        4 => (any::<Index>(), option::weighted(0.3, to())).prop_map(|(which, to)| Step::Promote(which, to)),
        3 => (any::<Index>(), any::<bool>()).prop_map(|(which, leaked)| Step::Retire(which, leaked)),
        1 => (any::<Index>(), to()).prop_map(|(which, to)| Step::Rename(which, to)),
        2 => prop_oneof![0..3_u32, 300..400_u32].prop_map(Step::Wait),
        4 => (0..2_usize).prop_map(Step::Refresh),
        6 => (0..2_usize, select(&Kind::ALL[..])).prop_map(|(replica, kind)| Step::Seal(replica, kind)),
    ]
}

/// Where the keys are used, and as they were when they were read there last.
struct Replica {
    keys: Keys,
    expected: Expected,
}

impl Replica {
    /// Whether it now opens what it should, and nothing else.
    fn check(&self, sealed: &[(Sealed, Key)]) -> Result<(), TestCaseError> {
        for (sealed, by) in sealed {
            prop_assert_eq!(sealed.opens(&self.keys), self.expected.opens(by), "{:?} by {:?}", sealed.kind, by);
            prop_assert!(!sealed.opens_elsewhere(&self.keys), "{:?}", sealed.kind);
        }
        Ok(())
    }

    fn refresh(&mut self, document: &KeyDocument, expected: &Expected) -> Result<(), TestCaseError> {
        let read = document.keys().unwrap();
        let states = |of: &Expected, kind| -> Vec<_> {
            of.keys.iter().filter(|key| key.kind == kind).map(|key| (key.number, key.name.clone(), key.state)).collect()
        };
        let given_up = |key: &&Key| {
            let then = expected.keys.iter().find(|other| other.number == key.number);
            let was_good = key.kind == KeyKind::Root && key.state != KeyState::Retired;
            was_good && then.map_or(key.state != KeyState::Staged, |then| then.state == KeyState::Retired)
        };
        let retired: Vec<_> =
            self.expected.keys.iter().filter(given_up).map(|key| Kid::parse(&key.name).unwrap()).collect();
        prop_assert_eq!(self.keys.keyring.retired_by(&read.keyring), retired);
        let is_other = |kind| states(&self.expected, kind) != states(expected, kind);
        prop_assert_eq!(self.keys.keyring.replace(&read.keyring), Ok(is_other(KeyKind::Root)));
        prop_assert_eq!(self.keys.edge.replace(&read.edge), is_other(KeyKind::Edge));
        self.expected = expected.clone();
        let primary = self.expected.primary(KeyKind::Root);
        prop_assert_eq!(self.keys.keyring.primary().to_string(), primary.name.clone());
        prop_assert_eq!(self.keys.edge.primary().id().to_owned(), self.expected.primary(KeyKind::Edge).name.clone());
        Ok(())
    }
}

proptest! {
    #[test]
    fn what_is_sealed_opens_as_long_as_its_key_and_nothing_impossible_is_done(
        seed in any::<u64>(),
        steps in vec(step(), 1..60),
    ) {
        let entropy = Drawn::from(seed);
        let mut now = Instant::from_unix_seconds(1_800_000_000);
        let mut document = KeyDocument::generate(now, &entropy).unwrap();
        let mut expected = Expected::of(&document, now);
        let replica = || Replica { keys: document.keys().unwrap(), expected: expected.clone() };
        let mut replicas = [replica(), replica()];
        let mut sealed: Vec<(Sealed, Key)> = Vec::new();
        for step in steps {
            let before = document.text().unwrap();
            let mut names: Vec<_> = expected.keys.iter().map(|key| key.name.clone()).collect();
            names.push("00000000".into());
            let name = |which: &Index| names[which.index(names.len())].clone();
            let called = |to: &To| match to {
                To::Taken(which) => name(which),
                To::New(number) => format!("E{number}"),
            };
            let (is_possible, is_done) = match &step {
                Step::Stage(kind) => {
                    let is_possible = expected.may_stage(*kind);
                    let staged = document.stage(*kind, now, &entropy);
                    if let Ok(name) = &staged {
                        expected.add(*kind, name, KeyState::Staged, now);
                    }
                    (is_possible, staged.is_ok())
                }
                Step::Promote(which, to) => {
                    let (name, to) = (name(which), to.as_ref().map(called));
                    let is_possible = expected.may_promote(&name, to.as_deref());
                    if is_possible {
                        expected.promote(&name, to.as_deref(), now);
                    }
                    (is_possible, document.promote(&name, to.as_deref(), now).is_ok())
                }
                Step::Retire(which, leaked) => {
                    let name = name(which);
                    let is_possible = expected.may_retire(&name, *leaked, now);
                    if is_possible {
                        expected.retire(&name, now);
                    }
                    (is_possible, document.retire(&name, *leaked, now).is_ok())
                }
                Step::Rename(which, to) => {
                    let (name, to) = (name(which), called(to));
                    let is_possible = expected.may_rename(&name, &to);
                    if is_possible {
                        expected.rename(&name, &to);
                    }
                    (is_possible, document.rename(&name, &to).is_ok())
                }
                Step::Wait(hours) => {
                    now = now.plus(std::time::Duration::from_secs(u64::from(*hours) * 3_600));
                    (true, true)
                }
                Step::Refresh(which) => {
                    replicas[*which].refresh(&document, &expected)?;
                    replicas[*which].check(&sealed)?;
                    (true, true)
                }
                Step::Seal(which, kind) => {
                    let Replica { keys, expected } = &replicas[*which];
                    sealed.push((Sealed::new(*kind, keys, &entropy), expected.primary(kind.key()).clone()));
                    (true, true)
                }
            };
            prop_assert_eq!(is_done, is_possible, "{:?}", step);
            let after = document.text().unwrap();
            prop_assert!(is_possible || *after == *before, "refused, and changed nothing: {:?}", step);
            prop_assert_eq!(document.listed(), expected.listed(), "{:?}", step);
            for kind in [KeyKind::Root, KeyKind::Edge] {
                let is_primary = |key: &&ListedKey| key.kind == kind && key.state == KeyState::Primary;
                prop_assert_eq!(document.listed().iter().filter(is_primary).count(), 1);
            }
            prop_assert_eq!(KeyDocument::parse(&after).unwrap().listed(), expected.listed());
        }
        for replica in &mut replicas {
            replica.check(&sealed)?;
            replica.refresh(&document, &expected)?;
            replica.check(&sealed)?;
        }
    }
}
