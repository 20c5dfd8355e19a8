//! The files of some pins one after the other, each once, a page of the index at a time.

use std::collections::VecDeque;

use crate::domain::{object::VaultFile, path::PathPin, tenant::Namespace};

use super::super::{Broker, Error, vault::outermost};

/// How many files are listed at a time.
const PAGE: usize = 200;

/// Where in the pins one has come to.
pub(super) struct Walk {
    namespace: Namespace,
    /// Those not begun, and the one that is walked through.
    pins: VecDeque<PathPin>,
    /// The last file of that one that was listed.
    after: Option<String>,
    listed: VecDeque<VaultFile>,
}

impl Walk {
    pub(super) fn new(namespace: Namespace, pins: Vec<PathPin>) -> Self {
        let pins = outermost(&pins).into_iter().cloned().collect();
        Self { namespace, pins, after: None, listed: VecDeque::new() }
    }

    pub(super) fn namespace(&self) -> Namespace {
        self.namespace
    }

    /// The next file, whoever may read it.
    pub(super) async fn next(&mut self, broker: &Broker) -> Result<Option<VaultFile>, Error> {
        while self.listed.is_empty() {
            let Some(pin) = self.pins.front() else { return Ok(None) };
            let page = broker.files_of_pin(self.namespace, pin, "", self.after.as_deref(), PAGE).await?;
            self.after = page.last().map(|file| file.path.as_str().to_owned());
            let is_file = matches!(pin, PathPin::File(_));
            if is_file || page.len() < PAGE {
                self.pins.pop_front();
                self.after = None;
            }
            self.listed = page.into();
        }
        Ok(self.listed.pop_front())
    }
}
