//! Logs as JSON lines with a time, which CloudWatch and people can both search.

use std::{
    fs::File,
    io::{self, Write},
    sync::{Mutex, OnceLock, PoisonError},
};

use contract::environment::LOG_LEVEL;
use tracing_subscriber::{EnvFilter, fmt::time::UtcTime};

/// What is logged when the template does not say.
const DEFAULT_LEVEL: &str = "info";

/// Crates that say too much below a warning: a line for each step of each call.
const CHATTY: &[&str] = &[
    "aws_config",
    "aws_credential_types",
    "aws_runtime",
    "aws_sdk_apigatewaymanagement",
    "aws_sdk_dynamodb",
    "aws_sdk_s3",
    "aws_sdk_sqs",
    "aws_sigv4",
    "aws_smithy_http_client",
    "aws_smithy_runtime",
    "aws_smithy_runtime_api",
    // Over TLS, AWS is spoken to by HTTP/2: a line for each frame.
    "h2",
    "hyper_util",
    "lambda_runtime",
    "rustls",
];

/// The filter that a level stands for. What is more than a level is taken as a filter itself, so
/// that `debug,aws_smithy_runtime=debug` shows everything.
fn filter(level: &str) -> EnvFilter {
    let mut directives = level.to_owned();
    if !level.contains([',', '=']) {
        for chatty in CHATTY {
            directives.push(',');
            directives.push_str(chatty);
            directives.push_str("=warn");
        }
    }
    EnvFilter::try_new(directives).unwrap_or_else(|_| EnvFilter::new(DEFAULT_LEVEL))
}

/// The process's standard output, as log records and metrics are written to it.
///
/// Not `std::io::stdout()`: a stage may hold its lock for as long as it runs, and what reports the
/// stage's progress must not wait for that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output;

impl Output {
    /// A second handle of standard output. None where the process has none.
    fn file() -> Option<&'static Mutex<File>> {
        static FILE: OnceLock<Option<Mutex<File>>> = OnceLock::new();
        FILE.get_or_init(|| duplicate().ok().map(Mutex::new))
            .as_ref()
    }
}

#[cfg(unix)]
fn duplicate() -> io::Result<File> {
    use std::os::fd::AsFd as _;

    Ok(io::stdout().as_fd().try_clone_to_owned()?.into())
}

#[cfg(windows)]
fn duplicate() -> io::Result<File> {
    use std::os::windows::io::AsHandle as _;

    Ok(io::stdout().as_handle().try_clone_to_owned()?.into())
}

impl Write for Output {
    /// Writes all of `bytes`, so that a record stays in one piece.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(file) = Self::file() {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            file.write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sends all log records of this process to its standard output, as Lambda collects them.
///
/// `lambda_runtime`'s own subscriber prints no time, and CloudWatch files a record without one as
/// INFO, whatever its level.
pub fn init() {
    let level = std::env::var(LOG_LEVEL).unwrap_or_else(|_| DEFAULT_LEVEL.to_owned());
    // A second call, as tests make it, keeps the first subscriber.
    let _ = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_target(true)
        .with_timer(UtcTime::rfc_3339())
        .with_writer(|| Output)
        .with_env_filter(filter(&level))
        .try_init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_written_while_user_code_holds_the_lock_of_stdout() {
        let _lock = io::stdout().lock();
        let (written, is_written) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let written_to = Output.write_all(b"\n");
            written.send(written_to.is_ok()).expect("the test waits");
        });
        let timeout = std::time::Duration::from_secs(20);
        assert_eq!(is_written.recv_timeout(timeout), Ok(true));
    }

    #[test]
    fn a_level_is_for_our_own_words_and_a_filter_is_taken_as_it_is() {
        let level = filter("debug").to_string();
        assert!(
            level.contains("debug")
                && level.contains("aws_smithy_runtime=warn")
                && level.contains("h2=warn"),
            "{level}"
        );
        assert_eq!(filter("info,hyper=debug").to_string(), "hyper=debug,info");
        assert_eq!(filter("=nonsense=").to_string(), DEFAULT_LEVEL);
    }
}
