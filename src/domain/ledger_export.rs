//! Exports of a ledger: records, a manifest of what there is, and how to verify both without us.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    audit_filter::AuditFilter,
    ids::ExportId,
    instant::Instant,
    ledger::{Head, RecordHash},
    principal::PrincipalId,
    tenant::Namespace,
};

/// What the manifest says it is.
pub const KIND: &str = "cloakroom/ledger-export/v1";

/// A file of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportFile {
    /// Its name, without folders.
    pub name: String,
    /// In bytes.
    pub size: u64,
    /// SHA-256.
    pub sha256: RecordHash,
}

/// How far an export has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum ExportState {
    /// It is being written.
    Building,
    /// All of it is there.
    Ready,
    /// The ledger turned out not to be as it was written.
    Broken {
        /// The first record that is not.
        seq: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// There are more records than one export has room for.
    TooLarge,
    /// Its files were removed.
    Removed,
}

/// An export, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// Its id.
    pub id: ExportId,
    /// Of which ledger.
    pub namespace: Namespace,
    /// Who asked for it.
    pub by: PrincipalId,
    /// When.
    pub created_at: Instant,
    /// When something was done for it last.
    pub touched_at: Instant,
    /// Which records.
    pub filter: AuditFilter,
    /// Where the ledger ended when it was asked for.
    pub end: End,
    /// Up to where the ledger was read.
    pub read: End,
    /// How many records are in it so far.
    pub records: u64,
    /// Its files so far, in their order.
    pub files: Vec<ExportFile>,
    /// How far it has come.
    pub state: ExportState,
}

/// A place in a ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    size: u64,
    hash: RecordHash,
}

impl From<Head> for End {
    fn from(Head { size, hash }: Head) -> Self {
        Self { size, hash }
    }
}

impl From<End> for Head {
    fn from(End { size, hash }: End) -> Self {
        Self { size, hash }
    }
}

/// What an export's signature is over, as canonical JSON.
#[derive(Debug, Serialize)]
pub struct Manifest {
    created_at: String,
    export: ExportId,
    /// The SHA-256 of each file, by name.
    files: BTreeMap<String, RecordHash>,
    /// The hash of the last record that the ledger had.
    head: RecordHash,
    key: String,
    kind: &'static str,
    /// How many records the ledger had.
    ledger_records: u64,
    origin: String,
    /// What the first record of the ledger follows.
    prev_hash: RecordHash,
    /// How many records are in the export.
    records: u64,
    selection: AuditFilter,
}

impl Export {
    /// Whether all records of the ledger were wanted, so that the files hold a chain without a gap.
    pub fn is_whole(&self) -> bool {
        self.filter == AuditFilter::default()
    }

    /// What is signed; the key by its id, the ledger by what checkpoints call it and by what its first record follows.
    pub fn manifest(&self, key: String, origin: String, beginning: RecordHash) -> Manifest {
        let End { size, hash } = self.end.clone();
        Manifest {
            created_at: self.created_at.to_string(),
            export: self.id,
            files: self.files.iter().map(|file| (file.name.clone(), file.sha256.clone())).collect(),
            head: hash,
            key,
            kind: KIND,
            ledger_records: size,
            origin,
            prev_hash: beginning,
            records: self.records,
            selection: self.filter.clone(),
        }
    }
}

/// What lies beside the records and tells how to verify them. `key.pem` is worth what its source is.
pub const README: &str = r#"# An export of a Cloakroom ledger

    records-*.ndjson   records, one a line: canonical JSON (RFC 8785), in the order of their numbers (`seq`)
    checkpoint.txt     where the ledger ended, signed (C2SP checkpoint)
    manifest.json      what there is: the SHA-256 of each file, what was selected, where the ledger ended
    manifest.sig       a signature of Ed25519 over manifest.json
    key.pem            the public key for it

Whoever gave you these files could have given you a key that goes with them. Compare key.pem with what the owner of the ledger
has told you elsewhere (GET /v1/audit/signing-keys).

Who signed it:

```sh
openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in manifest.json -sigfile manifest.sig
```

That the files are those that were signed:

```sh
for file in records-*.ndjson checkpoint.txt; do
  sum=$(openssl dgst -sha256 -r "$file" | cut -d' ' -f1)
  if grep -q "\"$file\":\"$sum\"" manifest.json; then echo "$file: OK"; else echo "$file: NOT THE ONE THAT WAS SIGNED"; fi
done
```

Where everything was selected (`"selection":{}`), the records are a chain: each has the hash of the one before it. Record by record, which takes
a while, and ends with the head that manifest.json says:

```sh
hash=$(sed 's/.*"prev_hash":"\([0-9a-f]*\)".*/\1/' manifest.json)
for file in records-*.ndjson; do
  while IFS= read -r record; do
    case $record in *"\"prev_hash\":\"$hash\""*) ;; *) echo "BROKEN AT $record"; break 2 ;; esac
    n=$(printf %s "$record" | wc -c)
    length=$(printf '\\%03o\\%03o\\%03o\\%03o' $((n >> 24)) $((n >> 16 & 255)) $((n >> 8 & 255)) $((n & 255)))
    hash=$({ printf '\0\0\0\032cloakroom/ledger/v1|record'; printf "$length"; printf %s "$record"; } | openssl dgst -sha256 -r | cut -d' ' -f1)
  done < "$file"
done
grep -q "\"head\":\"$hash\"" manifest.json && echo "whole chain: OK"
```

What the members of a record mean is in docs/ledger.md of Cloakroom.
"#;
