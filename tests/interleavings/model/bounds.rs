//! Who handles a share in each search, and how much may happen: small enough to see all of it.
//!
//! With `CLOAKROOM_MODEL_LARGE` set, more may happen.

use cloakroom::domain::redemption::Terms;

use super::{properties::examples, request::Role, share::Share, state::moment, store::Key};

const FIRST: Role = Role::Claims { by: Key(0) };
const SECOND: Role = Role::Claims { by: Key(1) };
const THIRD: Role = Role::Claims { by: Key(2) };

/// One of two numbers, as the environment asks.
fn either(small: u8, large: u8) -> u8 {
    if std::env::var_os("CLOAKROOM_MODEL_LARGE").is_some() { large } else { small }
}

const fn moving(from: Key, to: Key) -> Role {
    Role::Moves { from, to, offered_until: moment(9) }
}

/// A share that its owner mints and these handle: at one moment, all clocks right, and without faults.
fn share(others: &[Role]) -> Share {
    let terms =
        Terms { issued_at: moment(1), not_before: None, expires_at: moment(9), access_seconds: 9, redemptions: 1 };
    Share {
        terms,
        clients: [Role::Mints].iter().chain(others).copied().collect(),
        asks: 1,
        ends: 1,
        clocks: &[0],
        faults: 0,
        crashes: 0,
        flaw: None,
        shows: Vec::new(),
    }
}

/// Three claimants at once.
pub fn racing(redemptions: u32) -> Share {
    let mut share = share(&[FIRST, SECOND, THIRD]);
    share.terms.redemptions = redemptions;
    share.shows = vec![examples::THE_FIRST_WINS, examples::THE_SECOND_WINS, examples::THE_THIRD_WINS, examples::LATE];
    Share { asks: either(1, 2), faults: 1, crashes: either(0, 1), ..share }
}

/// Two claimants who ask again, where answers are lost and late and a replica is killed.
pub fn retrying() -> Share {
    let share = share(&[FIRST, SECOND]);
    let shows = vec![
        examples::THE_FIRST_WINS,
        examples::THE_SECOND_WINS,
        examples::A_RETRY_SUCCEEDS,
        examples::LATE,
        examples::TOO_LATE,
        examples::UNKNOWN,
    ];
    Share { asks: either(2, 3), faults: either(2, 3), crashes: 1, shows, ..share }
}

/// Two requests with one claim key, and one with another. Two may claim, so that one who was counted twice would fit.
pub fn twice_the_same() -> Share {
    let mut share = share(&[FIRST, FIRST, SECOND]);
    share.terms.redemptions = 2;
    share.shows = vec![examples::LATE, examples::TOO_LATE, examples::UNKNOWN];
    Share { asks: either(1, 2), faults: 1, crashes: 1, ..share }
}

/// Two claimants, and an owner who revokes.
pub fn revoking() -> Share {
    let share = share(&[FIRST, SECOND, Role::Revokes]);
    let shows =
        vec![examples::A_REVOCATION_WINS, examples::A_CLAIM_WINS, examples::A_RETRY_SUCCEEDS, examples::TOO_LATE];
    Share { asks: 2, faults: either(1, 2), crashes: 1, shows, ..share }
}

/// Two claimants while time passes, on replicas whose clocks are behind, right and ahead.
pub fn expiring() -> Share {
    let mut share = share(&[FIRST, SECOND]);
    share.terms = Terms { not_before: Some(moment(2)), expires_at: moment(3), access_seconds: 1, ..share.terms };
    share.shows = vec![
        examples::WAITS,
        examples::THE_FIRST_WINS,
        examples::EXPIRED,
        examples::AHEAD,
        examples::ACCESS_ENDS,
        examples::A_RETRY_SUCCEEDS,
    ];
    Share { asks: 2, ends: 4, clocks: &[-1, 0, 1], faults: 1, crashes: either(0, 1), ..share }
}

/// A claimant, and two who go on with the claim elsewhere.
pub fn moving_on() -> Share {
    let share = share(&[FIRST, moving(Key(0), Key(2)), moving(Key(0), Key(3))]);
    let shows = vec![examples::MOVES, examples::A_RETRY_SUCCEEDS, examples::LATE];
    Share { asks: 2, faults: either(1, 2), crashes: 1, shows, ..share }
}

/// A claim that moves while its owner revokes the share and time passes.
pub fn moving_and_ending() -> Share {
    let offered_until = moment(3);
    let mut share = share(&[FIRST, Role::Moves { from: Key(0), to: Key(2), offered_until }, Role::Revokes]);
    share.terms = Terms { expires_at: moment(2), access_seconds: 3, ..share.terms };
    share.shows = vec![examples::MOVES, examples::ACCESS_ENDS, examples::EXPIRED, examples::A_CLAIM_WINS];
    Share { asks: 2, ends: 4, faults: either(0, 1), crashes: 1, ..share }
}
