//! Why something was refused. The owner is told; strangers never are.

use serde::{Deserialize, Serialize};

/// The real reason of a refusal, for the owner's ledger and the operator's
/// metrics. Whoever presented the token learns none of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Not a token of ours, or not of this kind.
    Malformed,
    /// A token of ours, but nothing is known of it.
    Unknown,
    /// It may not be claimed yet. It lives on.
    NotYet,
    /// It may not be used from where it was presented.
    WrongNetwork,
    /// Its time to be claimed is over.
    Expired,
    /// Somebody else has claimed it.
    AlreadyClaimed,
    /// The time after the claim in which the claimant may come back is over.
    AccessEnded,
    /// Its claimant went on with it on another device.
    Moved,
    /// Revoked by its owner.
    Revoked,
    /// The stored grant is not the one that was sealed.
    Altered,
    /// The tenant is suspended.
    TenantSuspended,
    /// The tenant or the minter has drawn a new generation since.
    GenerationChanged,
    /// The key that minted it is revoked or has expired.
    MinterEnded,
    /// The minter may no longer do any of what it would give.
    MinterLostRights,
    /// What it opens is gone.
    TargetGone,
    /// Its password was wrong. The link lives on.
    WrongPassword,
    /// A code was asked for, or tried, for an address to which it does not go. It lives on.
    NotARecipient,
    /// A recipient asked for a code too often, or has claimed it already. It lives on.
    NoCodeSent,
    /// The code of a recipient was wrong, too old, or tried too often. It lives on.
    WrongCode,
    /// Its claimant is no recipient any more.
    NoRecipientAnyMore,
}

impl Refusal {
    /// Every reason there is, in their order.
    pub const ALL: [Self; 20] = [
        Self::Malformed,
        Self::Unknown,
        Self::NotYet,
        Self::WrongNetwork,
        Self::Expired,
        Self::AlreadyClaimed,
        Self::AccessEnded,
        Self::Moved,
        Self::Revoked,
        Self::Altered,
        Self::TenantSuspended,
        Self::GenerationChanged,
        Self::MinterEnded,
        Self::MinterLostRights,
        Self::TargetGone,
        Self::WrongPassword,
        Self::NotARecipient,
        Self::NoCodeSent,
        Self::WrongCode,
        Self::NoRecipientAnyMore,
    ];

    /// The reason as ledger and metrics spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::NotYet => "not_yet",
            Self::WrongNetwork => "wrong_network",
            Self::Expired => "expired",
            Self::AlreadyClaimed => "already_claimed",
            Self::AccessEnded => "access_ended",
            Self::Moved => "moved",
            Self::Revoked => "revoked",
            Self::Altered => "altered",
            Self::TenantSuspended => "tenant_suspended",
            Self::GenerationChanged => "generation_changed",
            Self::MinterEnded => "minter_ended",
            Self::MinterLostRights => "minter_lost_rights",
            Self::TargetGone => "target_gone",
            Self::WrongPassword => "wrong_password",
            Self::NotARecipient => "not_a_recipient",
            Self::NoCodeSent => "no_code_sent",
            Self::WrongCode => "wrong_code",
            Self::NoRecipientAnyMore => "no_recipient_any_more",
        }
    }
}
