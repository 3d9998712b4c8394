//! How long to wait for what is sure to come.

use std::{env, fs, num::NonZero, thread, time::Duration};

/// Seconds of patience, in place of [`DEFAULT_SECONDS`] on an idle machine: where a scenario is meant
/// to fail, waiting longer than a success takes is of no use.
const SECONDS: &str = "STAGECAST_TEST_TIMEOUT";

/// Seconds of patience on an idle machine: more than the end of a lease and of what hides a ticket.
const DEFAULT_SECONDS: u64 = 180;

/// The most that the default is multiplied by on a busy machine.
const MOST: f64 = 10.0;

/// How long something may take that is sure to come. A test that waits this long has failed: no
/// outcome depends on it. The default follows the machine: it is multiplied by the number of
/// runnable processes for each processor, as it is now.
pub(crate) fn timeout() -> Duration {
    match env::var(SECONDS) {
        Ok(seconds) => {
            let seconds = seconds.parse();
            Duration::from_secs(seconds.unwrap_or_else(|error| panic!("{SECONDS}: {error}")))
        }
        Err(_) => Duration::from_secs(DEFAULT_SECONDS).mul_f64(factor(load())),
    }
}

/// Runnable processes for each processor, over the last minute; none where the system does not say.
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
    fn patience_grows_with_the_load_within_bounds() {
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
