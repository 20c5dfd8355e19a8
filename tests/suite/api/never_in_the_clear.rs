//! Promise 4: never in the clear. The real program runs with all its logs on; then no secret that it gave or was given
//! is in a file, a log, a metric, an event or an error, whole or cut, in whatever spelling.

mod asking;
mod description;
mod every_route;
mod kinds;
mod panics;
mod places;
mod program;
mod search;

use asking::refusal;
use kinds::Kinds;
use program::Program;
use search::{Canary, Search};

#[test]
fn no_secret_is_in_a_file_a_log_or_an_error() {
    let program = Program::start();
    let kinds = Kinds::of(&program);
    let canaries = kinds.all();
    let root_keys: Vec<_> = program.root_keys().into_iter().map(|key| Canary::new("a root key", key)).collect();
    let share = kinds.share.clone();
    let mut places: Vec<_> =
        kinds.refusals.iter().map(|answer| ("an error".to_owned(), refusal(answer).unwrap())).collect();
    places.extend(kinds.messages());
    places.extend(program.tells());
    places.extend(program.tenant_export());
    places.extend(program.backup());
    let told = places.len();
    places.extend(program.end());

    let search = Search::new(&[canaries.as_slice(), &root_keys].concat());
    let mut leaks = Vec::new();
    for (place, bytes) in &places {
        let found = search.find(place, bytes).into_iter();
        // These are kept in one place.
        let at_home = |canary: usize| canary >= canaries.len() && place.ends_with("/root-keys.json");
        leaks.extend(found.filter(|found| !at_home(found.canary)).map(|found| found.to_string()));
    }
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
    // The search would have found them: what is no secret is there to be seen.
    let is_in = |places: &[program::Told], visible: &str| {
        places.iter().any(|(_, bytes)| String::from_utf8_lossy(bytes).contains(visible))
    };
    let (told, written) = places.split_at(told);
    for visible in ["docs/a.txt", "Visible name of a tenant", &share, "\"ready\""] {
        assert!(is_in(written, visible), "{visible}");
    }
    assert!(is_in(told, "docs/a.txt") && is_in(told, &share));
}
