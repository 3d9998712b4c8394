//! Logs as JSON lines with timestamps, which CloudWatch can search.

use std::{
    fs::File,
    io::{self, Write},
    sync::{Mutex, OnceLock, PoisonError},
};

use tracing_subscriber::{EnvFilter, fmt::time::UtcTime};
use typed_contract::environment::LOG_LEVEL;

/// The log level when the template sets none.
const DEFAULT_LEVEL: &str = "info";

/// Crates whose log level is `warn` at most, because they log every step of each call below it.
const VERBOSE_CRATES: &[&str] = &[
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
    // HTTP/2, which AWS uses over TLS: a line for each frame.
    "h2",
    "hyper_util",
    "lambda_runtime",
    "rustls",
];

/// The filter of a log level. A value with `,` or `=` is a filter already and is used as it is, so that
/// `debug,aws_smithy_runtime=debug` shows everything.
fn filter(level: &str) -> EnvFilter {
    let mut directives = level.to_owned();
    if !level.contains([',', '=']) {
        for name in VERBOSE_CRATES {
            directives.push(',');
            directives.push_str(name);
            directives.push_str("=warn");
        }
    }
    EnvFilter::try_new(directives).unwrap_or_else(|_| EnvFilter::new(DEFAULT_LEVEL))
}

/// The standard output of the process, to which log records and metrics are written.
///
/// It is not `std::io::stdout()`, whose lock other code of the function may hold for as long as it runs:
/// what logs meanwhile must not wait for that.
#[derive(Clone, Copy, Debug)]
pub struct Output;

impl Output {
    /// A second handle of standard output; none if the process has no standard output.
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
    /// Writes all of `bytes` at once, so that records are not interleaved.
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

/// Writes all log records of this process to its standard output, where Lambda collects them.
///
/// The subscriber of `lambda_runtime` is not used: it prints no timestamps, and CloudWatch treats a
/// record without one as INFO, whatever its level.
pub fn init() {
    let level = std::env::var(LOG_LEVEL).unwrap_or_else(|_| DEFAULT_LEVEL.to_owned());
    // A second call, as in tests, keeps the first subscriber.
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
    fn records_are_written_while_other_code_holds_the_lock_of_stdout() {
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
    fn level_limits_verbose_crates_and_filter_is_used_as_it_is() {
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
