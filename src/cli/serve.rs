//! `cloakroom serve`: run the broker until it is told to stop.

use std::{io::IsTerminal, time::Duration};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    app::{self, Reloaded, Running},
    config::{Config, Given, StoreConfig},
    http::server::Capacity,
    telemetry,
};

use super::{Failed, first_start, remark, runtime, say};

pub(super) fn run(given: Given) -> Result<(), Failed> {
    let config = given.clone().complete()?;
    telemetry::start(&config);
    allow_open_files(Capacity::of_workers(config.workers).with_api_connections(config.connections).open_files());
    runtime()?.block_on(serve(given, config))
}

/// Reads the settings again, and says what came of it. With a fault in them those of before are kept, all of them.
fn reload(running: &Running, given: &Given, start: &Config, config: &mut Config) {
    let read = given.clone().complete();
    match read.and_then(|read| Ok((running.take_settings(start, config, &read)?, read))) {
        Ok((Reloaded { taken, waiting }, read)) => {
            let (taken, waiting) = (taken.join(", "), waiting.join(", "));
            if waiting.is_empty() {
                tracing::info!(taken, "settings were read again");
            } else {
                tracing::warn!(taken, waiting, "settings were read again: some of them wait for a restart");
            }
            // Said as it was wanted until now.
            telemetry::set_level(read.log);
            *config = read;
        }
        Err(fault) => tracing::error!(%fault, "settings were not taken: those of before are kept"),
    }
}

/// Many systems begin with a soft limit of 1,024, and let a process raise it.
fn allow_open_files(wanted: u64) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return;
    }
    let raised = limit.maximum.map_or(wanted, |most| most.min(wanted));
    let result = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), ..limit });
    if raised < wanted || result.is_err() {
        tracing::warn!(allowed = raised, wanted, "too few open files are allowed for all connections");
    }
}

async fn serve(given: Given, start: Config) -> Result<(), Failed> {
    let mut config = start.clone();
    let prepared = app::prepare(&config).await?;
    let broker = prepared.broker();
    let public_url = broker.settings.public_url.clone();
    // On AWS nothing makes a tenant by itself: two replicas would make two.
    let is_first = config.store == StoreConfig::Embedded && broker.first_tenant().await?.is_none();
    // Before anybody is answered: whoever finds it ready finds the admin key too.
    let greeting = if is_first {
        first_start::greeting(broker, &config).await?
    } else {
        format!("Cloakroom is ready at {public_url}   (data in {}, stop with Ctrl-C)", config.data_dir.display())
    };
    // Before anybody hears that it is ready, and may tell it to stop.
    let mut terminate = signal(SignalKind::terminate())?;
    // On a terminal it says that this is closed, and ends the process as ever.
    let renews = prepared.has_certificates() || !std::io::stdout().is_terminal();
    let mut hang_up = renews.then(|| signal(SignalKind::hangup())).transpose()?;
    let running = prepared.serve()?;
    if std::io::stdout().is_terminal() {
        say(greeting)?;
    } else {
        remark(greeting);
    }
    tracing::info!(api = %running.api, content = %running.content, ops = %running.ops, "ready");

    let (mut replaced, mut notice) = (false, Duration::ZERO);
    loop {
        tokio::select! {
            // Nothing that it says can be trusted: whoever starts it again is told what to do.
            () = running.unfit() => { replaced = true; break }
            _ = tokio::signal::ctrl_c() => break,
            // By whoever looks after several, while others go on.
            _ = terminate.recv() => { notice = config.stop_notice; break }
            // Whoever renews certificates, keys or settings says so by this signal.
            Some(()) = async { hang_up.as_mut()?.recv().await } => {
                running.renew_certificates();
                running.read_keys();
                reload(&running, &given, &start, &mut config);
            }
        }
    }
    remark("Stopping: requests under way may end; press Ctrl-C again to stop at once.");
    let stopped = async {
        running.give_notice(notice).await;
        running.stop().await;
    };
    tokio::select! {
        () = stopped => match replaced {
            true => Err("another store has taken the place of the one that was served".into()),
            false => Ok(()),
        },
        _ = tokio::signal::ctrl_c() => Err("stopped at once".into()),
    }
}
