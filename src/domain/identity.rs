//! Somebody as an identity provider (OpenID Connect) vouches for them.
//!
//! Never here: how a provider was believed; see `oidc`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ids::TenantId, instant::Instant, text::is_invisible};

/// The longest name of a subject: OpenID Connect Core, section 2, in bytes.
pub const LONGEST_SUBJECT: usize = 255;

/// The longest name of an issuer, in bytes.
pub const LONGEST_ISSUER: usize = 512;

/// A text that cannot name what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must have 1 to {longest} bytes, all of them visible")]
pub struct NotAName {
    longest: usize,
}

fn named(text: &str, longest: usize) -> Result<String, NotAName> {
    let fits = !text.is_empty() && text.len() <= longest && !text.chars().any(is_invisible);
    if fits { Ok(text.to_owned()) } else { Err(NotAName { longest }) }
}

/// Who vouches: the `iss` of a token. Two are the same only byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Issuer(String);

impl Issuer {
    /// The issuer of this name.
    ///
    /// # Errors
    /// When it is empty, longer than 512 bytes, or has characters that show nothing.
    pub fn parse(text: &str) -> Result<Self, NotAName> {
        named(text, LONGEST_ISSUER).map(Self)
    }

    /// As tokens spell it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who it is, in the words of the issuer: the `sub` of a token. Personal data: it prints as dots.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Subject(String);

impl Subject {
    /// The subject of this name.
    ///
    /// # Errors
    /// When it is empty, longer than 255 bytes, or has characters that show nothing.
    pub fn parse(text: &str) -> Result<Self, NotAName> {
        named(text, LONGEST_SUBJECT).map(Self)
    }

    /// As tokens spell it. Each call is a place to look at in a review.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subject(…)")
    }
}

/// What a provider says about how somebody signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecondFactor {
    /// That it took a second factor, or that it did not.
    Said(bool),
    /// Nothing.
    NotSaid,
}

/// What a method of authentication rests on: two methods of one kind are one factor.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Knowledge,
    Possession,
    Body,
}

/// Authentication method references (RFC 8176, section 2) that are a factor by themselves.
fn kind(method: &str) -> Option<Kind> {
    match method {
        "pwd" | "pin" | "kba" => Some(Kind::Knowledge),
        "otp" | "hwk" | "swk" | "sms" | "tel" | "sc" => Some(Kind::Possession),
        "face" | "fpt" | "iris" | "retina" | "vbm" => Some(Kind::Body),
        _ => None,
    }
}

impl SecondFactor {
    /// Judges by the methods (`amr`) and the class (`acr`) that a token names. `accepted` are the classes that the
    /// operator takes for a second factor.
    pub fn of(methods: Option<&[String]>, class: Option<&str>, accepted: &[String]) -> Self {
        if class.is_some_and(|class| accepted.iter().any(|accepted| accepted == class)) {
            return Self::Said(true);
        }
        let is_judged_by_class = class.is_some() && !accepted.is_empty();
        let Some(methods) = methods else {
            return if is_judged_by_class { Self::Said(false) } else { Self::NotSaid };
        };
        let mut kinds = methods.iter().filter_map(|method| kind(method));
        let first = kinds.next();
        let two = first.is_some_and(|first| kinds.any(|other| other != first));
        Self::Said(two || methods.iter().any(|method| method == "mfa"))
    }
}

/// Somebody for whom a provider vouches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who vouches.
    pub issuer: Issuer,
    /// For whom.
    pub subject: Subject,
    /// Whose people the operator lets this provider vouch for.
    pub tenant: TenantId,
    /// When they signed in there, if the provider says it.
    pub authenticated_at: Option<Instant>,
    /// Whether that took a second factor.
    pub second_factor: SecondFactor,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(methods: Option<&[&str]>, class: Option<&str>, accepted: &[&str]) -> SecondFactor {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        SecondFactor::of(methods.map(owned).as_deref(), class, &owned(accepted))
    }

    #[test]
    fn two_methods_are_two_factors_only_when_they_differ_in_kind() {
        for (methods, second) in [
            (&["mfa"][..], true),
            (&["pwd", "otp"], true),
            (&["otp", "geo", "pwd"], true),
            (&["hwk", "fpt"], true),
            (&["pwd"], false),
            (&["pwd", "pin"], false),
            (&["otp", "sms"], false),
            (&["pwd", "geo", "rba", "user", "wia", "mca"], false),
            (&["MFA"], false),
            (&[], false),
        ] {
            assert_eq!(of(Some(methods), None, &[]), SecondFactor::Said(second), "{methods:?}");
        }
    }

    #[test]
    fn a_class_counts_where_the_operator_says_so() {
        assert_eq!(of(None, Some("gold"), &["silver", "gold"]), SecondFactor::Said(true));
        assert_eq!(of(Some(&["pwd"]), Some("gold"), &["gold"]), SecondFactor::Said(true));
        assert_eq!(of(None, Some("bronze"), &["gold"]), SecondFactor::Said(false));
        assert_eq!(of(Some(&["mfa"]), Some("bronze"), &["gold"]), SecondFactor::Said(true));
        assert_eq!(of(None, Some("1"), &[]), SecondFactor::NotSaid);
        assert_eq!(of(None, None, &["gold"]), SecondFactor::NotSaid);
    }

    #[test]
    fn names_are_bounded_visible_and_not_printed() {
        let subject = Subject::parse("user-7f3a").unwrap();
        assert_eq!(format!("{subject:?}"), "Subject(…)");
        for wrong in ["", "a\nb", "a\u{202e}b", &"x".repeat(256)] {
            assert!(Subject::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Issuer::parse("https://issuer.example").is_ok() && Issuer::parse(&"x".repeat(513)).is_err());
    }
}
