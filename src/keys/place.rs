//! Reads the document of keys where it lies, and changes it there, so that of two who change it at the same time none undoes what
//! the other did.
//!
//! Never here: what the document says.

use std::{env, path::PathBuf};

use zeroize::Zeroizing;

use crate::{aws::Aws, domain::instant::Instant, entropy::Entropy};

use super::{
    document::{KeyDocument, NotADocument, NotPossible},
    file::{self, KeyFileError},
    parameter_store::Parameter,
    secrets_manager::Secret,
    source::KeySource,
};

/// Why the keys cannot be had, or changed, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// Of a file.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// They are not there, though there is data sealed under them.
    #[error(
        "there are no root keys in {0}, and data cannot be read without them: restore them from your backup, or give this \
         replica those of the others"
    )]
    Missing(KeySource),
    /// What is there is something else.
    #[error("the root keys in {0} are not right: {1}; restore them from your backup")]
    Malformed(KeySource, NotADocument),
    /// The service that keeps them does not give them, or did not say so.
    #[error("{0} cannot be used: {1}")]
    Inaccessible(KeySource, String),
    /// They are not kept where this program could change them.
    #[error(
        "the root keys in {0} cannot be changed from here: change them in a file, and put that where they come from"
    )]
    Fixed(KeySource),
    /// Somebody else was faster.
    #[error(
        "somebody changed the root keys in {0} at the same time, and nothing was changed now: look at them, and try again"
    )]
    Changed(KeySource),
    /// A key does not come into that state.
    #[error(transparent)]
    NotPossible(#[from] NotPossible),
}

/// A document as a service of AWS keeps it.
pub(super) struct Kept {
    pub(super) text: Zeroizing<String>,
    /// Which version of it.
    pub(super) version: String,
}

/// Why a service of AWS did not keep a document.
pub(super) enum NotKept {
    /// There is another version than the one that was changed.
    Changed,
    /// What it said, or that it said nothing.
    Fault(String),
}

enum Reached {
    File(PathBuf),
    Environment(String),
    Secret(Secret),
    Parameter(Box<Parameter>),
}

/// Where keys are, within reach.
pub struct KeyPlace {
    source: KeySource,
    reached: Reached,
}

impl KeyPlace {
    /// Within reach of this process. Asks nobody yet.
    pub async fn of(source: &KeySource, aws: &Aws) -> Self {
        let reached = match source {
            KeySource::File(file) => Reached::File(file.clone()),
            KeySource::Environment(name) => Reached::Environment(name.clone()),
            KeySource::Secret(id) => Reached::Secret(Secret::new(id, aws.config().await)),
            KeySource::Parameter(name) => {
                Reached::Parameter(Box::new(Parameter::new(name, aws.config().await.clone())))
            }
        };
        Self { source: source.clone(), reached }
    }

    /// The document; none where there is none.
    ///
    /// # Errors
    /// When it cannot be read, or is not right.
    pub async fn read(&self) -> Result<Option<KeyDocument>, KeysError> {
        let text = match &self.reached {
            Reached::File(file) => {
                let file = file.clone();
                // A disk that hangs hangs nobody else.
                let read = tokio::task::spawn_blocking(move || file::read(&file)).await;
                return Ok(read.map_err(|_| self.inaccessible("it was not read to the end".into()))??);
            }
            Reached::Environment(name) => env::var(name).ok().map(Zeroizing::new),
            Reached::Secret(secret) => {
                secret.read().await.map_err(|fault| self.inaccessible(fault))?.map(|kept| kept.text)
            }
            Reached::Parameter(parameter) => parameter.read().await.map_err(|fault| self.inaccessible(fault))?,
        };
        text.map(|text| self.parse(&text)).transpose()
    }

    /// The document; where there is none and `create` allows it, it is made.
    ///
    /// # Errors
    /// When it is not there, cannot be read or made, or is not right.
    pub async fn load(&self, create: bool, now: Instant, entropy: &dyn Entropy) -> Result<KeyDocument, KeysError> {
        if let Some(document) = self.read().await? {
            return Ok(document);
        }
        match &self.reached {
            Reached::File(file) if create => file::make(file, now, entropy)?,
            Reached::File(file) => return Err(KeyFileError::Missing { file: file.clone() }.into()),
            Reached::Secret(secret) if create => {
                let text = self.text(&KeyDocument::generate(now, entropy)?)?;
                secret.make(&text, entropy).await.map_err(|fault| self.inaccessible(fault))?;
            }
            Reached::Secret(_) | Reached::Parameter(_) | Reached::Environment(_) => {}
        }
        // What is there now: somebody else may have made it at the same time.
        self.read().await?.ok_or_else(|| KeysError::Missing(self.source.clone()))
    }

    /// Changes the document.
    ///
    /// # Errors
    /// When that cannot be done here, or somebody else did so at the same time; or else what `change` says.
    pub async fn change<T>(
        &self,
        change: impl FnOnce(&mut KeyDocument) -> Result<T, NotPossible>,
        entropy: &dyn Entropy,
    ) -> Result<T, KeysError> {
        match &self.reached {
            Reached::File(file) => file::change(file, |document| change(document).map_err(KeysError::from)),
            Reached::Environment(_) | Reached::Parameter(_) => Err(KeysError::Fixed(self.source.clone())),
            Reached::Secret(secret) => {
                let kept = secret.read().await.map_err(|fault| self.inaccessible(fault))?;
                let kept = kept.ok_or_else(|| KeysError::Missing(self.source.clone()))?;
                let mut document = self.parse(&kept.text)?;
                let done = change(&mut document)?;
                let replaced = secret.replace(&kept.version, &self.text(&document)?, entropy).await;
                replaced.map_err(|fault| match fault {
                    NotKept::Changed => KeysError::Changed(self.source.clone()),
                    NotKept::Fault(fault) => self.inaccessible(fault),
                })?;
                Ok(done)
            }
        }
    }

    /// Where that is, as it is set.
    pub fn source(&self) -> &KeySource {
        &self.source
    }

    fn parse(&self, text: &str) -> Result<KeyDocument, KeysError> {
        KeyDocument::parse(text).map_err(|fault| KeysError::Malformed(self.source.clone(), fault))
    }

    fn text(&self, document: &KeyDocument) -> Result<Zeroizing<String>, KeysError> {
        document.text().map_err(|fault| KeysError::Malformed(self.source.clone(), fault))
    }

    fn inaccessible(&self, fault: String) -> KeysError {
        KeysError::Inaccessible(self.source.clone(), fault)
    }
}
