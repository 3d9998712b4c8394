//! The text form of a difference.

use std::fmt::{self, Formatter};

use crate::{
    change::{
        Cause, ChangeAction, Difference, Disposition, PropertyChange, Refusal, ResourceChange,
        SettingChange, Summary,
    },
    document::PROPERTIES,
    values::inline,
};

/// The number of characters from which a value is shortened to the part that differs. Permissions are always
/// shown in full.
const LONG: usize = 100;
/// The number of characters that are shown before and after the part that differs.
const AROUND: usize = 20;

impl ChangeAction {
    /// The mark before a change: `+`, `~`, `-/+` or `-`.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Added => "+",
            Self::Changed => "~",
            Self::Replaced => "-/+",
            Self::Removed => "-",
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return Ok(());
        }
        for (title, changes, in_full) in [
            ("IAM", &self.iam, true),
            ("Resources", &self.resources, false),
        ] {
            if !changes.is_empty() {
                writeln!(formatter, "{title}")?;
            }
            for change in changes {
                resource(formatter, change, in_full)?;
            }
        }
        let mut section = None;
        for change in &self.settings {
            if section.replace(change.section) != Some(change.section) {
                writeln!(formatter, "{:?}", change.section)?;
            }
            setting(formatter, change)?;
        }
        write!(formatter, "\n{}", self.summary())
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            iam,
            added,
            changed,
            replaced,
            removed,
            settings,
            refused,
        } = self;
        write!(
            formatter,
            "resources: {added} added, {changed} changed, {replaced} replaced, {removed} removed; \
             {iam} of them IAM; other changes: {settings}"
        )?;
        if *refused > 0 {
            write!(formatter, "; {refused} changes will be refused")?;
        }
        writeln!(formatter)
    }
}

fn resource(formatter: &mut Formatter<'_>, change: &ResourceChange, in_full: bool) -> fmt::Result {
    let ResourceChange {
        logical_id,
        kind,
        action,
        causes,
        ..
    } = change;
    write!(formatter, "  {} {logical_id} ({kind})", action.sign())?;
    if !causes.is_empty() {
        let names: Vec<_> = causes.iter().map(ToString::to_string).collect();
        let conditional = causes.iter().all(|cause| cause.conditional);
        let verb = if conditional {
            "may be replaced"
        } else {
            "replaced"
        };
        write!(formatter, ", {verb} because of {}", names.join(", "))?;
    }
    if let Some(fate) = change.fate {
        formatter.write_str(match (action, fate) {
            (ChangeAction::Removed, Disposition::Kept) => "; it stays in the account",
            (ChangeAction::Removed, Disposition::Deleted) => "",
            (_, Disposition::Kept) => "; the old one stays in the account",
            (_, Disposition::Deleted) => "; the old one is deleted",
        })?;
    }
    if change.replacement_unknown {
        write!(formatter, "; whether that replaces it is not known here")?;
    }
    writeln!(formatter)?;
    // The properties of an added or removed resource are in its template. Permissions are shown anyway.
    if in_full || matches!(action, ChangeAction::Changed | ChangeAction::Replaced) {
        for change in &change.changes {
            property(formatter, change, in_full)?;
        }
    }
    for refusal in &change.refusals {
        writeln!(formatter, "      ! {refusal}")?;
    }
    Ok(())
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            reason,
            help,
            source,
        } = self;
        write!(
            formatter,
            "refused: {reason}\n        what to do: {help}\n        see {source}"
        )
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.property)?;
        match &self.follows {
            Some(resource) => write!(formatter, " ({resource} is replaced)"),
            None => Ok(()),
        }
    }
}

fn property(formatter: &mut Formatter<'_>, change: &PropertyChange, in_full: bool) -> fmt::Result {
    let path = change.path.to_string();
    let place = match (change.attribute.as_str(), path.as_str()) {
        (PROPERTIES, path) => path.to_owned(),
        (attribute, "") => attribute.to_owned(),
        (attribute, path) => format!("{attribute}.{path}"),
    };
    if let Some(resource) = &change.follows {
        return writeln!(
            formatter,
            "      ~ {place}: it refers to {resource}, which is replaced"
        );
    }
    let before = change.before.as_ref().map(inline);
    let after = change.after.as_ref().map(inline);
    values(formatter, 6, &place, before, after, in_full)
}

fn setting(formatter: &mut Formatter<'_>, change: &SettingChange) -> fmt::Result {
    let before = change.before.as_ref().map(inline);
    let after = change.after.as_ref().map(inline);
    values(formatter, 2, &change.name, before, after, false)
}

fn values(
    formatter: &mut Formatter<'_>,
    indent: usize,
    place: &str,
    before: Option<String>,
    after: Option<String>,
    in_full: bool,
) -> fmt::Result {
    write!(formatter, "{:indent$}", "")?;
    match (before, after) {
        (None, None) => writeln!(formatter, "~ {place}"),
        (None, Some(after)) => writeln!(formatter, "+ {place}: {}", start(after, in_full)),
        (Some(before), None) => writeln!(formatter, "- {place}: {}", start(before, in_full)),
        (Some(before), Some(after)) => {
            let (before, after) = if in_full {
                (before, after)
            } else {
                where_they_differ(&before, &after)
            };
            writeln!(formatter, "~ {place}: {before} -> {after}")
        }
    }
}

fn start(text: String, in_full: bool) -> String {
    if in_full || text.chars().count() <= LONG {
        return text;
    }
    text.chars().take(LONG).chain(['…']).collect()
}

/// Two texts, shortened to the part from the first to the last difference, with some context.
fn where_they_differ(before: &str, after: &str) -> (String, String) {
    let (one, other): (Vec<_>, Vec<_>) = (before.chars().collect(), after.chars().collect());
    if one.len().max(other.len()) <= LONG {
        return (before.to_owned(), after.to_owned());
    }
    let pairs = one.iter().zip(&other);
    let same_start = pairs.take_while(|(one, other)| one == other).count();
    let pairs = one[same_start..]
        .iter()
        .rev()
        .zip(other[same_start..].iter().rev());
    let same_end = pairs.take_while(|(one, other)| one == other).count();
    let cut = |text: &[char]| {
        let from = same_start.saturating_sub(AROUND);
        let to = (text.len() - same_end + AROUND).min(text.len());
        let mut shown: String = if from > 0 {
            "…".into()
        } else {
            String::new()
        };
        shown.extend(&text[from..to]);
        if to < text.len() {
            shown.push('…');
        }
        shown
    };
    (cut(&one), cut(&other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_shortened_to_their_difference() {
        let text = |word| format!("{}{word}{}", "a".repeat(100), "b".repeat(100));
        let (before, after) = where_they_differ(&text("old"), &text("new"));
        let around = |word| format!("…{}{word}{}…", "a".repeat(AROUND), "b".repeat(AROUND));
        assert_eq!((before, after), (around("old"), around("new")));
        let short = ("old".to_owned(), "new".to_owned());
        assert_eq!(where_they_differ("old", "new"), short);
    }

    #[test]
    fn text_that_extends_another_is_shortened_without_a_panic() {
        let text = "ä".repeat(150);
        let (before, after) = where_they_differ(&text, &"ä".repeat(151));
        assert_eq!(before, format!("…{}", "ä".repeat(AROUND)));
        assert_eq!(after, format!("…{}", "ä".repeat(AROUND + 1)));
    }
}
