//! Who may do what: every route, asked by everybody, held against one table that people can read,
//! `inventory.txt`.

pub mod callers;
mod requests;
pub mod routes;

use std::{collections::BTreeMap, fmt::Write};

use callers::{COLUMNS, House};

use serde_json::Value;

use super::harness::{Answer, text};

const TABLE: &str = include_str!("inventory.txt");

/// The rows by their routes: an entry for each column.
pub fn table() -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut lines = TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let columns: Vec<_> = lines.next().unwrap().split_whitespace().skip(1).collect();
    assert_eq!(columns, COLUMNS, "the columns of inventory.txt");
    let mut table = BTreeMap::new();
    for line in lines {
        let (route, entries) = line.split_once("  ").unwrap_or_else(|| panic!("no entries: {line}"));
        let entries: Vec<_> = entries.split_whitespace().collect();
        assert_eq!(entries.len(), COLUMNS.len(), "a row has an entry for each column: {line}");
        assert!(table.insert(route, entries).is_none(), "two rows of {route}");
    }
    table
}

/// An answer as the table spells it.
fn entry(route: &str, answer: &Answer) -> String {
    let usual = match answer.status {
        401 if route.contains(" /v1/session") => "no_session",
        401 => "unauthenticated",
        403 => "forbidden",
        404 => "not_found",
        422 => "invalid",
        _ => "",
    };
    let status = answer.status.to_string();
    let Ok(body) = serde_json::from_slice::<Value>(&answer.body) else { return status };
    if answer.status >= 400 {
        let code = text(&body, "code");
        return if code == usual { status } else { format!("{status}/{code}") };
    }
    let is_list = route.starts_with("GET") && !route.contains('{');
    let items = body["items"].as_array();
    let refused = items.and_then(|items| items.first()).map(|item| &item["problem"]["status"]);
    match refused {
        Some(Value::Number(refused)) => format!("{refused}*"),
        _ if is_list && items.is_some_and(Vec::is_empty) || body["revoked"] == 0 => "none".to_owned(),
        _ => status,
    }
}

fn row(route: &str, entries: &[String]) -> String {
    let mut row = format!("{route:<47}");
    for (entry, column) in entries.iter().zip(COLUMNS) {
        write!(row, " {entry:<width$}", width = column.len()).unwrap();
    }
    row.trim_end().to_owned()
}

#[test]
fn every_route_answers_everybody_as_the_table_says() {
    let (table, routes) = (table(), routes::all());
    let mut wrong = String::new();
    for route in table.keys().filter(|route| !routes.contains(**route)) {
        writeln!(wrong, "{route}: has a row, and is no route").unwrap();
    }
    let house = House::open();
    for route in &routes {
        let got: Vec<_> = COLUMNS.iter().map(|column| entry(route, &house.ask(route, column))).collect();
        let Some(expected) = table.get(route.as_str()) else {
            writeln!(wrong, "{route}: has no row. Who may do this? What is answered now:\n{}", row(route, &got))
                .unwrap();
            continue;
        };
        for ((column, expected), got) in COLUMNS.iter().zip(expected).zip(&got).filter(|((_, a), b)| *a != b) {
            writeln!(wrong, "{route}: {column} is to get {expected}, and gets {got}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "inventory.txt and the broker differ:\n{wrong}");
}
