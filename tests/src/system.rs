//! The floor plans' system, with the reference pipeline or the scripted one.

use std::{ops::Deref, path::PathBuf};

use local_aws::Options;
use stagecast_scenarios::{
    Client, Engine, Job, System as ProductSystem, engine::OUTPUTS, worker::Worker,
};
use tempfile::TempDir;

use crate::{
    executables,
    script::{self, Gate, Script},
};

/// Names the variable with the path of the outputs of a deployed stack whose pipeline function is the
/// scripted pipeline.
const SCRIPTED_OUTPUTS: &str = "STAGECAST_SCRIPTED_OUTPUTS";

/// A running system, with what scenarios of scripts need.
#[derive(Debug)]
pub struct System {
    system: ProductSystem,
    // Deleted after the stack has stopped.
    _executables: Option<TempDir>,
}

impl Deref for System {
    type Target = ProductSystem;

    fn deref(&self) -> &ProductSystem {
        &self.system
    }
}

impl System {
    /// The system as it is deployed.
    pub async fn start() -> Self {
        match Engine::chosen() {
            Engine::Local => Self::start_with(|_| ()).await,
            Engine::Aws | Engine::Ministack => Self::deployed(OUTPUTS).await,
        }
    }

    /// The system as it is deployed, on a local stack with options.
    pub async fn start_with(adjust: impl FnOnce(&mut Options)) -> Self {
        Self::local_with(executables::all(), None, adjust).await
    }

    /// The system with the scripted pipeline in the place of the reference pipeline.
    pub async fn scripted() -> Self {
        match Engine::chosen() {
            Engine::Local => Self::scripted_with(|_| ()).await,
            Engine::Aws | Engine::Ministack => Self::deployed(SCRIPTED_OUTPUTS).await,
        }
    }

    /// [`Self::scripted`], on a local stack with options.
    pub async fn scripted_with(adjust: impl FnOnce(&mut Options)) -> Self {
        let executables = executables::scripted();
        Self::local_with(executables.path().to_owned(), Some(executables), adjust).await
    }

    /// [`Self::scripted`], on a local stack with one pipeline process, which has one processor.
    pub async fn scripted_on_one_core() -> Self {
        let executables = executables::scripted_on_one_core();
        let folder = executables.path().to_owned();
        Self::local_with(folder, Some(executables), |options| options.concurrency = 1).await
    }

    /// [`Self::scripted`], with jobs that stay queued.
    pub async fn with_held_jobs() -> Self {
        let system = Self::scripted().await;
        system.hold_jobs();
        system
    }

    async fn local_with(
        folder: PathBuf,
        executables: Option<TempDir>,
        adjust: impl FnOnce(&mut Options),
    ) -> Self {
        Self {
            system: ProductSystem::local_with(infra_gen::project(), folder, adjust).await,
            _executables: executables,
        }
    }

    async fn deployed(variable: &str) -> Self {
        Self {
            system: ProductSystem::deployed(infra_gen::project(), variable).await,
            _executables: None,
        }
    }

    /// Creates a job with a script.
    pub async fn create_scripted(&self, script: &Script) -> Job {
        self.create(script::MEDIA_TYPE, script.body()).await
    }

    /// Creates a job with a script, and a client that subscribes before the first stage starts.
    pub async fn create_and_watch(&self, script: Script) -> (Job, Client) {
        let gate = Gate::closed();
        let job = self.create_scripted(&script.behind(&gate)).await;
        let client = self.watch(&job).await;
        gate.open();
        (job, client)
    }

    /// Creates a job for an external worker from a text.
    pub async fn create_external(&self, body: impl Into<Vec<u8>>) -> (Job, Worker) {
        self.system.create_external("text/plain", body).await
    }

    /// Waits until `condition` is true. Fails the test at the timeout.
    pub async fn eventually(&self, what: &str, condition: impl AsyncFn(&Self) -> bool) {
        let condition = async |_: &ProductSystem| condition(self).await;
        self.system.eventually(what, condition).await;
    }

    /// Ends a scenario whose clients have disconnected, as [`ProductSystem::finish`] does.
    pub async fn finish(self) {
        self.system.finish().await;
    }
}
