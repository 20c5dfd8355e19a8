//! `cloakroom serve`: run the broker until it is told to stop.

use std::io::IsTerminal;

use tokio::signal::unix::{SignalKind, signal};

use crate::{
    app,
    config::{Config, Given, StoreConfig},
    telemetry,
};

use super::{Failed, first_start, remark, runtime, say};

pub(super) fn run(given: Given) -> Result<(), Failed> {
    let config = given.complete()?;
    telemetry::start(&config);
    runtime()?.block_on(serve(config))
}

async fn serve(config: Config) -> Result<(), Failed> {
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
    let mut hang_up = prepared.has_certificates().then(|| signal(SignalKind::hangup())).transpose()?;
    let running = prepared.serve()?;
    if std::io::stdout().is_terminal() {
        say(greeting)?;
    } else {
        remark(greeting);
    }
    tracing::info!(api = %running.api, content = %running.content, ops = %running.ops, "ready");

    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => break,
            _ = terminate.recv() => break,
            // Whoever renews certificates says so by this signal; without any, it ends the process as ever.
            Some(()) = async { hang_up.as_mut()?.recv().await } => running.renew_certificates(),
        }
    }
    remark("Stopping: requests under way may end; press Ctrl-C again to stop at once.");
    tokio::select! {
        () = running.stop() => Ok(()),
        _ = tokio::signal::ctrl_c() => Err("stopped at once".into()),
    }
}
