//! Every constraint that is tried, what it is worth, and what it means when a
//! storage ignores it. This table is the whole list.

use serde::Serialize;

use Weight::{Fatal, Notable, VerifiedLater};

/// What a signed request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// An upload in one request.
    Put,
    /// An upload by a form.
    Post,
    /// A part of a larger upload.
    Part,
    /// A download.
    Get,
    /// The broker's own copy from the inbox to the vault.
    Copy,
}

impl Method {
    /// All of them, in the order of a report.
    pub const ALL: [Self; 5] = [Self::Put, Self::Post, Self::Part, Self::Get, Self::Copy];

    /// What it is, in words for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Put => "PUT: an upload in one request",
            Self::Post => "POST: an upload by a form",
            Self::Part => "PART: an upload in parts",
            Self::Get => "GET: a download",
            Self::Copy => "COPY: from the inbox to the vault",
        }
    }
}

/// What hangs on a constraint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// Nothing of value: worth knowing.
    Notable,
    /// Completion verifies it again: a storage that ignores it wastes bytes, and no more.
    VerifiedLater,
    /// A capability means nothing without it.
    Fatal,
}

impl Weight {
    /// In words for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Notable => "notable",
            Self::VerifiedLater => "verified later",
            Self::Fatal => "fatal",
        }
    }
}

/// One thing that a storage has to refuse.
#[derive(Debug)]
pub struct Constraint {
    /// A name that stays: `put.longer`.
    pub id: &'static str,
    /// What kind of request is bent.
    pub method: Method,
    /// What hangs on it.
    pub weight: Weight,
    /// What is tried, in words for people.
    pub attempt: &'static str,
    /// What it means when the storage lets it pass.
    pub meaning: &'static str,
    pub(super) probe: Probe,
}

impl Constraint {
    /// What is said where it holds, and where it does not.
    pub(super) fn words(&self) -> (&'static str, &'static str) {
        match self.probe {
            Probe::Copy(Copied::Checksum) => ("known", "UNKNOWN"),
            Probe::Part(Part::Unnamed) => ("left out", "INCLUDED"),
            _ => ("refused", "ACCEPTED"),
        }
    }
}

/// How it is tried.
#[derive(Clone, Copy, Debug)]
pub(super) enum Probe {
    Put(Put),
    Form(Form),
    Part(Part),
    Get(Get),
    Copy(Copied),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Put {
    Longer,
    Shorter,
    OtherType,
    OtherBytes,
    OtherChecksum,
    Tampered,
    Extended,
    Unsigned,
    Expired,
    OtherKey,
    Overwrite,
    /// An unsigned header.
    Header(&'static str, &'static str),
    /// An unsigned `x-amz-copy-source`.
    CopySource,
    Read,
    Delete,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    Longer,
    Shorter,
    OtherType,
    OtherBytes,
    OtherKey,
    ExtraField,
    AlteredPolicy,
    Forged,
    Unsigned,
    Expired,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Longer,
    Shorter,
    OtherBytes,
    OtherChecksum,
    Tampered,
    Extended,
    Unsigned,
    Expired,
    OtherNumber,
    OtherUpload,
    /// An unsigned `x-amz-copy-source`.
    CopySource,
    /// An unsigned header.
    Header,
    Delete,
    Aborted,
    /// A completion that names bytes which were replaced.
    Stale,
    /// A completion that does not name all that arrived.
    Unnamed,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Get {
    Tampered,
    OtherAnswer,
    Extended,
    Unsigned,
    Expired,
    OtherKey,
    Delete,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Copied {
    Stale,
    Checksum,
}

const fn put(id: &'static str, weight: Weight, attempt: &'static str, meaning: &'static str, probe: Put) -> Constraint {
    Constraint { id, method: Method::Put, weight, attempt, meaning, probe: Probe::Put(probe) }
}

const fn form(
    id: &'static str,
    weight: Weight,
    attempt: &'static str,
    meaning: &'static str,
    probe: Form,
) -> Constraint {
    Constraint { id, method: Method::Post, weight, attempt, meaning, probe: Probe::Form(probe) }
}

const fn part(
    id: &'static str,
    weight: Weight,
    attempt: &'static str,
    meaning: &'static str,
    probe: Part,
) -> Constraint {
    Constraint { id, method: Method::Part, weight, attempt, meaning, probe: Probe::Part(probe) }
}

const fn get(id: &'static str, weight: Weight, attempt: &'static str, meaning: &'static str, probe: Get) -> Constraint {
    Constraint { id, method: Method::Get, weight, attempt, meaning, probe: Probe::Get(probe) }
}

const fn copy(
    id: &'static str,
    weight: Weight,
    attempt: &'static str,
    meaning: &'static str,
    probe: Copied,
) -> Constraint {
    Constraint { id, method: Method::Copy, weight, attempt, meaning, probe: Probe::Copy(probe) }
}

const WASTE: &str = "Such an upload is stored and then rejected when it is completed: only its bytes are wasted.";
const OPEN_TO_WRITE: &str = "Whoever reaches the storage writes into it without a capability.";
const OPEN_TO_READ: &str = "Whoever reaches the storage reads what lies under a key, without a capability.";
const FOR_EVER: &str = "A URL that has been handed out works for ever.";
const ANYTHING: &str = "Whoever holds one URL makes any other out of it.";
const ANY_FORM: &str = "Whoever holds one form makes any other out of it.";

/// Every constraint, in the order of a report.
pub const CONSTRAINTS: &[Constraint] = &[
    put("put.longer", VerifiedLater, "a longer body", WASTE, Put::Longer),
    put("put.shorter", VerifiedLater, "a shorter body", WASTE, Put::Shorter),
    put("put.type", VerifiedLater, "another content type", WASTE, Put::OtherType),
    put("put.bytes", VerifiedLater, "other bytes than the declared SHA-256 says", WASTE, Put::OtherBytes),
    put("put.checksum", VerifiedLater, "another SHA-256 than the signed one", WASTE, Put::OtherChecksum),
    put("put.signature", Fatal, "an altered signature", ANYTHING, Put::Tampered),
    put("put.extended", Fatal, "a longer life written into an expired URL", FOR_EVER, Put::Extended),
    put("put.unsigned", Fatal, "no signature at all", OPEN_TO_WRITE, Put::Unsigned),
    put("put.expired", Fatal, "an expired URL", FOR_EVER, Put::Expired),
    put("put.key", Fatal, "the URL of another key", ANYTHING, Put::OtherKey),
    put(
        "put.overwrite",
        VerifiedLater,
        "a key that is taken",
        "Whoever holds the URL can replace the upload until it is completed. What is promoted is pinned and verified.",
        Put::Overwrite,
    ),
    put(
        "put.copy_source",
        Fatal,
        "an unsigned x-amz-copy-source",
        "Whoever holds an upload URL copies somebody else's object into an upload of their own.",
        Put::CopySource,
    ),
    put(
        "put.acl",
        Notable,
        "an unsigned x-amz-acl",
        "Whoever uploads can make their own upload public, where the bucket knows access control lists.",
        Put::Header("x-amz-acl", "public-read"),
    ),
    put(
        "put.metadata",
        Notable,
        "an unsigned x-amz-meta header",
        "Whoever uploads can attach metadata. The copy into the vault drops it.",
        Put::Header("x-amz-meta-extra", "1"),
    ),
    put("put.read", Fatal, "a GET with the URL of a PUT", "Whoever may upload may read, too.", Put::Read),
    put("put.delete", Fatal, "a DELETE with the URL of a PUT", "Whoever may upload may delete, too.", Put::Delete),
    form("post.longer", VerifiedLater, "a longer file", WASTE, Form::Longer),
    form("post.shorter", VerifiedLater, "a shorter file", WASTE, Form::Shorter),
    form("post.type", VerifiedLater, "another content type", WASTE, Form::OtherType),
    form("post.bytes", VerifiedLater, "other bytes than the declared SHA-256 says", WASTE, Form::OtherBytes),
    form("post.key", Fatal, "another key", ANY_FORM, Form::OtherKey),
    form(
        "post.field",
        Notable,
        "a field that the policy does not name",
        "Whoever uploads can attach metadata. The copy into the vault drops it.",
        Form::ExtraField,
    ),
    form("post.policy", Fatal, "an altered policy under the old signature", ANY_FORM, Form::AlteredPolicy),
    form(
        "post.signature",
        Fatal,
        "a forged policy signature",
        "Whoever reaches the storage writes a policy of their own, and with it any object under any key.",
        Form::Forged,
    ),
    form("post.unsigned", Fatal, "no policy at all", OPEN_TO_WRITE, Form::Unsigned),
    form("post.expired", Fatal, "an expired policy", "A form that has been handed out works for ever.", Form::Expired),
    part("part.longer", VerifiedLater, "a longer part", WASTE, Part::Longer),
    part("part.shorter", VerifiedLater, "a shorter part", WASTE, Part::Shorter),
    part("part.bytes", VerifiedLater, "other bytes than the declared SHA-256 says", WASTE, Part::OtherBytes),
    part("part.checksum", VerifiedLater, "another SHA-256 than the signed one", WASTE, Part::OtherChecksum),
    part("part.signature", Fatal, "an altered signature", ANYTHING, Part::Tampered),
    part("part.extended", Fatal, "a longer life written into an expired URL", FOR_EVER, Part::Extended),
    part("part.unsigned", Fatal, "no signature at all", OPEN_TO_WRITE, Part::Unsigned),
    part("part.expired", Fatal, "an expired URL", FOR_EVER, Part::Expired),
    part("part.number", Fatal, "the URL of another part", ANYTHING, Part::OtherNumber),
    part("part.upload", Fatal, "the URL of another upload", ANYTHING, Part::OtherUpload),
    part(
        "part.copy_source",
        Fatal,
        "an unsigned x-amz-copy-source",
        "Whoever holds the URL of a part copies somebody else's object into an upload of their own.",
        Part::CopySource,
    ),
    part(
        "part.metadata",
        Notable,
        "an unsigned x-amz-meta header",
        "Whoever uploads can say more of a part than was agreed. The copy into the vault drops it.",
        Part::Header,
    ),
    part(
        "part.delete",
        Notable,
        "a DELETE with the URL of a part",
        "Whoever sends a part can end the upload that it belongs to: their own.",
        Part::Delete,
    ),
    part(
        "part.aborted",
        Notable,
        "a part of an upload that was aborted",
        "Its bytes are stored though nobody will complete them, until the rules of the bucket remove them.",
        Part::Aborted,
    ),
    part(
        "part.stale",
        VerifiedLater,
        "a completion with a part that was replaced",
        "A part that is replaced while the upload is completed goes into it with its new bytes, if the whole has the \
         declared size and SHA-256, too.",
        Part::Stale,
    ),
    part(
        "part.unnamed",
        VerifiedLater,
        "a part that a completion does not name",
        "An upload is completed with bytes that nobody counted: it is then rejected for its size.",
        Part::Unnamed,
    ),
    get("get.signature", Fatal, "an altered signature", ANYTHING, Get::Tampered),
    get(
        "get.answer",
        Fatal,
        "another answer type written into the URL",
        "Whoever holds a download URL makes a page of any file, on the origin of the storage.",
        Get::OtherAnswer,
    ),
    get("get.extended", Fatal, "a longer life written into an expired URL", FOR_EVER, Get::Extended),
    get("get.unsigned", Fatal, "no signature at all", OPEN_TO_READ, Get::Unsigned),
    get("get.expired", Fatal, "an expired URL", FOR_EVER, Get::Expired),
    get("get.key", Fatal, "the URL of another key", ANYTHING, Get::OtherKey),
    get("get.delete", Fatal, "a DELETE with the URL of a GET", "Whoever may read may delete, too.", Get::Delete),
    copy(
        "copy.stale",
        VerifiedLater,
        "a copy pinned to bytes that were replaced",
        "An upload that is replaced while it is completed may be promoted with its new bytes, if they have the declared \
         size, type and SHA-256, too.",
        Copied::Stale,
    ),
    copy(
        "copy.checksum",
        Notable,
        "the SHA-256 of a copy",
        "An upload that was declared without a SHA-256 is never completed here: without the checksum of what was \
         stored there is no receipt.",
        Copied::Checksum,
    ),
];
