//! Every route there is, asked with a secret in each place where a text can stand.

use std::{collections::BTreeMap, thread};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    asking::{Asker, Sent},
    kinds::Kinds,
    places::{self, FIELD, Place},
    program::Program,
    search::{Canary, Search},
};

/// Every route has a line there; one that has none fails `api::inventory`.
const INVENTORY: &str = include_str!("../inventory.txt");

/// So many ask at a time.
const CALLERS: usize = 4;

/// No longer than ids and labels may be, in characters.
const SHORT: usize = 60;

fn routes() -> Vec<&'static str> {
    let lines = INVENTORY.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    // The first one names the columns.
    let routes: Vec<_> = lines.skip(1).map(|line| line.split_once("  ").unwrap().0).collect();
    assert!(routes.len() > 140 && routes.contains(&"DELETE /v1/objects/{path}"), "{routes:?}");
    routes
}

/// Which canary comes into which place.
struct Planned<'a> {
    route: &'static str,
    place: &'a Place,
    canary: usize,
}

/// Every place once at least, fields twice, and every canary in each sort of place: each in each place would take long.
fn planned<'a>(places: &'a [(&'static str, Place)], canaries: &[Canary]) -> Vec<Planned<'a>> {
    let mut sorts: BTreeMap<&str, Vec<&(&'static str, Place)>> = BTreeMap::new();
    for place in places {
        sorts.entry(place.1.sort).or_default().push(place);
    }
    let each = sorts.into_values().enumerate().flat_map(|(shift, of_sort)| {
        (0..of_sort.len().max(canaries.len())).map(move |round| {
            let &(route, ref place) = of_sort[round % of_sort.len()];
            Planned { route, place, canary: (round + shift) % canaries.len() }
        })
    });
    // Most of what is taken, and kept, is short.
    let short: Vec<_> = (0..canaries.len()).filter(|canary| canaries[*canary].text.len() <= SHORT).collect();
    let fields = places.iter().filter(|(_, place)| place.sort == FIELD).enumerate();
    let again = fields.map(|(round, &(route, ref place))| {
        let canary = short[round % short.len()];
        Planned { route, place, canary }
    });
    each.chain(again).collect()
}

fn sent(asker: &Asker<'_>, planned: &[Planned<'_>]) -> Vec<Sent> {
    let each = |Planned { route, place, canary }: &Planned<'_>| asker.send(route, place, *canary);
    thread::scope(|threads| {
        let parts = planned.chunks(planned.len().div_ceil(CALLERS));
        let parts: Vec<_> =
            parts.map(|part| threads.spawn(move || part.iter().map(each).collect::<Vec<_>>())).collect();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
    })
}

#[test]
fn no_secret_that_is_sent_anywhere_is_written_down_or_told() {
    let program = Program::start();
    let kinds = Kinds::of(&program);
    let asker = Asker::new(&program.api, &kinds);
    let mut places = Vec::new();
    for route in routes() {
        let sample = |field: &str| asker.sample(route, field);
        places.extend(places::of(route, &asker.description, &sample).into_iter().map(|place| (route, place)));
    }
    let planned = planned(&places, &kinds.canaries);
    assert!(planned.len() > 3_000, "{} requests for {} places", planned.len(), places.len());

    let sent = sent(&asker, &planned);
    for canary in &kinds.canaries {
        // One of them opens it.
        let ticket = utf8_percent_encode(&canary.text, NON_ALPHANUMERIC);
        drop(program.api.socket(&format!("/v1/events/ws?ticket={ticket}"), &[]));
    }
    let search = Search::new(&kinds.all());
    let (share, messages) = (kinds.share.clone(), kinds.messages());
    let told = program.tells();
    let written = program.end();

    let mut leaks = Vec::new();
    let mut told_back = 0;
    for Sent { what, canary, is_told_back, refusal } in &sent {
        let found = search.find(&format!("the answer to {what}"), refusal.as_deref().unwrap_or_default());
        let (to_its_sender, others): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|found| *is_told_back && search.is_in(found.canary, *canary));
        told_back += to_its_sender.len();
        leaks.extend(others.iter().map(ToString::to_string));
    }
    for (place, bytes) in told.iter().chain(&messages).chain(&written) {
        leaks.extend(search.find(place, bytes).iter().map(ToString::to_string));
    }
    let shown = &leaks[..leaks.len().min(60)];
    assert!(leaks.is_empty(), "of {} requests {} leaks:\n{}", sent.len(), leaks.len(), shown.join("\n"));
    // The search would have found them: what may be told is, and what is no secret is everywhere.
    assert!(told_back > 30, "{told_back} of {} were told back", sent.len());
    let is_in = |places: &[(String, Vec<u8>)], visible: &str| {
        places.iter().any(|(_, bytes)| String::from_utf8_lossy(bytes).contains(visible))
    };
    assert!([&told, &messages, &written].iter().all(|places| is_in(places, &share)) && is_in(&written, "docs/a.txt"));
}
