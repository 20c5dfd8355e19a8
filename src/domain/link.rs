//! Links: a random token that opens one artifact, once.

use serde::{Deserialize, Serialize};

use super::{
    authority::MadeUnder,
    ids::{ArtifactId, LinkId},
    narrowing::AsMinted,
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
    /// For how long, how often and from where, unless that was narrowed since.
    #[serde(flatten)]
    pub conditions: AsMinted,
}

impl std::fmt::Debug for LinkGrant {
    /// Without the password hash.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LinkGrant({}, {})", self.id, self.artifact)
    }
}
