//! The port to mail: codes for recipients, and nothing else.
//!
//! Never here: an address, a code or a password in a log or an error. Sending waits for servers of others, so that no
//! request ever waits for it: [`Post`] takes a mail and answers at once.

mod folder;
mod letter;
mod post;
mod smtp;

use async_trait::async_trait;

use crate::{crypto::secret::SecretText, domain::recipient::Address};

pub use folder::FolderMailer;
pub use letter::{Letter, NotASender, Sender};
pub use post::{Post, Sent};
pub use smtp::{SmtpMailer, SmtpServer};

/// A code for a recipient.
pub struct CodeMail {
    /// To whom.
    pub to: Address,
    /// The name of the tenant.
    pub from: String,
    /// The code.
    pub code: SecretText,
}

/// Why a mail was not sent. Neither says to whom.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// It may be tried again.
    #[error("not now: {0}")]
    Later(String),
    /// It will never be.
    #[error("never: {0}")]
    Never(String),
}

/// Why mail cannot be sent at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("mail cannot be sent: {0}")]
pub struct NotUsable(
    /// What is wrong, with the setting's name.
    pub String,
);

/// Sends letters.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Hands a letter over to whoever delivers it.
    ///
    /// # Errors
    /// When it was not taken.
    async fn send(&self, letter: &Letter) -> Result<(), NotSent>;
}
