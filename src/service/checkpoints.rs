//! Checkpoints: signed, and kept with the objects, apart from the store.
//!
//! Only what was verified is signed, and every checkpoint is held against those before it.

use bytes::Bytes;
use futures_util::{TryStreamExt, future::try_join_all};

use crate::{
    crypto::{
        ed25519::PublicKey,
        signed_note,
        signing_key::{key_id, origin},
    },
    domain::{
        checkpoint::Checkpoint,
        ledger::{Broken, Head, Wrong},
        tenant::Namespace,
    },
    objects::{ContentType, ObjectFolder, ObjectKey},
};

use super::{
    Broker, Caller, Error,
    ledger_sweep::{Extent, Swept},
};

/// A checkpoint takes some 300 bytes, and a few more for each signature that others may add.
const LONGEST_NOTE: usize = 10_000;

/// How many are read at a time.
const READ_AT_ONCE: usize = 16;

/// A checkpoint as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The whole text, with its signature.
    pub note: String,
    /// The key that signed it.
    pub key: String,
    /// As programs that read notes are told of the key.
    pub verifier_key: String,
}

impl Broker {
    /// Verifies what the caller's ledger has got since the last checkpoint, and makes one of where it ends now.
    ///
    /// # Errors
    /// When the caller does not administer the tenant, or something is not as it must be.
    pub async fn checkpoint(&self, caller: &Caller) -> Result<SignedCheckpoint, Error> {
        caller.administers()?;
        let namespace = caller.namespace();
        // Drawing it is an event, which is to be in.
        self.signing_key(namespace).await?;
        let Swept { head, broken, .. } = self.sweep_ledger(namespace, Extent::SinceCheckpoint).await?;
        if let Some(Broken { seq, what }) = broken {
            let message =
                format!("record {seq} is not as it must be: {what}. Verify the ledger, and find out who changed it");
            return Err(Error::Conflict { code: "ledger_broken", message, pointer: None });
        }
        let keys = self.verifying_keys(namespace).await?;
        let kept = self.checkpoint_at(namespace, head.size, &keys).await?;
        kept.map_err(|_| Error::Internal("the checkpoint that was just made is not there".into()))
    }

    /// Signs where a ledger ends and keeps that. What it signs has been verified.
    pub(super) async fn sign_checkpoint(&self, namespace: Namespace, head: &Head) -> Result<(), Error> {
        let key = self.signing_key(namespace).await?.key();
        let origin = origin(self.keyring.deployment(), namespace);
        let checkpoint = Checkpoint { origin: origin.clone(), head: head.clone(), at: self.now() };
        let note = signed_note::sign(&checkpoint.text(), &origin, &key);
        let object = ObjectKey::checkpoint(namespace, head.size);
        self.objects.put(&object, &ContentType::plain_text(), Bytes::from(note)).await?;
        Ok(())
    }

    /// What checkpoints of a ledger are verified with.
    pub(super) async fn verifying_keys(&self, namespace: Namespace) -> Result<Vec<PublicKey>, Error> {
        Ok(self.public_signing_keys(namespace).await?.into_iter().map(|key| key.public_key).collect())
    }

    /// The checkpoints after a size, in their order: at most as many as one list has.
    pub(super) async fn checkpoints_after(
        &self,
        namespace: Namespace,
        size: u64,
        keys: &[PublicKey],
    ) -> Result<Vec<Result<SignedCheckpoint, Broken>>, Error> {
        let after = ObjectKey::checkpoint(namespace, size);
        let listed = self.objects.list(&ObjectFolder::Checkpoints(namespace), Some(&after)).await?;
        let sizes: Vec<_> = listed.iter().filter_map(|object| object.key.checkpoint_size()).collect();
        let mut read = Vec::with_capacity(sizes.len());
        for sizes in sizes.chunks(READ_AT_ONCE) {
            read.extend(try_join_all(sizes.iter().map(|size| self.checkpoint_at(namespace, *size, keys))).await?);
        }
        Ok(read)
    }

    /// The checkpoint of this size; broken where there is none that one of these keys has signed.
    pub(super) async fn checkpoint_at(
        &self,
        namespace: Namespace,
        size: u64,
        keys: &[PublicKey],
    ) -> Result<Result<SignedCheckpoint, Broken>, Error> {
        let note = self.read_note(&ObjectKey::checkpoint(namespace, size)).await?;
        let origin = origin(self.keyring.deployment(), namespace);
        let opened = note.as_deref().and_then(|note| signed_note::open(note, &origin, keys));
        let told = opened.and_then(|(text, key)| {
            let checkpoint = Checkpoint::parse(text).filter(|told| told.origin == origin && told.head.size == size)?;
            let verifier_key = signed_note::verifier_key(&origin, key);
            Some(SignedCheckpoint { checkpoint, note: note.clone()?, key: key_id(key), verifier_key })
        });
        Ok(told.ok_or(Broken { seq: size, what: Wrong::Checkpoint }))
    }

    pub(super) async fn read_note(&self, object: &ObjectKey) -> Result<Option<String>, Error> {
        let Some(mut stream) = self.objects.read(object, None).await? else { return Ok(None) };
        let mut note = Vec::new();
        while let Some(bytes) = stream.try_next().await? {
            note.extend_from_slice(&bytes);
            if note.len() > LONGEST_NOTE {
                return Ok(None);
            }
        }
        Ok(String::from_utf8(note).ok())
    }
}
