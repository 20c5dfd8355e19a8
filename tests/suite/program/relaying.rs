//! A relay before a real broker: it counts what is asked, and can hold it back or lose it.

use serde_json::Value;

use super::{
    pretending::{Asked, Pretender, Reply},
    process::Served,
};

/// A relay to the API of this broker; what `lets` does not let pass is lost.
pub fn relay(served: &Served, lets: impl Fn(&Asked) -> bool + Send + Sync + 'static) -> Pretender {
    let url = served.url();
    Pretender::start(move |asked| {
        if !lets(asked) {
            return Reply::lost();
        }
        let (method, target) = asked.line.split_once(' ').unwrap();
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{url}{target}"));
        for name in ["authorization", "content-type"] {
            if let Some(value) = asked.headers.get(name) {
                request = request.header(name, value);
            }
        }
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_idle_connections(0)
            .proxy(None)
            .build()
            .into();
        let mut answer = match asked.body.as_slice() {
            [] => agent.run(request.body(()).unwrap()),
            body => agent.run(request.body(body.to_vec()).unwrap()),
        }
        .unwrap();
        let status = answer.status().as_u16();
        match serde_json::from_str::<Value>(&answer.body_mut().read_to_string().unwrap()) {
            Ok(body) => Reply::json(status, &body),
            Err(_) => Reply::bytes(status, ""),
        }
    })
}
