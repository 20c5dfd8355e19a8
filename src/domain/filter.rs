//! Which of an owner's things are asked for.

use super::{instant::Instant, metadata::Metadata, principal::PrincipalId, redemption::Status};

/// What a thing must be, where anything is said of it at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// What has become of it.
    pub status: Option<Status>,
    /// It was made later than this.
    pub created_after: Option<Instant>,
    /// It was made earlier than this.
    pub created_before: Option<Instant>,
    /// The API key that made it.
    pub created_by: Option<PrincipalId>,
    /// Pairs that are all among its own.
    pub metadata: Metadata,
}

impl Filter {
    /// Whether it takes everything.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it takes something that is so.
    pub fn takes(&self, status: Status, created_at: Instant, created_by: PrincipalId, metadata: &Metadata) -> bool {
        self.status.is_none_or(|wanted| wanted == status)
            && self.created_after.is_none_or(|bound| created_at > bound)
            && self.created_before.is_none_or(|bound| created_at < bound)
            && self.created_by.is_none_or(|wanted| wanted == created_by)
            && metadata.has_all(&self.metadata)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::ApiKeyId;

    #[test]
    fn everything_that_is_said_must_be_so() {
        let (at, by) = (Instant::from_unix_seconds(1_000), PrincipalId::ApiKey(ApiKeyId::from_bytes([1; 16])));
        let other = PrincipalId::ApiKey(ApiKeyId::from_bytes([2; 16]));
        let (later, earlier) = (Instant::from_unix_seconds(1_001), Instant::from_unix_seconds(999));
        let metadata = |text| serde_json::from_str::<Metadata>(text).unwrap();
        let takes = |filter: &Filter| filter.takes(Status::Pending, at, by, &metadata(r#"{"a":"1","b":"2"}"#));
        let all = Filter::default();
        assert!(all.is_empty() && takes(&all));
        for right in [
            Filter { status: Some(Status::Pending), ..all.clone() },
            Filter { created_after: Some(earlier), created_before: Some(later), ..all.clone() },
            Filter { created_by: Some(by), ..all.clone() },
            Filter { metadata: metadata(r#"{"b":"2"}"#), ..all.clone() },
        ] {
            assert!(!right.is_empty() && takes(&right), "{right:?}");
            for wrong in [
                Filter { status: Some(Status::Revoked), ..right.clone() },
                Filter { created_after: Some(at), ..right.clone() },
                Filter { created_before: Some(at), ..right.clone() },
                Filter { created_by: Some(other), ..right.clone() },
                Filter { metadata: metadata(r#"{"b":"3"}"#), ..right.clone() },
            ] {
                assert!(!takes(&wrong), "{wrong:?}");
            }
        }
    }
}
