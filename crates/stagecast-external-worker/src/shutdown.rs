//! The end of a worker: it claims no more, its jobs have a grace period, and what is left is handed back.

use std::time::Duration;

use stage_pipeline::CancellationToken;

/// Ends a worker. Clones are the same.
#[derive(Clone, Debug)]
pub struct Shutdown {
    requested: CancellationToken,
    over: CancellationToken,
    grace: Duration,
}

impl Shutdown {
    /// Gives running jobs this time to end or to reach a checkpoint.
    pub fn with_grace(grace: Duration) -> Self {
        Self {
            requested: CancellationToken::new(),
            over: CancellationToken::new(),
            grace,
        }
    }

    /// Asks the worker to stop. A second call ends the grace period. Needs a tokio runtime.
    pub fn request(&self) {
        if self.is_requested() {
            self.over.cancel();
            return;
        }
        self.requested.cancel();
        let (over, grace) = (self.over.clone(), self.grace);
        tokio::spawn(async move {
            tokio::time::sleep(grace).await;
            over.cancel();
        });
    }

    /// Whether the worker was asked to stop.
    pub fn is_requested(&self) -> bool {
        self.requested.is_cancelled()
    }

    /// Waits until the worker is asked to stop.
    pub async fn requested(&self) {
        self.requested.cancelled().await;
    }

    /// Waits until the grace period is over.
    pub async fn grace_over(&self) {
        self.over.cancelled().await;
    }

    /// Requests the shutdown at SIGTERM and at Ctrl-C; it never returns. Needs a tokio runtime with signals.
    pub async fn on_signals(self) {
        loop {
            next_signal().await;
            tracing::info!("asked to stop: no further job is claimed");
            self.request();
        }
    }
}

#[cfg(unix)]
async fn next_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = terminate.recv() => {}
                result = tokio::signal::ctrl_c() => wait_if_failed(result).await,
            }
        }
        Err(error) => wait_if_failed(Err(error)).await,
    }
}

#[cfg(not(unix))]
async fn next_signal() {
    wait_if_failed(tokio::signal::ctrl_c().await).await;
}

/// Without a handler, the signal ends the process.
async fn wait_if_failed(result: std::io::Result<()>) {
    if let Err(error) = result {
        tracing::warn!(%error, "signals cannot be handled; a signal ends the process without a release");
        std::future::pending::<()>().await;
    }
}
