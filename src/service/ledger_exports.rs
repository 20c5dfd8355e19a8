//! Exports of a ledger: written part by part as objects, verified on the way, signed at the end.
//!
//! How far one has come is in its row, which every part moves on by one version. Whoever goes on with it, after a crash or
//! beside somebody else, writes the same bytes under the same names; of two, one finds the row moved on, and stops.

use std::time::Duration;

use bytes::Bytes;

use crate::{
    crypto::{digest, record_hash, signing_key},
    domain::{
        audit_filter::AuditFilter,
        canonical::canonical,
        event::EventType,
        ids::{AttemptId, ExportId},
        ledger::{Broken, Head, RecordHash, Verifier, Vouched, Wrong},
        ledger_export::{Export, ExportFile, ExportState, README},
        lifetime,
        tenant::Namespace,
    },
    objects::{ContentType, Disposition, DownloadContract, ObjectKey, SignedRequest},
    store::{Direction, Expected, Query, Transaction},
};

use super::{
    Broker, Caller, Error,
    idempotency::Reply,
    listing::{Page, PageRequest},
    records::{Committed, Record, committed},
    rows,
};

/// At most so many records are in one file, and in memory at a time.
pub const PART: usize = 20_000;

/// At most so many files: what a row can name. 40 million records.
const MOST_FILES: usize = 2_000;

/// So many exports of a ledger are made at a time. Of two that are begun in the same moment, one more may be.
const AT_ONCE: usize = 3;

/// How many segments are read at a time.
const PORTION: usize = 50;

/// An export at which nobody has worked for so long is taken up by whoever looks at it.
const LEFT: Duration = Duration::from_secs(60);

/// For how long files can be fetched.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// For how long it is told that there was an export.
const REMEMBERED: Duration = Duration::from_secs(90 * 24 * 3600);

impl Broker {
    /// Begins to export the records that the filter takes. It goes on by itself.
    ///
    /// # Errors
    /// When the caller does not administer the tenant, or the ledger is not as it was written.
    pub async fn export_ledger(
        &self,
        caller: &Caller,
        filter: AuditFilter,
        reply: &Reply<'_, Export>,
    ) -> Result<Export, Error> {
        caller.administers()?;
        if let Some(name) = filter.too_long() {
            return Err(Error::invalid(format!("/{name}"), "at most 100 characters, as ids have"));
        }
        if !filter.names_an_actor() {
            let message = "the id of a key, a user, a share or a file request, or a kind of actor, such as bearer";
            return Err(Error::invalid("/actor", message));
        }
        let origin = caller.origin(self);
        let namespace = origin.namespace;
        if self.exports_under_way(namespace).await? >= AT_ONCE {
            let message = "three exports are being made already; wait for one of them, or look at it: that takes it up if it was left";
            return Err(Error::conflict("exports_under_way", message));
        }
        let signed = self.checkpoint(caller).await?;
        let id = ExportId::new(origin.at, self.entropy.bytes());
        let checkpoint = self.put_export_file(namespace, id, "checkpoint.txt", signed.note.into_bytes()).await?;
        let export = Export {
            id,
            namespace,
            by: caller.principal.id,
            created_at: origin.at,
            touched_at: origin.at,
            filter,
            end: signed.checkpoint.head.into(),
            read: self.beginning(namespace).into(),
            records: 0,
            files: vec![checkpoint],
            state: ExportState::Building,
        };
        let event = origin.done(EventType::ExportCreated, caller.actor(), id);
        let until = Some(origin.at.plus(REMEMBERED));
        let write = self.put(rows::export(namespace, id), Expected::Absent, &export, until)?;
        let export = self.create(self.recording(&event)?.write(write), export, reply).await?;
        self.go_on(&export);
        Ok(export)
    }

    async fn exports_under_way(&self, namespace: Namespace) -> Result<usize, Error> {
        let (partition, begins_with) = (rows::exports(namespace), String::new());
        let query = Query { partition, begins_with, after: None, limit: PORTION, direction: Direction::Descending };
        let found = self.store.query(&query).await?;
        let exports = found.iter().filter_map(|row| self.readable::<Export>(row));
        Ok(exports.filter(|export| export.state == ExportState::Building).count())
    }

    /// The exports of the caller's ledger, newest first.
    ///
    /// # Errors
    /// When the caller does not administer the tenant.
    pub async fn list_exports(&self, caller: &Caller, request: &PageRequest) -> Result<Page<Export>, Error> {
        caller.administers()?;
        let namespace = caller.namespace();
        let page = self.newest_first(rows::exports(namespace), namespace, request).await?;
        let items = page.items.iter().filter_map(|row| self.readable(row)).collect();
        Ok(Page { items, next_cursor: page.next_cursor })
    }

    /// An export, and requests that fetch its files once all are there. One that was left is gone on with.
    ///
    /// # Errors
    /// [`Error::NotFound`] for what is no export of the caller's ledger.
    pub async fn inspect_export(
        &self,
        caller: &Caller,
        id: ExportId,
    ) -> Result<(Export, Vec<(ExportFile, SignedRequest)>), Error> {
        caller.administers()?;
        let Some(Record { value: export, .. }) = self.export(caller.namespace(), id).await? else {
            return Err(Error::NotFound);
        };
        let now = self.now();
        let mut files = Vec::new();
        match export.state {
            ExportState::Building if export.touched_at.plus(LEFT) <= now => self.go_on(&export),
            ExportState::Ready if now < export.created_at.plus(KEPT) => {
                for file in &export.files {
                    let contract = DownloadContract {
                        key: ObjectKey::export(export.namespace, export.id, &file.name),
                        content_type: ContentType::unknown(),
                        disposition: Disposition::Attachment { file_name: file.name.clone() },
                        sha256: None,
                        expires_at: now.plus(lifetime::DOWNLOAD_URL),
                    };
                    files.push((file.clone(), self.objects.sign_get(&contract, now).await?));
                }
            }
            _ => {}
        }
        Ok((export, files))
    }

    async fn export(&self, namespace: Namespace, id: ExportId) -> Result<Option<Record<Export>>, Error> {
        let [row] = self.store.get([rows::export(namespace, id)]).await?;
        self.decode_if(row.as_ref())
    }

    /// Works at it in the background, until it is ready or somebody else is faster.
    fn go_on(&self, export: &Export) {
        let (broker, namespace, id) = (self.clone(), export.namespace, export.id);
        self.under_way.run(async move {
            loop {
                match broker.advance_export(namespace, id, PART).await {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(fault) => {
                        tracing::warn!(%fault, %id, "an export stopped; whoever looks at it takes it up");
                        break;
                    }
                }
            }
        });
    }

    /// Writes the next part of an export, of so many records at most; or what comes after the last. Tells whether there is
    /// more to do.
    ///
    /// # Errors
    /// When the store or the object storage do not answer.
    pub async fn advance_export(&self, namespace: Namespace, id: ExportId, part: usize) -> Result<bool, Error> {
        let Some(Record { value: mut export, version }) = self.export(namespace, id).await? else { return Ok(false) };
        if export.state != ExportState::Building {
            return Ok(false);
        }
        let end = Head::from(export.end.clone());
        match self.read_part(&export, part).await? {
            Ok((head, lines, count)) => {
                if count > 0 {
                    let name = next_part(&export);
                    export.files.push(self.put_export_file(namespace, id, &name, lines).await?);
                    export.records += count;
                }
                if export.files.len() >= MOST_FILES && head != end {
                    export.state = ExportState::TooLarge;
                } else if head == end {
                    self.sign_export(&mut export).await?;
                    export.state = ExportState::Ready;
                }
                export.read = head.into();
            }
            Err(Broken { seq, what }) => export.state = ExportState::Broken { seq, problem: what.to_string() },
        }
        export.touched_at = self.now();
        let is_building = export.state == ExportState::Building;
        Ok(self.note_export(&export, Expected::Version(version)).await? && is_building)
    }

    /// Tells whether nobody was faster.
    async fn note_export(&self, export: &Export, expected: Expected) -> Result<bool, Error> {
        let until = Some(export.created_at.plus(REMEMBERED));
        let write = self.put(rows::export(export.namespace, export.id), expected, export, until)?;
        let attempt = AttemptId::new(self.now(), self.entropy.bytes());
        let noted = committed(self.store.commit(Transaction::noting(attempt, write)).await)?;
        Ok(matches!(noted, Committed::Done))
    }

    /// The lines of the next file, and how far the ledger was read for them.
    async fn read_part(&self, export: &Export, most: usize) -> Result<Result<(Head, Vec<u8>, u64), Broken>, Error> {
        let (end, mut lines, mut count) = (Head::from(export.end.clone()), Vec::new(), 0);
        let finder = export.filter.finder();
        let mut verifier = Verifier::from(export.namespace, export.read.clone().into());
        verifier.expect(end.clone());
        let mut after = rows::segment_before(verifier.head().size + 1);
        while verifier.head().size < end.size && count < most as u64 {
            let (partition, begins_with) = (rows::segments(export.namespace), String::new());
            let query = Query { partition, begins_with, after, limit: PORTION, direction: Direction::Ascending };
            let found = self.store.query(&query).await?;
            if found.is_empty() {
                return Ok(Err(Broken { seq: verifier.head().size + 1, what: Wrong::Cut }));
            }
            after = found.last().map(|row| row.key.sort.clone());
            for row in found {
                let Ok(segment) = self.segment_by_first_line(&row) else {
                    return Ok(Err(Broken { seq: verifier.head().size + 1, what: Wrong::NotAuthentic }));
                };
                if let Err(broken) = verifier.follow(&segment, Vouched::Nothing, record_hash::of_record, |_| ()) {
                    return Ok(Err(broken));
                }
                for text in segment.records.iter().filter(|text| finder.find(text).is_some()) {
                    lines.extend_from_slice(text.as_bytes());
                    lines.push(b'\n');
                    count += 1;
                }
                if verifier.head().size >= end.size || count >= most as u64 {
                    break;
                }
            }
        }
        Ok(Ok((verifier.head().clone(), lines, count)))
    }

    async fn put_export_file(
        &self,
        namespace: Namespace,
        id: ExportId,
        name: &str,
        bytes: Vec<u8>,
    ) -> Result<ExportFile, Error> {
        let file = ExportFile {
            name: name.into(),
            size: bytes.len() as u64,
            sha256: RecordHash::from_bytes(&digest::of(&bytes)),
        };
        let key = ObjectKey::export(namespace, id, name);
        self.objects.put(&key, &ContentType::unknown(), Bytes::from(bytes)).await?;
        Ok(file)
    }

    async fn sign_export(&self, export: &mut Export) -> Result<(), Error> {
        let (namespace, id) = (export.namespace, export.id);
        let key = self.signing_key(namespace).await?.key();
        let public = key.public();
        let origin = signing_key::origin(self.keyring.deployment(), namespace);
        let manifest = export.manifest(signing_key::key_id(&public), origin, self.beginning(namespace).hash);
        let manifest = canonical(&manifest).map_err(|fault| Error::Internal(format!("a manifest: {fault}")))?;
        let signature = key.sign(manifest.as_bytes());
        let beside = [
            ("manifest.json", manifest.into_bytes()),
            ("manifest.sig", signature),
            ("key.pem", public.pem().into_bytes()),
            ("README.md", README.as_bytes().to_vec()),
        ];
        for (name, bytes) in beside {
            export.files.push(self.put_export_file(namespace, id, name, bytes).await?);
        }
        Ok(())
    }

    /// Removes the files of exports that are no longer kept.
    ///
    /// # Errors
    /// When the store or the object storage do not answer.
    pub async fn remove_old_exports(&self, namespace: Namespace) -> Result<(), Error> {
        let before = ExportId::new(self.now().minus(KEPT), [0; 10]).to_string();
        let mut after = None;
        loop {
            let (partition, begins_with) = (rows::exports(namespace), String::new());
            let query = Query { partition, begins_with, after, limit: PORTION, direction: Direction::Ascending };
            let found = self.store.query(&query).await?;
            let old: Vec<_> = found.iter().filter(|row| row.key.sort < before).collect();
            for row in &old {
                let Ok(Record { value: export, version }) = self.decode::<Export>(row) else { continue };
                if export.state == ExportState::Removed {
                    continue;
                }
                for name in names_of(&export) {
                    self.objects.delete(&ObjectKey::export(namespace, export.id, &name)).await?;
                }
                let removed = Export { files: Vec::new(), state: ExportState::Removed, ..export };
                self.note_export(&removed, Expected::Version(version)).await?;
            }
            if old.len() < PORTION {
                return Ok(());
            }
            after = found.last().map(|row| row.key.sort.clone());
        }
    }
}

/// The names of all files that an export may have: of what was begun and not noted, too.
pub(super) fn names_of(export: &Export) -> impl Iterator<Item = String> {
    let beside = ["checkpoint.txt", "manifest.json", "manifest.sig", "key.pem", "README.md"].map(String::from);
    let noted = export.files.iter().map(|file| file.name.clone());
    noted.chain([next_part(export)]).chain(beside)
}

/// The name of the next file with records: the checkpoint comes before the first.
fn next_part(export: &Export) -> String {
    format!("records-{:06}.ndjson", export.files.len())
}
