//! The OpenAPI document as a page to read.

use std::{collections::BTreeMap, fmt::Write};

use serde_json::Value;

use super::{html::escaped, standalone};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// One operation, with where it is.
struct Operation<'a> {
    method: &'static str,
    path: &'a str,
    details: &'a Value,
}

impl Operation<'_> {
    fn anchor(&self) -> String {
        let plain = |character: char| if character.is_ascii_alphanumeric() { character } else { '-' };
        format!("{}{}", self.method, self.path.chars().map(plain).collect::<String>())
    }
}

/// The whole page.
pub(super) fn page(document: &Value) -> String {
    let title = text(&document["info"]["title"]);
    let by_tag = by_tag(document);
    let mut body = format!(
        "<h1>{} API</h1>\n<p>{}</p>\n\
         <p>For programs: <a href=\"/openapi.json\">/openapi.json</a> (OpenAPI {}).</p>\n",
        escaped(title),
        prose(text(&document["info"]["description"])),
        escaped(text(&document["openapi"])),
    );
    body.push_str(&authentication(document));
    body.push_str("<nav aria-label=\"Operations\">\n<h2>Operations</h2>\n");
    for (tag, operations) in &by_tag {
        let _ = writeln!(body, "<h3>{}</h3>\n<ul class=\"contents\">", escaped(tag.name));
        for operation in operations {
            let _ = writeln!(
                body,
                "<li><a href=\"#{}\"><code>{} {}</code></a> {}</li>",
                operation.anchor(),
                operation.method.to_uppercase(),
                escaped(operation.path),
                prose(text(&operation.details["summary"])),
            );
        }
        body.push_str("</ul>\n");
    }
    body.push_str("</nav>\n");
    for (tag, operations) in &by_tag {
        let _ = writeln!(body, "<section>\n<h2>{}</h2>\n<p>{}</p>", escaped(tag.name), prose(tag.description));
        for operation in operations {
            body.push_str(&article(document, operation));
        }
        body.push_str("</section>\n");
    }
    body.push_str(&shapes(document));
    standalone::document(&format!("{title} API"), &body)
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Tag<'a> {
    place: usize,
    name: &'a str,
    description: &'a str,
}

/// Operations by their first tag, in the order in which the document names tags.
fn by_tag(document: &Value) -> BTreeMap<Tag<'_>, Vec<Operation<'_>>> {
    let tags = items(&document["tags"]);
    let mut grouped: BTreeMap<Tag<'_>, Vec<Operation<'_>>> = BTreeMap::new();
    for (path, methods) in entries(&document["paths"]) {
        for method in METHODS {
            let Some(details) = methods.get(method) else { continue };
            let name = details["tags"][0].as_str().unwrap_or("other");
            let place = tags.iter().position(|tag| tag["name"] == name);
            let description = place.map_or("", |place| text(&tags[place]["description"]));
            let tag = Tag { place: place.unwrap_or(usize::MAX), name, description };
            grouped.entry(tag).or_default().push(Operation { method, path, details });
        }
    }
    grouped
}

fn authentication(document: &Value) -> String {
    let schemes = &document["components"]["securitySchemes"];
    let mut list = String::new();
    for (name, scheme) in entries(schemes) {
        let _ = writeln!(
            list,
            "<li><strong>{}</strong>: <code>Authorization: Bearer …</code>, {}</li>",
            escaped(&name.replace('_', " ")),
            prose(text(&scheme["description"])),
        );
    }
    if list.is_empty() { list } else { format!("<h2>Who is calling</h2>\n<ul>\n{list}</ul>\n") }
}

fn article(document: &Value, operation: &Operation<'_>) -> String {
    let details = operation.details;
    let mut article = format!(
        "<article id=\"{}\">\n<h3><code><span class=\"method\">{}</span> {}</code></h3>\n<p>{}</p>\n",
        operation.anchor(),
        operation.method.to_uppercase(),
        escaped(operation.path),
        prose(text(&details["summary"])),
    );
    let description = text(&details["description"]);
    if !description.is_empty() {
        let _ = writeln!(article, "<p>{}</p>", prose(description));
    }
    let _ = writeln!(article, "<p class=\"quiet\">Needs: {}</p>", escaped(&needs(details)));
    article.push_str(&parameters(details));
    let body = &details["requestBody"]["content"]["application/json"]["schema"];
    if !body.is_null() {
        article.push_str("<h4>Body</h4>\n");
        article.push_str(&fields(resolved(document, body)));
    }
    article.push_str("<h4>Answers</h4>\n<ul>\n");
    for (status, response) in entries(&details["responses"]) {
        let _ = write!(article, "<li><code>{}</code> {}", escaped(status), prose(text(&response["description"])));
        for (_, content) in entries(&response["content"]) {
            let _ = write!(article, " {}", kind(&content["schema"]));
        }
        article.push_str("</li>\n");
    }
    article.push_str("</ul>\n</article>\n");
    article
}

fn needs(details: &Value) -> String {
    let names = items(&details["security"]).iter().filter_map(Value::as_object).flat_map(|scheme| scheme.keys());
    let names: Vec<String> = names.map(|name| format!("a valid {}", name.replace('_', " "))).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(" or ") }
}

fn parameters(details: &Value) -> String {
    let rows = items(&details["parameters"]).iter().map(|parameter| {
        let place = format!("{} ({})", text(&parameter["name"]), text(&parameter["in"]));
        row(&place, &parameter["schema"], parameter["required"] == true, text(&parameter["description"]))
    });
    table("Parameters", rows.collect())
}

/// The shapes that bodies and answers have.
fn shapes(document: &Value) -> String {
    let mut section = String::from("<section>\n<h2>Shapes</h2>\n");
    for (name, schema) in entries(&document["components"]["schemas"]) {
        let _ = writeln!(
            section,
            "<article id=\"{}\">\n<h3>{}</h3>\n<p>{}</p>\n{}</article>",
            shape_anchor(name),
            escaped(name),
            prose(text(&schema["description"])),
            fields(schema),
        );
    }
    section.push_str("</section>\n");
    section
}

fn shape_anchor(name: &str) -> String {
    let plain = |character: char| if character.is_ascii_alphanumeric() { character } else { '-' };
    format!("shape-{}", name.chars().map(plain).collect::<String>())
}

/// The fields of an object; of one that is made of several, those of each.
fn fields(schema: &Value) -> String {
    let mut parts = String::new();
    for part in items(&schema["allOf"]) {
        match part["$ref"].as_str() {
            Some(_) => {
                let _ = writeln!(parts, "<p>All of {}, and:</p>", kind(part));
            }
            None => parts.push_str(&fields(part)),
        }
    }
    let required = items(&schema["required"]);
    let rows = entries(&schema["properties"]).map(|(name, property)| {
        let is_required = required.iter().any(|one| one == name);
        row(name, property, is_required, text(&property["description"]))
    });
    parts.push_str(&table("Fields", rows.collect()));
    parts
}

fn row(name: &str, schema: &Value, required: bool, description: &str) -> String {
    let required = if required { "yes" } else { "no" };
    format!(
        "<tr><th scope=\"row\"><code>{}</code></th><td>{}</td><td>{required}</td><td>{}</td></tr>\n",
        escaped(name),
        kind(schema),
        prose(description),
    )
}

fn table(caption: &str, rows: Vec<String>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"{caption}\"><table>\n<thead><tr><th scope=\"col\">Name</th><th scope=\"col\">Type</th>\
         <th scope=\"col\">Required</th><th scope=\"col\">What it is</th></tr></thead>\n<tbody>\n{}</tbody>\n</table></div>\n",
        rows.concat()
    )
}

/// The type of a value, with a link where it has a shape of its own. HTML.
fn kind(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or(reference);
        return format!("<a href=\"#{}\">{}</a>", shape_anchor(name), escaped(name));
    }
    let alternatives: Vec<&Value> = ["oneOf", "anyOf"].iter().flat_map(|key| items(&schema[*key])).collect();
    if !alternatives.is_empty() {
        return alternatives.into_iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    let names: Vec<&str> = match &schema["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    };
    let name_of = |name: &str| match name {
        "array" => format!("array of {}", kind(&schema["items"])),
        other => escaped(other),
    };
    if names.is_empty() { "any".to_owned() } else { names.into_iter().map(name_of).collect::<Vec<_>>().join(" or ") }
}

/// What a reference to a component means.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let name = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix("#/components/schemas/"));
    name.map_or(schema, |name| &document["components"]["schemas"][name])
}

/// Text in which `code` is marked by backticks, as HTML.
fn prose(text: &str) -> String {
    let mut html = String::new();
    for (place, part) in text.split('`').enumerate() {
        if place % 2 == 1 {
            let _ = write!(html, "<code>{}</code>", escaped(part));
        } else {
            html.push_str(&escaped(part));
        }
    }
    html
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whatever_the_document_says_is_text() {
        const HOSTILE: &str = "\"'><script>alert(1)</script><img src=x onerror=y>`<b>`";
        let schema = json!({ "description": HOSTILE, "type": "object", "required": [HOSTILE],
            "properties": { HOSTILE: { "type": HOSTILE, "description": HOSTILE },
                            "other": { "type": "array", "items": { "$ref": HOSTILE } } } });
        let operation = json!({ "tags": [HOSTILE], "summary": HOSTILE, "description": HOSTILE,
            "security": [{ HOSTILE: [] }],
            "parameters": [{ "name": HOSTILE, "in": HOSTILE, "description": HOSTILE, "schema": { "type": HOSTILE } }],
            "requestBody": { "content": { "application/json": { "schema": { "$ref": "#/components/schemas/a" } } } },
            "responses": { HOSTILE: { "description": HOSTILE, "content": { HOSTILE: { "schema": schema } } } } });
        let document = json!({ "openapi": HOSTILE, "info": { "title": HOSTILE, "description": HOSTILE },
            "tags": [{ "name": HOSTILE, "description": HOSTILE }],
            "paths": { HOSTILE: { "post": operation } },
            "components": { "schemas": { "a": schema, HOSTILE: schema },
                            "securitySchemes": { HOSTILE: { "description": HOSTILE } } } });
        let page = page(&document);
        for markup in ["<script", "<img", "<b>", "\"'>", "=\"\""] {
            assert!(!page.contains(markup), "{markup}");
        }
    }

    #[test]
    fn every_operation_is_told_with_its_body() {
        let document = serde_json::to_value(crate::http::openapi::document()).unwrap();
        let page = page(&document);
        for (path, methods) in entries(&document["paths"]) {
            for (method, _) in entries(methods).filter(|(method, _)| METHODS.contains(method)) {
                let heading = format!("<span class=\"method\">{}</span> {path}</code></h3>", method.to_uppercase());
                assert!(page.contains(&heading), "{method} {path}");
            }
        }
        assert!(page.contains("<code>access_expires_in</code></th><td>integer or null</td><td>no</td>"));
        assert!(page.contains("Needs: a valid api key"));
        for (name, _) in entries(&document["components"]["schemas"]) {
            assert!(page.contains(&format!("id=\"{}\"", shape_anchor(name))), "{name}");
        }
    }

    #[test]
    fn an_empty_document_is_a_page_too() {
        assert!(page(&Value::Null).contains("</html>"));
    }
}
