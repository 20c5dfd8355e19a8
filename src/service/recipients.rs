//! Recipients: who is asked for a code when they redeem, how they get one, and how it is used up.
//!
//! Whether an address is on the list is told to nobody but the owner: what is read and what is committed is of one shape
//! for every address, and mail is sent when the answer is on its way.

use crate::{
    crypto::{
        opaque::LinkTokenHash,
        recipients::{RecipientKey, draw_code},
        secret::SecretText,
    },
    domain::{
        confirmation::{CODE_LIFETIME, Confirmation, Latest, OF_ALL},
        event::{Actor, Event, EventType, Outcome},
        ids::{LinkId, ShareId, TenantId},
        instant::Instant,
        narrowing::{AsMinted, Conditions},
        recipient::{Address, ListMark, RecipientMark, Recipients},
        redemption::{Claim, UseState},
        refusal::Refusal,
        tenant::Tenant,
        tries::Tries,
    },
    mail::{CodeMail, Sent},
    store::{Expected, RowKey, Write},
};

use super::{
    Broker, Error,
    events::Origin,
    records::{Committed, ROUNDS, Record, committed, outrun},
    rows,
};

/// Who says that they are a recipient, and the code that shows it.
#[derive(Clone, Debug)]
pub struct RecipientProof {
    /// Who.
    pub address: Address,
    /// The code that was sent there.
    pub code: SecretText,
}

/// What goes to recipients alone.
#[derive(Clone, Copy)]
pub(super) enum Thing {
    Share(ShareId),
    Link(LinkTokenHash, LinkId),
}

/// How far somebody has come who is to show that they are a recipient.
pub(super) enum Proven {
    /// Their code is right. Time has passed: everything is to be read again before anything is used up.
    Tried,
    /// Their code is right, as read just now: who they are, and the writes that use it up, for the commit that claims.
    Ready(RecipientMark, Vec<Write>),
    /// They are not to be told which of address and code is wrong.
    Wrong,
}

/// Recipients that are those of the conditions, and the key of their marks.
pub(super) struct Addressed {
    key: RecipientKey,
    list: Recipients,
}

impl Thing {
    pub(super) fn id(&self) -> &[u8; 16] {
        match self {
            Self::Share(id) => id.as_bytes(),
            Self::Link(_, id) => id.as_bytes(),
        }
    }

    fn row(&self, sort: String) -> RowKey {
        match self {
            Self::Share(id) => rows::share_codes(*id, sort),
            Self::Link(token, _) => rows::link_codes(*token, sort),
        }
    }

    /// Where one recipient stands; for whoever is none there is one row for all of them.
    pub(super) fn confirmation(&self, recipient: Option<&RecipientMark>) -> RowKey {
        self.row(recipient.map_or("none".to_owned(), ToString::to_string))
    }

    fn asked(&self) -> RowKey {
        self.row("asked".into())
    }

    fn tries(&self) -> RowKey {
        self.row("tries".into())
    }

    fn event(&self, origin: Origin, [share, link]: [EventType; 2]) -> Event {
        match self {
            Self::Share(id) => origin.done(share, Actor::Bearer, id),
            Self::Link(_, id) => origin.done(link, Actor::Bearer, id),
        }
    }
}

impl Addressed {
    fn mark_if_listed(&self, address: &Address) -> Option<RecipientMark> {
        self.list.has(address).then(|| self.key.recipient(address))
    }
}

fn expecting<T>(record: Option<&Record<T>>) -> Expected {
    record.map_or(Expected::Absent, |record| Expected::Version(record.version))
}

impl Broker {
    /// Whether anything can go to recipients alone.
    ///
    /// # Errors
    /// When no mail can be sent.
    pub(super) fn sends_codes(&self) -> Result<(), Error> {
        let missing = "nothing can be sent to recipients here: whoever runs this has to set CLOAKROOM_MAIL";
        self.post.as_ref().map(|_| ()).ok_or_else(|| Error::invalid("/recipients", missing))
    }

    /// How many mails came to what since the start; none where no mail can be sent.
    pub fn mails(&self) -> Option<[(&'static str, u64); 3]> {
        let Sent { sent, failed, dropped } = self.post.as_ref()?.sent();
        Some([("sent", sent), ("failed", failed), ("dropped", dropped)])
    }

    /// The mark of a new list.
    pub(super) fn mark_of_recipients(&self, tenant: TenantId, thing: &[u8; 16], list: &Recipients) -> ListMark {
        self.keyring.recipient_key(tenant, thing).list(list)
    }

    /// The mark of a list that takes the place of another. It is made with the same key, whatever key is the newest:
    /// else who has claimed would not be known again, and could once more.
    ///
    /// # Errors
    /// When that key is retired or gone.
    pub(super) fn mark_instead(
        &self,
        (tenant, thing): (TenantId, &[u8; 16]),
        conditions: &Conditions,
        list: &Recipients,
    ) -> Result<ListMark, Error> {
        let Some(mark) = &conditions.restrictions.recipients else {
            return Ok(self.mark_of_recipients(tenant, thing, list));
        };
        let key = self.keyring.recipient_key_of(mark, tenant, thing);
        let gone = || Error::conflict("ended", "the key that its recipients are known by is retired; make another");
        key.map(|key| key.list(list)).ok_or_else(gone)
    }

    /// The recipients under these conditions: none where it goes to whoever holds it.
    ///
    /// # Errors
    /// [`Refusal::Altered`] when the list is not the one that its owner gave.
    pub(super) fn addressed(
        &self,
        tenant: TenantId,
        thing: &[u8; 16],
        conditions: &Conditions,
        list: Option<&Recipients>,
    ) -> Result<Option<Addressed>, Refusal> {
        let Some(mark) = &conditions.restrictions.recipients else { return Ok(None) };
        let key = self.keyring.recipient_key_of(mark, tenant, thing).ok_or(Refusal::Altered)?;
        let list = list.filter(|list| key.list(list) == *mark).ok_or(Refusal::Altered)?;
        Ok(Some(Addressed { key, list: list.clone() }))
    }

    /// Sends a code to an address if it is a recipient's. Nobody is told whether it was.
    ///
    /// # Errors
    /// When too many were asked for, for whatever addresses.
    pub(super) async fn send_code(
        &self,
        thing: Thing,
        addressed: &Addressed,
        address: &Address,
        tenant: &Tenant,
        origin: Origin,
        purge: Option<Instant>,
    ) -> Result<(), Error> {
        let post = self.post.as_ref().ok_or_else(|| Error::Unavailable("no mail can be sent".into()))?;
        for _ in 0..ROUNDS {
            let now = self.now();
            let recipient = addressed.mark_if_listed(address);
            let place = thing.confirmation(recipient.as_ref());
            let [asked, row] = self.store.get([thing.asked(), place.clone()]).await?;
            let asked = self.decode_if::<Latest>(asked.as_ref())?;
            let row = self.decode_if::<Confirmation>(row.as_ref())?;
            let latest = asked.as_ref().map(|record| record.value.clone()).unwrap_or_default();
            let latest = latest.another(OF_ALL, now).map_err(|retry_after| Error::TooManyTries { retry_after })?;
            let confirmation = row.as_ref().map(|record| record.value.clone()).unwrap_or_default();

            // Drawn and marked for whoever is no recipient, too: the work is the same.
            let code = draw_code(self.entropy.as_ref());
            let mark = addressed.key.code(&addressed.key.recipient(address), &code);
            let next = confirmation.with_code(mark, now).filter(|_| recipient.is_some());
            let refused = match (&recipient, &next) {
                (None, _) => Some(Refusal::NotARecipient),
                (Some(_), None) => Some(Refusal::NoCodeSent),
                (Some(_), Some(_)) => None,
            };
            let event =
                thing.event(Origin { at: now, ..origin }, [EventType::ShareCodeAsked, EventType::LinkCodeAsked]);
            let outcome = if refused.is_some() { Outcome::Refused } else { Outcome::Done };
            let event = Event { outcome, reason: refused, ..event };
            let sends = next.is_some();
            let transaction = self
                .recording(&event)?
                .write(self.put(thing.asked(), expecting(asked.as_ref()), &latest, purge)?)
                .write(self.put(place, expecting(row.as_ref()), &next.unwrap_or(confirmation), purge)?);
            match committed(self.store.commit(transaction).await)? {
                Committed::Done if sends => {
                    let (to, from) = (address.clone(), tenant.name.clone());
                    let mark = recipient.map(|mark| mark.0).unwrap_or_default();
                    post.send(CodeMail { to, from, code }, mark, CODE_LIFETIME);
                    return Ok(());
                }
                Committed::Done => return Ok(()),
                Committed::ReadAgain => {}
            }
        }
        Err(outrun())
    }

    /// Whether this is a recipient with their code: a try that is counted, and then, when all is read again, what uses
    /// the code up.
    ///
    /// # Errors
    /// When a proof is wanted, or the try comes too soon after others.
    pub(super) async fn prove(
        &self,
        thing: Thing,
        (addressed, proof): (&Addressed, Option<&RecipientProof>),
        is_tried: bool,
        origin: Origin,
        purge: Option<Instant>,
    ) -> Result<Proven, Error> {
        let proof = proof.ok_or(Error::RecipientRequired)?;
        if !is_tried {
            let is_right = self.try_code(thing, addressed, proof, origin, purge).await?;
            return Ok(if is_right { Proven::Tried } else { Proven::Wrong });
        }
        let used = self.use_code(thing, addressed, proof, purge).await?;
        Ok(used.map_or(Proven::Wrong, |(recipient, writes)| Proven::Ready(recipient, writes)))
    }

    /// Counts a try at a code, and then says whether it is right.
    ///
    /// # Errors
    /// When it comes too soon after others, by whomever.
    async fn try_code(
        &self,
        thing: Thing,
        addressed: &Addressed,
        proof: &RecipientProof,
        origin: Origin,
        purge: Option<Instant>,
    ) -> Result<bool, Error> {
        for _ in 0..ROUNDS {
            let now = self.now();
            let recipient = addressed.mark_if_listed(&proof.address);
            let place = thing.confirmation(recipient.as_ref());
            let [tries, row] = self.store.get([thing.tries(), place.clone()]).await?;
            let tries = self.decode_if::<Tries>(tries.as_ref())?;
            let row = self.decode_if::<Confirmation>(row.as_ref())?;
            let another = Tries::another(tries.as_ref().map(|record| &record.value), now);
            let another = another.map_err(|retry_after| Error::TooManyTries { retry_after })?;
            let tried = row.as_ref().map(|record| record.value.clone()).unwrap_or_default().tried();
            let event =
                thing.event(Origin { at: now, ..origin }, [EventType::ShareCodeTried, EventType::LinkCodeTried]);
            let transaction = self
                .recording(&event)?
                .write(self.put(thing.tries(), expecting(tries.as_ref()), &another, purge)?)
                .write(self.put(place, expecting(row.as_ref()), &tried, purge)?);
            match committed(self.store.commit(transaction).await)? {
                Committed::Done => return Ok(is_right(addressed, proof, recipient.as_ref(), &tried, now)),
                Committed::ReadAgain => {}
            }
        }
        Err(outrun())
    }

    /// The writes that use a right code up, for the commit that claims, and the mark of who has it. None when it is
    /// right no more: somebody else has used it, or a newer one was sent.
    async fn use_code(
        &self,
        thing: Thing,
        addressed: &Addressed,
        proof: &RecipientProof,
        purge: Option<Instant>,
    ) -> Result<Option<(RecipientMark, Vec<Write>)>, Error> {
        let now = self.now();
        let Some(recipient) = addressed.mark_if_listed(&proof.address) else { return Ok(None) };
        let place = thing.confirmation(Some(&recipient));
        let [tries, row] = self.store.get([thing.tries(), place.clone()]).await?;
        let row = self.decode_if::<Confirmation>(row.as_ref())?;
        let Some(found) = row.as_ref().filter(|row| is_right(addressed, proof, Some(&recipient), &row.value, now))
        else {
            return Ok(None);
        };
        let tries = tries.map_or(Expected::Absent, |row| Expected::Version(row.version));
        let writes = vec![
            self.put(place, Expected::Version(found.version), &found.value.claimed(now), purge)?,
            self.put(thing.tries(), tries, &Tries::none(now), purge)?,
        ];
        Ok(Some((recipient, writes)))
    }

    /// The recipients and when each of them claimed, for the owner alone.
    pub(super) async fn who_claimed(
        &self,
        tenant: TenantId,
        thing: Thing,
        conditions: &Conditions,
        list: Option<&Recipients>,
    ) -> Result<Vec<(Address, Option<Instant>)>, Error> {
        // Where the list is just being changed there is nothing to tell; whoever looks again is told.
        let Ok(Some(addressed)) = self.addressed(tenant, thing.id(), conditions, list) else { return Ok(Vec::new()) };
        let addresses: Vec<_> = addressed.list.addresses().collect();
        let places: Vec<_> =
            addresses.iter().map(|address| thing.confirmation(Some(&addressed.key.recipient(address)))).collect();
        let found = self.store.get_all(&places).await?;
        let claimed =
            found.iter().map(|row| row.as_ref().and_then(|row| self.readable::<Confirmation>(row)?.claimed_at));
        Ok(addresses.into_iter().cloned().zip(claimed).collect())
    }
}

fn is_right(
    addressed: &Addressed,
    proof: &RecipientProof,
    recipient: Option<&RecipientMark>,
    confirmation: &Confirmation,
    now: Instant,
) -> bool {
    let Some(recipient) = recipient else { return false };
    confirmation.may_be(now).is_some_and(|mark| addressed.key.is_code(recipient, &proof.code, mark))
}

/// Whether whoever made a claim is still a recipient. Asked where the list has changed since it was minted; who
/// claimed before there was a list stays.
pub(super) fn is_still_addressed(
    minted: &AsMinted,
    state: &UseState,
    addressed: Option<&Addressed>,
    claim: &Claim,
) -> bool {
    let (Some(addressed), Some(recipient)) = (addressed, &claim.recipient) else { return true };
    let is_as_minted = minted.sealed().restrictions.recipients == minted.under(state).restrictions.recipients;
    is_as_minted || addressed.list.addresses().any(|address| addressed.key.recipient(address) == *recipient)
}

/// For whoever asks for a code where none is needed.
pub(super) fn no_code_wanted() -> Error {
    Error::conflict("no_code_wanted", "redeem it without a code")
}
