//! Where every row lies: the whole key space on one screen.
//!
//! | partition | sort | what |
//! |---|---|---|
//! | `tenants` | tenant id | index of all tenants |
//! | `tenant#T` | `tenant` | the tenant |
//! | `tenant-key#T` | `field` | the key under which its personal data is sealed |
//! | `store#D` | `standing`, `adoption` | where the store is at home, and how far it has come; an adoption of it |
//! | `store#D` | `replica#P` | which keys a replica has |
//! | `store#D` | `rewriting`, `rewritten#K` | how far rows are vouched for anew; that none is with root key K any more |
//! | `deletions` | tenant id | that a tenant is to be removed, or is being |
//! | `tombstones` | tenant id | what remains of a tenant |
//! | `leads#T#M` | a random number | where a row of the namespace lies that nothing else of it names |
//! | `origin#O` | tenant id | that a tenant has named a web origin |
//! | `keys#T#M` | key id | an API key |
//! | `key-hash#H` | `pointer` | from the hash of a secret to its key |
//! | `users#T#M` | user id | a user |
//! | `last-used#T#M` | principal id | when it last called |
//! | `user-of#H` | `pointer` | from tenant, issuer and subject, under a keyed hash, to their user |
//! | `shares#T#M` | share id | index of shares |
//! | `share#S` | `grant`, `state`, `claim#C`, `code#R` | a share |
//! | `artifacts#T#M` | artifact id | an artifact |
//! | `artifact#A` | `manifest` | the files of an artifact |
//! | `artifact-host#L` | `pointer` | from a host label to its artifact |
//! | `links#T#M` | link id | from a link's id to the hash of its token |
//! | `link#H` | `grant`, `state`, `tries`, `claim#C`, `code#R` | a link |
//! | `handoff#X` | `used` | a handoff code that was exchanged |
//! | `requests#T#M` | file request id | a file request |
//! | `request#F` | `namespace`, `state`, `tries`, `submission#C` | what became of it |
//! | `request-token#H` | `pointer` | from the hash of a token to its file request |
//! | `uploads#T#M` | upload id | an upload |
//! | `due#K#H#n` | time, namespace, id | uploads and bytes to look at in hour H, by kind K |
//! | `receipts#T#M` | upload id | a receipt |
//! | `usage#T#M#S#n` | `account` | what is charged to scope S |
//! | `vault#T#M` | path | what lies under a path |
//! | `console#H` | `session` | a session of the console |
//! | `event-ticket#X` | `used` | a ticket that has opened a stream of events |
//! | `signing-in#A` | `used` | an attempt to sign in that has begun one |
//! | `idempotency#H` | `reply` | the reply to a request that is carried out once |
//! | `history#T#M#R` | attempt and number | what happened to R: a share, link or file request |
//! | `limits#T#M` | number of a window | a counter: what replicas have leased of the tenant's limit |
//! | `ledger#T#M` | number of a record | a segment of the ledger that begins with that |
//! | `ledger-clients#T#M` | as its segment, class of events | who was seen to ask, by number of the record |
//! | `ledger-index#T#M#n`, `ledger-times#T#M` | number of a record | what the block of records that begins with that has, and when |
//! | `ledger-state#T#M` | `state` | how far it was verified |
//! | `exports#T#M` | export id | an export of the ledger |
//! | `signing-keys#T#M` | number | a key that signs checkpoints and exports |
//! | `erasures#T#M` | data subject id | that a person was erased, or is being |
//! | `erasing` | tenant, mode and a random number | erasures that are under way |
//! | `webhook-namespaces` | tenant and mode | namespaces that have, or had, webhooks |
//! | `webhooks#T#M` | `roster`, webhook id | which webhooks there are; a webhook |
//! | `webhook#W` | `progress` | how far it has come in the ledger |
//! | `webhook-deliveries#W` | number of a record | a delivery that failed once at least |
//! | `webhook-retries#W` | time, number of a record | when deliveries are tried again |
//! | `outbox#T#M#n` | attempt and number | events on their way to the ledger |
//!
//! `D` deployment, `P` replica, `T` tenant, `M` mode, `H` SHA-256, `R` the mark of a recipient (or `none`, `asked`, `tries`: of all of them). Tenant
//! ids have one length, so that no partition of one tenant is the beginning of another's. Nothing in a key of a row is
//! personal ([`super::personal`]). Whatever is new here has to be found when its tenant is removed: [`super::removed_rows`].

use std::fmt::Display;

use crate::{
    crypto::{
        claim::ClaimHash,
        digest::Sha256Digest,
        kept_reply::AskedOnce,
        keyring::{DeploymentId, Kid},
        lookup::LookupHash,
        opaque::{ApiKeyHash, ConsoleSecretHash, FileRequestTokenHash, LinkTokenHash},
    },
    domain::{
        audit_index::{Block, DRAWERS},
        event::{EventClass, Subject},
        ids::{ArtifactId, DataSubjectId, ExportId, FileRequestId, LinkId, ShareId, TenantId, UploadId, WebhookId},
        instant::Instant,
        path::VaultPath,
        principal::PrincipalId,
        quota::Scope,
        tenant::Namespace,
        web_origin::WebOrigin,
    },
    objects::ArtifactLabel,
    store::RowKey,
};

fn of(namespace: Namespace) -> impl Display {
    format!("{}#{}", namespace.tenant, namespace.mode.as_str())
}

pub(super) fn store_standing(deployment: DeploymentId) -> RowKey {
    RowKey::new(of_store(deployment), "standing")
}

pub(super) fn store_adoption(deployment: DeploymentId) -> RowKey {
    RowKey::new(of_store(deployment), "adoption")
}

/// Where replicas tell of themselves, and how each begins there.
pub(super) fn replicas(deployment: DeploymentId) -> (String, String) {
    (of_store(deployment), "replica#".into())
}

pub(super) fn replica(deployment: DeploymentId, replica: &str) -> RowKey {
    RowKey::new(of_store(deployment), format!("replica#{replica}"))
}

pub(super) fn rewriting(deployment: DeploymentId) -> RowKey {
    RowKey::new(of_store(deployment), "rewriting")
}

pub(super) fn rewritten(deployment: DeploymentId, kid: Kid) -> RowKey {
    RowKey::new(of_store(deployment), format!("rewritten#{kid}"))
}

fn of_store(deployment: DeploymentId) -> String {
    format!("store#{}", base16ct::lower::encode_string(&deployment.0))
}

pub(super) fn tenants() -> String {
    "tenants".into()
}

pub(super) fn tenant_index(tenant: TenantId) -> RowKey {
    RowKey::new(tenants(), tenant.to_string())
}

pub(super) fn tenant(tenant: TenantId) -> RowKey {
    RowKey::new(format!("tenant#{tenant}"), "tenant")
}

pub(super) fn data_key(tenant: TenantId) -> RowKey {
    RowKey::new(format!("{DATA_KEYS}{tenant}"), "field")
}

const DATA_KEYS: &str = "tenant-key#";

/// Whose data key a row is, if it is one.
pub(super) fn tenant_of_data_key(key: &RowKey) -> Option<TenantId> {
    key.partition.strip_prefix(DATA_KEYS)?.parse().ok()
}

pub(super) fn deletions() -> String {
    "deletions".into()
}

pub(super) fn deletion(tenant: TenantId) -> RowKey {
    RowKey::new(deletions(), tenant.to_string())
}

pub(super) fn tombstones() -> String {
    "tombstones".into()
}

pub(super) fn tombstone(tenant: TenantId) -> RowKey {
    RowKey::new(tombstones(), tenant.to_string())
}

pub(super) fn leads(ledger: &str) -> String {
    format!("leads#{ledger}")
}

pub(super) fn lead(ledger: &str, number: [u8; 16]) -> RowKey {
    RowKey::new(leads(ledger), base16ct::lower::encode_string(&number))
}

pub(super) fn named_origins(origin: &WebOrigin) -> String {
    format!("origin#{origin}")
}

pub(super) fn named_origin(origin: &WebOrigin, tenant: TenantId) -> RowKey {
    RowKey::new(named_origins(origin), tenant.to_string())
}

pub(super) fn api_keys(namespace: Namespace) -> String {
    format!("keys#{}", of(namespace))
}

pub(super) fn users(namespace: Namespace) -> String {
    format!("users#{}", of(namespace))
}

pub(super) fn principal(namespace: Namespace, id: PrincipalId) -> RowKey {
    let partition = match id {
        PrincipalId::ApiKey(_) => api_keys(namespace),
        PrincipalId::User(_) => users(namespace),
    };
    RowKey::new(partition, id.to_string())
}

pub(super) fn last_used(namespace: Namespace, id: PrincipalId) -> RowKey {
    RowKey::new(format!("last-used#{}", of(namespace)), id.to_string())
}

pub(super) fn user_pointer(user: LookupHash) -> RowKey {
    RowKey::new(format!("user-of#{user}"), "pointer")
}

pub(super) fn api_key_pointer(hash: ApiKeyHash) -> RowKey {
    RowKey::new(format!("key-hash#{hash}"), "pointer")
}

pub(super) fn shares(namespace: Namespace) -> String {
    format!("shares#{}", of(namespace))
}

pub(super) fn share_index(namespace: Namespace, share: ShareId) -> RowKey {
    RowKey::new(shares(namespace), share.to_string())
}

pub(super) fn share_grant(share: ShareId) -> RowKey {
    RowKey::new(format!("share#{share}"), "grant")
}

pub(super) fn share_state(share: ShareId) -> RowKey {
    RowKey::new(format!("share#{share}"), "state")
}

pub(super) fn share_claim(share: ShareId, claim: ClaimHash) -> RowKey {
    RowKey::new(format!("share#{share}"), format!("claim#{claim}"))
}

pub(super) fn share_codes(share: ShareId, of: String) -> RowKey {
    RowKey::new(format!("share#{share}"), format!("code#{of}"))
}

pub(super) fn artifacts(namespace: Namespace) -> String {
    format!("artifacts#{}", of(namespace))
}

pub(super) fn artifact(namespace: Namespace, artifact: ArtifactId) -> RowKey {
    RowKey::new(artifacts(namespace), artifact.to_string())
}

pub(super) fn artifact_manifest(artifact: ArtifactId) -> RowKey {
    RowKey::new(format!("artifact#{artifact}"), "manifest")
}

pub(super) fn artifact_host(label: &ArtifactLabel) -> RowKey {
    RowKey::new(format!("artifact-host#{}", label.as_str()), "pointer")
}

pub(super) fn links(namespace: Namespace) -> String {
    format!("links#{}", of(namespace))
}

pub(super) fn link_pointer(namespace: Namespace, link: LinkId) -> RowKey {
    RowKey::new(links(namespace), link.to_string())
}

pub(super) fn link_grant(token: LinkTokenHash) -> RowKey {
    RowKey::new(format!("link#{token}"), "grant")
}

pub(super) fn link_state(token: LinkTokenHash) -> RowKey {
    RowKey::new(format!("link#{token}"), "state")
}

pub(super) fn link_tries(token: LinkTokenHash) -> RowKey {
    RowKey::new(format!("link#{token}"), "tries")
}

pub(super) fn link_claim(token: LinkTokenHash, claim: ClaimHash) -> RowKey {
    RowKey::new(format!("link#{token}"), format!("claim#{claim}"))
}

pub(super) fn link_codes(token: LinkTokenHash, of: String) -> RowKey {
    RowKey::new(format!("link#{token}"), format!("code#{of}"))
}

pub(super) fn handoff_used(code: &str) -> RowKey {
    RowKey::new(format!("handoff#{code}"), "used")
}

pub(super) fn file_requests(namespace: Namespace) -> String {
    format!("requests#{}", of(namespace))
}

pub(super) fn file_request(namespace: Namespace, request: FileRequestId) -> RowKey {
    RowKey::new(file_requests(namespace), request.to_string())
}

pub(super) fn file_request_namespace(request: FileRequestId) -> RowKey {
    RowKey::new(format!("request#{request}"), "namespace")
}

pub(super) fn file_request_state(request: FileRequestId) -> RowKey {
    RowKey::new(format!("request#{request}"), "state")
}

pub(super) fn file_request_tries(request: FileRequestId) -> RowKey {
    RowKey::new(format!("request#{request}"), "tries")
}

pub(super) fn submission(request: FileRequestId, claim: ClaimHash) -> RowKey {
    RowKey::new(format!("request#{request}"), format!("submission#{claim}"))
}

pub(super) fn file_request_token(token: FileRequestTokenHash) -> RowKey {
    RowKey::new(format!("request-token#{token}"), "pointer")
}

pub(super) fn uploads(namespace: Namespace) -> String {
    format!("uploads#{}", of(namespace))
}

pub(super) fn upload(namespace: Namespace, upload: UploadId) -> RowKey {
    RowKey::new(uploads(namespace), upload.to_string())
}

/// Uploads are due in an hour and a part of it, so that no partition takes all of them.
pub(super) const DUE_SHARDS: u8 = 4;

pub(super) fn due_partition(kind: &str, hour: u64, shard: u8) -> String {
    format!("due#{kind}#{hour:08x}#{shard}")
}

/// The row by which a sweeper finds something when its time has come.
pub(super) fn due(kind: &str, at: Instant, namespace: Namespace, id: &impl Display, spread: u8) -> RowKey {
    let partition = due_partition(kind, at.as_unix_seconds() / 3600, spread % DUE_SHARDS);
    RowKey::new(partition, format!("{}#{}#{id}", due_position(at), of(namespace)))
}

/// Where in its partition stands what is due at a time; everything earlier stands before it.
pub(super) fn due_position(at: Instant) -> String {
    format!("{:012x}", at.as_unix_millis())
}

pub(super) fn receipt(namespace: Namespace, upload: UploadId) -> RowKey {
    RowKey::new(format!("receipts#{}", of(namespace)), upload.to_string())
}

pub(super) fn account(namespace: Namespace, scope: Scope, shard: usize) -> RowKey {
    RowKey::new(format!("usage#{}#{}#{shard}", of(namespace), scope.name()), "account")
}

pub(super) fn vault(namespace: Namespace) -> String {
    format!("vault#{}", of(namespace))
}

pub(super) fn vault_path(namespace: Namespace, path: &VaultPath) -> RowKey {
    RowKey::new(vault(namespace), path.as_str())
}

pub(super) fn console_session(secret: ConsoleSecretHash) -> RowKey {
    RowKey::new(format!("console#{secret}"), "session")
}

pub(super) fn kept_reply(asked: &AskedOnce) -> RowKey {
    RowKey::new(format!("idempotency#{}", asked.place()), "reply")
}

pub(super) fn event_ticket_used(ticket: &str) -> RowKey {
    RowKey::new(format!("event-ticket#{ticket}"), "used")
}

pub(super) fn attempt_used(attempt: &Sha256Digest) -> RowKey {
    RowKey::new(format!("signing-in#{}", base16ct::lower::encode_string(attempt)), "used")
}

pub(super) fn history(namespace: Namespace, subject: Subject) -> String {
    format!("history#{}#{subject}", of(namespace))
}

pub(super) fn history_of(namespace: Namespace, subject: Subject, sort: String) -> RowKey {
    RowKey::new(history(namespace, subject), sort)
}

pub(super) fn counters(namespace: Namespace) -> String {
    format!("limits#{}", of(namespace))
}

/// No row but a counter.
pub(super) fn leased(namespace: Namespace, window: u64) -> RowKey {
    RowKey::new(counters(namespace), format!("{window:012x}"))
}

const LEDGER: &str = "ledger#";

/// Whether a row is a segment of a ledger.
pub(super) fn is_segment(key: &RowKey) -> bool {
    key.partition.starts_with(LEDGER)
}

pub(super) fn segments(namespace: Namespace) -> String {
    format!("{LEDGER}{}", of(namespace))
}

pub(super) fn segment(namespace: Namespace, first: u64) -> RowKey {
    RowKey::new(segments(namespace), format!("{first:016x}"))
}

/// The position before the segment that begins with this record; none before the first.
pub(super) fn segment_before(first: u64) -> Option<String> {
    first.checked_sub(1).filter(|before| *before > 0).map(|before| format!("{before:016x}"))
}

pub(super) fn client_rows(namespace: Namespace) -> String {
    format!("ledger-clients#{}", of(namespace))
}

pub(super) fn segment_clients(namespace: Namespace, first: u64, class: EventClass) -> RowKey {
    RowKey::new(client_rows(namespace), format!("{first:016x}#{}", class.as_str()))
}

/// A drawer of the index, of all blocks.
pub(super) fn drawers(namespace: Namespace, drawer: usize) -> String {
    format!("ledger-index#{}#{drawer}", of(namespace))
}

pub(super) fn drawer(namespace: Namespace, drawer: usize, block: Block) -> RowKey {
    RowKey::new(drawers(namespace, drawer), format!("{:016x}", block.first()))
}

pub(super) fn all_times(namespace: Namespace) -> String {
    format!("ledger-times#{}", of(namespace))
}

pub(super) fn times(namespace: Namespace, block: Block) -> RowKey {
    RowKey::new(all_times(namespace), format!("{:016x}", block.first()))
}

pub(super) fn exports(namespace: Namespace) -> String {
    format!("exports#{}", of(namespace))
}

pub(super) fn export(namespace: Namespace, export: ExportId) -> RowKey {
    RowKey::new(exports(namespace), export.to_string())
}

pub(super) fn ledger_state(namespace: Namespace) -> RowKey {
    RowKey::new(format!("ledger-state#{}", of(namespace)), "state")
}

pub(super) fn signing_keys(namespace: Namespace) -> String {
    format!("signing-keys#{}", of(namespace))
}

pub(super) fn signing_key(namespace: Namespace, number: u32) -> RowKey {
    RowKey::new(signing_keys(namespace), format!("{number:08x}"))
}

pub(super) fn erasures(namespace: Namespace) -> String {
    format!("erasures#{}", of(namespace))
}

pub(super) fn erasure(namespace: Namespace, subject: DataSubjectId) -> RowKey {
    RowKey::new(erasures(namespace), subject.to_string())
}

pub(super) fn erasing() -> String {
    "erasing".into()
}

/// What all rows of the list of erasures that are of a namespace begin with.
pub(super) fn erasing_of(namespace: Namespace) -> String {
    format!("{}#", of(namespace))
}

pub(super) fn webhook_namespaces() -> String {
    "webhook-namespaces".into()
}

pub(super) fn webhook_namespace(namespace: Namespace) -> RowKey {
    RowKey::new(webhook_namespaces(), of(namespace).to_string())
}

pub(super) fn webhooks(namespace: Namespace) -> String {
    format!("webhooks#{}", of(namespace))
}

pub(super) fn webhook_roster(namespace: Namespace) -> RowKey {
    RowKey::new(webhooks(namespace), "roster")
}

pub(super) fn webhook(namespace: Namespace, webhook: WebhookId) -> RowKey {
    RowKey::new(webhooks(namespace), webhook.to_string())
}

pub(super) fn webhook_progress(webhook: WebhookId) -> RowKey {
    RowKey::new(format!("webhook#{webhook}"), "progress")
}

pub(super) fn webhook_deliveries(webhook: WebhookId) -> String {
    format!("webhook-deliveries#{webhook}")
}

pub(super) fn webhook_delivery(webhook: WebhookId, seq: u64) -> RowKey {
    RowKey::new(webhook_deliveries(webhook), format!("{seq:016x}"))
}

pub(super) fn webhook_retries(webhook: WebhookId) -> String {
    format!("webhook-retries#{webhook}")
}

pub(super) fn webhook_retry(webhook: WebhookId, due: Instant, seq: u64) -> RowKey {
    RowKey::new(webhook_retries(webhook), format!("{}#{seq:016x}", due_position(due)))
}

/// The partitions of a namespace whose rows lead to no others.
pub(super) fn plain_lists(namespace: Namespace) -> Vec<String> {
    let of = of(namespace);
    let lists = [
        format!("last-used#{of}"),
        uploads(namespace),
        format!("receipts#{of}"),
        vault(namespace),
        client_rows(namespace),
        format!("ledger-state#{of}"),
        exports(namespace),
        signing_keys(namespace),
        erasures(namespace),
        all_times(namespace),
    ];
    lists.into_iter().chain((0..DRAWERS).map(|drawer| drawers(namespace, drawer))).collect()
}

pub(super) fn ledger(namespace: Namespace) -> String {
    of(namespace).to_string()
}
