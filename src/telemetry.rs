//! Logs: to standard error, for people or for machines.
//!
//! Never logged: a body, a header, a URL with its query, a token.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{Layer, filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{Config, LogFormat, LogLevel};

/// Starts logging; a second call changes nothing.
pub fn start(config: &Config) {
    let level = match config.log {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    // What libraries say about themselves matters only when something is wrong.
    let levels = Targets::new().with_default(LevelFilter::WARN).with_target("cloakroom", level);
    let lines = fmt::layer().with_writer(std::io::stderr).with_target(false);
    let layer = match config.log_format {
        LogFormat::Text => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let _already_started = tracing_subscriber::registry().with(layer.with_filter(levels)).try_init();
}
