//! The output on the terminal.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal as _, Write as _},
};

use local_aws::{LocalStack, ShowLogs, Urls};
use serde::Serialize;
use stagecast_contract::ids::WorkerToken;
use tracing_subscriber::EnvFilter;

use crate::{Local, arguments::Arguments};

/// Writes the stack's own log to standard error, at the level of `RUST_LOG` or `warn`.
pub(crate) fn log_to_standard_error() {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,s3s=error"));
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .with_env_filter(filter)
        .init();
}

/// The format of the functions' logs.
pub(crate) fn logs(arguments: &Arguments) -> ShowLogs {
    if arguments.json {
        ShowLogs::Raw
    } else {
        ShowLogs::Readable {
            colour: io::stderr().is_terminal(),
        }
    }
}

/// The line of JSON when the stack is ready.
#[derive(Serialize)]
struct Ready<'a> {
    #[serde(flatten)]
    urls: &'a Urls,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker_token: Option<&'a str>,
}

/// Prints the addresses of the stack and the worker token, as text or as JSON.
pub(crate) fn announce(
    local: &Local,
    stack: &LocalStack,
    arguments: &Arguments,
    worker_token: Option<&WorkerToken>,
    missing_secrets: &[String],
) -> io::Result<()> {
    let mut output = io::stdout().lock();
    let urls = stack.urls();
    if arguments.json {
        let ready = Ready {
            urls,
            worker_token: worker_token.map(WorkerToken::reveal),
        };
        serde_json::to_writer(&mut output, &ready)?;
        writeln!(output)?;
        return output.flush();
    }
    let (bold, plain) = if io::stdout().is_terminal() {
        ("\x1b[1m", "\x1b[0m")
    } else {
        ("", "")
    };
    let name = local.project.product.name;
    writeln!(output, "\n  {bold}{name} runs on this machine{plain}\n")?;
    let rows = [
        ("Progress page", format!("{bold}{}/{plain}", urls.http_api)),
        ("API reference", format!("{}/docs/", urls.http_api)),
        ("HTTP API", format!("{}/v1/jobs", urls.http_api)),
        ("WebSocket API", urls.websocket.clone()),
        (
            "AWS services",
            format!(
                "{}   (as AWS_ENDPOINT_URL, keys test/test)",
                urls.endpoint_url
            ),
        ),
        (
            "Data",
            match &arguments.data_dir {
                Some(folder) => folder.display().to_string(),
                None => "in memory; --data-dir keeps it".to_owned(),
            },
        ),
    ];
    let book = local
        .has_book()
        .then(|| ("Documentation", format!("{}/book/", urls.http_api)));
    let worker_token = worker_token.map(|token| {
        (
            "Worker token",
            format!("{}   (for all queues)", token.reveal()),
        )
    });
    for (name, value) in rows.into_iter().chain(worker_token).chain(book) {
        writeln!(output, "  {name:15}{value}")?;
    }
    for warning in stack.warnings().iter().chain(missing_secrets) {
        writeln!(output, "  {:15}{warning}", "Note")?;
    }
    writeln!(
        output,
        "\n  Press Ctrl-C to stop. The functions' logs follow.\n"
    )?;
    output.flush()
}

/// Prints on standard error that the stack stops, and what happens to interrupted jobs.
pub(crate) fn announce_shutdown(stack: &LocalStack, arguments: &Arguments) {
    if arguments.json {
        return;
    }
    let is_kept = arguments.data_dir.is_some();
    // A closed standard error must not prevent an orderly shutdown.
    let _ = writeln!(
        io::stderr(),
        "{}",
        shutdown_message(&stack.busy_functions(), is_kept)
    );
}

fn shutdown_message(busy: &BTreeMap<String, usize>, is_kept: bool) -> String {
    let jobs = match busy.get("pipeline") {
        None => return "\n  Stopping.".to_owned(),
        Some(1) => "a running job".to_owned(),
        Some(count) => format!("{count} running jobs"),
    };
    let what = if is_kept {
        "the next start with the same --data-dir continues after the last finished stage"
    } else {
        "its state is lost with all other data; use --data-dir to keep it"
    };
    format!("\n  Stopping. This interrupts {jobs}: {what}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shutdown_message_names_interrupted_jobs() {
        let busy = |count| BTreeMap::from([("pipeline".to_owned(), count)]);
        let idle = BTreeMap::from([("websocket".to_owned(), 1)]);
        assert_eq!(shutdown_message(&idle, false).trim(), "Stopping.");
        assert!(shutdown_message(&busy(1), false).contains("a running job: its state is lost"));
        let kept = shutdown_message(&busy(2), true);
        assert!(kept.contains("2 running jobs: the next start"), "{kept}");
    }
}
