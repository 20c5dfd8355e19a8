//! Logs: to standard error, for people or for machines.
//!
//! Never logged: a body, a header, a URL with its query, a token.

use std::sync::OnceLock;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Layer, Registry,
    filter::Targets,
    fmt,
    layer::SubscriberExt,
    reload::{self, Handle},
    util::SubscriberInitExt,
};

use crate::config::{Config, LogFormat, LogLevel};

/// What is logged, to be changed later.
static LEVELS: OnceLock<Handle<Targets, Registry>> = OnceLock::new();

/// Starts logging; a second call changes nothing.
pub fn start(config: &Config) {
    let (levels, handle) = reload::Layer::new(levels(config.log));
    let lines = fmt::layer().with_writer(std::io::stderr).with_target(false);
    let layer = match config.log_format {
        LogFormat::Text => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    if tracing_subscriber::registry().with(layer.with_filter(levels)).try_init().is_ok() {
        let _first = LEVELS.set(handle);
    }
}

/// From now on, so much is logged.
pub(crate) fn set_level(level: LogLevel) {
    if let Some(handle) = LEVELS.get() {
        // It fails when nothing is logged any more.
        let _gone = handle.reload(levels(level));
    }
}

fn levels(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    // What libraries say about themselves matters only when something is wrong.
    Targets::new().with_default(LevelFilter::WARN).with_target("cloakroom", level)
}
