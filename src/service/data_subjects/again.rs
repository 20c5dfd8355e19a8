//! Erasing again. A backup brings people back who were erased since it was made. That somebody was is noted outside the store, by
//! the keyed hash alone; whoever adopts a restored store looks for those whose hash it is, and begins their erasure anew.

use std::collections::HashSet;

use crate::{
    domain::{
        erasure::{Asked, DataSubject, Erasure},
        event::Actor,
        ids::DataSubjectId,
        principal::{KnownBy, Principal, PrincipalId},
        tenant::Namespace,
    },
    objects::{ObjectFolder, ObjectKey},
    service::{Broker, Error, events::Origin, removed_rows::Pages, rows},
};

use super::{reached_from, things::Kind};

impl Broker {
    /// Notes outside that somebody was erased.
    pub(super) async fn note_erased(&self, namespace: Namespace, id: DataSubjectId) -> Result<(), Error> {
        self.put_note(&ObjectKey::erased(namespace, id), "erased").await
    }

    /// Begins to erase everybody anew who was erased from this namespace, by a note outside, and of whose erasure this store knows
    /// nothing. Tells how many were found. The rounds of a broker that serves go on with it.
    pub(in crate::service) async fn erase_again(&self, namespace: Namespace) -> Result<u64, Error> {
        let forgotten = self.forgotten_erasures(namespace).await?;
        if forgotten.is_empty() {
            return Ok(0);
        }
        if !self.sealed(namespace.tenant).await?.can_open() {
            tracing::warn!(tenant = %namespace.tenant, "nobody can be told by their hash: the tenant has no data key");
            return Ok(0);
        }
        let mut begun = HashSet::new();
        for (id, who) in self.people_called(namespace, &forgotten).await? {
            if begun.insert(id) {
                let asked = Asked { who, reason: None, by: Actor::System, by_operator: true, keeps_minted: false };
                let origin = Origin { namespace, asking: None, at: self.now() };
                self.begin_erasing(origin, id, asked).await?;
            }
        }
        Ok(begun.len() as u64)
    }

    async fn forgotten_erasures(&self, namespace: Namespace) -> Result<HashSet<DataSubjectId>, Error> {
        let (mut forgotten, mut after) = (HashSet::new(), None);
        let sealed = self.sealed(namespace.tenant).await?;
        loop {
            let listed = self.objects.list(&ObjectFolder::Erased(namespace), after.as_ref()).await?;
            let Some(last) = listed.last() else { return Ok(forgotten) };
            after = Some(last.key.clone());
            for id in listed.iter().filter_map(|object| object.key.erased_subject()) {
                let [row] = self.store.get([rows::erasure(namespace, id)]).await?;
                let known = row.as_ref().and_then(|row| sealed.readable::<Erasure>(row));
                // What somebody else put there says nothing.
                let is_noted = self.read_note_of(&ObjectKey::erased(namespace, id)).await?.flatten().is_some();
                if is_noted && known.is_none_or(|known| known.erased_at.is_none()) {
                    forgotten.insert(id);
                }
            }
        }
    }

    /// Everybody of whom something is kept under one of these names.
    async fn people_called(
        &self,
        home: Namespace,
        names: &HashSet<DataSubjectId>,
    ) -> Result<Vec<(DataSubjectId, DataSubject)>, Error> {
        let (sealed, mut found) = (self.sealed(home.tenant).await?, Vec::new());
        for namespace in reached_from(home) {
            let mut pages = Pages::of(rows::users(namespace));
            while let Some(page) = pages.next(self).await? {
                for user in page.iter().filter_map(|row| sealed.readable::<Principal>(row)) {
                    if let (PrincipalId::User(id), KnownBy::User { issuer, subject }) = (user.id, &user.known_by) {
                        let name = sealed.user_as_subject(issuer, subject)?;
                        found.extend(names.contains(&name).then_some((name, DataSubject::User(id))));
                    }
                }
            }
            for kind in Kind::BOTH {
                let mut pages = Pages::of(kind.list(namespace));
                while let Some(page) = pages.next(self).await? {
                    for thing in self.things_of(kind, &sealed, &page).await?.things {
                        for recipient in thing.notes.recipients.iter().flat_map(|list| list.as_slice()) {
                            let name = sealed.addressee(&recipient.address)?;
                            if names.contains(&name) {
                                found.push((name, DataSubject::Address(recipient.address.clone())));
                            }
                        }
                    }
                }
            }
        }
        Ok(found)
    }
}
