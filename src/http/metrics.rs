//! What Prometheus reads (OpenMetrics text) on the operator's listener.
//!
//! Never in a label: an address, an id, a token, or whatever else a stranger chooses.

use std::{fmt, sync::Arc, time::Duration};

use actix_web::{HttpResponse, web};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge, info::Info},
    registry::{Registry, Unit},
};

use crate::{
    domain::{instant::Instant, refusal::Refusal},
    service::{
        Broker, EventStreamFigures, LedgerFigures, Refused, Security, SecurityEvent, WebhookFigures,
        rotation::KnownKeys,
    },
};

use super::{problem::Problem, request_figures::RequestFigures};

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All there is to read, as it is now.
pub(super) async fn read(
    broker: web::Data<Broker>,
    requests: web::Data<RequestFigures>,
) -> Result<HttpResponse, Problem> {
    let mut registry = Registry::with_prefix("cloakroom");
    let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("build", "What runs", version);
    requests.register(&mut registry);
    registry.register_collector(Box::new(OfProcess { running: requests.running() }));
    registry
        .register_collector(Box::new(OfRefusals { by_reason: broker.tallies.refusals(), limits: broker.limits.met() }));
    registry.register_collector(Box::new(OfStore(broker.store.failures())));
    registry.register_collector(Box::new(OfSecurity(Arc::clone(&broker.security))));
    registry.register_collector(Box::new(OfMail(broker.mails())));
    registry.register_collector(Box::new(OfLedgers(broker.ledger_figures())));
    registry.register_collector(Box::new(OfEventStreams(broker.event_streams.figures())));
    registry.register_collector(Box::new(OfWebhooks(broker.webhook_figures())));
    registry.register_collector(Box::new(OfKeys {
        known: broker.rotation.known(),
        figures: broker.rotation.figures(),
        of_kms: broker.kms.as_ref().map_or(0, |kms| kms.faults()),
        now: broker.now(),
    }));
    let mut written = String::new();
    text::encode(&mut written, &registry)
        .map_err(|fault| Problem::from(crate::service::Error::Internal(fault.to_string())))?;
    Ok(HttpResponse::Ok().content_type(CONTENT_TYPE).body(written))
}

/// The process itself.
#[derive(Debug)]
struct OfProcess {
    running: Duration,
}

impl Collector for OfProcess {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let help = "For how long the process has run";
        let running = encoder.encode_descriptor("running", help, Some(&Unit::Seconds), MetricType::Gauge)?;
        ConstGauge::new(self.running.as_secs_f64()).encode(running)?;
        // Of proc_pid_status(5); other systems have no such file.
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        let Some(kibibytes) = kibibytes else { return Ok(()) };
        let help = "How much of the process is in memory";
        let resident = encoder.encode_descriptor("resident", help, Some(&Unit::Bytes), MetricType::Gauge)?;
        ConstGauge::new(kibibytes * 1024).encode(resident)
    }
}

/// Who was turned away, by the real reason, and by which limit. The names of limits are the operator's.
#[derive(Debug)]
struct OfRefusals {
    by_reason: [(&'static str, u64); Refusal::ALL.len() + 1],
    limits: Vec<(Arc<str>, u64)>,
}

impl Collector for OfRefusals {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let refusals = self.by_reason.map(|(reason, count)| ([("reason", reason)], count));
        counted(&mut encoder, "refusals", "Tokens that were refused, by the real reason", refusals)?;
        let help = "Requests that a limit has turned away";
        let mut limited = encoder.encode_descriptor("limited", help, None, MetricType::Counter)?;
        for (limit, count) in &self.limits {
            ConstCounter::new(*count).encode(limited.encode_family(&[("limit", limit.as_ref())])?)?;
        }
        Ok(())
    }
}

/// What the store did not answer.
#[derive(Debug)]
struct OfStore(u64);

impl Collector for OfStore {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Reads and commits that the store did not answer, after all that was tried";
        let failures = encoder.encode_descriptor("store_failures", help, None, MetricType::Counter)?;
        ConstCounter::new(self.0).encode(failures)
    }
}

/// What was refused to strangers, and what of it looked like an attack.
struct OfSecurity(Arc<Security>);

impl fmt::Debug for OfSecurity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OfSecurity(…)")
    }
}

impl Collector for OfSecurity {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Self(security) = self;
        let refused = Refused::ALL.map(|what| ([("what", what.as_str())], security.refusals(what)));
        counted(&mut encoder, "stranger_refusals", "What was refused to strangers", refused)?;
        let raised = SecurityEvent::ALL.map(|event| ([("event", event.as_str())], security.raised(event)));
        counted(&mut encoder, "security_events", "What looked like an attack", raised)
    }
}

/// What became of mails, where some can be sent.
#[derive(Debug)]
struct OfMail(Option<[(&'static str, u64); 3]>);

impl Collector for OfMail {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(mails) = self.0 else { return Ok(()) };
        let mails = mails.map(|(outcome, count)| ([("outcome", outcome)], count));
        counted(&mut encoder, "mails", "What became of mails with codes", mails)
    }
}

/// What verifying ledgers has come to.
#[derive(Debug)]
struct OfLedgers(LedgerFigures);

impl Collector for OfLedgers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let LedgerFigures { intact, broken, broken_now, records, unproven_now, waiting_seconds } = self.0;
        let outcomes = [([("outcome", "intact")], intact), ([("outcome", "broken")], broken)];
        counted(&mut encoder, "ledger_verifications", "What verifying ledgers came to", outcomes)?;
        let verified =
            encoder.encode_descriptor("ledger_records_verified", "Records verified", None, MetricType::Counter)?;
        ConstCounter::new(records).encode(verified)?;
        let help = "Ledgers that are not as they were written, of those that this process has verified";
        let now = encoder.encode_descriptor("ledgers_broken", help, None, MetricType::Gauge)?;
        ConstGauge::new(broken_now).encode(now)?;
        let help =
            "Ledgers that lack records of redemptions, or have too many, of those that this process has verified";
        let now = encoder.encode_descriptor("ledgers_unproven", help, None, MetricType::Gauge)?;
        ConstGauge::new(unproven_now).encode(now)?;
        let (help, unit) = ("For how long some event has waited for its ledger", Unit::Seconds);
        let waiting = encoder.encode_descriptor("ledger_waiting", help, Some(&unit), MetricType::Gauge)?;
        ConstGauge::new(waiting_seconds).encode(waiting)
    }
}

/// What has become of streams of events.
#[derive(Debug)]
struct OfEventStreams(EventStreamFigures);

impl Collector for OfEventStreams {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let EventStreamFigures { open, followed, sent, not_read } = self.0;
        let gauges = [
            ("event_streams_open", "Streams of events that are open", open),
            ("event_streams_ledgers", "Ledgers that these follow", followed),
        ];
        for (name, help, value) in gauges {
            let gauge = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value).encode(gauge)?;
        }
        let counters = [
            ("event_streams_sent", "Events sent by streams", sent),
            ("event_streams_evicted", "Streams ended because nobody read them", not_read),
        ];
        for (name, help, value) in counters {
            let counter = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(value).encode(counter)?;
        }
        Ok(())
    }
}

/// What became of deliveries.
#[derive(Debug)]
struct OfWebhooks(WebhookFigures);

impl Collector for OfWebhooks {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let WebhookFigures { delivered, failed, dead, waiting, waiting_seconds } = self.0;
        let outcomes = [([("outcome", "delivered")], delivered), ([("outcome", "failed")], failed)];
        counted(&mut encoder, "webhook_deliveries", "What tries to deliver events came to", outcomes)?;
        let help = "Deliveries that were left after their last try";
        let left = encoder.encode_descriptor("webhook_dead_letters", help, None, MetricType::Counter)?;
        ConstCounter::new(dead).encode(left)?;
        let help = "Deliveries that wait to be tried again, of the webhooks at which this process has worked";
        let now = encoder.encode_descriptor("webhook_waiting", help, None, MetricType::Gauge)?;
        ConstGauge::new(waiting).encode(now)?;
        let help = "For how long some of them have waited without a break";
        let unit = Unit::Seconds;
        let since = encoder.encode_descriptor("webhook_waiting", help, Some(&unit), MetricType::Gauge)?;
        ConstGauge::new(waiting_seconds).encode(since)
    }
}

/// The keys, since when they are what they are, and what came of replacing them.
#[derive(Debug)]
struct OfKeys {
    known: KnownKeys,
    figures: [u64; 2],
    of_kms: u64,
    now: Instant,
}

impl Collector for OfKeys {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (help, unit) = ("For how long a key has been in its state", Unit::Seconds);
        let mut ages = encoder.encode_descriptor("key_state", help, Some(&unit), MetricType::Gauge)?;
        for key in &self.known.listed {
            let Some(since) = key.since else { continue };
            let labels = [("kind", key.kind.as_str()), ("name", &key.name), ("state", key.state.as_str())];
            ConstGauge::new(self.now.since(since).as_secs()).encode(ages.encode_family(&labels)?)?;
        }
        let help = "Whether a row may be vouched for with a root key";
        let mut used = encoder.encode_descriptor("root_key_used", help, None, MetricType::Gauge)?;
        for (name, is_used) in &self.known.used {
            ConstGauge::new(u64::from(*is_used)).encode(used.encode_family(&[("name", name.as_str())])?)?;
        }
        let [rewritten, refused] = self.figures;
        let help = "Rows vouched for anew under the primary root key";
        let rows = encoder.encode_descriptor("rows_rewritten", help, None, MetricType::Counter)?;
        ConstCounter::new(rewritten).encode(rows)?;
        let help = "How often keys were read that could not be taken";
        let times = encoder.encode_descriptor("keys_not_taken", help, None, MetricType::Counter)?;
        ConstCounter::new(refused).encode(times)?;
        let help = "How often KMS did not do what was asked, after all that was tried";
        let failures = encoder.encode_descriptor("kms_failures", help, None, MetricType::Counter)?;
        ConstCounter::new(self.of_kms).encode(failures)
    }
}

/// One counter, with a value for each set of labels.
fn counted<const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: [([(&'static str, &'static str); 1], u64); N],
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, value) in values {
        ConstCounter::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}
