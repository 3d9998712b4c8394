use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    change::{BreakingChange, Direction, Rules},
    shape::{MAXIMA, MINIMA, Shape},
};

/// Deeper values are not compared: only a schema that contains itself has them.
const MAX_DEPTH: usize = 32;

/// The changes from the document `old` to `new` that break one of the sides of a value. `pointer` is the schema of the value in
/// both documents, such as `#/$defs/Order`; `#` is the whole document.
pub fn compare_schemas(
    old: &Value,
    new: &Value,
    pointer: &str,
    direction: Direction,
    rules: &Rules<'_>,
) -> Vec<BreakingChange> {
    let mut comparison = Comparison::new(old, new, rules);
    let path = pointer.trim_start_matches('#');
    match (old.pointer(path), new.pointer(path)) {
        (Some(before), Some(now)) => comparison.compare(&[before], &[now], direction, "", ""),
        (Some(_), None) => comparison.report(pointer, "the schema does not exist any more"),
        (None, _) => {}
    }
    comparison.finish()
}

/// Compares values of two documents, and collects what breaks.
pub(crate) struct Comparison<'a> {
    old: &'a Value,
    new: &'a Value,
    rules: &'a Rules<'a>,
    changes: BTreeSet<BreakingChange>,
}

impl<'a> Comparison<'a> {
    pub(crate) fn new(old: &'a Value, new: &'a Value, rules: &'a Rules<'a>) -> Self {
        Self {
            old,
            new,
            rules,
            changes: BTreeSet::new(),
        }
    }

    pub(crate) fn finish(self) -> Vec<BreakingChange> {
        self.changes.into_iter().collect()
    }

    pub(crate) fn report(&mut self, place: &str, what: impl Into<String>) {
        self.changes.insert(BreakingChange {
            place: place.to_owned(),
            what: what.into(),
        });
    }

    /// Compares two schemas. `name` is the property that has the value.
    pub(crate) fn compare(
        &mut self,
        old: &[&'a Value],
        new: &[&'a Value],
        direction: Direction,
        place: &str,
        name: &str,
    ) {
        if place.split('/').count() > MAX_DEPTH {
            return;
        }
        let (old, new) = (Shape::of(self.old, old), Shape::of(self.new, new));
        for keyword in &new.unknown {
            let what = format!("the keyword {keyword} cannot be compared");
            self.report(place, what);
        }
        self.compare_types(&old, &new, direction, place);
        self.compare_values(&old, &new, direction, place, name);
        self.compare_texts(&old, &new, direction, place);
        if direction.reads_old() {
            self.compare_bounds(&old, &new, place);
        }
        self.compare_properties(&old, &new, direction, place);
        self.compare_variants(&old, &new, direction, place);
        if !old.items.is_empty() && !new.items.is_empty() {
            self.compare(
                &old.items,
                &new.items,
                direction,
                &format!("{place}/[]"),
                "",
            );
        }
        if !old.additional.is_empty() && !new.additional.is_empty() {
            let place = format!("{place}/*");
            self.compare(&old.additional, &new.additional, direction, &place, "");
        }
    }

    fn compare_types(
        &mut self,
        old: &Shape<'_>,
        new: &Shape<'_>,
        direction: Direction,
        place: &str,
    ) {
        // The values say more.
        if old.values.is_some() && new.values.is_some() {
            return;
        }
        let narrower = direction.reads_old() && !includes(new.types.as_ref(), old.types.as_ref());
        let wider = direction.writes_new() && !includes(old.types.as_ref(), new.types.as_ref());
        if narrower || wider {
            let (now, before) = (types(new), types(old));
            self.report(place, format!("the type is {now}, and was {before}"));
        }
    }

    fn compare_values(
        &mut self,
        old: &Shape<'_>,
        new: &Shape<'_>,
        direction: Direction,
        place: &str,
        name: &str,
    ) {
        match (&old.values, &new.values) {
            (Some(before), Some(now)) => {
                for value in before.difference(now) {
                    self.report(place, format!("the value {value} does not exist any more"));
                }
                let is_open = self.rules.open_enumerations.contains(&name);
                if direction.writes_new() && !is_open {
                    for value in now.difference(before) {
                        let what = format!("the value {value} is new, and readers do not know it");
                        self.report(place, what);
                    }
                }
            }
            (None, Some(now)) if direction.reads_old() => {
                let now: Vec<_> = now.iter().map(String::as_str).collect();
                let what = format!("only {} is allowed, and any value was", now.join(", "));
                self.report(place, what);
            }
            (Some(_), None) if direction.writes_new() => {
                self.report(place, "any value is possible, and only some were");
            }
            _ => {}
        }
    }

    fn compare_texts(
        &mut self,
        old: &Shape<'_>,
        new: &Shape<'_>,
        direction: Direction,
        place: &str,
    ) {
        for (keyword, before, now) in [
            ("pattern", old.pattern, new.pattern),
            ("format", text_format(old), text_format(new)),
        ] {
            let breaks = match (before, now) {
                (Some(before), Some(now)) => before != now,
                (None, Some(_)) => direction.reads_old(),
                (Some(_), None) => direction.writes_new(),
                (None, None) => false,
            };
            if breaks {
                let [now, before] = [now, before].map(|it| it.unwrap_or("any"));
                self.report(place, format!("the {keyword} is {now}, and was {before}"));
            }
        }
        // A reader uses the default for what the writer has left out.
        if old.default != new.default && direction.reads_old() && old.default.is_some() {
            let now = new
                .default
                .map_or_else(|| "none".to_owned(), Value::to_string);
            let before = old.default.map(Value::to_string).unwrap_or_default();
            self.report(place, format!("the default is {now}, and was {before}"));
        }
    }

    fn compare_bounds(&mut self, old: &Shape<'_>, new: &Shape<'_>, place: &str) {
        for (keywords, is_minimum) in [(MINIMA, true), (MAXIMA, false)] {
            for keyword in keywords {
                let Some(&now) = new.bounds.get(keyword) else {
                    continue;
                };
                let before = old.bounds.get(keyword);
                let is_narrower = before.is_none_or(|&before| {
                    if is_minimum {
                        now > before
                    } else {
                        now < before
                    }
                });
                if is_narrower {
                    let before = before.map_or_else(|| "none".to_owned(), f64::to_string);
                    self.report(place, format!("the {keyword} is {now}, and was {before}"));
                }
            }
        }
    }

    fn compare_properties(
        &mut self,
        old: &Shape<'a>,
        new: &Shape<'a>,
        direction: Direction,
        place: &str,
    ) {
        for (name, before) in &old.properties {
            let place = format!("{place}/{name}");
            match new.properties.get(name) {
                Some(now) => self.compare(before, now, direction, &place, name),
                None => self.report(&place, "the property does not exist any more"),
            }
        }
        if direction.reads_old() {
            for name in new.required.difference(&old.required) {
                let what = "the property is required, and was not";
                self.report(&format!("{place}/{name}"), what);
            }
            if new.is_closed && !old.is_closed {
                self.report(place, "unknown properties are refused, and were not");
            }
        }
        if direction.writes_new() {
            for name in old.required.difference(&new.required) {
                // A property that is gone is reported already.
                if new.properties.contains_key(name) {
                    let what = "the property can be absent, and was always there";
                    self.report(&format!("{place}/{name}"), what);
                }
            }
        }
        if direction == Direction::Queued && old.is_closed {
            for name in new.properties.keys() {
                if !old.properties.contains_key(name) {
                    let what = "the property is new, and readers refuse unknown ones";
                    self.report(&format!("{place}/{name}"), what);
                }
            }
        }
    }

    fn compare_variants(
        &mut self,
        old: &Shape<'a>,
        new: &Shape<'a>,
        direction: Direction,
        place: &str,
    ) {
        for (tag, before) in &old.variants {
            let place = format!("{place}({})", tag.trim_matches('"'));
            match new.variants.get(tag) {
                Some(now) => self.compare(&[before], &[now], direction, &place, ""),
                None => self.report(&place, "the alternative does not exist any more"),
            }
        }
        let is_refused = match direction {
            Direction::Request => false,
            Direction::Response => !old.are_tagged,
            Direction::Queued => true,
        };
        if is_refused && !old.variants.is_empty() {
            for tag in new.variants.keys() {
                if !old.variants.contains_key(tag) {
                    let place = format!("{place}({})", tag.trim_matches('"'));
                    self.report(&place, "the alternative is new, and readers do not know it");
                }
            }
        }
    }
}

/// Whether `accepted` has all of `values`. Absent is everything.
fn includes(accepted: Option<&BTreeSet<&str>>, values: Option<&BTreeSet<&str>>) -> bool {
    match (accepted, values) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(accepted), Some(values)) => values.iter().all(|value| {
            accepted.contains(value) || (*value == "integer" && accepted.contains("number"))
        }),
    }
}

fn types(shape: &Shape<'_>) -> String {
    match &shape.types {
        None => "any".to_owned(),
        Some(types) => types.iter().copied().collect::<Vec<_>>().join(" or "),
    }
}

/// The format of a text. Formats of numbers, such as `uint64`, say how a program stores them.
fn text_format<'a>(shape: &Shape<'a>) -> Option<&'a str> {
    let types = shape.types.as_ref()?;
    shape.format.filter(|_| types.contains("string"))
}
