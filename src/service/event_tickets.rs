//! Tickets that open a stream of events: drawn by a principal, and good for half a minute and one use.
//!
//! A browser opens a WebSocket with a URL alone, and what is in a URL is seen by others. So what is in there opens one
//! stream and nothing else, and is worth nothing once it did. Nothing is stored of a ticket that was only drawn.

use serde::{Deserialize, Serialize};

use crate::{
    crypto::{sealed::Purpose, secret::SecretText},
    domain::{event::EventType, instant::Instant, lifetime},
    store::{Expected, Write},
};

use super::{
    Asking, Broker, Caller, Error,
    credentials::Credential,
    records::{Committed, committed},
    rows,
};

/// How tickets begin.
const PREFIX: &str = "cet_";

/// What a ticket says, sealed.
#[derive(Serialize, Deserialize)]
struct Contents {
    id: String,
    credential: Credential,
    expires_at: Instant,
}

/// A ticket, handed out this once. No `Debug`: it is a credential.
pub struct DrawnTicket {
    /// The ticket.
    pub ticket: SecretText,
    /// Until when it may be used.
    pub expires_at: Instant,
}

/// A ticket that would open a stream now.
pub struct PresentedTicket {
    /// Who drew it, as they are now.
    pub caller: Caller,
    id: String,
    expires_at: Instant,
}

impl Broker {
    /// Draws a ticket for the caller.
    ///
    /// # Errors
    /// When the caller does not administer the tenant.
    pub fn draw_event_ticket(&self, caller: &Caller) -> Result<DrawnTicket, Error> {
        caller.administers()?;
        let expires_at = self.now().plus(lifetime::EVENT_TICKET);
        let id = base16ct::lower::encode_string(&self.entropy.bytes::<16>());
        let contents = Contents { id, credential: Credential::of(caller), expires_at };
        let contents = serde_json::to_vec(&contents).map_err(|fault| Error::Internal(fault.to_string()))?;
        let sealed = self.keyring.seal(Purpose::EventTicket, &contents, self.entropy.as_ref())?;
        Ok(DrawnTicket { ticket: SecretText::new(format!("{PREFIX}{sealed}")), expires_at })
    }

    /// Looks at a ticket; that uses nothing up.
    ///
    /// # Errors
    /// [`Error::DeadToken`] whatever is wrong with it, or with whoever drew it.
    pub async fn present_event_ticket(&self, ticket: &SecretText, asking: Asking) -> Result<PresentedTicket, Error> {
        let sealed = ticket.expose().strip_prefix(PREFIX).ok_or(Error::DeadToken)?;
        let contents = self.keyring.open(Purpose::EventTicket, sealed).map_err(|_| Error::DeadToken)?;
        let Contents { id, credential, expires_at } =
            serde_json::from_slice(&contents).map_err(|_| Error::DeadToken)?;
        if self.now() >= expires_at {
            return Err(Error::DeadToken);
        }
        let [used] = self.store.get([rows::event_ticket_used(&id)]).await?;
        if used.is_some() {
            return Err(Error::DeadToken);
        }
        let caller = self.still_known(&credential, asking).await.and_then(|caller| {
            caller.administers()?;
            Ok(caller)
        });
        match caller {
            Ok(caller) => Ok(PresentedTicket { caller, id, expires_at }),
            Err(Error::Unauthenticated | Error::Forbidden(_)) => Err(Error::DeadToken),
            Err(fault) => Err(fault),
        }
    }

    /// Uses a ticket up: of all who present it, one does.
    ///
    /// # Errors
    /// [`Error::DeadToken`] for everybody else.
    pub async fn use_event_ticket(&self, presented: &PresentedTicket) -> Result<(), Error> {
        let PresentedTicket { caller, id, expires_at } = presented;
        let origin = caller.origin(self);
        if origin.at >= *expires_at {
            return Err(Error::DeadToken);
        }
        let event = origin.done(EventType::EventStreamOpened, caller.actor(), caller.principal.id);
        let purge = Some(expires_at.plus(lifetime::REMEMBERED));
        let used: Write = self.put(rows::event_ticket_used(id), Expected::Absent, &origin.at, purge)?;
        let lead = self.lead_to(&rows::ledger(origin.namespace), &used)?;
        match committed(self.store.commit(self.recording(&event)?.write(lead).write(used)).await)? {
            Committed::Done => Ok(()),
            Committed::ReadAgain => Err(Error::DeadToken),
        }
    }
}
