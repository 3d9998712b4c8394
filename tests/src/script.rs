//! The scripted pipeline's input: what its stages should do. A fake, for scenarios that no plan
//! can bring about.

use std::path::PathBuf;

use contract::{
    input::{InputRules, MediaType},
    limits::MAX_INPUT_BYTES,
};
use serde::{Deserialize, Serialize};
use tempfile::{NamedTempFile, TempPath};

use crate::engine::Engine;

/// What the jobs of the scripted pipeline are made from, in place of [`contract::input::INPUT`].
pub static INPUT: InputRules = InputRules {
    name: "script",
    media_types: &[MediaType {
        name: MEDIA_TYPE,
        label: "JSON",
        extensions: &[".json"],
        signature: b"",
    }],
    max_bytes: MAX_INPUT_BYTES,
    check: is_script,
    example: "",
};

/// The media type of scripts.
pub const MEDIA_TYPE: &str = "application/json";

fn is_script(_: &'static MediaType, bytes: &[u8]) -> Result<(), String> {
    let script: Result<Script, _> = serde_json::from_slice(bytes);
    match script {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("the body is no script: {error}")),
    }
}

/// What both stages do.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Script {
    /// What `stage_1` does.
    pub stage_1: StageScript,
    /// What `stage_2` does.
    pub stage_2: StageScript,
}

/// What one stage does.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StageScript {
    /// What it waits for before it does anything.
    pub wait: Wait,
    /// Whether it blocks its thread instead of awaiting, and never checks for cancellation. It
    /// reports 50 % before it waits.
    pub blocking: bool,
    /// Reports, evenly over the stage.
    pub steps: u32,
    /// Time between two reports, in milliseconds.
    pub step_millis: u64,
    /// How the stage ends.
    pub then: StageResult,
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
pub enum StageResult {
    /// With results.
    #[default]
    Finish,
    /// With an error of this code.
    Fail(String),
    /// With a panic.
    Panic,
}

impl StageScript {
    /// A stage that takes `steps` times `step_millis` milliseconds.
    pub fn slow(steps: u32, step_millis: u64) -> Self {
        Self {
            steps,
            step_millis,
            ..Self::default()
        }
    }

    /// A stage that blocks its thread until a gate is open.
    pub fn blocking_until(gate: &Gate) -> Self {
        Self {
            blocking: true,
            ..Self::default()
        }
        .behind(gate)
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
        serde_json::to_vec(self).expect("a script is JSON")
    }

    /// The script in the input of a job.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}
