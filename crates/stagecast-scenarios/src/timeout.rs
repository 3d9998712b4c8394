//! The time limit of a wait.
//!
//! A wait ends as soon as its event cannot come any more, for example because the job has failed; the limit
//! is for a system that is silent.

use std::{env, fs, num::NonZero, thread, time::Duration};

/// Names the variable with the timeout in seconds. It replaces [`DEFAULT_SECONDS`] for scenarios that
/// are expected to fail, so that they fail soon.
const SECONDS: &str = "STAGECAST_TEST_TIMEOUT";

/// The timeout in seconds on an idle machine: longer than a lease and than a job message is hidden.
const DEFAULT_SECONDS: u64 = 180;

/// The maximum factor on a busy machine.
const MOST: f64 = 10.0;

/// The timeout of a wait for an event that must come. A test fails when it is reached. The default is
/// multiplied by the current number of runnable processes per processor, up to a limit.
pub(crate) fn timeout() -> Duration {
    match env::var(SECONDS) {
        Ok(seconds) => {
            let seconds = seconds.parse();
            Duration::from_secs(seconds.unwrap_or_else(|error| panic!("{SECONDS}: {error}")))
        }
        Err(_) => Duration::from_secs(DEFAULT_SECONDS).mul_f64(factor(load())),
    }
}

/// The average number of runnable processes per processor over the last minute; `None` where the
/// operating system does not report it.
fn load() -> Option<f64> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    let runnable: f64 = text.split(' ').next()?.parse().ok()?;
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    Some(runnable / f64::from(u32::try_from(processors).ok()?))
}

fn factor(load: Option<f64>) -> f64 {
    load.unwrap_or(1.0).clamp(1.0, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeout_grows_with_the_load_within_bounds() {
        for (load, expected) in [
            (None, 1.0),
            (Some(0.1), 1.0),
            (Some(4.5), 4.5),
            (Some(200.0), MOST),
        ] {
            assert!((factor(load) - expected).abs() < f64::EPSILON, "{load:?}");
        }
    }
}
