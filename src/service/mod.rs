//! Use cases: each reads, applies a pure transition and commits.
//!
//! Never here: HTTP, a backend's name, a rule that the domain could state.

pub mod access;
pub mod adoption;
pub mod api_keys;
pub mod archives;
pub mod artifacts;
pub mod audit;
mod audit_index;
pub mod bulk_revocation;
mod chaining;
pub mod changes;
pub mod checkpoints;
mod client_details;
pub mod console;
mod credentials;
mod data_keys;
pub mod data_subjects;
pub mod edge;
mod error;
pub mod event_lists;
pub mod event_streams;
pub mod event_tickets;
mod events;
pub mod explanations;
pub mod file_requests;
mod following;
pub mod history;
pub mod idempotency;
pub mod impersonation;
mod json_fields;
mod known_principals;
mod last_used;
mod leads;
pub mod ledger_exports;
pub mod ledger_sweep;
pub mod limits;
pub mod link_redemption;
pub mod links;
pub mod listing;
mod live_settings;
pub mod moves;
pub mod origins;
mod passwords;
mod personal;
mod places;
mod presented_shares;
pub mod principals;
pub mod receipts;
pub mod recipients;
pub mod reconcile;
mod records;
pub mod redemption_proof;
pub mod removal;
mod removed_objects;
mod removed_rows;
pub mod rewriting;
pub mod rotation;
mod rows;
mod sealed_records;
pub mod security;
pub mod sessions;
pub mod share_previews;
pub mod share_redemption;
pub mod shares;
pub mod signing_keys;
pub mod single_sign_on;
pub mod standing;
pub mod submissions;
pub mod sweep;
mod tallies;
pub mod tenant_deletion;
mod tenant_keys;
pub mod tenants;
mod tries;
mod turns;
pub mod uploads;
pub mod usage;
pub mod users;
pub mod vault;
pub mod verification;
pub mod webhook_deliveries;
pub mod webhook_replays;
pub mod webhooks;

use std::sync::Arc;

use arc_swap::Guard;

use crate::{
    clock::Clock,
    crypto::{edge_keys::EdgeKeys, keyring::Keyring},
    domain::{instant::Instant, upload::Method},
    entropy::Entropy,
    kms::Kms,
    mail::Post,
    objects::ObjectStorage,
    oidc::Providers,
    scanner::Scanner,
    store::Store,
};

pub use access::{Asking, Caller};
pub use archives::ArchivePlaces;
pub use chaining::Ledgers;
pub use error::{Error, Invalid};
pub use event_streams::{EventStreamFigures, EventStreams};
pub use known_principals::KnownPrincipals;
pub use last_used::{LastUsed, SeenPrincipal};
pub use ledger_sweep::LedgerFigures;
pub use limits::{AddressClass, Limits, RouteTaken, SessionSpender, Spent};
pub use live_settings::{Live, LiveSettings};
pub use passwords::PasswordPool;
pub use rotation::Rotation;
pub use security::{Refused, Security, SecurityEvent, TokenMark};
pub use standing::Progress;
pub use tallies::Tallies;
pub use tenant_keys::{DataKeys, TenantKeys};
pub use turns::Turns;
pub use uploads::UnderWay;
pub use webhook_deliveries::{WebhookFigures, Webhooks};

/// What operators set and use cases go by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the API and its pages are, without a slash at the end.
    pub public_url: String,
    /// Where artifacts are: the scheme and what follows the label's dot, for
    /// example `http` and `localhost:8081`.
    pub content: ContentOrigin,
    /// How uploads may be sent.
    pub offered: Offered,
    /// What may be another from one request to the next.
    pub live: Live,
}

impl Settings {
    /// What operators may set anew, as it is now.
    pub(crate) fn now(&self) -> Guard<Arc<LiveSettings>> {
        self.live.now()
    }
}

/// The methods of upload that the storage can be trusted with, besides PUT, which always is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offered {
    /// By a form.
    pub post: bool,
    /// In parts.
    pub multipart: bool,
}

impl Default for Offered {
    fn default() -> Self {
        Self { post: true, multipart: true }
    }
}

impl Offered {
    fn has(self, method: Method) -> bool {
        match method {
            Method::Put => true,
            Method::Post => self.post,
            Method::Multipart => self.multipart,
        }
    }
}

/// The wildcard name under which every artifact has a host of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentOrigin {
    /// `http` or `https`.
    pub scheme: String,
    /// Host and, where it is not the scheme's own, port.
    pub authority: String,
}

impl ContentOrigin {
    /// The origin of one artifact.
    pub fn of(&self, label: &crate::objects::ArtifactLabel) -> String {
        format!("{}://{}.{}", self.scheme, label.as_str(), self.authority)
    }
}

/// The parts that every use case works with.
#[derive(Clone)]
pub struct Broker {
    /// Durable state.
    pub store: Store,
    /// Bulk bytes.
    pub objects: Arc<dyn ObjectStorage>,
    /// Seals tokens, vouches for rows.
    pub keyring: Arc<Keyring>,
    /// What tenants' personal data is sealed under, as far as this process has read it.
    pub data_keys: Arc<DataKeys>,
    /// Encrypts data keys besides, where operators have set that up.
    pub kms: Option<Arc<Kms>>,
    /// Principals whose rows this process has worked through lately.
    pub known_principals: Arc<KnownPrincipals>,
    /// Signs edge cookies.
    pub edge: Arc<EdgeKeys>,
    /// How these keys are replaced.
    pub rotation: Arc<Rotation>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Gives randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Hashes passwords, a few at a time.
    pub passwords: PasswordPool,
    /// How often somebody may ask.
    pub limits: Arc<Limits>,
    /// Tells the operator what looks like an attack.
    pub security: Arc<Security>,
    /// Bounds how many refusals and previews of one token are recorded.
    pub tallies: Arc<Tallies>,
    /// Who has called this process lately.
    pub last_used: Arc<LastUsed>,
    /// Ledgers to which this process has written lately.
    pub ledgers: Arc<Ledgers>,
    /// How far the store has come, as this process has seen.
    pub progress: Arc<Progress>,
    /// Who of this process charges an account of a quota next.
    pub turns: Arc<Turns>,
    /// Completions that run in this process.
    pub under_way: UnderWay,
    /// Archives that are sent by this process.
    pub archives: Arc<ArchivePlaces>,
    /// Streams of events that this process sends.
    pub event_streams: Arc<EventStreams>,
    /// Looks into uploads before they are completed, where operators want that.
    pub scanner: Option<Arc<dyn Scanner>>,
    /// Sends codes to recipients, where operators have set up mail.
    pub post: Option<Post>,
    /// Whose word is taken about who somebody is.
    pub providers: Arc<Providers>,
    /// What this process knows of webhooks, and who carries their messages.
    pub webhooks: Arc<Webhooks>,
    /// What operators set.
    pub settings: Settings,
}

impl Broker {
    /// The time now.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }
}
