//! Links: a random token that opens one artifact, once.

use serde::{Deserialize, Serialize};

use super::{
    authority::MadeUnder,
    ids::{ArtifactId, LinkId},
    metadata::Metadata,
    redemption::Terms,
    restrictions::Restrictions,
    text::Message,
};

/// What a link gives. Never changed once minted.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkGrant {
    /// Which link.
    pub id: LinkId,
    /// Who minted it, under which generations.
    pub made: MadeUnder,
    /// What it opens.
    pub artifact: ArtifactId,
    /// The Argon2id hash of its password as a PHC string, where it has one.
    pub password: Option<String>,
    /// For how long, and how often.
    pub terms: Terms,
    /// From where it may be used.
    #[serde(default, skip_serializing_if = "Restrictions::is_empty")]
    pub restrictions: Restrictions,
    /// The owner's name for it.
    pub label: Option<String>,
    /// Words of the owner's own.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
    /// What recipients are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
}

impl std::fmt::Debug for LinkGrant {
    /// Without the password hash.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LinkGrant({}, {})", self.id, self.artifact)
    }
}
