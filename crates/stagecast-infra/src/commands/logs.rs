//! `infra-gen logs`.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use anyhow::bail;
use clap::Args;
use console::Style;
use serde_json::{Map, Value};
use stagecast_contract::{
    ids::{InvalidId, JobId},
    timestamp::Timestamp,
};
use stagecast_core::clock::Clock;
use stagecast_operator::logs::{LogReader, LogRecord};

use super::{
    outcome::CommandOutcome,
    runtime::{block_on, unless_interrupted},
    stack_names::StackNames,
    stack_options::StackOptions,
};
use crate::project::Project;

/// The time between two polls. With five functions, they take half of the least quota of an account, 5 requests per
/// second.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// The levels of log records, the least important first.
const LEVELS: [&str; 5] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"];

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    stack: StackOptions,
    /// Print new records until Ctrl-C.
    #[arg(long, short)]
    follow: bool,
    /// Records of this function; may be repeated. Default: all functions of the product.
    #[arg(long = "function", value_name = "NAME")]
    functions: Vec<String>,
    /// Records that contain this job's id.
    #[arg(long, value_name = "ID", value_parser = job_id)]
    job: Option<JobId>,
    /// Records that contain this correlation id, as messages and error responses have it.
    #[arg(long, value_name = "ID")]
    correlation_id: Option<String>,
    /// How far back to begin: 90s, 10m, 2h, 3d.
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = seconds)]
    since: i64,
    /// Records of at least this level: trace, debug, info, warn, error. Lines of the Lambda runtime have none and are
    /// left out.
    #[arg(long, value_name = "LEVEL", value_parser = level)]
    level: Option<usize>,
    /// Print each record as a line of JSON: its time, its function, and its text.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(project: Project, arguments: &Arguments) -> anyhow::Result<CommandOutcome> {
    let functions = functions(project, &arguments.functions)?;
    let job = arguments.job.as_ref().map(ToString::to_string);
    let terms = job.into_iter().chain(arguments.correlation_id.clone());
    let terms: Vec<_> = terms.collect();
    let now = Clock::system().now();
    let since = now.plus_seconds(-arguments.since).epoch_seconds() * 1000;
    block_on(async {
        let session = arguments.stack.session().await?;
        let names = StackNames::find(project, &arguments.stack, &session).await?;
        let groups = names.log_groups(&session, &functions).await?;
        let mut reader = LogReader::new(session.config(), groups, &terms, since);
        let printed = async {
            loop {
                print(&reader.next().await?, arguments)?;
                if !arguments.follow {
                    return anyhow::Ok(());
                }
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        };
        unless_interrupted(printed).await.unwrap_or(Ok(()))?;
        Ok(CommandOutcome::Done)
    })
}

fn job_id(text: &str) -> Result<JobId, String> {
    text.parse().map_err(|error: InvalidId| error.to_string())
}

/// A time such as `10m`, in seconds.
fn seconds(text: &str) -> Result<i64, String> {
    let invalid = || "write a number and a unit, for example 90s, 10m, 2h or 3d".to_owned();
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        _ => return Err(invalid()),
    };
    let number: u32 = text[..text.len() - 1].parse().map_err(|_| invalid())?;
    Ok(i64::from(number) * unit)
}

/// The place of a level in [`LEVELS`].
fn level(text: &str) -> Result<usize, String> {
    let place = LEVELS.iter().position(|it| it.eq_ignore_ascii_case(text));
    place.ok_or_else(|| "use trace, debug, info, warn or error".to_owned())
}

/// The functions with these names; all of the product if none is given.
fn functions(project: Project, names: &[String]) -> anyhow::Result<Vec<&'static str>> {
    let all = project.product.all_functions();
    let all: Vec<_> = all.into_iter().map(|function| function.name).collect();
    if let Some(unknown) = names.iter().find(|name| !all.contains(&name.as_str())) {
        bail!(
            "the product has no function '{unknown}'\n  help: use one of {}",
            all.join(", ")
        );
    }
    let is_selected =
        |function: &&'static str| names.is_empty() || names.iter().any(|name| name == function);
    Ok(all.into_iter().filter(is_selected).collect())
}

fn print(records: &[LogRecord], arguments: &Arguments) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for record in records {
        let fields = serde_json::from_str::<Map<String, Value>>(&record.text).ok();
        if let Some(least) = arguments.level {
            let level = fields
                .as_ref()
                .and_then(|fields| fields.get("level")?.as_str());
            let level = level.and_then(|level| LEVELS.iter().position(|it| *it == level));
            if level.is_none_or(|level| level < least) {
                continue;
            }
        }
        if arguments.json {
            writeln!(out, "{}", serde_json::to_string(record)?)?;
        } else {
            writeln!(out, "{}", line(record, fields))?;
        }
    }
    out.flush()?;
    Ok(())
}

/// `2026-01-01T10:30:15Z INFO  pipeline  claimed job_id=job_1`.
fn line(record: &LogRecord, fields: Option<Map<String, Value>>) -> String {
    let time = Timestamp::from_epoch_seconds(record.time_millis / 1000);
    let function = &record.function;
    let Some(mut fields) = fields else {
        return format!("{time} {:5} {function:10} {}", "", printable(&record.text));
    };
    let mut take = |name: &str| fields.shift_remove(name).map(|value| text_of(&value));
    // The time is that of the record, and metrics are for CloudWatch.
    for hidden in ["timestamp", "target", "_aws"] {
        take(hidden);
    }
    let level = take("level").unwrap_or_default();
    let message = take("message").unwrap_or_default();
    let span = fields.shift_remove("span");
    let span = span
        .and_then(|span| span.as_object().cloned())
        .unwrap_or_default();
    let span = span.iter();
    let span = span.filter(|(name, _)| *name != "name" && !fields.contains_key(*name));
    let rest = fields.iter().chain(span);
    let rest = rest.map(|(name, value)| format!(" {name}={}", printable(&text_of(value))));
    let style = match level.as_str() {
        "ERROR" => Style::new().red(),
        "WARN" => Style::new().yellow(),
        "DEBUG" | "TRACE" => Style::new().dim(),
        _ => Style::new(),
    };
    let level = style.apply_to(format!("{level:5}"));
    let message = printable(&message);
    format!(
        "{time} {level} {function:10} {message}{}",
        Style::new().dim().apply_to(rest.collect::<String>())
    )
}

fn text_of(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// The text without control characters, which must not reach the terminal.
fn printable(text: &str) -> String {
    text.chars().filter(|it| !it.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_product;

    #[test]
    fn record_is_one_line_with_its_fields() {
        console::set_colors_enabled(false);
        let record = |text: &str| LogRecord {
            time_millis: 1_800_000_000_123,
            function: "pipeline".to_owned(),
            text: text.to_owned(),
        };
        let shown = |text: &str| line(&record(text), serde_json::from_str(text).ok());
        assert_eq!(
            shown(
                r#"{"timestamp":"2027-01-15T08:00:00.123Z","level":"INFO","message":"claimed\u001b[31m",
                "target":"pipeline","epoch":1,"span":{"name":"run","job_id":"job_1"}}"#
            ),
            "2027-01-15T08:00:00Z INFO  pipeline   claimed[31m epoch=1 job_id=job_1"
        );
        assert_eq!(
            shown("START RequestId: 1"),
            "2027-01-15T08:00:00Z       pipeline   START RequestId: 1"
        );
    }

    #[test]
    fn arguments_are_refused_with_what_to_write_instead() {
        assert_eq!(
            ["90s", "10m", "2h", "3d"].map(seconds),
            [Ok(90), Ok(600), Ok(7200), Ok(259_200)]
        );
        for text in ["", "10", "m", "-1m", "1w", "10µ"] {
            assert!(
                seconds(text).is_err_and(|error| error.contains("10m")),
                "{text}"
            );
        }
        assert_eq!(level("warn"), Ok(3));
        assert!(level("fatal").is_err());
        let project = test_product::project();
        assert!(functions(project, &[]).is_ok_and(|all| all.len() >= 5));
        let one = functions(project, &["delivery".to_owned()]);
        assert_eq!(one.expect("known"), ["delivery"]);
        let error = functions(project, &["nothing".to_owned()]).expect_err("unknown");
        assert!(error.to_string().contains("websocket, jobs"), "{error}");
    }
}
