//! Who sent a request, as far as that can be seen: recorded beside an event, where it can be erased again. The event itself holds
//! a commitment, which says nothing without what lies beside it.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::{event::EventClass, network::ClientAddress};

/// The most of what a program says of itself that is kept, in bytes.
const LONGEST: usize = 160;

/// What a program says of itself (RFC 9110, section 10.1.5): its beginning, visible ASCII alone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UserAgent {
    bytes: [u8; LONGEST],
    length: u8,
}

impl UserAgent {
    /// What the header says.
    pub fn new(header: &[u8]) -> Self {
        let mut agent = Self { bytes: [b' '; LONGEST], length: header.len().min(LONGEST) as u8 };
        for (byte, said) in agent.bytes.iter_mut().zip(header) {
            *byte = if (0x20..0x7f).contains(said) { *said } else { b'?' };
        }
        agent
    }

    /// Of a program that says nothing.
    pub fn none() -> Self {
        Self::new(b"")
    }

    /// What is kept.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }
}

impl fmt::Debug for UserAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Who sent a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// From which address.
    pub address: String,
    /// With which program, as that says.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user_agent: String,
}

impl Client {
    /// Whoever asked from here, with this program.
    pub fn new(address: ClientAddress, agent: &UserAgent) -> Self {
        Self { address: address.to_string(), user_agent: agent.as_str().trim().to_owned() }
    }
}

/// The longest that it may be kept who asked: some more than a year.
const MOST_DAYS: u16 = 400;

/// For how long it is kept who asked, by the kind of what they asked; not at all where that is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientRetention([Duration; 4]);

/// What is no retention; the wording is shown to operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotARetention {
    /// Too long.
    #[error("is 0 to {MOST_DAYS} days; what is in backups lasts longer")]
    Days,
    /// No class.
    #[error(
        "is written refusals=14,recipients=30: days for refusals, recipients, transfers or administration, each once"
    )]
    Class,
}

impl ClientRetention {
    /// So long, whatever it was.
    pub const fn of_all(span: Duration) -> Self {
        Self([span; 4])
    }

    /// So many days; for these classes as many as they say, as in `refusals=14,recipients=30`.
    ///
    /// # Errors
    /// When it is longer than 400 days, or no class is named so, or one is named twice.
    pub fn in_days(days: u16, by_class: &str) -> Result<Self, NotARetention> {
        let span = |days: u16| match days <= MOST_DAYS {
            true => Ok(Duration::from_secs(u64::from(days) * 24 * 3600)),
            false => Err(NotARetention::Days),
        };
        let (mut spans, mut named) = ([span(days)?; 4], [false; 4]);
        for part in by_class.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, days) = part.split_once('=').ok_or(NotARetention::Class)?;
            let class = EventClass::named(name.trim()).ok_or(NotARetention::Class)? as usize;
            if std::mem::replace(&mut named[class], true) {
                return Err(NotARetention::Class);
            }
            spans[class] = span(days.trim().parse().map_err(|_| NotARetention::Class)?)?;
        }
        Ok(Self(spans))
    }

    /// For what is of this kind.
    pub const fn of(&self, class: EventClass) -> Duration {
        self.0[class as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_kept_as_long_as_is_said_of_its_kind() {
        let days = |count: u64| Duration::from_secs(count * 24 * 3600);
        let retention = ClientRetention::in_days(90, "refusals=14, recipients=0").unwrap();
        assert_eq!(EventClass::ALL.map(|class| retention.of(class)), [days(14), days(0), days(90), days(90)]);
        assert_eq!(ClientRetention::in_days(7, ""), Ok(ClientRetention::of_all(days(7))));
        assert_eq!(ClientRetention::in_days(401, ""), Err(NotARetention::Days));
        assert_eq!(ClientRetention::in_days(1, "transfers=401"), Err(NotARetention::Days));
        for wrong in ["refusal=1", "refusals", "refusals=", "refusals=-1", "=1", "refusals=1,refusals=2", "1"] {
            assert_eq!(ClientRetention::in_days(1, wrong), Err(NotARetention::Class), "{wrong}");
        }
    }

    #[test]
    fn of_what_a_program_says_the_visible_beginning_is_kept() {
        assert_eq!(UserAgent::new(b"curl/8.0").as_str(), "curl/8.0");
        assert_eq!(UserAgent::new("a\r\nb\u{e9}\u{1b}[2J".as_bytes()).as_str(), "a??b???[2J");
        assert_eq!(UserAgent::new(&[b'x'; 1_000]).as_str(), "x".repeat(LONGEST));
        assert_eq!(UserAgent::none().as_str(), "");
    }
}
