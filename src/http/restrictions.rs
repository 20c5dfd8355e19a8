//! What shares and links may be restricted to, as bodies say it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    crypto::secret::SecretText,
    domain::{
        instant::Instant,
        recipient::{Address, Note, Recipient, Recipients},
        redemption::MOST_REDEMPTIONS,
    },
    service::{AddressClass, recipients::RecipientProof},
};

use super::{limits::Presents, problem::Problem};

/// From when on it may be claimed, checked.
///
/// # Errors
/// When that is over, or not before the end.
pub(super) fn not_before(
    wanted: Option<Instant>,
    expires_at: Instant,
    now: Instant,
) -> Result<Option<Instant>, Problem> {
    match wanted {
        Some(at) if at < now => {
            Err(Problem::invalid("/not_before", "is over; leave it out for what may be opened at once"))
        }
        Some(at) if at >= expires_at => Err(Problem::invalid("/not_before", "must be before the time it expires")),
        _ => Ok(wanted),
    }
}

/// How many may claim it, checked: as many as there are recipients, or else one, where nothing is said.
///
/// # Errors
/// When it is not 1 to 1,000, or more than there are recipients, of whom each claims once.
pub(super) fn redemptions(wanted: Option<u32>, recipients: Option<&Recipients>) -> Result<u32, Problem> {
    let people = recipients.map(Recipients::count);
    match (wanted.or(people).unwrap_or(1), people) {
        (count, Some(people)) if count > people => {
            Err(Problem::invalid("/redemptions", "must be no more than there are recipients: each claims it once"))
        }
        (count @ 1..=MOST_REDEMPTIONS, _) => Ok(count),
        _ => Err(Problem::invalid("/redemptions", "must be between 1 and 1,000")),
    }
}

/// To whom a code is to be sent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SendCodeBody {
    /// The token.
    #[schema(value_type = String)]
    pub token: SecretText,
    /// The e-mail address of a recipient.
    #[schema(value_type = String, example = "ada@example.org")]
    pub address: Address,
}

impl Presents for SendCodeBody {
    const CLASS: AddressClass = AddressClass::Redeem;

    fn credential(&self) -> &SecretText {
        &self.token
    }
}

/// Who redeems, where it goes to recipients alone.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecipientBody {
    /// Their e-mail address.
    #[schema(value_type = String, example = "ada@example.org")]
    pub address: Address,
    /// The code that was sent there: eight digits; spaces between them do not count.
    #[schema(value_type = String)]
    pub code: SecretText,
}

impl From<RecipientBody> for RecipientProof {
    fn from(RecipientBody { address, code }: RecipientBody) -> Self {
        let code = code.expose().chars().filter(|character| !character.is_whitespace()).take(64).collect::<String>();
        Self { address, code: SecretText::new(code) }
    }
}

/// A recipient, as the owner sees them.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecipientView {
    /// Their address.
    #[schema(example = "ada@example.org")]
    pub address: String,
    /// What their address is used for, as you have noted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub purpose: Option<Note>,
    /// By what they have agreed to that, as you have noted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub consent: Option<Note>,
    /// When they claimed it (RFC 3339); lists do not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claimed_at: Option<String>,
}

/// A recipient, as an owner gives them: an address alone, or with what is noted of it.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, unreachable_pub, reason = "describes what `Recipients` reads")]
pub enum GivenRecipient {
    /// An e-mail address alone.
    #[schema(example = "ada@example.org")]
    Address(String),
    /// With what is noted of it, 200 characters each: for you, never for recipients.
    Noted {
        /// The e-mail address.
        #[schema(example = "ada@example.org")]
        address: String,
        /// What it is used for.
        #[schema(max_length = 200)]
        purpose: Option<String>,
        /// By what they have agreed to that.
        #[schema(max_length = 200)]
        consent: Option<String>,
    },
}

/// The recipients, each with what is known of them.
pub(super) fn recipients(
    list: Option<Recipients>,
    claimed_by: Vec<(Address, Option<Instant>)>,
) -> Option<Vec<RecipientView>> {
    let list: Vec<Recipient> = list?.into();
    let view = |Recipient { address, purpose, consent }| {
        let claimed = claimed_by.iter().find(|(claimant, _)| *claimant == address).and_then(|(_, at)| *at);
        RecipientView { address: address.into(), purpose, consent, claimed_at: claimed.map(|at| at.to_string()) }
    };
    Some(list.into_iter().map(view).collect())
}
