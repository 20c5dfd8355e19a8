//! Carrying out a request once, however often it is sent.
//!
//! The reply is rendered before anything is committed, and kept in the very commit that creates what it tells of:
//! no crash, no lost answer and no race can part the two. There is no reservation and nothing to wait for. Of
//! those who ask at once all but one lose the commit, and then find the reply of the one who won.
//! A refusal is not kept: nothing was done, and asking again may succeed.

use std::sync::OnceLock;

use crate::{
    crypto::{kept_reply::AskedOnce, secret::SecretText},
    domain::{
        idempotency::{IdempotencyKey, Meaning},
        lifetime,
    },
    store::{Expected, Row, Transaction, Write},
};

use super::{
    Broker, Error,
    records::{Committed, committed, outrun},
    rows,
    uploads::MayUpload,
};

/// The most items of a batch whose replies are kept one by one.
pub const MOST_ITEMS: usize = 100;

/// How the reply to a request is rendered.
type Render<'a, T> = dyn Fn(&T) -> Result<Vec<u8>, serde_json::Error> + Sync + 'a;

/// The reply to a request that creates a `T`, to be kept where the request has an idempotency key.
pub struct Reply<'a, T> {
    keeping: Option<Keeping<'a, T>>,
}

struct Keeping<'a, T> {
    asked: &'a AskedOnce,
    expected: Expected,
    render: &'a Render<'a, T>,
    /// Rendered once, so that what is kept is what is answered, in whichever round it is committed.
    rendered: OnceLock<Vec<u8>>,
}

/// What is kept under an idempotency key for a request.
pub enum Kept {
    /// This request was carried out before; its reply.
    Reply(Vec<u8>),
    /// Nothing; and what must still be so when a reply is to be kept.
    Nothing(Expected),
}

/// What is answered.
pub struct Answer {
    /// The rendered reply.
    pub body: Vec<u8>,
    /// Whether it was answered before.
    pub replayed: bool,
}

impl<T> Reply<'_, T> {
    /// A reply that is not kept: whoever asks again creates another.
    pub const fn unkept() -> Self {
        Self { keeping: None }
    }
}

impl Broker {
    /// A request of this principal that comes with an idempotency key. `credential` is the secret that shows who
    /// they are, where it is the same each time.
    ///
    /// # Errors
    /// When the principal cannot be named.
    pub fn asked_once(
        &self,
        who: &dyn MayUpload,
        credential: Option<&SecretText>,
        key: &IdempotencyKey,
        route: &str,
        body: &[u8],
    ) -> Result<AskedOnce, Error> {
        let actor = who.uploader(self).actor;
        let principal = serde_json::to_vec(&actor).map_err(|fault| Error::Internal(fault.to_string()))?;
        Ok(AskedOnce::new(&principal, credential, key, route, body))
    }

    /// Does the work, or answers what was answered when it was done.
    ///
    /// # Errors
    /// What the work is refused for; [`Error::IdempotencyKeyReused`] when the key stood for another request.
    pub async fn once<T, F: From<Error>>(
        &self,
        asked: Option<&AskedOnce>,
        render: &Render<'_, T>,
        work: impl AsyncFnOnce(&Reply<'_, T>) -> Result<T, F>,
    ) -> Result<Answer, F> {
        match asked {
            None => {
                let body = render(&work(&Reply::unkept()).await?).map_err(unrendered)?;
                Ok(Answer { body, replayed: false })
            }
            Some(asked) => {
                let [row] = self.store.get([rows::kept_reply(asked)]).await.map_err(Error::from)?;
                let kept = self.kept(asked, row.as_ref())?;
                self.once_as_found(asked, kept, render, work).await
            }
        }
    }

    /// As [`Broker::once`], where what is kept was looked up already.
    ///
    /// # Errors
    /// As there.
    pub async fn once_as_found<T, F: From<Error>>(
        &self,
        asked: &AskedOnce,
        kept: Kept,
        render: &Render<'_, T>,
        work: impl AsyncFnOnce(&Reply<'_, T>) -> Result<T, F>,
    ) -> Result<Answer, F> {
        let expected = match kept {
            Kept::Reply(body) => return Ok(Answer { body, replayed: true }),
            Kept::Nothing(expected) => expected,
        };
        let keeping = Keeping { asked, expected, render, rendered: OnceLock::new() };
        let reply = Reply { keeping: Some(keeping) };
        let refusal = match work(&reply).await {
            Ok(created) => {
                let rendered = reply.keeping.and_then(|keeping| keeping.rendered.into_inner());
                let body = rendered.map_or_else(|| render(&created), Ok).map_err(unrendered)?;
                return Ok(Answer { body, replayed: false });
            }
            Err(refusal) => refusal,
        };
        // Whatever it was refused for: had another of the same been faster, that is what this one asked for.
        let Ok([row]) = self.store.get([rows::kept_reply(asked)]).await else { return Err(refusal) };
        match self.kept(asked, row.as_ref())? {
            Kept::Reply(body) => Ok(Answer { body, replayed: true }),
            Kept::Nothing(_) => Err(refusal),
        }
    }

    /// What is kept for each item of a batch, those first that are named first.
    ///
    /// # Errors
    /// When the key stood for another batch, shorter or longer.
    pub async fn kept_items(&self, asked: &AskedOnce) -> Result<Vec<(AskedOnce, Kept)>, Error> {
        let items: Vec<_> = (0..MOST_ITEMS).map(|index| asked.item(index)).collect();
        let keys: Vec<_> = items.iter().map(rows::kept_reply).collect();
        let found = self.store.get_all(&keys).await?;
        let kept = items.into_iter().zip(found).map(|(item, row)| {
            let kept = self.kept(&item, row.as_ref())?;
            Ok((item, kept))
        });
        kept.collect()
    }

    fn kept(&self, asked: &AskedOnce, row: Option<&Row>) -> Result<Kept, Error> {
        let Some(row) = row else { return Ok(Kept::Nothing(Expected::Absent)) };
        let body = self.keyring.authentic(&row.key.partition, &row.key.sort, &row.body)?;
        let unreadable = |_| Error::Internal("a kept reply cannot be read".into());
        let found = self.keyring.find_reply(asked, body).map_err(unreadable)?;
        match found.compared.meaning(self.now()) {
            Meaning::Over => Ok(Kept::Nothing(Expected::Version(row.version))),
            Meaning::Replay => found.open().map(Kept::Reply).map_err(unreadable),
            Meaning::AnotherRequest => Err(Error::IdempotencyKeyReused),
            Meaning::AnotherCredential => Err(Error::conflict(
                "idempotency_key_sealed",
                "a request was carried out under this idempotency key, and its reply opens only with the credential \
                 that was used then; ask with that, or look for what was created in the list",
            )),
        }
    }

    /// Commits what creates something, together with the reply where that is to be kept.
    pub(super) async fn create<T>(
        &self,
        transaction: Transaction,
        created: T,
        reply: &Reply<'_, T>,
    ) -> Result<T, Error> {
        let transaction = self.keep(transaction, &created, reply)?;
        match committed(self.store.commit(transaction).await)? {
            Committed::Done => Ok(created),
            // The same request was faster; or an id was drawn twice, which nobody will see.
            Committed::ReadAgain => Err(outrun()),
        }
    }

    /// The transaction, with the reply where that is to be kept.
    pub(super) fn keep<T>(
        &self,
        transaction: Transaction,
        created: &T,
        reply: &Reply<'_, T>,
    ) -> Result<Transaction, Error> {
        let Some(keeping) = &reply.keeping else { return Ok(transaction) };
        let rendered = match keeping.rendered.get() {
            Some(rendered) => rendered,
            None => {
                let rendered = (keeping.render)(created).map_err(unrendered)?;
                keeping.rendered.get_or_init(|| rendered)
            }
        };
        let kept_until = self.now().plus(lifetime::IDEMPOTENCY_KEY);
        let sealed = self.keyring.seal_reply(keeping.asked, kept_until, rendered, self.entropy.as_ref())?;
        let key = rows::kept_reply(keeping.asked);
        let body = self.keyring.authenticate(&key.partition, &key.sort, &sealed);
        // A day longer than it counts, so that nobody who finds it over sees it vanish.
        let purge_after = Some(kept_until.plus(lifetime::IDEMPOTENCY_KEY));
        let write = Write { key, expected: keeping.expected, body, purge_after };
        let lead = transaction.ledger().map(|ledger| self.lead_to(ledger, &write)).transpose()?;
        Ok(lead.into_iter().fold(transaction.write(write), Transaction::write))
    }

    /// Whether another of the same was faster, for who would try again otherwise.
    pub(super) async fn is_overtaken<T>(&self, reply: &Reply<'_, T>) -> Result<bool, Error> {
        let Some(keeping) = &reply.keeping else { return Ok(false) };
        let [row] = self.store.get([rows::kept_reply(keeping.asked)]).await?;
        Ok(match (row, keeping.expected) {
            (None, _) => false,
            (Some(_), Expected::Absent) => true,
            (Some(row), Expected::Version(version)) => row.version != version,
        })
    }
}

fn unrendered(fault: serde_json::Error) -> Error {
    Error::Internal(format!("a reply cannot be rendered: {fault}"))
}
