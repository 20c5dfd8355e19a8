//! Replicas whose keys are replaced by themselves while they run: no token is refused as long as it is good, by whichever
//! replica it was sealed and is asked for, though each of them is behind now and then.
//!
//! Judged by the one thing that is wanted: whatever was sealed opens everywhere until it ends.

use std::time::Duration;

use cloakroom::{
    crypto::keyring::{KeyKind, Kid},
    domain::{instant::Instant, lifetime},
    entropy::Entropy,
    keys::{
        Keys,
        document::KeyDocument,
        schedule::{DAYS, Step, next},
    },
};
use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::{Index, select},
};

use super::sealed::{Drawn, Kind, Sealed};

const HOUR: Duration = Duration::from_secs(3_600);

/// A replica passes over reading the keys once, and not twice: it is less than a day behind, for which what is sealed is given
/// time ([`cloakroom::keys::document::SEALED_FOR`]).
const BETWEEN: Duration = HOUR.saturating_mul(11);

/// From the claim at its end, for as long as access lasts.
const LONGEST: u64 = lifetime::SHARE.most + lifetime::SHARE_ACCESS.most;

const REPLICAS: usize = 3;

/// What happens between two looks at the keys.
#[derive(Clone, Debug)]
struct Turn {
    /// Which replicas do not read the keys now.
    behind: [bool; REPLICAS],
    /// What is sealed, by whom, and for how many seconds it is good.
    seals: Option<(usize, Kind, u64)>,
    /// Who writes a row, and which one anew; a new one where there is none.
    writes: Option<(usize, Index)>,
}

fn turn() -> impl Strategy<Value = Turn> {
    let kinds = [Kind::Share, Kind::Session, Kind::Move, Kind::Cursor];
    let seals = (0..REPLICAS, select(kinds.to_vec()), prop_oneof![0..=LONGEST, Just(LONGEST)]);
    let writes = option::of((0..REPLICAS, any::<Index>()));
    (any::<[bool; REPLICAS]>(), option::weighted(0.4, seals), writes).prop_map(|(behind, seals, writes)| Turn {
        behind,
        seals,
        writes,
    })
}

struct Replica {
    keys: Keys,
    is_behind: bool,
}

struct Deployment {
    document: KeyDocument,
    replicas: Vec<Replica>,
    good: Vec<(Sealed, Instant)>,
    rows: Vec<Vec<u8>>,
}

impl Deployment {
    fn has_everywhere(&self, name: &str) -> bool {
        let has = |replica: &Replica| replica.keys.keyring.keys().iter().any(|key| key.kid.to_string() == name);
        self.replicas.iter().all(has)
    }

    fn has_no_row(&self, name: &str) -> bool {
        let kid = Kid::parse(name).unwrap();
        self.rows.iter().all(|row| row[..4] != kid.0)
    }

    /// What is done to the keys by itself.
    fn step(&mut self, now: Instant, entropy: &dyn Entropy) -> Option<Step> {
        let (listed, days) = (self.document.listed(), *DAYS.start());
        let step = next(&listed, days, now, |name| self.has_everywhere(name), |name| self.has_no_row(name))?;
        match &step {
            Step::Stage => drop(self.document.stage(KeyKind::Root, now, entropy).unwrap()),
            Step::Promote(name) => drop(self.document.promote(name, None, now).unwrap()),
            Step::Retire(name) => drop(self.document.retire(name, false, now).unwrap()),
        }
        Some(step)
    }

    fn check(&self, replica: usize) -> Result<(), TestCaseError> {
        let keys = &self.replicas[replica].keys;
        for (sealed, until) in &self.good {
            prop_assert!(sealed.opens(keys), "{:?} is good until {until}", sealed.kind);
        }
        for row in &self.rows {
            prop_assert!(keys.keyring.authentic("p", "s", row).is_ok());
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn keys_are_replaced_under_running_replicas_and_nothing_that_is_good_is_refused(
        seed in any::<u64>(),
        // One is held still meanwhile, for up to four weeks. It is waited for.
        (held, until) in (0..REPLICAS, prop_oneof![Just(0), 1..60_usize]),
        turns in vec(turn(), 110),
    ) {
        let entropy = Drawn::from(seed);
        let entropy: &dyn Entropy = &entropy;
        let made = Instant::from_unix_seconds(1_800_000_000);
        let document = KeyDocument::generate(made, entropy).unwrap();
        let replicas = (0..REPLICAS).map(|_| Replica { keys: document.keys().unwrap(), is_behind: false }).collect();
        let mut deployment = Deployment { document, replicas, good: Vec::new(), rows: Vec::new() };
        // Shortly before the first key is old enough.
        let mut now = made.plus(HOUR * 24 * 22);
        let mut steps = Vec::new();
        for (number, turn) in turns.into_iter().enumerate() {
            now = now.plus(BETWEEN);
            deployment.good.retain(|(_, until)| now <= *until);
            steps.extend(deployment.step(now, entropy));
            for replica in 0..REPLICAS {
                let found = &mut deployment.replicas[replica];
                found.is_behind = turn.behind[replica] && !found.is_behind;
                if found.is_behind || (replica == held && number < until) {
                    continue;
                }
                let read = deployment.document.keys().unwrap();
                if found.keys.keyring.replace(&read.keyring).unwrap() {
                    deployment.check(replica)?;
                }
            }
            if let Some((by, which)) = turn.writes {
                let row = deployment.replicas[by].keys.keyring.authenticate("p", "s", b"body");
                let at = which.index(6);
                if at < deployment.rows.len() { deployment.rows[at] = row } else { deployment.rows.push(row) }
            }
            if let Some((by, kind, seconds)) = turn.seals {
                let sealed = Sealed::new(kind, &deployment.replicas[by].keys, entropy);
                for replica in &deployment.replicas {
                    prop_assert!(sealed.opens(&replica.keys), "{kind:?}, just sealed by another");
                }
                deployment.good.push((sealed, now.plus(Duration::from_secs(seconds))));
            }
        }
        for replica in 0..REPLICAS {
            deployment.check(replica)?;
        }
        // So that nothing is said of what did not happen.
        prop_assert!(steps.iter().any(|step| matches!(step, Step::Promote(_))));
    }
}
