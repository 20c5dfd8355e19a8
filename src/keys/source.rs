//! Where the document of keys lies: a file, or a variable of the environment.
//!
//! Never here: what the document says.

use std::{convert::Infallible, env, fmt, path::PathBuf, str::FromStr};

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{domain::instant::Instant, entropy::Entropy};

use super::{
    document::{KeyDocument, NotADocument, NotPossible},
    file::{self, KeyFileError},
};

/// Where the keys of a deployment are.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum KeySource {
    /// In this file.
    File(PathBuf),
    /// In this variable of the environment.
    Environment(String),
}

impl From<String> for KeySource {
    fn from(text: String) -> Self {
        match text.split_once(':') {
            Some(("env", name)) => Self::Environment(name.to_owned()),
            _ => Self::File(text.into()),
        }
    }
}

impl FromStr for KeySource {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.to_owned().into())
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(f, "{}", file.display()),
            Self::Environment(name) => write!(f, "env:{name}"),
        }
    }
}

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
    /// They are not kept where this program could change them.
    #[error(
        "the root keys in {0} cannot be changed from here: change them in a file, and put that where they come from"
    )]
    Fixed(KeySource),
    /// A key does not come into that state.
    #[error(transparent)]
    NotPossible(#[from] NotPossible),
}

impl KeySource {
    /// The document; none where there is none.
    ///
    /// # Errors
    /// When it cannot be read, or is not right.
    pub fn read(&self) -> Result<Option<KeyDocument>, KeysError> {
        match self {
            Self::File(file) => Ok(file::read(file)?),
            Self::Environment(name) => {
                let Ok(text) = env::var(name).map(Zeroizing::new) else { return Ok(None) };
                let document = KeyDocument::parse(&text);
                document.map(Some).map_err(|fault| KeysError::Malformed(self.clone(), fault))
            }
        }
    }

    /// The document; where there is none and `create` allows it, it is made.
    ///
    /// # Errors
    /// When it is not there, cannot be read or made, or is not right.
    pub fn load(&self, create: bool, now: Instant, entropy: &dyn Entropy) -> Result<KeyDocument, KeysError> {
        if let Some(document) = self.read()? {
            return Ok(document);
        }
        match self {
            Self::File(file) if create => file::make(file, now, entropy)?,
            Self::File(file) => return Err(KeyFileError::Missing { file: file.clone() }.into()),
            Self::Environment(_) => {}
        }
        self.read()?.ok_or_else(|| KeysError::Missing(self.clone()))
    }

    /// Changes the document.
    ///
    /// # Errors
    /// When that cannot be done here; or else what `change` says.
    pub fn change<T>(&self, change: impl FnOnce(&mut KeyDocument) -> Result<T, NotPossible>) -> Result<T, KeysError> {
        match self {
            Self::File(file) => file::change(file, |document| change(document).map_err(KeysError::from)),
            Self::Environment(_) => Err(KeysError::Fixed(self.clone())),
        }
    }
}
