//! File requests: links that let outsiders deliver files, and see nothing else.

use serde::{Deserialize, Serialize};

use super::{
    authority::MadeUnder,
    ids::FileRequestId,
    instant::Instant,
    metadata::Metadata,
    path::{NotAPath, PathPin, VaultPath},
    quota::Limits,
    redemption::{Claim, Terms},
    text::Message,
};

/// The most media types that a file request names.
pub const MOST_TYPES: usize = 50;

/// How the folder of a submission begins: the day, and what the broker has drawn for it.
const DATE: usize = "2026-11-22".len();

/// What a file request asks for. Never changed once made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRequest {
    /// Which one.
    pub id: FileRequestId,
    /// Who made it, under which generations.
    pub made: MadeUnder,
    /// Below which folder everything goes; always a [`PathPin::Folder`].
    pub folder: PathPin,
    /// How much may be delivered in all.
    pub limits: Limits,
    /// The largest file, in bytes, where that is less than its maker may upload.
    pub largest_file: Option<u64>,
    /// Which media types are taken; all where none is named.
    pub content_types: Vec<TypePattern>,
    /// The Argon2id hash of its password as a PHC string, where it has one.
    pub password: Option<String>,
    /// Until when, and by how many.
    pub terms: Terms,
    /// The owner's name for it.
    pub label: Option<String>,
    /// Words of the owner's own.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
    /// What whoever delivers is told.
    pub message: Option<Message>,
}

impl std::fmt::Debug for FileRequest {
    /// Without the password hash.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FileRequest({}, {})", self.id, self.folder)
    }
}

impl FileRequest {
    /// Whether a file of this media type is taken.
    pub fn takes(&self, content_type: &str) -> bool {
        self.content_types.is_empty() || self.content_types.iter().any(|pattern| pattern.covers(content_type))
    }

    /// The folder of a submission that begins now. Nothing that they choose decides it, so that nobody
    /// gets into the folder of somebody else.
    ///
    /// # Errors
    /// When the path would be too long.
    pub fn submission_folder(&self, drawn: [u8; 6], name: Option<&str>, now: Instant) -> Result<PathPin, NotAPath> {
        let day = now.to_string();
        let drawn = base16ct::lower::encode_string(&drawn);
        let name = name.map(|name| format!("-{name}")).unwrap_or_default();
        PathPin::parse(&format!("{}{}-{drawn}{name}/", self.folder.listing_prefix(), &day[..DATE]))
    }
}

/// A media type, or all that begin alike: `application/pdf`, `image/*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TypePattern(String);

/// The text is no media type and no `type/*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is written type/subtype or type/*, for example application/pdf or image/*")]
pub struct NotATypePattern;

impl TypePattern {
    /// Checks a text.
    ///
    /// # Errors
    /// For anything that is not of the form `type/subtype` or `type/*`.
    pub fn parse(text: &str) -> Result<Self, NotATypePattern> {
        let token = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte))
        };
        match text.split_once('/') {
            Some((kind, subtype)) if text.len() <= 127 && token(kind) && (subtype == "*" || token(subtype)) => {
                Ok(Self(text.to_ascii_lowercase()))
            }
            _ => Err(NotATypePattern),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a media type, with or without parameters, is meant.
    fn covers(&self, content_type: &str) -> bool {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match self.0.strip_suffix('*') {
            Some(kind) => essence.starts_with(kind),
            None => essence == self.0,
        }
    }
}

impl TryFrom<String> for TypePattern {
    type Error = NotATypePattern;

    fn try_from(text: String) -> Result<Self, NotATypePattern> {
        Self::parse(&text)
    }
}

impl From<TypePattern> for String {
    fn from(pattern: TypePattern) -> Self {
        pattern.0
    }
}

/// One delivery to a file request: whoever has the claim key goes on with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    /// When it began, and until when it may be gone on with.
    #[serde(flatten)]
    pub claim: Claim,
    /// Where its files go.
    pub folder: PathPin,
    /// Who delivers, as they say.
    pub name: Option<String>,
}

impl Submission {
    /// A path of the deliverer's own, at its place in the vault.
    ///
    /// # Errors
    /// When it is too long there.
    pub fn place(&self, path: &VaultPath) -> Result<VaultPath, NotAPath> {
        VaultPath::parse(&format!("{}{path}", self.folder.listing_prefix()))
    }

    /// A path in the vault, as its deliverer knows it.
    pub fn shown<'a>(&self, path: &'a VaultPath) -> &'a str {
        path.as_str().strip_prefix(&self.folder.listing_prefix()).unwrap_or(path.file_name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> TypePattern {
        TypePattern::parse(text).unwrap()
    }

    #[test]
    fn a_pattern_covers_its_own_kind() {
        assert!(pattern("image/*").covers("Image/PNG; charset=x"));
        assert!(pattern("application/pdf").covers("application/PDF"));
        assert!(!pattern("image/*").covers("imagery/png"));
        assert!(!pattern("image/*").covers("text/plain; image/png"));
        assert!(!pattern("application/pdf").covers("application/pdfx"));
        for wrong in ["", "image", "image/", "*/*", "im*ge/png", "image/p*", "image/png;x=1", "a b/c", "/png"] {
            assert!(TypePattern::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_delivered_stays_in_its_folder() {
        let submission = Submission {
            claim: Claim {
                claimed_at: Instant::from_unix_seconds(1),
                access_until: Instant::from_unix_seconds(2),
                moved_at: None,
                recipient: None,
            },
            folder: PathPin::parse("incoming/2026-11-22-0a0b0c0d0e0f/").unwrap(),
            name: None,
        };
        let path = submission.place(&VaultPath::parse("photos/a.png").unwrap()).unwrap();
        assert_eq!(path.as_str(), "incoming/2026-11-22-0a0b0c0d0e0f/photos/a.png");
        assert_eq!(submission.shown(&path), "photos/a.png");
    }
}
