//! The functions' standard output and standard error.

use std::{collections::VecDeque, fmt::Write as _, io::Write as _, sync::Arc};

use serde_json::{Map, Value};

use crate::{clock::Timestamp, sync::Mutex};

/// The maximum number of lines kept in memory.
const CAPACITY: usize = 20_000;

/// A line that a function wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The name of the function's executable.
    pub function: String,
    /// The line, without the line break.
    pub text: String,
    /// When the line was read, in milliseconds since 1970.
    pub time_millis: i64,
}

/// How the functions' logs are shown on standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShowLogs {
    /// Not shown.
    #[default]
    Hidden,
    /// As the functions write them.
    Raw,
    /// JSON records as readable lines.
    Readable {
        /// Whether ANSI colours mark the levels.
        colour: bool,
    },
}

/// The last lines of the functions' logs.
#[derive(Clone, Debug)]
pub(crate) struct Logs {
    kept: Arc<Mutex<Kept>>,
    show: ShowLogs,
}

/// The lines in memory.
#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<LogLine>,
    /// The number of lines that were deleted, and so the number of the first one.
    first: u64,
}

impl Logs {
    pub(crate) fn new(show: ShowLogs) -> Self {
        Self {
            kept: Arc::default(),
            show,
        }
    }

    pub(crate) fn add(&self, function: &str, text: String) {
        let shown = match self.show {
            ShowLogs::Hidden => None,
            ShowLogs::Raw => Some(text.clone()),
            ShowLogs::Readable { colour } => Some(readable(function, &text, colour)),
        };
        if let Some(shown) = shown {
            // A closed standard error must not stop the stack.
            let _ = writeln!(std::io::stderr().lock(), "{shown}");
        }
        let mut kept = self.kept.lock();
        if kept.lines.len() == CAPACITY {
            kept.lines.pop_front();
            kept.first += 1;
        }
        kept.lines.push_back(LogLine {
            function: function.to_owned(),
            text,
            time_millis: Timestamp::now().epoch_milliseconds(),
        });
    }

    pub(crate) fn lines(&self) -> Vec<LogLine> {
        self.kept.lock().lines.iter().cloned().collect()
    }

    /// The lines with a number of at least `from`, each with its number, for which `matches` returns true: at most `limit`
    /// of them.
    pub(crate) fn numbered(
        &self,
        from: u64,
        limit: usize,
        matches: impl Fn(&LogLine) -> bool,
    ) -> Vec<(u64, LogLine)> {
        let kept = self.kept.lock();
        let numbered = (kept.first..).zip(&kept.lines);
        let matching = numbered.filter(|(number, line)| *number >= from && matches(line));
        let matching = matching.map(|(number, line)| (number, line.clone()));
        matching.take(limit).collect()
    }
}

/// `10:30:15 INFO  websocket  subscribed order_id=o-1`.
fn readable(function: &str, text: &str, colour: bool) -> String {
    let Ok(mut record) = serde_json::from_str::<Map<String, Value>>(text) else {
        return format!("{:14} {function:10} {text}", "");
    };
    let mut take = |name: &str| {
        let value = record.remove(name)?;
        Some(
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned),
        )
    };
    let time = take("timestamp").unwrap_or_default();
    let time = time.split(['T', '.', 'Z']).nth(1).unwrap_or_default();
    let level = take("level").unwrap_or_default();
    let message = take("message").unwrap_or_default();
    let level = match (colour, level.as_str()) {
        (true, "ERROR") => format!("\x1b[31m{level:5}\x1b[0m"),
        (true, "WARN") => format!("\x1b[33m{level:5}\x1b[0m"),
        (true, "DEBUG" | "TRACE") => format!("\x1b[2m{level:5}\x1b[0m"),
        _ => format!("{level:5}"),
    };
    let mut line = format!("{time:8} {level} {function:10} {message}");
    let span = record.remove("span");
    let span = span
        .as_ref()
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    let span = span.filter(|(name, _)| *name != "name" && !record.contains_key(*name));
    for (name, value) in record.iter().chain(span) {
        if name == "target" {
            continue;
        }
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        // Writing to a string does not fail.
        let _ = write!(line, " {name}={value}");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_records_are_shown_as_readable_lines() {
        let record = r#"{"timestamp":"2024-01-15T10:30:15.123Z","level":"INFO","message":"claimed",
            "target":"pipeline","span":{"name":"run","order_id":"o-1"}}"#;
        assert_eq!(
            readable("pipeline", record, false),
            "10:30:15 INFO  pipeline   claimed order_id=o-1"
        );
    }

    #[test]
    fn plain_text_lines_are_shown_unchanged() {
        assert_eq!(
            readable("orders", "oops", false),
            "               orders     oops"
        );
    }
}
