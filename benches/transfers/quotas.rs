//! A quota that everybody draws on: how many uploads a crowd declares in a
//! second, all charged to one tenant.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{runtime::Runtime, task::JoinSet};

use crate::{Options, Spread, quota_direct::Direct, quota_http::OverHttp};

/// How many declare at once.
pub(crate) const DECLARERS: usize = 64;

/// How large a file they declare.
pub(crate) const SIZE: u64 = 1_000;

/// Whose room is drawn on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crowd {
    /// Every declarer has a tenant of its own: no account is shared.
    Apart,
    /// One tenant without a quota.
    NoQuota,
    /// One tenant that is far from its quota.
    Far,
    /// One tenant whose quota is used up by this, to the byte. A large file was
    /// declared before: six of its eight accounts are empty from the beginning.
    Near,
}

const CROWDS: [(Crowd, &str); 4] = [
    (Crowd::NoQuota, "no quota"),
    (Crowd::Far, "far from the quota"),
    (Crowd::Near, "up to the quota"),
    (Crowd::Apart, "a tenant each"),
];

/// What a declaration was answered with.
pub(crate) enum Answer {
    Granted,
    Full,
    /// Outrun by others, too often.
    Busy,
}

/// Somebody who declares uploads.
pub(crate) trait Declarer: Send + 'static {
    fn declare(&mut self) -> impl Future<Output = Answer> + Send;
}

/// A way to reach a broker.
pub(crate) trait Reach {
    type Declarer: Declarer;

    /// As many declarers as there are to be, of one new tenant or of one each. The limit, and a file
    /// that is declared before, are in bytes.
    fn declarers(&self, tenants: usize, limit: Option<u64>, before: Option<u64>) -> Vec<Self::Declarer>;

    /// Commits that were too late, and seconds of the broker's processor time, so far; where they are known.
    fn counts(&self) -> (Option<usize>, Option<f64>);
}

/// What a round came to.
#[derive(Default)]
struct Round {
    rate: f64,
    granted: usize,
    busy: usize,
    stale: Option<f64>,
    processor: Option<f64>,
}

pub(crate) fn measure(options: &Options, folder: &Path) -> Value {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let direct = Direct::open(&runtime, folder);
    let http = OverHttp::start(&runtime, options, folder);
    json!({
        "service": compare(&runtime, "the service alone", &direct, options),
        "http": compare(&runtime, "over HTTP", &http, options),
    })
}

fn compare(runtime: &Runtime, title: &str, reach: &impl Reach, options: &Options) -> Value {
    println!(
        "{DECLARERS} declare, {title:<20} declared/s (least to most)   of no quota            too late for each     µs"
    );
    let mut rounds: [Vec<Round>; CROWDS.len()] = Default::default();
    for _ in 0..options.rounds {
        for (index, (crowd, _)) in CROWDS.iter().enumerate() {
            rounds[index].push(round(runtime, reach, *crowd, options.declarations));
        }
    }
    let mut figures = json!({});
    for (index, (_, name)) in CROWDS.iter().enumerate() {
        let own = &rounds[index];
        let rate = Spread::of(own.iter().map(|round| round.rate));
        let ratio = Spread::of(own.iter().zip(&rounds[0]).map(|(own, none)| own.rate / none.rate));
        let figure = |of: fn(&Round) -> Option<f64>| {
            let known: Vec<f64> = own.iter().filter_map(of).collect();
            (!known.is_empty()).then(|| Spread::of(known).median)
        };
        let (stale, processor) = (figure(|round| round.stale), figure(|round| round.processor));
        let busy: usize = own.iter().map(|round| round.busy).sum();
        let granted: usize = own.iter().map(|round| round.granted).sum();
        let shown = |figure: Option<f64>| figure.map_or("?".into(), |figure| format!("{figure:.2}"));
        println!(
            "{name:<31} {:<28} {:<22} {:<21} {:<7} {}",
            rate.coarse(),
            ratio.fine(),
            shown(stale),
            shown(processor),
            if busy > 0 { format!("{busy} of {granted} asked again, being too busy") } else { String::new() }
        );
        figures[name] = json!({ "per_second": rate.json(), "of_no_quota": ratio.json(), "stale_each": stale,
                                "processor_us": processor, "busy": busy, "granted": granted });
    }
    println!();
    figures
}

fn round(runtime: &Runtime, reach: &impl Reach, crowd: Crowd, declarations: usize) -> Round {
    let room = declarations as u64 * SIZE;
    let (tenants, limit, before) = match crowd {
        Crowd::Apart => (DECLARERS, None, None),
        Crowd::NoQuota => (1, None, None),
        Crowd::Far => (1, Some(1 << 50), None),
        Crowd::Near => (1, Some(4 * room), Some(3 * room)),
    };
    let declarers = reach.declarers(tenants, limit, before);
    let left = (crowd != Crowd::Near).then(|| Arc::new(AtomicUsize::new(declarations)));
    let (stale, processor) = reach.counts();
    let (granted, busy, lasted) = runtime.block_on(all(declarers, left));
    let (stale_after, processor_after) = reach.counts();
    assert!(granted <= declarations, "more was granted than the quota allows: {granted} of {declarations}");
    assert_eq!(granted, declarations, "room was left that nobody was given");
    let each = 1.0 / granted as f64;
    Round {
        rate: granted as f64 / lasted.as_secs_f64(),
        granted,
        busy,
        stale: stale.zip(stale_after).map(|(before, after)| (after - before) as f64 * each),
        processor: processor.zip(processor_after).map(|(before, after)| (after - before) * 1e6 * each),
    }
}

/// How many were granted and how often somebody was sent away as too busy, and when the last was granted.
async fn all(declarers: Vec<impl Declarer>, left: Option<Arc<AtomicUsize>>) -> (usize, usize, Duration) {
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for declarer in declarers {
        tasks.spawn(one(declarer, left.clone(), started));
    }
    let (mut granted, mut busy, mut last) = (0, 0, Duration::ZERO);
    while let Some(outcome) = tasks.join_next().await {
        let (own, own_busy, own_last) = outcome.unwrap();
        granted += own;
        busy += own_busy;
        last = last.max(own_last);
    }
    (granted, busy, last)
}

/// Declares for as long as there is room, or something left to declare.
async fn one(
    mut declarer: impl Declarer,
    left: Option<Arc<AtomicUsize>>,
    started: Instant,
) -> (usize, usize, Duration) {
    let (mut granted, mut busy, mut last) = (0, 0, Duration::ZERO);
    let take =
        || left.as_ref().is_none_or(|left| left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok());
    while take() {
        loop {
            match declarer.declare().await {
                Answer::Granted => {
                    granted += 1;
                    last = started.elapsed();
                    break;
                }
                Answer::Busy => busy += 1,
                Answer::Full => {
                    assert!(left.is_none(), "refused, though there is no limit near");
                    return (granted, busy, last);
                }
            }
        }
    }
    (granted, busy, last)
}
