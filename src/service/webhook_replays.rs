//! What people do about deliveries: try a webhook out, look at what waits or was left, and send it once more.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::to_raw_value;

use crate::{
    domain::{
        event::EventType,
        ids::WebhookId,
        tenant::Namespace,
        webhook_delivery::{Delivery, DeliveryState, Tried},
    },
    store::Expected,
};

use super::{
    Broker, Caller, Error,
    listing::{Page, PageRequest},
    places::Taken,
    records::{Committed, ROUNDS, Record, committed, outrun},
    rows,
    webhook_deliveries::Payload,
    webhooks::{SeenWebhook, Target},
};

/// What trying out has come to.
#[derive(Clone, Copy, Debug)]
pub struct Tested {
    /// The status of the answer, or what went wrong.
    pub tried: Tried,
    /// How long that took, in milliseconds.
    pub milliseconds: u64,
}

/// What is told of a webhook that is tried out.
#[derive(Serialize)]
struct Test {
    webhook: WebhookId,
}

/// What receivers are told that it is.
const TEST: &str = "webhook.test";

impl Broker {
    /// Sends a message that tells nothing, now, though the webhook may be paused.
    ///
    /// # Errors
    /// As [`Broker::inspect_webhook`]; when much of the caller is on its way already.
    pub async fn test_webhook(&self, caller: &Caller, id: WebhookId) -> Result<Tested, Error> {
        let target = self.webhook_target(caller, id).await?;
        let _place = self.place_for(caller.namespace())?;
        let origin = caller.origin(self);
        self.record(&origin.done(EventType::WebhookTested, caller.actor(), id)).await?;
        let internal = |fault: serde_json::Error| Error::Internal(fault.to_string());
        let data = to_raw_value(&Test { webhook: id }).map_err(internal)?;
        let drawn: [u8; 16] = self.entropy.bytes();
        let message = format!("msg_{}", base16ct::lower::encode_string(&drawn));
        let message = self.signed(&target, &message, &Payload { kind: TEST, timestamp: origin.at, data: &data })?;
        let begun = self.now();
        let tried = Arc::clone(&self.webhooks.courier).send(message).await;
        let milliseconds = u64::try_from(self.now().since(begun).as_millis()).unwrap_or(u64::MAX);
        Ok(Tested { tried, milliseconds })
    }

    /// The deliveries that wait or were left, of what happened last first. A page may hold fewer than were asked for, and
    /// still be followed by another.
    ///
    /// # Errors
    /// As [`Broker::inspect_webhook`].
    pub async fn webhook_deliveries(
        &self,
        caller: &Caller,
        id: WebhookId,
        request: &PageRequest,
    ) -> Result<Page<Delivery>, Error> {
        self.inspect_webhook(caller, id).await?;
        let page = self.newest_first(rows::webhook_deliveries(id), caller.namespace(), request).await?;
        let all = page.items.iter().filter_map(|row| self.readable::<Delivery>(row));
        let open = all.filter(|delivery| !matches!(delivery.state, DeliveryState::Delivered { .. }));
        Ok(Page { items: open.collect(), next_cursor: page.next_cursor })
    }

    /// Sends what waits or was left once more, now.
    ///
    /// # Errors
    /// As [`Broker::inspect_webhook`]; [`Error::NotFound`] for what never failed, or is kept no more.
    pub async fn replay_delivery(&self, caller: &Caller, id: WebhookId, seq: u64) -> Result<Delivery, Error> {
        let target = self.webhook_target(caller, id).await?;
        let namespace = caller.namespace();
        self.failed_delivery(id, seq).await?;
        let onward = self.records_after(namespace, seq.saturating_sub(1), 1).await?;
        let found = onward.records.into_iter().find(|(record, _)| record.seq == seq);
        let (record, hash) = found.ok_or_else(|| Error::Internal(format!("record {seq} cannot be read")))?;
        let _place = self.place_for(namespace)?;
        self.record(&caller.origin(self).done(EventType::WebhookReplayed, caller.actor(), id)).await?;
        let message = self.message(namespace, &target, id, &record, &hash)?;
        let tried = Arc::clone(&self.webhooks.courier).send(message).await;
        for _ in 0..ROUNDS {
            let Record { value: before, version } = self.failed_delivery(id, seq).await?;
            let (_, mut progress) = self.own_webhook(namespace, id).await?;
            let now = self.now();
            let after = before.clone().replayed(tried, now);
            progress.value.count(Some(&before), &after, now);
            // What arrives shows that the receiver is well.
            if tried.is_ok() {
                progress.value.heard(&[tried], now, 0);
            }
            let key = rows::webhook_delivery(id, seq);
            let write = self.put(key, Expected::Version(version), &after, Some(after.kept_until()))?;
            let transaction = self.noting_progress(id, &progress)?.write(write);
            match committed(self.store.commit(transaction).await)? {
                Committed::Done => {
                    self.webhooks.wake(namespace, now);
                    return Ok(after);
                }
                Committed::ReadAgain => {}
            }
        }
        Err(outrun())
    }

    /// Sends again all that happened after a record, or passes over what happened up to it.
    ///
    /// # Errors
    /// As [`Broker::inspect_webhook`]; when there is no such record yet.
    pub async fn replay_webhook(&self, caller: &Caller, id: WebhookId, after: u64) -> Result<SeenWebhook, Error> {
        caller.administers()?;
        let namespace = caller.namespace();
        self.chain(namespace).await?;
        let last = self.ledger_head(namespace).await?.size;
        if after > last {
            return Err(Error::invalid("/after", format!("the audit trail has {last} records so far")));
        }
        let seen = self
            .alter_webhook(caller, id, EventType::WebhookReplayed, |_, progress| {
                progress.seq = after;
                progress.awake();
            })
            .await?;
        self.webhooks.wake(namespace, self.now());
        Ok(seen)
    }

    async fn webhook_target(&self, caller: &Caller, id: WebhookId) -> Result<Target, Error> {
        self.inspect_webhook(caller, id).await?.webhook.target.ok_or(Error::NotFound)
    }

    async fn failed_delivery(&self, id: WebhookId, seq: u64) -> Result<Record<Delivery>, Error> {
        let [row] = self.store.get([rows::webhook_delivery(id, seq)]).await?;
        self.decode_if::<Delivery>(row.as_ref())?.ok_or(Error::NotFound)
    }

    /// People do not wait in a line behind their own receivers.
    fn place_for(&self, namespace: Namespace) -> Result<super::places::Place, Error> {
        self.webhooks.places.try_take(namespace).map_err(|taken| match taken {
            Taken::ByOne => Error::TooManyAtOnce { what: "deliveries" },
            Taken::ByAll => Error::Busy,
        })
    }
}
