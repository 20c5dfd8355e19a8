//! Webhooks: set up, changed, given new secrets and removed. What they send is in [`super::webhook_deliveries`].

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    crypto::webhook_signature::WebhookSecret,
    domain::{
        event::EventType,
        ids::WebhookId,
        instant::Instant,
        tenant::Namespace,
        webhook::{MOST_PATTERNS, MOST_WEBHOOKS, NotAWebhookUrl, PauseReason, Paused, TypePattern, WebhookUrl},
        webhook_delivery::Progress,
    },
    store::{Expected, RowKey, Write},
};

use super::{
    Broker, Caller, Error,
    idempotency::Reply,
    records::{Committed, ROUNDS, Record, committed, outrun},
    rows,
};

/// For how long it is remembered that there was a webhook.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// Where events go, and what they are signed with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Target {
    /// The receiver.
    pub url: WebhookUrl,
    /// What the receiver verifies with.
    pub secret: WebhookSecret,
    /// What was replaced, while it signs along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<PreviousSecret>,
}

/// A secret that was replaced.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PreviousSecret {
    secret: WebhookSecret,
    /// Until when it signs along.
    pub until: Instant,
}

impl Target {
    /// All signatures of a message, one space between two.
    pub(super) fn signatures(&self, id: &str, at: Instant, body: &[u8]) -> String {
        let previous = self.previous.as_ref().filter(|previous| at < previous.until).map(|previous| &previous.secret);
        let secrets = [&self.secret].into_iter().chain(previous);
        secrets.map(|secret| secret.sign(id, at, body)).collect::<Vec<_>>().join(" ")
    }
}

/// A webhook, as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WebhookRow {
    /// Its id.
    pub id: WebhookId,
    /// Where it goes; none once it is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// Which events; all of them where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types: Option<Vec<TypePattern>>,
    /// What its owner says about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// When it was set up.
    pub created_at: Instant,
    /// Whether nothing is sent for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Paused>,
}

/// Which webhooks a namespace has.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Roster {
    pub(super) webhooks: Vec<WebhookId>,
}

/// A webhook, and how far it has come.
#[derive(Clone, Debug)]
pub struct SeenWebhook {
    /// The webhook.
    pub webhook: WebhookRow,
    /// How far it has come.
    pub progress: Progress,
}

/// A webhook with a new secret, which is shown this once.
#[derive(Debug)]
pub struct NewSecret {
    /// The webhook.
    pub seen: SeenWebhook,
    /// The secret.
    pub secret: WebhookSecret,
}

/// What a webhook is to be, or to become: what is none stays.
#[derive(Clone, Debug, Default)]
pub struct WebhookChange {
    /// Where events go.
    pub url: Option<String>,
    /// Which; all of them for none.
    pub types: Option<Option<Vec<String>>>,
    /// What its owner says about it.
    pub description: Option<Option<String>>,
    /// Whether it is paused.
    pub paused: Option<bool>,
}

impl Broker {
    /// Sets up a webhook. It gets what happens from now on.
    ///
    /// # Errors
    /// When the caller does not administer the tenant, has as many as one may, or a field is not right.
    pub async fn create_webhook(
        &self,
        caller: &Caller,
        wanted: WebhookChange,
        reply: &Reply<'_, NewSecret>,
    ) -> Result<NewSecret, Error> {
        caller.administers()?;
        let url = self.webhook_url(wanted.url.as_deref().unwrap_or_default())?;
        let (origin, secret) = (caller.origin(self), WebhookSecret::draw(self.entropy.as_ref()));
        let (namespace, id) = (origin.namespace, WebhookId::new(origin.at, self.entropy.bytes()));
        let webhook = WebhookRow {
            id,
            target: Some(Target { url, secret: secret.clone(), previous: None }),
            types: patterns(wanted.types.flatten())?,
            description: wanted.description.flatten(),
            created_at: origin.at,
            paused: None,
        };
        // What happened before is none of its business.
        self.chain(namespace).await?;
        let progress = Progress::after(self.ledger_head(namespace).await?.size, origin.at);
        let sealed = self.sealed(namespace.tenant).await?;
        let (mut roster, expected) = self.roster(namespace).await?;
        if roster.webhooks.len() >= MOST_WEBHOOKS {
            let most = format!("there are {MOST_WEBHOOKS} webhooks, which is the most; remove one first");
            return Err(Error::conflict("too_many_webhooks", most));
        }
        roster.webhooks.push(id);
        let event = origin.done(EventType::WebhookCreated, caller.actor(), id);
        let mut transaction = self
            .recording(&event)?
            .write(sealed.put(rows::webhook(namespace, id), Expected::Absent, &webhook, None)?)
            .write(self.put(rows::webhook_progress(id), Expected::Absent, &progress, None)?)
            .write(self.put(rows::webhook_roster(namespace), expected, &roster, None)?);
        if expected == Expected::Absent {
            let key = rows::webhook_namespace(namespace);
            transaction = transaction.write(self.put(key, Expected::Absent, &namespace, None)?);
        }
        self.create(transaction, NewSecret { seen: SeenWebhook { webhook, progress }, secret }, reply).await
    }

    /// The caller's webhooks, newest first.
    ///
    /// # Errors
    /// When the caller does not administer the tenant.
    pub async fn list_webhooks(&self, caller: &Caller) -> Result<Vec<SeenWebhook>, Error> {
        caller.administers()?;
        let mut seen = self.webhooks_of(caller.namespace()).await?;
        seen.reverse();
        Ok(seen)
    }

    /// One of the caller's webhooks.
    ///
    /// # Errors
    /// [`Error::NotFound`] for everybody else's, and for what was removed.
    pub async fn inspect_webhook(&self, caller: &Caller, id: WebhookId) -> Result<SeenWebhook, Error> {
        caller.administers()?;
        let (webhook, progress) = self.own_webhook(caller.namespace(), id).await?;
        Ok(SeenWebhook { webhook: webhook.value, progress: progress.value })
    }

    /// Changes a webhook. One that goes on after a pause goes on from where it was.
    ///
    /// # Errors
    /// As [`Broker::inspect_webhook`]; when a field is not right.
    pub async fn change_webhook(
        &self,
        caller: &Caller,
        id: WebhookId,
        change: WebhookChange,
    ) -> Result<SeenWebhook, Error> {
        caller.administers()?;
        let url = change.url.as_deref().map(|url| self.webhook_url(url)).transpose()?;
        let types = change.types.map(patterns).transpose()?;
        let (origin, is_paused) = (caller.origin(self), change.paused);
        let seen = self
            .alter_webhook(caller, id, EventType::WebhookChanged, |webhook, progress| {
                if let (Some(url), Some(target)) = (&url, &mut webhook.target) {
                    target.url = url.clone();
                }
                if let Some(types) = &types {
                    webhook.types.clone_from(types);
                }
                if let Some(description) = &change.description {
                    webhook.description.clone_from(description);
                }
                match is_paused {
                    Some(true) if webhook.paused.is_none() => {
                        webhook.paused = Some(Paused { at: origin.at, why: PauseReason::Asked });
                    }
                    Some(false) => webhook.paused = None,
                    _ => {}
                }
                // Another receiver, or one that is said to be well again.
                if url.is_some() || is_paused == Some(false) {
                    progress.awake();
                }
            })
            .await?;
        self.webhooks.wake(origin.namespace, origin.at);
        Ok(seen)
    }

    /// Gives a webhook a new secret. The one before signs along for a while.
    ///
    /// # Errors
    /// As [`Broker::inspect_webhook`].
    pub async fn rotate_webhook(
        &self,
        caller: &Caller,
        id: WebhookId,
        overlap: Duration,
        reply: &Reply<'_, NewSecret>,
    ) -> Result<NewSecret, Error> {
        caller.administers()?;
        let (origin, secret) = (caller.origin(self), WebhookSecret::draw(self.entropy.as_ref()));
        let (Record { value: mut webhook, version }, progress) = self.own_webhook(origin.namespace, id).await?;
        if let Some(target) = &mut webhook.target {
            let before = std::mem::replace(&mut target.secret, secret.clone());
            let until = origin.at.plus(overlap);
            target.previous = (origin.at < until).then_some(PreviousSecret { secret: before, until });
        }
        let sealed = self.sealed(origin.namespace.tenant).await?;
        let event = origin.done(EventType::WebhookRotated, caller.actor(), id);
        let key = rows::webhook(origin.namespace, id);
        // Not the progress, which moves all the time; what is signed with the one before is on its way already.
        let write = sealed.put(key, Expected::Version(version), &webhook, None)?;
        let transaction = self.recording(&event)?.write(write);
        let seen = SeenWebhook { webhook, progress: progress.value };
        self.create(transaction, NewSecret { seen, secret }, reply).await
    }

    /// Removes a webhook. Nothing is sent by it any more, and its secrets are forgotten.
    ///
    /// # Errors
    /// As [`Broker::inspect_webhook`].
    pub async fn remove_webhook(&self, caller: &Caller, id: WebhookId) -> Result<(), Error> {
        caller.administers()?;
        let origin = caller.origin(self);
        let namespace = origin.namespace;
        for _ in 0..ROUNDS {
            let (Record { value, version }, progress) = self.own_webhook(namespace, id).await?;
            let (mut roster, expected) = self.roster(namespace).await?;
            roster.webhooks.retain(|webhook| *webhook != id);
            let removed = WebhookRow { target: None, description: None, ..value };
            let sealed = self.sealed(namespace.tenant).await?;
            let (key, until) = (rows::webhook(namespace, id), Some(origin.at.plus(REMEMBERED)));
            let transaction = self
                .recording(&origin.done(EventType::WebhookRemoved, caller.actor(), id))?
                .write(sealed.put(key, Expected::Version(version), &removed, until)?)
                // Whoever was about to send finds that it has changed.
                .write(self.put_progress(id, &progress)?)
                .write(self.put(rows::webhook_roster(namespace), expected, &roster, None)?);
            match committed(self.store.commit(transaction).await)? {
                Committed::Done => return Ok(()),
                Committed::ReadAgain => {}
            }
        }
        Err(outrun())
    }

    /// A change of a webhook and of how far it has come, together with its event.
    pub(super) async fn alter_webhook(
        &self,
        caller: &Caller,
        id: WebhookId,
        kind: EventType,
        alter: impl Fn(&mut WebhookRow, &mut Progress),
    ) -> Result<SeenWebhook, Error> {
        let origin = caller.origin(self);
        let sealed = self.sealed(origin.namespace.tenant).await?;
        for _ in 0..ROUNDS {
            let (mut webhook, mut progress) = self.own_webhook(origin.namespace, id).await?;
            alter(&mut webhook.value, &mut progress.value);
            let key = rows::webhook(origin.namespace, id);
            let transaction = self
                .recording(&origin.done(kind, caller.actor(), id))?
                .write(sealed.put(key, Expected::Version(webhook.version), &webhook.value, None)?)
                .write(self.put_progress(id, &progress)?);
            match committed(self.store.commit(transaction).await)? {
                Committed::Done => return Ok(SeenWebhook { webhook: webhook.value, progress: progress.value }),
                Committed::ReadAgain => {}
            }
        }
        Err(outrun())
    }

    pub(super) fn put_progress(&self, id: WebhookId, progress: &Record<Progress>) -> Result<Write, Error> {
        self.put(rows::webhook_progress(id), Expected::Version(progress.version), &progress.value, None)
    }

    /// A webhook of this namespace that was not removed.
    pub(super) async fn own_webhook(
        &self,
        namespace: Namespace,
        id: WebhookId,
    ) -> Result<(Record<WebhookRow>, Record<Progress>), Error> {
        let [webhook, progress] = self.store.get([rows::webhook(namespace, id), rows::webhook_progress(id)]).await?;
        let webhook = webhook.ok_or(Error::NotFound)?;
        let webhook: Record<WebhookRow> = self.sealed(namespace.tenant).await?.decode(&webhook)?;
        let progress = self.decode_if::<Progress>(progress.as_ref())?;
        progress.filter(|_| webhook.value.target.is_some()).map(|progress| (webhook, progress)).ok_or(Error::NotFound)
    }

    pub(super) async fn roster(&self, namespace: Namespace) -> Result<(Roster, Expected), Error> {
        let [row] = self.store.get([rows::webhook_roster(namespace)]).await?;
        let roster = self.decode_if::<Roster>(row.as_ref())?;
        Ok(roster
            .map_or((Roster::default(), Expected::Absent), |roster| (roster.value, Expected::Version(roster.version))))
    }

    /// The webhooks of a namespace, in the order in which they were set up. One that cannot be read hides no others.
    pub(super) async fn webhooks_of(&self, namespace: Namespace) -> Result<Vec<SeenWebhook>, Error> {
        let (roster, _) = self.roster(namespace).await?;
        if roster.webhooks.is_empty() {
            return Ok(Vec::new());
        }
        let of = |id: &WebhookId| [rows::webhook(namespace, *id), rows::webhook_progress(*id)];
        let keys: Vec<RowKey> = roster.webhooks.iter().flat_map(of).collect();
        let found = self.store.get_all(&keys).await?;
        let sealed = self.sealed(namespace.tenant).await?;
        let pairs = found.chunks(2).filter_map(|pair| {
            let webhook: WebhookRow = sealed.readable(pair[0].as_ref()?)?;
            let progress = self.readable(pair[1].as_ref()?)?;
            webhook.target.is_some().then_some(SeenWebhook { webhook, progress })
        });
        Ok(pairs.collect())
    }

    fn webhook_url(&self, text: &str) -> Result<WebhookUrl, Error> {
        let parsed = WebhookUrl::parse(text, self.webhooks.courier.reachable());
        parsed.map_err(|fault: NotAWebhookUrl| Error::invalid("/url", fault))
    }
}

fn patterns(given: Option<Vec<String>>) -> Result<Option<Vec<TypePattern>>, Error> {
    let Some(given) = given else { return Ok(None) };
    if given.is_empty() || given.len() > MOST_PATTERNS {
        let message = format!("must name 1 to {MOST_PATTERNS} types; leave it out, or say null, for all events");
        return Err(Error::invalid("/types", message));
    }
    let pattern =
        |(index, text)| TypePattern::try_from(text).map_err(|fault| Error::invalid(format!("/types/{index}"), fault));
    given.into_iter().enumerate().map(pattern).collect::<Result<_, _>>().map(Some)
}
