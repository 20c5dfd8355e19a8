//! What each storage enforces.

/// What a storage refuses. S3 itself: everything but a form on a taken key.
#[derive(Clone, Copy, Debug)]
pub struct Refuses {
    /// Requests that carry no signature at all.
    pub unsigned: bool,
    /// A form without a policy.
    pub form_without_policy: bool,
    /// A form whose policy is signed wrongly.
    pub form_signature: bool,
    /// A form whose file has another SHA-256 than declared.
    pub form_checksum: bool,
    /// A form with a field that the policy does not name.
    pub extra_field: bool,
    /// A form whose file comes before its fields.
    pub file_first: bool,
    /// A form where the key is taken.
    pub form_replay: bool,
    /// A PUT to a key that was settled and removed, while its URL still lives.
    pub settled_replay: bool,
    /// Malformed requests as the client's fault, not with a status of 500.
    pub politely: bool,
    /// A part with a header that gives it another meaning and was not signed.
    pub undeclared_part_header: bool,
    /// A part without a checksum, of an upload that wants one for each.
    pub missing_part_checksum: bool,
    /// Parts that are named in another order than theirs.
    pub parts_out_of_order: bool,
    /// A part below 5 MiB that is not the last.
    pub small_parts: bool,
    /// All completions of an upload but the first.
    pub late_completions: bool,
    /// All completions of an upload but one, when they come at the same time.
    pub racing_completions: bool,
    /// To copy at once what is larger than it was told to.
    pub large_copies: bool,
    /// A copy in parts of another object than the pinned one.
    pub large_copies_of_others: bool,
    /// And, not a refusal: whether a copy computes a SHA-256 that its source lacks.
    pub copy_computes_checksum: bool,
    /// Nor this: whether a list of parts tells their SHA-256.
    pub parts_know_checksums: bool,
}

pub const EMBEDDED: Refuses = Refuses {
    unsigned: true,
    form_without_policy: true,
    form_signature: true,
    form_checksum: true,
    extra_field: true,
    file_first: true,
    form_replay: true,
    settled_replay: true,
    politely: true,
    undeclared_part_header: true,
    missing_part_checksum: true,
    parts_out_of_order: true,
    small_parts: true,
    late_completions: true,
    racing_completions: true,
    large_copies: false,
    large_copies_of_others: true,
    copy_computes_checksum: true,
    parts_know_checksums: true,
};

/// LocalStack 4.7.0 with `S3_SKIP_SIGNATURE_VALIDATION=0`.
pub const LOCALSTACK: Refuses = Refuses {
    unsigned: false,
    form_without_policy: false,
    form_signature: false,
    form_checksum: true,
    extra_field: false,
    file_first: false,
    form_replay: false,
    settled_replay: false,
    politely: false,
    undeclared_part_header: true,
    missing_part_checksum: true,
    parts_out_of_order: true,
    small_parts: true,
    late_completions: true,
    racing_completions: false,
    large_copies: true,
    large_copies_of_others: false,
    copy_computes_checksum: true,
    parts_know_checksums: true,
};

/// MiniStack 1.5.33.
pub const MINISTACK: Refuses = Refuses {
    unsigned: false,
    form_without_policy: true,
    form_signature: false,
    form_checksum: false,
    extra_field: true,
    file_first: false,
    form_replay: false,
    settled_replay: false,
    politely: true,
    undeclared_part_header: false,
    missing_part_checksum: false,
    parts_out_of_order: false,
    small_parts: false,
    late_completions: false,
    racing_completions: false,
    large_copies: true,
    large_copies_of_others: true,
    copy_computes_checksum: false,
    parts_know_checksums: true,
};
