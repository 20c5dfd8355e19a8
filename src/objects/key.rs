//! Object keys: where bytes lie, built by the server alone.
//!
//! `inbox/<tenant>/<mode>/<secret>` takes uploads, `vault/<tenant>/<mode>/<object id>`
//! holds the files of a vault, `artifact/<label>/<path>` the files of an artifact,
//! `checkpoints/<tenant>/<mode>/<size>` what was signed about a ledger,
//! `exports/<tenant>/<mode>/<export id>/<name>` what was exported of it,
//! `superseded/<tenant>/<mode>/<time and size>` what was signed about records that a restored store has lost,
//! `erased/<tenant>/<mode>/<data subject id>` that a person was erased,
//! `standing/<deployment>` how far the store has come, `removed/<tenant>` that a tenant is no more.
//! The kind comes first, since the rules of a bucket go by prefix.
//! Only those of artifacts carry a name that a client chose, as a checked [`VaultPath`]
//! and below a label that nobody can guess; clients can never write there.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::domain::{
    ids::{ArtifactId, DataSubjectId, ExportId, ObjectId, TenantId},
    instant::Instant,
    path::VaultPath,
    tenant::Namespace,
};

/// Makes an inbox key unguessable: 256 random bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct InboxSecret(pub [u8; 32]);

impl fmt::Debug for InboxSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InboxSecret(…)")
    }
}

/// The host label of an artifact: 40 hexadecimal digits of the SHA-256 of its id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ArtifactLabel(String);

impl ArtifactLabel {
    /// The label under which this artifact is served.
    pub fn of(artifact: ArtifactId) -> Self {
        let digest =
            Sha256::new().chain_update(b"cloakroom/artifact-label/v1").chain_update(artifact.as_bytes()).finalize();
        Self(base16ct::lower::encode_string(&digest[..20]))
    }

    /// The label spelled like this, if it is one at all.
    pub fn parse(text: &str) -> Option<Self> {
        let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == 40 && text.bytes().all(hexadecimal)).then(|| Self(text.into()))
    }

    /// The 40 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Folders of objects that can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectFolder {
    /// What was uploaded in a namespace and is not promoted.
    Inbox(Namespace),
    /// The files of a namespace.
    Vault(Namespace),
    /// The checkpoints of a namespace's ledger.
    Checkpoints(Namespace),
    /// Checkpoints of records that the ledger lost when its store was restored.
    Superseded(Namespace),
    /// Notes of who was erased from a namespace.
    Erased(Namespace),
}

impl ObjectFolder {
    /// Whose files are in it, if they are a tenant's own.
    pub(super) fn owner(self) -> Option<TenantId> {
        match self {
            Self::Inbox(namespace) | Self::Vault(namespace) => Some(namespace.tenant),
            Self::Checkpoints(_) | Self::Superseded(_) | Self::Erased(_) => None,
        }
    }

    /// What every key in it begins with.
    pub fn prefix(self) -> String {
        match self {
            Self::Inbox(namespace) => format!("inbox/{}/", within(namespace)),
            Self::Vault(namespace) => format!("vault/{}/", within(namespace)),
            Self::Checkpoints(namespace) => format!("checkpoints/{}/", within(namespace)),
            Self::Superseded(namespace) => format!("superseded/{}/", within(namespace)),
            Self::Erased(namespace) => format!("erased/{}/", within(namespace)),
        }
    }
}

/// Objects that are to be gone, all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doomed {
    prefix: String,
    /// As far as they are known by their names.
    known: Vec<ObjectKey>,
    folder: Option<ObjectFolder>,
}

impl Doomed {
    /// All of a folder.
    pub fn folder(folder: ObjectFolder) -> Self {
        Self { prefix: folder.prefix(), known: Vec::new(), folder: Some(folder) }
    }

    /// All exports of a ledger; these files of theirs are known.
    pub fn exports(namespace: Namespace, known: Vec<ObjectKey>) -> Self {
        Self { prefix: format!("exports/{}/", within(namespace)), known, folder: None }
    }

    /// All files of an artifact; these are known.
    pub fn artifact(label: &ArtifactLabel, known: Vec<ObjectKey>) -> Self {
        Self { prefix: format!("artifact/{}/", label.as_str()), known, folder: None }
    }

    /// What all their keys begin with, and no others.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Those that are known by their names.
    pub(super) fn known(&self) -> &[ObjectKey] {
        &self.known
    }

    /// The folder that they all are, if they are one that can be listed.
    pub(super) fn listed(&self) -> Option<ObjectFolder> {
        self.folder
    }
}

/// The full key of an object.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ObjectKey {
    text: String,
    /// Whose file it is, if its bytes are a tenant's own. Not so of what the broker itself has said about a ledger or a
    /// store: that is to be read when the tenant's keys are not there any more.
    owner: Option<TenantId>,
}

impl ObjectKey {
    /// Where an upload lands; nobody can read it there.
    pub fn inbox(namespace: Namespace, secret: InboxSecret) -> Self {
        Self::owned(
            namespace.tenant,
            format!("inbox/{}/{}", within(namespace), base16ct::lower::encode_string(&secret.0)),
        )
    }

    /// The bytes of one version of a vault file.
    pub fn vault(namespace: Namespace, object: ObjectId) -> Self {
        Self::owned(namespace.tenant, format!("vault/{}/{object}", within(namespace)))
    }

    /// What was said of a ledger when it had so many records.
    pub fn checkpoint(namespace: Namespace, size: u64) -> Self {
        Self::ours(format!("checkpoints/{}/{size:016x}", within(namespace)))
    }

    /// The same, of records that were lost by the time of an adoption.
    pub fn superseded_checkpoint(namespace: Namespace, adopted_at: Instant, size: u64) -> Self {
        Self::ours(format!("superseded/{}/{:016x}{size:016x}", within(namespace), adopted_at.as_unix_millis()))
    }

    /// Of how many records it speaks, if it is the key of a checkpoint that was laid aside.
    pub fn superseded_size(&self) -> Option<u64> {
        let (_, digits) = self.text.strip_prefix("superseded/")?.rsplit_once('/')?;
        u64::from_str_radix(digits.get(16..)?, 16).ok()
    }

    /// That a person was erased.
    pub fn erased(namespace: Namespace, subject: DataSubjectId) -> Self {
        Self::ours(format!("erased/{}/{subject}", within(namespace)))
    }

    /// Who was, if it is the key of such a note.
    pub fn erased_subject(&self) -> Option<DataSubjectId> {
        self.text.strip_prefix("erased/")?.rsplit_once('/')?.1.parse().ok()
    }

    /// How far the store of a deployment has come.
    pub fn standing(deployment: &[u8; 16]) -> Self {
        Self::ours(format!("standing/{}", base16ct::lower::encode_string(deployment)))
    }

    /// That a tenant is no more.
    pub fn removed(tenant: TenantId) -> Self {
        Self::ours(format!("removed/{tenant}"))
    }

    /// A file of an export of a ledger.
    pub fn export(namespace: Namespace, export: ExportId, name: &str) -> Self {
        Self::owned(namespace.tenant, format!("exports/{}/{export}/{name}", within(namespace)))
    }

    /// Of how many records it speaks, if it is the key of a checkpoint.
    pub fn checkpoint_size(&self) -> Option<u64> {
        let (_, digits) = self.text.strip_prefix("checkpoints/")?.rsplit_once('/')?;
        u64::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 16)
    }

    /// A file of an artifact of this tenant, whose name does not say whose it is.
    pub fn artifact(owner: TenantId, label: &ArtifactLabel, path: &VaultPath) -> Self {
        Self::owned(owner, format!("artifact/{}/{path}", label.as_str()))
    }

    /// The key of this name in a folder, as a list of it shows them.
    pub(super) fn in_folder(folder: ObjectFolder, name: &str) -> Self {
        let text = folder.prefix() + name;
        Self { text, owner: folder.owner() }
    }

    /// Whose file it is, if its bytes are a tenant's own.
    pub(super) fn owner(&self) -> Option<TenantId> {
        self.owner
    }

    /// Whether uploads land here.
    pub(super) fn is_inbox(&self) -> bool {
        self.text.starts_with("inbox/")
    }

    /// The key as the storage spells it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// A key that this server sealed into a URL earlier, and whose file it is.
    pub(crate) const fn from_sealed(text: String, owner: Option<TenantId>) -> Self {
        Self { text, owner }
    }

    const fn owned(owner: TenantId, text: String) -> Self {
        Self { text, owner: Some(owner) }
    }

    /// Of what the broker itself says.
    const fn ours(text: String) -> Self {
        Self { text, owner: None }
    }
}

fn within(namespace: Namespace) -> String {
    format!("{}/{}", namespace.tenant, namespace.mode.as_str())
}

impl fmt::Debug for ObjectKey {
    /// Only the kind: an inbox key is a secret while its upload lives.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.text.split('/').next().unwrap_or_default();
        write!(f, "ObjectKey({kind}/…)")
    }
}
