//! What operators are given to watch with (`infra/monitoring`), held against what the program tells, by Prometheus
//! itself.

use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

use super::{
    balancer::free_port,
    process::{Place, Served, outcome, said, until},
};

/// How often Prometheus reads the broker and looks at its rules.
const OFTEN: &str = "1s";

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("infra/monitoring").join(name)
}

/// A broker that tells everything there is to tell: also what it tells only where mail can be sent.
fn served(place: &Place) -> Served {
    fs::create_dir(place.path("mails")).unwrap();
    let mut command = place.command("serve");
    command.env("CLOAKROOM_MAIL", format!("folder:{}", place.path("mails").display()));
    command.env("CLOAKROOM_MAIL_FROM", "Cloakroom <noreply@share.example>");
    let served = place.serve_as(command);
    // Of requests there is nothing to tell before there was one.
    assert_eq!(served.ask("GET", "/v1/shares", "nobody's", None).0, 401);
    served
}

/// Names of metrics, as a query spells them.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    words.filter(|word| word.starts_with("cloakroom_")).map(str::to_owned).collect()
}

/// Every query of the dashboard.
fn dashboard() -> Vec<String> {
    let text = fs::read_to_string(file("dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

/// Lines of the rules that are queries: all that is neither a comment nor words for people.
fn rules() -> String {
    let text = fs::read_to_string(file("alerts.yaml")).unwrap();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#') && !line.contains("summary:"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Names of all that is told, samples alone.
fn told(metrics: &str) -> BTreeSet<String> {
    let samples = metrics.lines().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.split(['{', ' ']).next().unwrap().to_owned()).collect()
}

fn promtool(arguments: &[&str]) -> Command {
    let mut command = Command::new("promtool");
    command.args(arguments).stdin(Stdio::null());
    command
}

/// OpenMetrics in the older text format, which is the only one that promtool's check reads.
fn in_the_older_format(metrics: &str) -> String {
    let mut lines = String::new();
    let counters: BTreeSet<_> =
        metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    for line in metrics.lines() {
        let words: Vec<_> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", "EOF"] | ["#", "UNIT", ..] => continue,
            ["#", "TYPE", name, "info"] => lines += &format!("# TYPE {name}_info gauge"),
            ["#", "HELP", name, help] if metrics.contains(&format!("# TYPE {name} info\n")) => {
                lines += &format!("# HELP {name}_info {help}");
            }
            ["#", what, name, rest] if counters.contains(name) => lines += &format!("# {what} {name}_total {rest}"),
            _ => lines += line,
        }
        lines.push('\n');
    }
    lines
}

#[test]
fn what_is_watched_is_what_is_told_and_all_of_it() {
    let place = Place::new();
    let served = served(&place);
    let watched: BTreeSet<_> = dashboard().iter().flat_map(|query| named(query)).collect();
    // Some is told from the first round on that looks at keys and at rows.
    let told = until("the dashboard has what there is, and nothing else", || {
        let told = told(&served.metrics());
        (told == watched).then_some(told)
    });
    let alerted = named(&rules());
    assert!(alerted.len() > 8 && alerted.is_subset(&told), "{:?}", alerted.difference(&told));
    served.stop();
}

#[test]
fn alerts_fire_when_they_are_to() {
    let (rules, tests) = (file("alerts.yaml"), file("alerts.test.yaml"));
    said(&outcome(&mut promtool(&["check", "rules", rules.to_str().unwrap()])));
    said(&outcome(&mut promtool(&["test", "rules", tests.to_str().unwrap()])));
    // Each alert is among them.
    let tests = fs::read_to_string(tests).unwrap();
    let rules = fs::read_to_string(rules).unwrap();
    let alerts: BTreeSet<_> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let tested: BTreeSet<_> = tests
        .split("- eval_time:")
        .filter(|test| test.contains("exp_labels"))
        .filter_map(|test| test.lines().find_map(|line| line.trim().strip_prefix("alertname: ")))
        .collect();
    assert_eq!(tested, alerts);
    // And somebody is told what to do.
    let told = fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md")).unwrap();
    for alert in alerts {
        assert!(told.contains(&format!("`{alert}`")), "docs/operations.md does not say what to do on {alert}");
    }
}

#[test]
fn metrics_are_named_as_prometheus_wants_them() {
    let place = Place::new();
    let served = served(&place);
    let check = |metrics: &str| {
        let written = place.path("metrics");
        fs::write(&written, metrics).unwrap();
        outcome(promtool(&["check", "metrics"]).stdin(fs::File::open(&written).unwrap()))
    };
    let metrics = in_the_older_format(&served.metrics());
    said(&check(&metrics));
    let Output { status, .. } = check(&metrics.replace("cloakroom_ledgers_broken", "cloakroom_ledgersBroken"));
    assert!(!status.success(), "promtool finds fault with nothing");
    served.stop();
}

/// Prometheus, on a port of its own. It is killed when this is dropped.
struct Prometheus {
    child: Child,
    url: String,
}

impl Prometheus {
    fn watching(place: &Place, served: &Served) -> Self {
        let port = free_port();
        let configuration = format!(
            "global: {{scrape_interval: {OFTEN}, scrape_timeout: {OFTEN}, evaluation_interval: {OFTEN}}}\n\
             rule_files: [{}]\n\
             scrape_configs: [{{job_name: cloakroom, static_configs: [{{targets: ['127.0.0.1:{}']}}]}}]\n",
            file("alerts.yaml").display(),
            served.ports[2]
        );
        fs::write(place.path("prometheus.yaml"), configuration).unwrap();
        let log = fs::File::create(place.path("prometheus.log")).unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", place.path("prometheus.yaml").display()))
            .arg(format!("--storage.tsdb.path={}", place.path("series").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stderr(log)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, url: format!("http://127.0.0.1:{port}") }
    }

    fn ask(&self, path: &str, query: &str) -> Option<Value> {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
        let mut answer = agent.get(format!("{}/api/v1/{path}", self.url)).query("query", query).call().ok()?;
        serde_json::from_str(&answer.body_mut().read_to_string().ok()?).ok()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

#[test]
fn prometheus_reads_it_and_carries_out_every_query() {
    let place = Place::new();
    let served = served(&place);
    let prometheus = Prometheus::watching(&place, &served);
    until("Prometheus has read the broker", || {
        let answer = prometheus.ask("query", "up == 1")?;
        (!answer["data"]["result"].as_array()?.is_empty()).then_some(())
    });
    for query in dashboard() {
        let answer = prometheus.ask("query", &query).unwrap();
        assert_eq!(answer["status"], "success", "{query}: {answer}");
    }
    // What is there now needs no time to pass: it has a value.
    for query in dashboard().iter().filter(|query| !query.contains('[')) {
        let answer = prometheus.ask("query", query).unwrap();
        assert_ne!(answer["data"]["result"].as_array().unwrap().len(), 0, "{query}: {answer}");
    }
    // The first time may have been before it had read anything.
    let rules = until("Prometheus has evaluated the rules, and nothing is amiss", || {
        let answer = prometheus.ask("rules", "")?;
        let rules = answer["data"]["groups"][0]["rules"].as_array()?.clone();
        rules.iter().all(|rule| rule["health"] != "unknown" && rule["state"] == "inactive").then_some(rules)
    });
    assert!(rules.len() > 10);
    for rule in rules {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
    served.stop();
}
