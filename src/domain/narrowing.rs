//! Narrowing: what the owner of a share or link takes back after it was minted.
//!
//! What was minted stays as it is, since its hash is sealed in the token. What was taken back lies in the small row of
//! its state, and what counts is both together: so a state that somebody has doctored gives nobody more.

use serde::{Deserialize, Serialize};

use super::{
    instant::Instant,
    metadata::Metadata,
    recipient::{self, Address, ListMark, Recipients},
    redemption::{Status, Terms, UseState},
    restrictions::{AllowedNetworks, Restrictions},
    text::Message,
};

/// To what claims and their sessions are subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conditions {
    /// For how long, and how often.
    pub terms: Terms,
    /// From where.
    #[serde(default, skip_serializing_if = "Restrictions::is_empty")]
    pub restrictions: Restrictions,
}

/// The conditions of the day of minting. They are asked [`Self::under`] a state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AsMinted(Conditions);

/// What was taken back since. What is none is as it was minted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Narrowed {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_before: Option<Instant>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Instant>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    access_seconds: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    redemptions: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    networks: Option<AllowedNetworks>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recipients: Option<ListMark>,
}

/// What lies beside a grant: words of its owner, by which nothing is decided, and addresses, of which the conditions
/// have the mark.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notes {
    /// Their own name for it.
    pub label: Option<String>,
    /// Words of their own.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
    /// What recipients are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
    /// To whom alone it goes.
    #[serde(default, deserialize_with = "recipient::kept", skip_serializing_if = "Option::is_none")]
    pub recipients: Option<Recipients>,
}

/// What an owner wants changed. What is none stays; what is none inside is taken away.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Their own name for it.
    pub label: Option<Option<String>>,
    /// Words of their own, all of them.
    pub metadata: Option<Metadata>,
    /// What recipients are told.
    pub message: Option<Option<Message>>,
    /// From when on it may be claimed.
    pub not_before: Option<Option<Instant>>,
    /// Until when it may be claimed.
    pub expires_at: Option<Instant>,
    /// For how many seconds claimants to come may come back.
    pub access_seconds: Option<u64>,
    /// How many claimants there may be.
    pub redemptions: Option<u32>,
    /// From where it may be used.
    pub networks: Option<Option<AllowedNetworks>>,
    /// To whom alone it goes.
    pub recipients: Option<Option<Recipients>>,
}

/// What can be changed, as the API names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is what its wire name says")]
pub enum Field {
    Label,
    Metadata,
    Message,
    NotBefore,
    ExpiresAt,
    AccessExpiresIn,
    Redemptions,
    AllowedNetworks,
    Recipients,
}

/// What comes of a change: to be committed together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// What is said about it now.
    pub notes: Notes,
    /// Its state now.
    pub state: UseState,
    /// What has changed: something at least.
    pub fields: Vec<Field>,
}

/// Why nothing changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotChanged {
    /// It has ended.
    Ended(Status),
    /// It would be wider than it is.
    Wider(Field),
    /// There have been more claims than that.
    FewerThanClaimed(u32),
    /// The time to open is over already.
    OpensInThePast,
    /// The time to end is over already.
    EndsInThePast,
    /// It would never open.
    NeverOpens(Field),
}

impl Field {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Label => "label",
            Self::Metadata => "metadata",
            Self::Message => "message",
            Self::NotBefore => "not_before",
            Self::ExpiresAt => "expires_at",
            Self::AccessExpiresIn => "access_expires_in",
            Self::Redemptions => "redemptions",
            Self::AllowedNetworks => "allowed_networks",
            Self::Recipients => "recipients",
        }
    }
}

/// The narrower of both, where both say something.
fn narrower<T>(minted: T, narrowed: Option<T>, narrower: impl FnOnce(T, T) -> T) -> T {
    match narrowed {
        Some(narrowed) => narrower(minted, narrowed),
        None => minted,
    }
}

impl AsMinted {
    /// What is minted so.
    pub const fn new(conditions: Conditions) -> Self {
        Self(conditions)
    }

    /// What counts in this state: what was minted, and not what was taken back since.
    pub fn under(&self, state: &UseState) -> Conditions {
        let Conditions { terms, restrictions } = self.0.clone();
        let Some(narrowed) = state.narrowed.clone() else { return Conditions { terms, restrictions } };
        let networks = match (restrictions.networks, narrowed.networks) {
            (Some(minted), Some(narrowed)) => Some(narrowed.inside(&minted)),
            (minted, narrowed) => minted.or(narrowed),
        };
        Conditions {
            terms: Terms {
                issued_at: terms.issued_at,
                not_before: terms.not_before.max(narrowed.not_before),
                expires_at: narrower(terms.expires_at, narrowed.expires_at, Ord::min),
                access_seconds: narrower(terms.access_seconds, narrowed.access_seconds, Ord::min),
                redemptions: narrower(terms.redemptions, narrowed.redemptions, Ord::min),
            },
            restrictions: Restrictions { networks, recipients: narrowed.recipients.or(restrictions.recipients) },
        }
    }

    /// As they were, for what seals them and for those who ask when all of it has ended at the latest: claims that
    /// were made before something was taken back keep their time.
    pub const fn sealed(&self) -> &Conditions {
        &self.0
    }

    /// Applies what an owner wants; none when that is how it is already. `marked` is the mark of the
    /// recipients that are wanted.
    ///
    /// # Errors
    /// When it has ended, or would be wider than it is.
    pub fn change(
        &self,
        notes: &Notes,
        state: &UseState,
        wanted: &Change,
        marked: Option<ListMark>,
        now: Instant,
    ) -> Result<Option<Changed>, NotChanged> {
        let changed = self.changed(notes, state, wanted, marked, now);
        // Who asks again, since the answer was lost, is told that it is so, even where it has ended by that.
        if changed.as_ref().is_ok_and(|changed| changed.fields.is_empty()) {
            return Ok(None);
        }
        match self.under(state).terms.status(state, now) {
            Status::Pending => changed.map(Some),
            ended => Err(NotChanged::Ended(ended)),
        }
    }

    /// Takes a recipient off the list, for good, whatever has become of it. `marked` is the mark of the others; where that
    /// cannot be made any more, nobody can claim it anyhow. Of what went to them alone nothing is left but that there was
    /// one: it is revoked, and the words of its owner, which were about it, are gone. None where they are no recipient.
    pub fn without(
        &self,
        notes: &Notes,
        state: &UseState,
        address: &Address,
        marked: Option<ListMark>,
        now: Instant,
    ) -> Option<Changed> {
        let others = notes.recipients.as_ref()?.without(address)?;
        let mut fields = vec![Field::Recipients];
        let ends = others.is_empty() || marked.is_none();
        let notes = if others.is_empty() {
            let said = [
                (Field::Label, notes.label.is_some()),
                (Field::Metadata, !notes.metadata.is_empty()),
                (Field::Message, notes.message.is_some()),
            ];
            fields.extend(said.into_iter().filter(|(_, is_said)| *is_said).map(|(field, _)| field));
            Notes { recipients: Some(others), ..Notes::default() }
        } else {
            Notes { recipients: Some(others), ..notes.clone() }
        };
        let state = addressed_to(state, marked);
        let state = if ends { state.revoke(now).unwrap_or(state) } else { state };
        Some(Changed { notes, state, fields })
    }

    /// Puts another address in the place of a recipient's: whoever gets their mail there is who is meant. `marked` is the
    /// mark of the list that comes of it; where that cannot be made any more, nobody can claim it anyhow. None where `from`
    /// is no recipient.
    pub fn corrected(
        &self,
        notes: &Notes,
        state: &UseState,
        (from, to): (&Address, &Address),
        marked: Option<ListMark>,
    ) -> Option<Changed> {
        let recipients = notes.recipients.as_ref()?.corrected(from, to)?;
        let notes = Notes { recipients: Some(recipients), ..notes.clone() };
        Some(Changed { notes, state: addressed_to(state, marked), fields: vec![Field::Recipients] })
    }

    fn changed(
        &self,
        notes: &Notes,
        state: &UseState,
        wanted: &Change,
        marked: Option<ListMark>,
        now: Instant,
    ) -> Result<Changed, NotChanged> {
        let Conditions { terms, restrictions } = self.under(state);
        let mut narrowed = state.narrowed.clone().unwrap_or_default();
        let mut fields = Vec::new();
        let mut notes = notes.clone();
        let mut note = |field, differs: bool| {
            if differs {
                fields.push(field);
            }
            differs
        };
        if let Some(label) = wanted.label.clone()
            && note(Field::Label, label != notes.label)
        {
            notes.label = label;
        }
        if let Some(metadata) = wanted.metadata.clone()
            && note(Field::Metadata, metadata != notes.metadata)
        {
            notes.metadata = metadata;
        }
        if let Some(message) = wanted.message.clone()
            && note(Field::Message, message != notes.message)
        {
            notes.message = message;
        }
        if let Some(not_before) = wanted.not_before
            && note(Field::NotBefore, not_before != terms.not_before)
        {
            match not_before {
                at if at < terms.not_before => return Err(NotChanged::Wider(Field::NotBefore)),
                Some(at) if at < now => return Err(NotChanged::OpensInThePast),
                at => narrowed.not_before = at,
            }
        }
        if let Some(expires_at) = wanted.expires_at
            && note(Field::ExpiresAt, expires_at != terms.expires_at)
        {
            if expires_at > terms.expires_at {
                return Err(NotChanged::Wider(Field::ExpiresAt));
            }
            if expires_at <= now {
                return Err(NotChanged::EndsInThePast);
            }
            narrowed.expires_at = Some(expires_at);
        }
        if let Some(seconds) = wanted.access_seconds
            && note(Field::AccessExpiresIn, seconds != terms.access_seconds)
        {
            if seconds > terms.access_seconds {
                return Err(NotChanged::Wider(Field::AccessExpiresIn));
            }
            narrowed.access_seconds = Some(seconds);
        }
        if let Some(redemptions) = wanted.redemptions
            && note(Field::Redemptions, redemptions != terms.redemptions)
        {
            if redemptions > terms.redemptions {
                return Err(NotChanged::Wider(Field::Redemptions));
            }
            if redemptions < state.claims {
                return Err(NotChanged::FewerThanClaimed(state.claims));
            }
            narrowed.redemptions = Some(redemptions);
        }
        if let Some(networks) = wanted.networks.clone()
            && note(Field::AllowedNetworks, networks != restrictions.networks)
        {
            match (&restrictions.networks, networks) {
                (None, networks) => narrowed.networks = networks,
                (Some(present), Some(networks)) if networks.are_inside(present) => narrowed.networks = Some(networks),
                (Some(_), _) => return Err(NotChanged::Wider(Field::AllowedNetworks)),
            }
        }
        let inherits = |list: Recipients| match &notes.recipients {
            Some(before) => list.noted_as(before),
            None => list,
        };
        if let Some(recipients) = wanted.recipients.clone().map(|list| list.map(inherits))
            && note(Field::Recipients, recipients != notes.recipients)
        {
            match (&notes.recipients, recipients) {
                (Some(present), Some(fewer)) if !fewer.are_among(present) => {
                    return Err(NotChanged::Wider(Field::Recipients));
                }
                (Some(_), None) => return Err(NotChanged::Wider(Field::Recipients)),
                (_, recipients) => {
                    narrowed.recipients = marked;
                    notes.recipients = recipients;
                }
            }
        }
        let narrowed = Some(narrowed).filter(|narrowed| *narrowed != Narrowed::default());
        let state = UseState { narrowed, ..state.clone() };
        let Terms { not_before, expires_at, .. } = self.under(&state).terms;
        if not_before.is_some_and(|opens_at| opens_at >= expires_at) {
            let field = if wanted.expires_at.is_some() { Field::ExpiresAt } else { Field::NotBefore };
            return Err(NotChanged::NeverOpens(field));
        }
        Ok(Changed { notes, state, fields })
    }
}

/// The state under which the recipients with this mark are all there are.
fn addressed_to(state: &UseState, marked: Option<ListMark>) -> UseState {
    let Some(mark) = marked else { return state.clone() };
    let narrowed = Narrowed { recipients: Some(mark), ..state.narrowed.clone().unwrap_or_default() };
    UseState { narrowed: Some(narrowed), ..state.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        network::ClientAddress,
        recipient::Address,
        redemption::{Claim, Redemption},
        refusal::Refusal,
    };

    fn at(seconds: u64) -> Instant {
        Instant::from_unix_seconds(seconds)
    }

    fn networks(texts: &[&str]) -> Option<AllowedNetworks> {
        let networks = texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
        Some(AllowedNetworks::try_from(networks).unwrap())
    }

    fn minted(not_before: Option<Instant>, networks: Option<AllowedNetworks>) -> AsMinted {
        let terms =
            Terms { issued_at: at(100), not_before, expires_at: at(1_000), access_seconds: 600, redemptions: 3 };
        AsMinted::new(Conditions { terms, restrictions: Restrictions { networks, recipients: None } })
    }

    fn recipients(addresses: &[&str]) -> Option<Recipients> {
        let addresses = addresses.iter().map(|text| (*text).to_owned().try_into().unwrap()).collect::<Vec<Address>>();
        Some(Recipients::try_from(addresses).unwrap())
    }

    fn mark(recipients: &Recipients) -> ListMark {
        ListMark(recipients.addresses().map(Address::as_str).collect::<Vec<_>>().join(","))
    }

    fn marked(change: &Change) -> Option<ListMark> {
        change.recipients.as_ref().and_then(Option::as_ref).map(mark)
    }

    fn from(text: &str) -> ClientAddress {
        ClientAddress::new(text.parse().unwrap())
    }

    /// What somebody new gets who asks then from there.
    fn admitted(minted: &AsMinted, state: &UseState, now: Instant, client: &str) -> Result<Redemption, Refusal> {
        let Conditions { terms, restrictions } = minted.under(state);
        restrictions.admits(from(client))?;
        terms.redeem(state, None, now)
    }

    fn claim(redemption: &Result<Redemption, Refusal>) -> Option<&Claim> {
        match redemption {
            Ok(Redemption::First { claim, .. }) => Some(claim),
            _ => None,
        }
    }

    const CLIENTS: [&str; 4] = ["10.0.0.1", "10.1.0.1", "192.0.2.7", "2001:db8::1"];
    const TIMES: [u64; 7] = [100, 299, 300, 499, 500, 700, 1_000];

    fn all_networks() -> [Option<AllowedNetworks>; 5] {
        let some = [&["10.0.0.0/8"] as &[_], &["10.0.0.0/16", "192.0.2.0/24"], &["10.0.0.1"], &["::/0", "0.0.0.0/0"]];
        [None, networks(some[0]), networks(some[1]), networks(some[2]), networks(some[3])]
    }

    /// Every change of what can become narrower, out of a few values for each.
    fn all_changes() -> Vec<Change> {
        let mut changes = Vec::new();
        for not_before in [None, Some(None), Some(Some(at(300))), Some(Some(at(500)))] {
            for expires_at in [None, Some(at(400)), Some(at(700)), Some(at(1_000)), Some(at(2_000))] {
                for (access_seconds, redemptions) in
                    [(None, None), (Some(60), Some(1)), (Some(600), Some(2)), (Some(900), Some(3)), (None, Some(4))]
                {
                    for networks in all_networks().into_iter().map(Some).chain([None]) {
                        changes.push(Change {
                            not_before,
                            expires_at,
                            access_seconds,
                            redemptions,
                            networks,
                            ..Change::default()
                        });
                    }
                }
            }
        }
        changes
    }

    #[track_caller]
    fn assert_narrower(minted: &AsMinted, before: &UseState, after: &UseState) {
        assert_eq!((after.claims, after.revoked_at), (before.claims, before.revoked_at));
        for time in TIMES.map(at) {
            for client in CLIENTS {
                let then = admitted(minted, before, time, client);
                let now = admitted(minted, after, time, client);
                let Some(now) = claim(&now) else { continue };
                let then = claim(&then).unwrap_or_else(|| panic!("{client} at {time} by {after:?}"));
                assert!(now.access_until <= then.access_until, "{after:?}");
            }
        }
        let (then, now) = (minted.under(before).terms, minted.under(after).terms);
        assert!((1..=then.redemptions).contains(&now.redemptions), "{after:?}");
        // What was taken back stays so when it is claimed and when it is revoked.
        if let Ok(Redemption::First { state: claimed, .. }) = now.redeem(after, None, at(600)) {
            assert_eq!(claimed.narrowed, after.narrowed);
        }
        assert_eq!(after.revoke(at(600)).unwrap().narrowed, after.narrowed);
    }

    #[test]
    fn what_is_changed_admits_nobody_whom_it_did_not_admit_before() {
        let mut narrowings = 0;
        let (now, changes) = (at(200), all_changes());
        let fresh = UseState { claims: 1, ..UseState::default() };
        for minted in [None, Some(at(300))].iter().flat_map(|opens| all_networks().map(|own| minted(*opens, own))) {
            // Each change by itself, and another one upon it.
            for (number, change) in changes.iter().enumerate() {
                let mut state = fresh.clone();
                for change in [change, &changes[number * 131 % changes.len()]] {
                    let Ok(Some(changed)) = minted.change(&Notes::default(), &state, change, marked(change), now)
                    else {
                        break;
                    };
                    narrowings += 1;
                    assert_narrower(&minted, &state, &changed.state);
                    state = changed.state;
                }
            }
        }
        assert!(narrowings > 1_000, "{narrowings}");
    }

    #[test]
    fn a_state_that_says_more_than_was_minted_gives_no_more() {
        let minted = minted(Some(at(300)), networks(&["10.0.0.0/8"]));
        let wide = Narrowed {
            not_before: Some(at(1)),
            expires_at: Some(at(9_000)),
            access_seconds: Some(9_000),
            redemptions: Some(9),
            networks: networks(&["10.0.0.0/7", "0.0.0.0/0"]),
            recipients: None,
        };
        let state = UseState { narrowed: Some(wide), ..UseState::default() };
        let Conditions { terms, restrictions } = minted.under(&state);
        assert_eq!(terms, minted.sealed().terms);
        for client in CLIENTS {
            assert_eq!(restrictions.admits(from(client)), Err(Refusal::WrongNetwork), "{client}");
        }
    }

    fn refused(change: Change) -> Option<NotChanged> {
        let minted = minted(Some(at(300)), networks(&["10.0.0.0/8"]));
        minted
            .change(
                &Notes::default(),
                &UseState { claims: 2, ..UseState::default() },
                &change,
                marked(&change),
                at(350),
            )
            .err()
    }

    #[test]
    fn what_would_be_wider_or_make_no_sense_is_refused_by_its_name() {
        let nothing = Change::default;
        for (change, why) in [
            (Change { not_before: Some(None), ..nothing() }, NotChanged::Wider(Field::NotBefore)),
            (Change { not_before: Some(Some(at(299))), ..nothing() }, NotChanged::Wider(Field::NotBefore)),
            (Change { not_before: Some(Some(at(340))), ..nothing() }, NotChanged::OpensInThePast),
            (Change { not_before: Some(Some(at(1_000))), ..nothing() }, NotChanged::NeverOpens(Field::NotBefore)),
            (Change { expires_at: Some(at(1_001)), ..nothing() }, NotChanged::Wider(Field::ExpiresAt)),
            (Change { expires_at: Some(at(350)), ..nothing() }, NotChanged::EndsInThePast),
            (
                Change { not_before: Some(Some(at(500))), expires_at: Some(at(500)), ..nothing() },
                NotChanged::NeverOpens(Field::ExpiresAt),
            ),
            (Change { access_seconds: Some(601), ..nothing() }, NotChanged::Wider(Field::AccessExpiresIn)),
            (Change { redemptions: Some(4), ..nothing() }, NotChanged::Wider(Field::Redemptions)),
            (Change { redemptions: Some(1), ..nothing() }, NotChanged::FewerThanClaimed(2)),
            (Change { networks: Some(None), ..nothing() }, NotChanged::Wider(Field::AllowedNetworks)),
            (
                Change { networks: Some(networks(&["10.0.0.1", "11.0.0.1"])), ..nothing() },
                NotChanged::Wider(Field::AllowedNetworks),
            ),
        ] {
            assert_eq!(refused(change.clone()), Some(why), "{change:?}");
        }
        assert_eq!(refused(Change { networks: Some(networks(&["10.0.0.1", "10.2.0.0/16"])), ..nothing() }), None);
    }

    #[test]
    fn what_has_ended_changes_no_more_but_is_told_again_how_it_is() {
        let (minted, notes) = (minted(None, None), Notes::default());
        let fresh = UseState { claims: 1, ..UseState::default() };
        let fewer = Change { redemptions: Some(1), ..Change::default() };
        let named = Change { label: Some(Some("new".into())), ..Change::default() };
        let changed = minted.change(&notes, &fresh, &fewer, None, at(200)).unwrap().unwrap();
        assert_eq!(minted.under(&changed.state).terms.status(&changed.state, at(200)), Status::Claimed);
        assert_eq!(minted.change(&notes, &changed.state, &fewer, None, at(201)), Ok(None));
        let ended = |state: &UseState, now| minted.change(&notes, state, &named, None, now);
        assert_eq!(ended(&changed.state, at(201)), Err(NotChanged::Ended(Status::Claimed)));
        assert_eq!(ended(&fresh, at(1_000)), Err(NotChanged::Ended(Status::Expired)));
        assert_eq!(ended(&fresh.revoke(at(1)).unwrap(), at(200)), Err(NotChanged::Ended(Status::Revoked)));
    }

    #[test]
    fn what_is_said_about_it_changes_freely_and_is_named() {
        let notes = Notes { label: Some("old".into()), ..Notes::default() };
        let metadata: Metadata = serde_json::from_str(r#"{"a":"1"}"#).unwrap();
        let change = Change { label: Some(None), metadata: Some(metadata.clone()), ..Change::default() };
        let state = UseState::default();
        let changed = minted(None, None).change(&notes, &state, &change, marked(&change), at(200)).unwrap().unwrap();
        assert_eq!(changed.fields, [Field::Label, Field::Metadata]);
        assert_eq!(changed.notes, Notes { metadata, ..Notes::default() });
        assert_eq!(changed.state, state);
        assert_eq!(minted(None, None).change(&changed.notes, &state, &change, marked(&change), at(200)), Ok(None));
    }

    #[test]
    fn recipients_become_fewer_or_some_where_there_were_none() {
        let (minted, mut notes, mut state) = (minted(None, None), Notes::default(), UseState::default());
        for (addresses, right) in [
            (&["a@b", "c@d", "e@f"] as &[_], true),
            (&["a@b", "x@y"], false),
            (&["a@b", "c@d"], true),
            (&["a@b", "c@d", "e@f"], false),
            (&["c@d"], true),
        ] {
            let change = Change { recipients: Some(recipients(addresses)), ..Change::default() };
            match minted.change(&notes, &state, &change, marked(&change), at(200)) {
                Ok(Some(changed)) if right => {
                    assert_eq!(changed.fields, [Field::Recipients]);
                    (notes, state) = (changed.notes, changed.state);
                    assert_eq!(minted.under(&state).restrictions.recipients, notes.recipients.as_ref().map(mark));
                }
                other => assert_eq!((other, right), (Err(NotChanged::Wider(Field::Recipients)), false)),
            }
        }
        let none = Change { recipients: Some(None), ..Change::default() };
        assert_eq!(minted.change(&notes, &state, &none, None, at(200)), Err(NotChanged::Wider(Field::Recipients)));
    }

    #[test]
    fn whoever_is_erased_leaves_and_nobody_comes_instead() {
        let (minted, list) = (minted(None, None), recipients(&["a@b", "c@d"]));
        let address = |text: &str| Address::try_from(text.to_owned()).unwrap();
        let notes = Notes { label: Some("for both".into()), recipients: list.clone(), ..Notes::default() };
        let of = |list: &Option<Recipients>| list.as_ref().map(mark);
        let state = UseState { claims: 1, ..UseState::default() };
        let rest = recipients(&["c@d"]);
        let left = minted.without(&notes, &state, &address("a@b"), of(&rest), at(200)).unwrap();
        assert_eq!((&left.notes.recipients, left.notes.label.as_deref()), (&rest, Some("for both")));
        assert_eq!((left.state.claims, left.state.revoked_at, left.fields), (1, None, vec![Field::Recipients]));
        assert_eq!(minted.under(&left.state).restrictions.recipients, of(&rest));
        // The last one takes everything along.
        let nobody = rest.as_ref().unwrap().without(&address("c@d"));
        let ended = minted.without(&left.notes, &left.state, &address("c@d"), of(&nobody), at(300)).unwrap();
        assert_eq!(
            (ended.state.revoked_at, &ended.notes.label, &ended.notes.recipients),
            (Some(at(300)), &None, &nobody)
        );
        assert_eq!(ended.fields, [Field::Recipients, Field::Label]);
        assert!(minted.under(&ended.state).restrictions.recipients.is_some());
        // Without a mark of the others nobody is let in.
        let unmarked = minted.without(&notes, &state, &address("a@b"), None, at(200)).unwrap();
        assert_eq!(unmarked.state.revoked_at, Some(at(200)));
        assert_eq!(minted.without(&notes, &state, &address("x@y"), of(&list), at(200)), None);
        let never = Notes::default();
        assert_eq!(minted.without(&never, &state, &address("a@b"), None, at(200)), None);
    }

    #[test]
    fn what_is_noted_of_a_recipient_stays_where_the_address_alone_is_given_again() {
        let list = |text: &str| Some(serde_json::from_str::<Recipients>(text).unwrap());
        let notes = Notes { recipients: list(r#"[{"address":"a@b","purpose":"p"},"c@d"]"#), ..Notes::default() };
        let narrowed = |text: &str| {
            let change = Change { recipients: Some(list(text)), ..Change::default() };
            minted(None, None).change(&notes, &UseState::default(), &change, marked(&change), at(200)).unwrap()
        };
        assert_eq!(narrowed(r#"["a@b"]"#).unwrap().notes.recipients, list(r#"[{"address":"a@b","purpose":"p"}]"#));
        assert_eq!(narrowed(r#"["a@b","c@d"]"#), None);
        let anew = r#"["a@b",{"address":"c@d","consent":"c"}]"#;
        let changed = narrowed(anew).unwrap();
        assert_eq!((changed.fields, changed.notes.recipients.unwrap().count()), (vec![Field::Recipients], 2));
    }

    #[test]
    fn the_row_of_a_state_stays_as_small_as_it_was_while_nothing_is_taken_back() {
        let row = serde_json::to_string(&UseState::default()).unwrap();
        assert_eq!(row, r#"{"claims":0,"revoked_at":null}"#);
    }

    #[test]
    fn it_may_open_now_but_not_before() {
        let opens = |then| Change { not_before: Some(Some(at(then))), ..Change::default() };
        assert_eq!(refused(opens(350)), None);
        assert_eq!(refused(opens(349)), Some(NotChanged::OpensInThePast));
    }

    #[test]
    fn an_address_is_corrected_with_its_mark_and_nothing_else() {
        let (minted, list) = (minted(None, None), recipients(&["a@b", "c@d"]));
        let address = |text: &str| Address::try_from(text.to_owned()).unwrap();
        let notes = Notes { label: Some("for both".into()), recipients: list, ..Notes::default() };
        let earlier = Narrowed { redemptions: Some(2), ..Narrowed::default() };
        let state = UseState { claims: 1, narrowed: Some(earlier), ..UseState::default() };
        let now = recipients(&["a@b", "x@y"]);
        let corrected =
            |from, to| minted.corrected(&notes, &state, (&address(from), &address(to)), now.as_ref().map(mark));
        let changed = corrected("c@d", "x@y").unwrap();
        assert_eq!((&changed.notes.recipients, changed.notes.label.as_deref()), (&now, Some("for both")));
        assert_eq!((changed.state.claims, changed.state.revoked_at), (1, None));
        let Conditions { terms, restrictions } = minted.under(&changed.state);
        assert_eq!((terms.redemptions, restrictions.recipients), (2, now.as_ref().map(mark)));
        assert_eq!(changed.fields, [Field::Recipients]);
        assert_eq!(corrected("e@f", "x@y"), None);
    }

    #[test]
    fn a_field_is_called_the_same_everywhere() {
        use Field::*;
        for field in
            [Label, Metadata, Message, NotBefore, ExpiresAt, AccessExpiresIn, Redemptions, AllowedNetworks, Recipients]
        {
            assert_eq!(serde_json::to_value(field).unwrap(), field.as_str());
        }
    }
}
