//! Logs as JSON lines with a time, which CloudWatch and people can both search.

use contract::environment::LOG_LEVEL;
use tracing_subscriber::{EnvFilter, fmt::time::UtcTime};

/// What is logged when the template does not say.
const DEFAULT_LEVEL: &str = "info";

/// Sends all log records of this process to its standard output, as Lambda collects them.
///
/// `lambda_runtime`'s own subscriber prints no time, and CloudWatch files a record without one as
/// INFO, whatever its level.
pub fn init() {
    let filter = std::env::var(LOG_LEVEL)
        .ok()
        .and_then(|level| EnvFilter::try_new(level).ok())
        .unwrap_or_else(|| EnvFilter::new(DEFAULT_LEVEL));
    // A second call, as tests make it, keeps the first subscriber.
    let _ = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_target(true)
        .with_timer(UtcTime::rfc_3339())
        .with_env_filter(filter)
        .try_init();
}
