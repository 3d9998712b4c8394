//! The scripted pipeline's input: what its stages should do. A fake, for scenarios that no plan
//! can bring about.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tempfile::{NamedTempFile, TempPath};

use crate::engine::Engine;

/// The first bytes of every input: what the jobs function takes for a PNG.
pub const MAGIC: &[u8] = b"\x89PNG\r\n\x1a\n";

/// What both stages do.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Script {
    /// What `stage_1` does.
    pub stage_1: Act,
    /// What `stage_2` does.
    pub stage_2: Act,
}

/// What one stage does.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Act {
    /// What it waits for before it does anything.
    pub wait: Wait,
    /// Reports, evenly over the stage.
    pub steps: u32,
    /// Time between two reports, in milliseconds.
    pub step_millis: u64,
    /// How the stage ends.
    pub then: Then,
    /// Size of the results' filling, in bytes.
    pub results_bytes: usize,
}

/// What a stage waits for.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub enum Wait {
    /// Nothing.
    #[default]
    Nothing,
    /// The end of a file on the machine that stage and scenario share.
    File(PathBuf),
    /// Seconds, where they share none.
    Seconds(u64),
}

/// Holds a stage back until everything is in its place: who watches, what is to fail. It is open
/// once it is dropped.
#[derive(Debug)]
pub struct Gate {
    /// Is there as long as the gate is closed, and for no run after that.
    file: TempPath,
}

impl Gate {
    /// A gate that is closed.
    pub fn closed() -> Self {
        let file = NamedTempFile::new().expect("a file");
        Self {
            file: file.into_temp_path(),
        }
    }

    /// Lets the stage begin.
    pub fn open(self) {
        self.file.close().expect("the gate opens");
    }

    fn wait(&self) -> Wait {
        match Engine::chosen() {
            Engine::Local | Engine::Ministack => Wait::File(self.file.to_path_buf()),
            Engine::Aws => Wait::Seconds(5),
        }
    }
}

/// How a stage ends.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub enum Then {
    /// With results.
    #[default]
    Finish,
    /// With an error of this code.
    Fail(String),
    /// With a panic.
    Panic,
}

impl Act {
    /// A stage that takes `steps` times `step_millis` milliseconds.
    pub fn slow(steps: u32, step_millis: u64) -> Self {
        Self {
            steps,
            step_millis,
            ..Self::default()
        }
    }

    /// The same once a gate is open.
    #[must_use]
    pub fn behind(self, gate: &Gate) -> Self {
        Self {
            wait: gate.wait(),
            ..self
        }
    }
}

impl Script {
    /// The same, but its first stage begins once a gate is open.
    #[must_use]
    pub fn behind(self, gate: &Gate) -> Self {
        Self {
            stage_1: self.stage_1.behind(gate),
            ..self
        }
    }

    /// The script as the body of `POST /v1/jobs`.
    pub fn body(&self) -> Vec<u8> {
        let mut body = MAGIC.to_vec();
        body.extend(serde_json::to_vec(self).expect("a script is JSON"));
        body
    }

    /// The script in the input of a job.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes.strip_prefix(MAGIC)?).ok()
    }
}
