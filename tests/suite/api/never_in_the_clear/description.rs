//! What a request of a route takes, going by the description of the API: so a new route or field is known by itself.

use serde_json::{Value, json};

use crate::api::harness::text;

/// Stands where a canary comes, in quotes, as JSON writes it.
pub const HERE: &str = "\"here comes a canary\"";

/// What is right for a field, where not just any text or number is.
pub type Sample<'a> = &'a dyn Fn(&str) -> Option<Value>;

/// A body with one place for a canary, and with whatever else it needs.
pub struct Marked {
    /// The field in which the place is.
    pub field: String,
    /// Whether it is there for the name of something, and not for what that says.
    pub is_name: bool,
    pub body: Value,
}

pub struct Description(Value);

impl Description {
    pub fn new() -> Self {
        Self(serde_json::to_value(cloakroom::http::openapi::document()).unwrap())
    }

    fn operation(&self, route: &str) -> Option<&Value> {
        let (method, pattern) = route.split_once(' ')?;
        self.0["paths"].get(pattern)?.get(method.to_lowercase())
    }

    fn body(&self, route: &str, kind: &str) -> Option<&Value> {
        let content = &self.operation(route)?["requestBody"]["content"];
        content.get(kind).map(|content| &content["schema"])
    }

    /// The parameters of the query, as a URL spells their names.
    pub fn query(&self, route: &str) -> Vec<String> {
        let parameters = self.operation(route).and_then(|operation| operation["parameters"].as_array());
        let of_query = parameters.into_iter().flatten().filter(|parameter| parameter["in"] == "query");
        let spelled = |parameter: &Value| match parameter["style"] == "deepObject" {
            true => format!("{}%5Bnote%5D", text(parameter, "name")),
            false => text(parameter, "name"),
        };
        of_query.map(spelled).collect()
    }

    /// What a body of this type needs at least; none where the route takes none.
    pub fn usual(&self, route: &str, kind: &str, sample: Sample<'_>) -> Option<Value> {
        self.body(route, kind).map(|schema| self.value(schema, sample))
    }

    /// Every place for a text in a body of this type.
    pub fn marked(&self, route: &str, kind: &str, sample: Sample<'_>) -> Vec<Marked> {
        self.body(route, kind).map_or_else(Vec::new, |schema| self.places(schema, "", sample))
    }

    /// What a value may be: each of several, and not null.
    fn branches<'a>(&'a self, schema: &'a Value) -> Vec<&'a Value> {
        let named = schema["$ref"].as_str().and_then(|name| self.0.pointer(name.strip_prefix('#')?));
        let schema = named.unwrap_or(schema);
        let several = ["oneOf", "anyOf", "allOf"].iter().find_map(|how| schema[*how].as_array());
        let Some(several) = several else { return vec![schema] };
        several.iter().filter(|one| one["type"] != "null").flat_map(|one| self.branches(one)).collect()
    }

    fn places(&self, schema: &Value, field: &str, sample: Sample<'_>) -> Vec<Marked> {
        self.branches(schema).into_iter().flat_map(|schema| self.places_in(schema, field, sample)).collect()
    }

    fn places_in(&self, schema: &Value, field: &str, sample: Sample<'_>) -> Vec<Marked> {
        let here = HERE.trim_matches('"');
        let place = |is_name, body| Marked { field: field.to_owned(), is_name, body };
        if let Some(fields) = schema["properties"].as_object() {
            let of_field = |(name, of): (&String, &Value)| -> Vec<Marked> {
                let within = |marked: Marked| {
                    let mut object = self.object(schema, sample);
                    object[name.as_str()] = marked.body;
                    Marked { body: object, ..marked }
                };
                self.places(of, name, sample).into_iter().map(within).collect()
            };
            return fields.iter().flat_map(of_field).collect();
        }
        if schema["items"].is_object() {
            let within = |marked: Marked| Marked { body: json!([marked.body]), ..marked };
            return self.places(&schema["items"], field, sample).into_iter().map(within).collect();
        }
        if schema["additionalProperties"].is_object() {
            return vec![place(false, json!({ "note": here })), place(true, json!({ (here): "x" }))];
        }
        vec![place(false, here.into())]
    }

    /// An object with the fields that it must have.
    fn object(&self, schema: &Value, sample: Sample<'_>) -> Value {
        let mut object = json!({});
        for field in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            object[field] = sample(field).unwrap_or_else(|| self.value(&schema["properties"][field], sample));
        }
        object
    }

    /// Something of this shape.
    fn value(&self, schema: &Value, sample: Sample<'_>) -> Value {
        let branches = self.branches(schema);
        let schema = branches[0];
        let is = |kind: &str| {
            let several = schema["type"].as_array();
            schema["type"] == kind || several.is_some_and(|kinds| kinds.iter().any(|one| one == kind))
        };
        if schema["properties"].is_object() {
            self.object(schema, sample)
        } else if is("object") {
            json!({})
        } else if is("array") {
            json!([self.value(&schema["items"], sample)])
        } else if is("integer") || is("number") {
            json!(1)
        } else if is("boolean") {
            json!(false)
        } else {
            json!("a text")
        }
    }
}
