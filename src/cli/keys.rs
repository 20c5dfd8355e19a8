//! `cloakroom keys`: lead root keys, and keys of the edge, through their states, while replicas run. For whoever has the file of
//! the keys.
//!
//! Never here: a secret in what is printed.

use clap::{Args, Subcommand};

use crate::{
    app::{
        MissingKeys, StartError,
        control::{self, Answer, Request},
    },
    aws::Aws,
    clock::{Clock, SystemClock},
    config::{Config, Given, StoreConfig},
    crypto::keyring::{KeyKind, KeyState, Kid, ListedKey},
    domain::instant::Instant,
    entropy::SystemEntropy,
    keys::{
        document::{KeyDocument, NotPossible},
        place::KeyPlace,
        source::KeySource,
    },
    service::rotation::ReplicaRow,
    store::embedded::OpenError,
};

use super::{Failed, bootstrap::open, remark, runtime, say};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List all keys, their states, and which of them are used
    List(Box<Given>),
    /// Make a new key, which is accepted from now on and not used yet
    Stage {
        /// A key that signs cookies of the edge, instead of a root key
        #[arg(long)]
        edge: bool,
        #[command(flatten)]
        given: Box<Given>,
    },
    /// Use a key from now on; the one before is accepted still
    Promote {
        /// Its name
        name: String,
        /// The id that CloudFront has given this key of the edge
        #[arg(long = "as", value_name = "ID")]
        renamed: Option<String>,
        #[command(flatten)]
        given: Box<Given>,
    },
    /// Print the public half of a key of the edge, in PEM, as CloudFront wants it
    EdgeKey {
        /// Its name
        name: String,
        #[command(flatten)]
        given: Box<Given>,
    },
    /// Call a key of the edge what CloudFront calls it
    Rename {
        /// Its name
        name: String,
        /// The id that CloudFront has given it
        id: String,
        #[command(flatten)]
        given: Box<Given>,
    },
    /// Accept a key no more, once nothing is good that it sealed
    Retire {
        /// Its name
        name: String,
        /// It may be known to others: what it sealed is worth nothing from now on
        #[arg(long)]
        leaked: bool,
        #[command(flatten)]
        given: Box<Given>,
    },
}

/// What is known beside the document.
struct Known {
    /// None, where there is only one process.
    replicas: Option<Vec<ReplicaRow>>,
    /// Root keys that no row is vouched for with any more.
    unused: Vec<String>,
}

const NEXT_READ: &str = "A broker on this data directory takes it at once; others read their keys every 30 seconds, and when they get SIGHUP.";

pub(super) fn run(arguments: Arguments) -> Result<(), Failed> {
    match arguments.action {
        Action::List(given) => list(&given.complete()?),
        Action::Stage { edge, given } => stage(&given.complete()?, if edge { KeyKind::Edge } else { KeyKind::Root }),
        Action::Promote { name, renamed, given } => promote(&given.complete()?, &name, renamed.as_deref()),
        Action::EdgeKey { name, given } => {
            let config = given.complete()?;
            say(document_of(&config)?.public_edge_key(&name)?.trim_end())
        }
        Action::Rename { name, id, given } => {
            let config = given.complete()?;
            change(&config, |document| document.rename(&name, &id))?;
            remark(format!("{name} is called {id} from now on. {NEXT_READ}"));
            Ok(())
        }
        Action::Retire { name, leaked, given } => retire(&given.complete()?, &name, leaked),
    }
}

fn now() -> Instant {
    SystemClock::default().now()
}

fn document_of(config: &Config) -> Result<KeyDocument, Failed> {
    let read = runtime()?.block_on(async { KeyPlace::of(&config.root_keys, &Aws::default()).await.read().await });
    Ok(read?.ok_or_else(|| format!("there are no keys in {} yet", config.root_keys))?)
}

/// Whether there are any keys.
pub(super) fn are_there(source: &KeySource) -> Result<bool, Failed> {
    Ok(runtime()?.block_on(async { KeyPlace::of(source, &Aws::default()).await.read().await })?.is_some())
}

fn keys_of(config: &Config) -> Result<Vec<ListedKey>, Failed> {
    Ok(document_of(config)?.listed())
}

fn list(config: &Config) -> Result<(), Failed> {
    let keys = keys_of(config)?;
    let known = known(config, &keys)?;
    for key in keys {
        let since = key.since.map_or_else(|| "-".to_owned(), |since| since.to_string());
        let mut told = vec![key.kind.as_str().to_owned(), key.name.clone(), key.state.as_str().to_owned(), since];
        if let (Some(replicas), KeyKind::Root) = (&known.replicas, key.kind) {
            let accepting = replicas.iter().filter(|replica| replica.accepts(&key.name)).count();
            told.push(format!("accepted by {accepting} of {} replicas", replicas.len()));
        }
        if key.kind == KeyKind::Root && key.state == KeyState::AcceptOnly {
            let is_unused = known.unused.contains(&key.name);
            told.push(if is_unused { "no row is under it" } else { "rows may be under it" }.to_owned());
        }
        say(told.join("  "))?;
    }
    Ok(())
}

fn stage(config: &Config, kind: KeyKind) -> Result<(), Failed> {
    let (name, public) = change(config, |document| {
        let name = document.stage(kind, now(), &SystemEntropy)?;
        let public = (kind == KeyKind::Edge).then(|| document.public_edge_key(&name)).transpose()?;
        Ok((name, public))
    })?;
    say(&name)?;
    match public {
        None => remark(format!(
            "Staged in {}. Back it up. {NEXT_READ}\nOnce all have it: cloakroom keys promote {name}",
            config.root_keys
        )),
        Some(public) => {
            say(public)?;
            remark(format!(
                "Staged in {}. Back it up. {NEXT_READ}\nWhere CloudFront is the edge, add this public key to the key group, and \
                 then: cloakroom keys promote {name} --as ID, with the id that it got there.",
                config.root_keys
            ));
        }
    }
    Ok(())
}

fn promote(config: &Config, name: &str, renamed: Option<&str>) -> Result<(), Failed> {
    let keys = keys_of(config)?;
    if let Some(replicas) = known(config, &keys)?.replicas
        && keys.iter().any(|key| key.name == name && key.kind == KeyKind::Root)
    {
        let without = replicas.iter().filter(|replica| !replica.accepts(name)).count();
        if without > 0 {
            return Err(format!(
                "{without} of {} replicas do not accept {name} yet, and would reject what others seal under it. {NEXT_READ} If \
                 that does not help, their logs say why (keys_not_taken).",
                replicas.len()
            )
            .into());
        }
    }
    let kind = change(config, |document| document.promote(name, renamed, now()))?;
    remark(match kind {
        KeyKind::Root => format!(
            "{name} is primary. {NEXT_READ} Then all rows are vouched for anew under it; cloakroom keys list says when that is done."
        ),
        KeyKind::Edge => format!("{} signs cookies from now on. {NEXT_READ}", renamed.unwrap_or(name)),
    });
    Ok(())
}

fn retire(config: &Config, name: &str, leaked: bool) -> Result<(), Failed> {
    let keys = keys_of(config)?;
    let is_used =
        keys.iter().any(|key| key.name == name && key.kind == KeyKind::Root && key.state == KeyState::AcceptOnly);
    if is_used && !known(config, &keys)?.unused.iter().any(|unused| unused == name) {
        return Err(format!(
            "rows are still vouched for with {name}, and could not be read without it. They are vouched for anew by and by, once \
             every replica seals under the primary key; cloakroom keys list says when that is done."
        )
        .into());
    }
    change(config, |document| document.retire(name, leaked, now()))?;
    remark(format!("{name} is retired. {NEXT_READ}"));
    if leaked {
        remark(
            "What it had sealed is worth nothing from now on. Whoever has had both the key and a copy of the store has been able \
             to read personal data in that copy, and to make tokens: see docs/keys.md.",
        );
    }
    Ok(())
}

/// What replicas have told, and which keys are used no more: of the store, or of the process that has it open.
fn known(config: &Config, keys: &[ListedKey]) -> Result<Known, Failed> {
    runtime()?.block_on(async {
        let parts = match open(config, MissingKeys::Refuse).await {
            Ok(parts) => parts,
            Err(fault) if is_locked(&fault) => return told_by_the_broker(config),
            Err(fault) => return Err(fault),
        };
        let mut unused = Vec::new();
        for key in keys.iter().filter(|key| key.kind == KeyKind::Root) {
            if let Some(kid) = Kid::parse(&key.name)
                && parts.broker.rewritten_at(kid).await?.is_some()
            {
                unused.push(key.name.clone());
            }
        }
        let replicas = match config.store {
            StoreConfig::Embedded => None,
            StoreConfig::Dynamodb { .. } => Some(parts.broker.replicas().await?),
        };
        // Nothing was changed, so that there is nothing to be noted.
        drop(parts);
        Ok(Known { replicas, unused })
    })
}

fn is_locked(fault: &Failed) -> bool {
    matches!(fault.downcast_ref(), Some(StartError::Store(OpenError::Locked { .. })))
}

/// The broker that has the store open, which is the only process, says it itself.
fn told_by_the_broker(config: &Config) -> Result<Known, Failed> {
    match control::ask(&config.data_dir, &Request::UnusedKeys)? {
        Some(Answer::UnusedKeys(unused)) => Ok(Known { replicas: None, unused }),
        Some(Answer::Fault(fault)) => Err(fault.into()),
        Some(_) | None => Err("another program has the store open, and does not say which keys it uses".into()),
    }
}

/// Changes the keys; a broker on this data directory takes them at once.
fn change<T>(config: &Config, change: impl FnOnce(&mut KeyDocument) -> Result<T, NotPossible>) -> Result<T, Failed> {
    let changed = async { KeyPlace::of(&config.root_keys, &Aws::default()).await.change(change, &SystemEntropy).await };
    let done = runtime()?.block_on(changed)?;
    // Those that are not told read them by themselves.
    let _told = control::ask(&config.data_dir, &Request::ReadKeys);
    Ok(done)
}
