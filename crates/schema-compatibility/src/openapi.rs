//! Comparison of OpenAPI documents.

use serde_json::{Map, Value};

use crate::{
    change::{BreakingChange, Direction, Rules},
    compare::Comparison,
};

const METHODS: &[&str] = &[
    "delete", "get", "head", "options", "patch", "post", "put", "trace",
];

/// The changes from one OpenAPI 3.1 document to another that break clients of the old one.
pub fn compare_apis(old: &Value, new: &Value, rules: &Rules<'_>) -> Vec<BreakingChange> {
    let mut comparison = Comparison::new(old, new, rules);
    for (path, before) in members(&old["paths"]) {
        let now = &new["paths"][path];
        for method in METHODS {
            let (before, now) = (&before[method], &now[method]);
            if before.is_null() {
                continue;
            }
            let place = format!("{} {path}", method.to_uppercase());
            if now.is_null() {
                comparison.report(&place, "the operation does not exist any more");
                continue;
            }
            Operation {
                roots: (old, new),
                place,
                before,
                now,
            }
            .compare(&mut comparison);
        }
    }
    comparison.finish()
}

struct Operation<'a> {
    roots: (&'a Value, &'a Value),
    place: String,
    before: &'a Value,
    now: &'a Value,
}

impl<'a> Operation<'a> {
    fn compare(&self, comparison: &mut Comparison<'a>) {
        self.compare_security(comparison);
        self.compare_parameters(comparison);
        self.compare_body(comparison);
        self.compare_responses(comparison);
    }

    /// Each way in which a client could authorize a request still works.
    fn compare_security(&self, comparison: &mut Comparison<'a>) {
        let ways = |operation: &'a Value| {
            let ways = operation["security"].as_array();
            ways.map(Vec::as_slice).unwrap_or_default()
        };
        let now = ways(self.now);
        let is_open = now.is_empty() || now.iter().any(|way| members(way).next().is_none());
        if is_open {
            return;
        }
        let before = ways(self.before);
        if before.is_empty() {
            comparison.report(
                &self.place,
                "requests must be authorized, and did not have to",
            );
        }
        for way in before.iter().filter(|way| !now.contains(way)) {
            let names: Vec<_> = members(way).map(|(name, _)| name.as_str()).collect();
            let name = names.join(" and ");
            let what = format!("the authorization by {name} is not accepted any more");
            comparison.report(&self.place, what);
        }
    }

    fn compare_parameters(&self, comparison: &mut Comparison<'a>) {
        let parameters = |root: &'a Value, operation: &'a Value| {
            let parameters = operation["parameters"].as_array();
            let parameters = parameters.map(Vec::as_slice).unwrap_or_default().iter();
            let parameters = parameters.map(|parameter| resolved(root, parameter));
            parameters.collect::<Vec<_>>()
        };
        let before = parameters(self.roots.0, self.before);
        let now = parameters(self.roots.1, self.now);
        let same = |a: &Value, b: &Value| a["name"] == b["name"] && a["in"] == b["in"];
        for old in &before {
            let place = format!("{} {}", self.place, name_of(old));
            match now.iter().find(|new| same(old, new)) {
                None => comparison.report(&place, "the parameter does not exist any more"),
                Some(new) => {
                    let (old_schema, new_schema) = (&old["schema"], &new["schema"]);
                    let direction = Direction::Request;
                    comparison.compare(&[old_schema], &[new_schema], direction, &place, "");
                    if is_required(new) && !is_required(old) {
                        comparison.report(&place, "the parameter is required, and was not");
                    }
                }
            }
        }
        for new in &now {
            let is_new = !before.iter().any(|old| same(old, new));
            if is_new && is_required(new) {
                let place = format!("{} {}", self.place, name_of(new));
                comparison.report(&place, "the parameter is new, and required");
            }
        }
    }

    fn compare_body(&self, comparison: &mut Comparison<'a>) {
        let (before, now) = (&self.before["requestBody"], &self.now["requestBody"]);
        let place = format!("{} body", self.place);
        if is_required(now) && !is_required(before) {
            comparison.report(&place, "the body is required, and was not");
        }
        compare_content(comparison, before, now, Direction::Request, &place);
    }

    fn compare_responses(&self, comparison: &mut Comparison<'a>) {
        for (status, before) in members(&self.before["responses"]) {
            let place = format!("{} {status}", self.place);
            let now = &self.now["responses"][status];
            if now.is_null() {
                comparison.report(&place, "the response does not exist any more");
                continue;
            }
            compare_content(comparison, before, now, Direction::Response, &place);
            for (name, before) in members(&before["headers"]) {
                let place = format!("{place} header {name}");
                let now = &now["headers"][name];
                if now.is_null() {
                    comparison.report(&place, "the header does not exist any more");
                    continue;
                }
                let before = resolved(self.roots.0, before);
                let now = resolved(self.roots.1, now);
                let schemas = (&before["schema"], &now["schema"]);
                comparison.compare(
                    &[schemas.0],
                    &[schemas.1],
                    Direction::Response,
                    &place,
                    name,
                );
            }
        }
    }
}

fn compare_content<'a>(
    comparison: &mut Comparison<'a>,
    before: &'a Value,
    now: &'a Value,
    direction: Direction,
    place: &str,
) {
    for (media_type, before) in members(&before["content"]) {
        let now = &now["content"][media_type];
        if now.is_null() {
            let what = format!("the media type {media_type} does not exist any more");
            comparison.report(place, what);
        } else if let (Some(before), Some(now)) = (before.get("schema"), now.get("schema")) {
            comparison.compare(&[before], &[now], direction, place, "");
        }
    }
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn is_required(value: &Value) -> bool {
    value["required"] == Value::Bool(true)
}

fn name_of(parameter: &Value) -> &str {
    parameter["name"].as_str().unwrap_or_default()
}

/// A component, or what it refers to.
fn resolved<'a>(root: &'a Value, value: &'a Value) -> &'a Value {
    let target = value["$ref"].as_str().and_then(|it| it.get(1..));
    target.and_then(|it| root.pointer(it)).unwrap_or(value)
}
