//! File requests, as their owner handles them: make, list, inspect, close.

use serde::{Deserialize, Serialize};

use crate::{
    crypto::{opaque::FileRequestToken, secret::SecretText},
    domain::{
        event::EventType,
        file_request::{FileRequest, TypePattern},
        filter::Filter,
        ids::FileRequestId,
        instant::Instant,
        lifetime,
        metadata::Metadata,
        path::PathPin,
        permission::Permission,
        privacy::protected,
        quota::{Limits, Scope},
        redemption::{Status, Terms, UseState},
        tenant::Namespace,
        text::Message,
    },
    store::Expected,
};

use super::{
    Broker, Caller, Error,
    history::Maker,
    idempotency::Reply,
    listing::{Between, Page, PageRequest},
    records::{Committed, ROUNDS, Record, committed, outrun},
    rows,
    usage::Usage,
};

/// What a file request is to be.
#[derive(Debug)]
pub struct MakeFileRequest {
    /// Below which folder everything goes.
    pub folder: PathPin,
    /// How much may be delivered in all.
    pub limits: Limits,
    /// The largest file, in bytes.
    pub largest_file: Option<u64>,
    /// Which media types are taken; all where none is named.
    pub content_types: Vec<TypePattern>,
    /// How many may deliver.
    pub submissions: u32,
    /// Until when.
    pub closes_at: Instant,
    /// For how many seconds whoever delivers may come back.
    pub access_seconds: u64,
    /// The password, if it is to have one.
    pub password: Option<SecretText>,
    /// The owner's name for it.
    pub label: Option<String>,
    /// Words of the owner's own.
    pub metadata: Metadata,
    /// What whoever delivers is told.
    pub message: Option<Message>,
}

/// A file request as its owner sees it.
#[derive(Clone, Debug)]
pub struct SeenFileRequest {
    /// What it asks for.
    pub request: FileRequest,
    /// What became of it.
    pub status: Status,
    /// How many have begun to deliver.
    pub submissions: u32,
    /// When it was closed before its time.
    pub closed_at: Option<Instant>,
    /// Who made it.
    pub maker: Maker,
}

/// A file request and its token, of which only the hash is kept.
#[derive(Debug)]
pub struct MadeFileRequest {
    /// The file request.
    pub seen: SeenFileRequest,
    /// Shown this once.
    pub token: FileRequestToken,
}

/// What the hash of a token leads to.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FileRequestPointer {
    pub(super) namespace: Namespace,
    pub(super) id: FileRequestId,
}

impl SeenFileRequest {
    fn new(request: FileRequest, state: &UseState, maker: Maker, now: Instant) -> Self {
        let status = request.terms.status(state, now);
        Self { request, status, submissions: state.claims, closed_at: state.revoked_at, maker }
    }
}

/// Until when the rows of a file request are kept.
pub(super) fn purge(request: &FileRequest) -> Option<Instant> {
    Some(request.terms.ends_at().plus(lifetime::REMEMBERED))
}

impl Broker {
    /// Makes a file request.
    ///
    /// # Errors
    /// When the caller may not write to the folder, its name is a protected one, or the password cannot be one.
    pub async fn make_file_request(
        &self,
        caller: &Caller,
        wanted: MakeFileRequest,
        reply: &Reply<'_, MadeFileRequest>,
    ) -> Result<MadeFileRequest, Error> {
        caller.mints()?;
        if !matches!(wanted.folder, PathPin::Folder(_)) {
            return Err(Error::invalid("/folder", "is a folder, and ends in a slash"));
        }
        caller.may_pin(&wanted.folder, Permission::Write)?;
        if self.settings.now().protect_paths
            && let Some(class) = protected(&wanted.folder.listing_prefix())
        {
            let name = class.reason();
            return Err(Error::invalid("/folder", format!("has the name of {name}; choose another folder")));
        }
        let password = match wanted.password {
            None => None,
            Some(password) => {
                let hashed = self.passwords.hash(password, self.entropy.clone()).await?;
                Some(hashed.map_err(|fault| Error::invalid("/password", fault))?)
            }
        };
        let origin = caller.origin(self);
        let token = FileRequestToken::generate(self.entropy.as_ref());
        let request = FileRequest {
            id: FileRequestId::new(origin.at, self.entropy.bytes()),
            made: caller.made(),
            folder: wanted.folder,
            limits: wanted.limits,
            largest_file: wanted.largest_file,
            content_types: wanted.content_types,
            password,
            terms: Terms {
                issued_at: origin.at,
                not_before: None,
                expires_at: wanted.closes_at,
                access_seconds: wanted.access_seconds,
                redemptions: wanted.submissions,
            },
            label: wanted.label,
            metadata: wanted.metadata,
            message: wanted.message,
        };
        let (id, namespace, purge) = (request.id, origin.namespace, purge(&request));
        let state = UseState::default();
        let pointer = FileRequestPointer { namespace, id };
        let event = origin.done(EventType::FileRequestCreated, caller.actor(), id);
        let sealed = self.sealed(namespace.tenant).await?;
        let pointer = self.put(rows::file_request_token(token.hash()), Expected::Absent, &pointer, purge)?;
        let mut transaction = self
            .recording_change(&event, sealed.put(rows::file_request_state(id), Expected::Absent, &state, purge)?)?
            .write(sealed.put(rows::file_request(namespace, id), Expected::Absent, &request, purge)?)
            .write(self.put(rows::file_request_namespace(id), Expected::Absent, &namespace, purge)?)
            .write(self.lead_to(&rows::ledger(namespace), &pointer)?)
            .write(pointer);
        for account in self.new_accounts(namespace, Scope::FileRequest(id), request.limits)? {
            transaction = transaction.write(account);
        }
        let seen = SeenFileRequest::new(request, &state, Maker::from_caller(caller), origin.at);
        self.create(transaction, MadeFileRequest { seen, token }, reply).await
    }

    /// The caller's file requests, newest first. A page has fewer than asked for where the filter, or the caller's
    /// rights, leave some of them out.
    ///
    /// # Errors
    /// When the page asked for is not one.
    pub async fn list_file_requests(
        &self,
        caller: &Caller,
        filter: &Filter,
        request: &PageRequest,
    ) -> Result<Page<SeenFileRequest>, Error> {
        let namespace = caller.namespace();
        let between = Between::times(filter, FileRequestId::new);
        let page = self.newest_first_between(rows::file_requests(namespace), namespace, request, between).await?;
        let sealed = self.sealed(namespace.tenant).await?;
        let mine = page.items.iter().filter_map(|row| sealed.readable::<FileRequest>(row));
        let mine: Vec<_> = mine.filter(|request| visible(caller, request)).collect();
        let keys: Vec<_> = mine.iter().map(|request| rows::file_request_state(request.id)).collect();
        let states = self.store.get_all(&keys).await?;
        let makers = self.makers(namespace, mine.iter().map(|request| request.made.minter)).await?;
        let now = self.now();
        let items = mine.into_iter().zip(states).filter_map(|(request, row)| {
            let (state, maker) = (sealed.readable::<UseState>(&row?)?, makers.maker(request.made.minter));
            let FileRequest { terms, made, metadata, .. } = &request;
            let taken = filter.takes(terms.status(&state, now), terms.issued_at, made.minter, metadata);
            taken.then(|| SeenFileRequest::new(request, &state, maker, now))
        });
        Ok(Page { items: items.collect(), next_cursor: page.next_cursor })
    }

    /// One of the caller's file requests, and how much was delivered.
    ///
    /// # Errors
    /// [`Error::NotFound`] for everybody else's.
    pub async fn inspect_file_request(
        &self,
        caller: &Caller,
        id: FileRequestId,
    ) -> Result<(SeenFileRequest, Usage), Error> {
        let (request, state) = self.own_file_request(caller, id).await?;
        let usage = self.usage_of(caller.namespace(), Scope::FileRequest(id)).await?;
        let maker = self.maker(&request.made).await?;
        Ok((SeenFileRequest::new(request, &state.value, maker, self.now()), usage))
    }

    /// Closes a file request: nobody delivers to it any more. Closing again changes nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`] for everybody else's.
    pub async fn close_file_request(&self, caller: &Caller, id: FileRequestId) -> Result<(), Error> {
        let sealed = self.sealed(caller.namespace().tenant).await?;
        for _ in 0..ROUNDS {
            let (request, state) = self.own_file_request(caller, id).await?;
            let origin = caller.origin(self);
            let Some(closed) = state.value.revoke(origin.at) else { return Ok(()) };
            let event = origin.done(EventType::FileRequestClosed, caller.actor(), id);
            let row = rows::file_request_state(id);
            let write = sealed.put(row, Expected::Version(state.version), &closed, purge(&request))?;
            match committed(self.store.commit(self.recording_change(&event, write)?).await)? {
                Committed::Done => return Ok(()),
                Committed::ReadAgain => {}
            }
        }
        Err(outrun())
    }

    async fn own_file_request(
        &self,
        caller: &Caller,
        id: FileRequestId,
    ) -> Result<(FileRequest, Record<UseState>), Error> {
        let keys = [rows::file_request(caller.namespace(), id), rows::file_request_state(id)];
        let [request, state] = self.store.get(keys).await?;
        let sealed = self.sealed(caller.namespace().tenant).await?;
        let request = sealed.decode_if::<FileRequest>(request.as_ref())?.ok_or(Error::NotFound)?.value;
        let state = sealed.decode_if::<UseState>(state.as_ref())?.ok_or(Error::NotFound)?;
        let own = request.made.namespace == caller.namespace() && visible(caller, &request);
        if own { Ok((request, state)) } else { Err(Error::NotFound) }
    }
}

fn visible(caller: &Caller, request: &FileRequest) -> bool {
    caller.principal.grants.administer() || request.made.minter == caller.principal.id
}
