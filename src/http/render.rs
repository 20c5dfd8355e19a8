//! What several capabilities render alike.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    domain::{instant::Instant, lifetime::Bounds, object::VaultFile, path::VaultPath},
    objects::SignedRequest,
    service::{
        Error,
        listing::{Page, PageRequest},
        vault::Purpose,
    },
};

use super::{problem::Problem, receipt_views::ChecksumView};

/// Which page of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// At most this many items, 1 to 1,000; 50 where it is left out.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<usize>,
    /// Where the last page ended: its `next_cursor`.
    pub cursor: Option<String>,
}

impl From<PageQuery> for PageRequest {
    fn from(query: PageQuery) -> Self {
        Self { limit: query.limit, cursor: query.cursor }
    }
}

/// Which page of which files.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ObjectsQuery {
    /// Only paths that begin with this.
    #[serde(default)]
    pub prefix: String,
    /// At most this many items, 1 to 1,000; 50 where it is left out.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<usize>,
    /// Where the last page ended: its `next_cursor`.
    pub cursor: Option<String>,
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Listing<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; null at the end.
    pub next_cursor: Option<String>,
}

impl<T> Listing<T> {
    /// A page, each item as the API shows it.
    pub fn of<S>(page: Page<S>, shown: impl Fn(S) -> T) -> Self {
        Self { items: page.items.into_iter().map(shown).collect(), next_cursor: page.next_cursor }
    }
}

/// A file.
#[derive(Debug, Serialize, ToSchema)]
pub struct ObjectView {
    /// Its path.
    #[schema(example = "docs/a.pdf")]
    pub path: String,
    /// How many bytes.
    pub size: u64,
    /// Its media type.
    pub content_type: String,
    /// SHA-256 of all its bytes in hexadecimal, where that is known.
    pub sha256: Option<String>,
    /// Its checksum: above 5 GB S3 knows none of the whole.
    pub checksum: ChecksumView,
    /// When it came there (RFC 3339).
    pub created_at: String,
}

impl From<VaultFile> for ObjectView {
    fn from(file: VaultFile) -> Self {
        Self {
            path: file.path.into(),
            size: file.size,
            content_type: file.content_type,
            sha256: file.checksum.full().map(str::to_owned),
            checksum: (&file.checksum).into(),
            created_at: file.created_at.to_string(),
        }
    }
}

/// A file to download.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DownloadBody {
    /// Its path.
    #[schema(value_type = String)]
    pub path: VaultPath,
    /// `inline` to have it shown where that is harmless (pictures but SVG, PDF, plain text, audio, video), which is
    /// the default; `attachment` to have it saved. Whatever else it is, is saved.
    #[serde(default)]
    pub disposition: WantedDisposition,
}

/// How a browser is to treat a download.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum WantedDisposition {
    /// Shown, where that is harmless.
    #[default]
    Inline,
    /// Saved.
    Attachment,
}

impl From<WantedDisposition> for Purpose {
    fn from(wanted: WantedDisposition) -> Self {
        match wanted {
            WantedDisposition::Inline => Self::Showing,
            WantedDisposition::Attachment => Self::Saving,
        }
    }
}

/// Where to download a file. Whoever has the URL can use it until it expires.
#[derive(Serialize, ToSchema)]
pub struct DownloadView {
    /// The URL, for a GET.
    pub url: String,
    /// Until when a download may begin (RFC 3339), a minute at most.
    pub expires_at: String,
}

impl From<SignedRequest> for DownloadView {
    fn from(signed: SignedRequest) -> Self {
        Self { url: signed.url, expires_at: signed.expires_at.to_string() }
    }
}

/// In a change: tells null from what is left out.
///
/// # Errors
/// When it is neither null nor a `T`.
pub fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// The headers or fields of a signed request.
pub type Pairs = BTreeMap<String, String>;

/// The end that a body asks for, by span or by point in time, within bounds.
///
/// # Errors
/// When both are given, or the one given is out of bounds.
pub fn ends_at(
    bounds: &Bounds,
    expires_in: Option<u64>,
    expires_at: Option<Instant>,
    now: Instant,
) -> Result<Instant, Problem> {
    match (expires_in, expires_at) {
        (Some(_), Some(_)) => Err(Problem::invalid("/expires_at", "give expires_in or expires_at, not both")),
        (_, None) => match bounds.seconds(expires_in) {
            Ok(span) => Ok(now.plus(span)),
            Err(fault) => Err(Problem::invalid("/expires_in", fault.to_string())),
        },
        (None, Some(end)) => bounds.until(end, now).map_err(|fault| Problem::invalid("/expires_at", fault.to_string())),
    }
}

/// For how many seconds a claimant may come back.
///
/// # Errors
/// When it is out of bounds.
pub fn access_seconds(bounds: &Bounds, access_expires_in: Option<u64>) -> Result<u64, Problem> {
    let access = bounds.seconds(access_expires_in);
    access.map(|span| span.as_secs()).map_err(|fault| Problem::invalid("/access_expires_in", fault.to_string()))
}

/// A label, checked.
///
/// # Errors
/// When it is too long or has characters that it must not have.
pub fn label(text: Option<String>) -> Result<Option<String>, Problem> {
    text.map(|text| crate::domain::text::label(&text).map_err(|fault| Error::invalid("/label", fault).into()))
        .transpose()
}

/// An id in a URL; what is no id of the kind is not found.
///
/// # Errors
/// [`Problem::not_found`].
pub fn id<T: std::str::FromStr>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::not_found())
}
