//! Every route of the API and its pages, picked by a number that stays the same when others come.

use std::{collections::BTreeMap, sync::LazyLock};

use serde_json::Value;

/// The same table that holds every route to who may do what.
const TABLE: &str = include_str!("../../suite/api/inventory.txt");

pub struct Route {
    pub method: &'static str,
    /// As in `/v1/shares/{id}`.
    pub pattern: &'static str,
    /// Whether somebody without a credential is answered.
    pub is_public: bool,
    /// Which statuses its description tells, as in `201` and `4XX`; none, where it has none.
    pub described: Vec<String>,
}

impl Route {
    /// Whether its description tells of such an answer.
    pub fn describes(&self, status: u16) -> bool {
        let (exact, class) = (status.to_string(), format!("{}XX", status / 100));
        self.described.is_empty() || self.described.iter().any(|told| *told == exact || *told == class)
    }
}

/// All routes, each in its place on a ring.
static RING: LazyLock<BTreeMap<u16, Route>> = LazyLock::new(|| {
    let description = serde_json::to_value(cloakroom::http::openapi::document()).unwrap();
    let lines = TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut lines = lines.filter_map(|line| line.split_once("  ").or(line.split_once(' ')));
    let (_, columns) = lines.next().unwrap();
    let nobody = columns.split_whitespace().position(|column| column == "nobody").unwrap();
    let routes = lines.filter_map(|(route, entries)| {
        let (method, pattern) = route.split_once(' ')?;
        let entry = entries.split_whitespace().nth(nobody).unwrap();
        let is_public = entry.starts_with(['2', '3']);
        let described = described(&description, method, pattern);
        let is_ours = pattern.starts_with('/');
        is_ours.then(|| (place(method, pattern), Route { method, pattern, is_public, described }))
    });
    routes.collect()
});

fn described(description: &Value, method: &str, pattern: &str) -> Vec<String> {
    let responses = &description["paths"][pattern][method.to_lowercase()]["responses"];
    responses.as_object().into_iter().flatten().map(|(status, _)| status.clone()).collect()
}

/// A hash (FNV-1a), folded.
pub fn place(method: &str, pattern: &str) -> u16 {
    let bytes = method.bytes().chain([b' ']).chain(pattern.bytes());
    let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (hash ^ hash >> 16) as u16
}

/// The route at this place, or the next one.
pub fn at(place: u16) -> &'static Route {
    let next = RING.range(place..).next().or_else(|| RING.iter().next());
    next.expect("there are routes").1
}

/// All there are.
pub fn all() -> impl Iterator<Item = &'static Route> {
    RING.values()
}
