//! What looks like an attack: counted, and told to the operator as an event in the log.
//!
//! Nothing is refused here; limits do that. What is kept is kept in tables of fixed size, for as long as
//! a threshold looks back. An event names an address and a request, by which the owner's record of a
//! refusal is found.
//!
//! Never here, neither kept nor told: a token or a password. Tokens are told apart by a hash whose key
//! the process draws anew at each start.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    crypto::secret::SecretText,
    domain::{
        ids::RequestId,
        instant::Instant,
        network::ClientAddress,
        rate::{Due, Rate},
    },
};

use super::limits::table::DueTable;

/// Something that was refused to a stranger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A token or key that opens nothing.
    Token,
    /// Signing in.
    SignIn,
    /// A password, or one more try at it.
    Password,
    /// One more request from an address.
    Rate,
}

impl Refused {
    /// Every kind there is.
    pub const ALL: [Self; 4] = [Self::Token, Self::SignIn, Self::Password, Self::Rate];

    /// As metrics spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::SignIn => "sign_in",
            Self::Password => "password",
            Self::Rate => "rate",
        }
    }
}

/// What looks like an attack. The names are for the operator's rules, and stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecurityEvent {
    /// Somebody tries one dead token after the other.
    DeadTokensFromOneAddress,
    /// Somebody tries to sign in again and again.
    SignInFailuresFromOneAddress,
    /// Somebody guesses passwords.
    WrongPasswordsFromOneAddress,
    /// Somebody goes on asking although refused.
    LimitIgnoredByOneAddress,
    /// A token that opens nothing (any more) is tried from everywhere: it was published, or stolen.
    OneTokenFromManyAddresses,
}

impl SecurityEvent {
    /// Every one there is.
    pub const ALL: [Self; 5] = [
        Self::DeadTokensFromOneAddress,
        Self::SignInFailuresFromOneAddress,
        Self::WrongPasswordsFromOneAddress,
        Self::LimitIgnoredByOneAddress,
        Self::OneTokenFromManyAddresses,
    ];

    /// As the log spells it, in the field `event`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DeadTokensFromOneAddress => "dead_tokens_from_one_address",
            Self::SignInFailuresFromOneAddress => "sign_in_failures_from_one_address",
            Self::WrongPasswordsFromOneAddress => "wrong_passwords_from_one_address",
            Self::LimitIgnoredByOneAddress => "limit_ignored_by_one_address",
            Self::OneTokenFromManyAddresses => "one_token_from_many_addresses",
        }
    }
}

/// By which a token is told apart from others while the process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenMark(u64);

/// So many, and it is an event; as long as it goes on, one more now and then.
struct Threshold {
    event: SecurityEvent,
    rate: Rate,
    table: DueTable,
}

/// At most so many lines in the log for each kind of event; those beyond are counted.
#[derive(Default)]
struct Told {
    due: Due,
    left_out: u64,
}

/// Counts what was refused to strangers, and tells what looks like an attack.
pub struct Security {
    marks: RandomState,
    refused: [AtomicU64; 4],
    raised: [AtomicU64; 5],
    told: [Mutex<Told>; 5],
    thresholds: [Threshold; 4],
    /// Which token was tried from which address.
    pairs: DueTable,
    /// From how many addresses a token was tried.
    spread: DueTable,
}

/// Constants that are rates, or else the least there can be.
const fn rate(requests: u32, seconds: u32) -> Rate {
    match (Rate::new(requests, seconds), Rate::new(1, 1)) {
        (Some(rate), _) | (None, Some(rate)) => rate,
        (None, None) => unreachable!(),
    }
}

/// An address and a token count once an hour.
const PAIR: Rate = rate(1, 3_600);
/// A person has a telephone, a desk and a train; not ten of them in an hour.
const SPREAD: Rate = rate(10, 3_600);
/// Lines of one kind in the log.
const LINES: Rate = rate(10, 60);

impl Default for Security {
    fn default() -> Self {
        let threshold = |event, requests| Threshold { event, rate: rate(requests, 600), table: DueTable::default() };
        Self {
            marks: RandomState::new(),
            refused: Default::default(),
            raised: Default::default(),
            told: Default::default(),
            thresholds: [
                threshold(SecurityEvent::DeadTokensFromOneAddress, 30),
                threshold(SecurityEvent::SignInFailuresFromOneAddress, 10),
                threshold(SecurityEvent::WrongPasswordsFromOneAddress, 20),
                threshold(SecurityEvent::LimitIgnoredByOneAddress, 100),
            ],
            pairs: DueTable::default(),
            spread: DueTable::default(),
        }
    }
}

impl Security {
    /// What a token is told apart by.
    pub fn mark(&self, token: &SecretText) -> TokenMark {
        TokenMark(self.marks.hash_one(token.expose()))
    }

    /// Counts something that was refused to a stranger.
    pub fn refused(
        &self,
        what: Refused,
        client: ClientAddress,
        token: Option<TokenMark>,
        request: RequestId,
        now: Instant,
    ) {
        self.refused[what as usize].fetch_add(1, Ordering::Relaxed);
        let raise = |event| self.raise(event, client, request, now);
        let threshold = &self.thresholds[what as usize];
        if threshold.table.reached(client.block(), threshold.rate, now) {
            raise(threshold.event);
        }
        let Some(token) = token else { return };
        let is_new = self.pairs.another((token, client.block()), PAIR, now).is_ok();
        if is_new && self.spread.reached(token, SPREAD, now) {
            raise(SecurityEvent::OneTokenFromManyAddresses);
        }
    }

    fn raise(&self, event: SecurityEvent, client: ClientAddress, request: RequestId, now: Instant) {
        self.raised[event as usize].fetch_add(1, Ordering::Relaxed);
        let mut told = self.told[event as usize].lock().unwrap_or_else(PoisonError::into_inner);
        match LINES.another(told.due, now) {
            Ok((due, _)) => {
                let left_out = std::mem::take(&mut told.left_out);
                told.due = due;
                drop(told);
                tracing::warn!(event = event.as_str(), address = %client, %request, left_out, "security event");
            }
            Err(_) => told.left_out += 1,
        }
    }

    /// How much of this was refused since the start, for metrics.
    pub fn refusals(&self, what: Refused) -> u64 {
        self.refused[what as usize].load(Ordering::Relaxed)
    }

    /// How often this was raised since the start, for metrics.
    pub fn raised(&self, event: SecurityEvent) -> u64 {
        self.raised[event as usize].load(Ordering::Relaxed)
    }
}

impl DueTable {
    /// Whether this one is the last within the rate.
    fn reached(&self, who: impl Hash, rate: Rate, now: Instant) -> bool {
        self.another(who, rate, now).is_ok_and(|standing| standing.remaining == 0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Instant = Instant::from_unix_seconds(1_800_000_000);
    const REQUEST: RequestId = RequestId::from_bytes([7; 16]);

    fn client(number: u32) -> ClientAddress {
        ClientAddress::new(std::net::Ipv4Addr::from(0x0a00_0000 + number).into())
    }

    fn raised(security: &Security) -> [u64; 5] {
        SecurityEvent::ALL.map(|event| security.raised(event))
    }

    #[test]
    fn many_of_a_kind_from_one_address_are_an_event() {
        for (what, most, event) in [
            (Refused::Token, 30, SecurityEvent::DeadTokensFromOneAddress),
            (Refused::SignIn, 10, SecurityEvent::SignInFailuresFromOneAddress),
            (Refused::Password, 20, SecurityEvent::WrongPasswordsFromOneAddress),
            (Refused::Rate, 100, SecurityEvent::LimitIgnoredByOneAddress),
        ] {
            let security = Security::default();
            for number in 1..=most + 100 {
                security.refused(what, client(1), None, REQUEST, NOW);
                assert_eq!(security.raised(event), u64::from(number >= most), "{event:?} {number}");
                // Others, who do so once, are none.
                security.refused(what, client(1_000 + number), None, REQUEST, NOW);
            }
            assert_eq!(raised(&security).iter().sum::<u64>(), 1);
            assert_eq!(security.refusals(what), 2 * u64::from(most + 100));
        }
    }

    #[test]
    fn one_token_from_many_addresses_is_an_event() {
        let security = Security::default();
        let (token, other) = (security.mark(&SecretText::new("crs_a")), security.mark(&SecretText::new("crs_b")));
        assert_ne!(token, other);
        for number in 1..=9 {
            for _ in 0..5 {
                security.refused(Refused::Token, client(number), Some(token), REQUEST, NOW);
            }
            security.refused(Refused::Token, client(100), Some(other), REQUEST, NOW);
        }
        assert_eq!(raised(&security), [0; 5]);
        security.refused(Refused::Token, client(10), Some(token), REQUEST, NOW);
        assert_eq!(security.raised(SecurityEvent::OneTokenFromManyAddresses), 1);
    }

    #[test]
    fn lines_in_the_log_are_bounded_and_what_is_left_out_is_counted() {
        let security = Security::default();
        for number in 0..50 {
            security.raise(SecurityEvent::DeadTokensFromOneAddress, client(number), REQUEST, NOW);
        }
        let left_out = |security: &Security| security.told[0].lock().unwrap().left_out;
        assert_eq!((left_out(&security), security.raised(SecurityEvent::DeadTokensFromOneAddress)), (40, 50));
        let later = NOW.plus(Duration::from_secs(60));
        security.raise(SecurityEvent::DeadTokensFromOneAddress, client(1), REQUEST, later);
        assert_eq!(left_out(&security), 0);
    }
}
