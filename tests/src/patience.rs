//! How long to wait for what is sure to come.

use std::{env, sync::OnceLock, time::Duration};

/// Seconds of patience, in place of three minutes: where a scenario is meant to fail, waiting longer
/// than a success takes is of no use.
const SECONDS: &str = "STAGECAST_PATIENCE";

/// How long something may take that is sure to come, after the end of a lease and of what hides a
/// ticket. A test that waits this long has failed: no outcome depends on it.
pub(crate) fn patience() -> Duration {
    static PATIENCE: OnceLock<Duration> = OnceLock::new();
    *PATIENCE.get_or_init(|| {
        let seconds = env::var(SECONDS).map_or(Ok(180), |seconds| seconds.parse());
        Duration::from_secs(seconds.unwrap_or_else(|error| panic!("{SECONDS}: {error}")))
    })
}
