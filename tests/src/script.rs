//! Scripts, the input of the scripted pipeline. A script sets the behaviour of each stage, for
//! scenarios that no floor plan can produce.

use std::{fmt::Write as _, path::PathBuf};

use serde::{Deserialize, Serialize};
use stagecast_contract::{
    input::{InputRules, MediaType, any_parameters},
    limits::MAX_UPLOAD_BYTES,
};
use stagecast_scenarios::Engine;
use tempfile::{NamedTempFile, TempPath};

/// The input rules of the scripted pipeline, in place of [`contract::INPUT`].
pub static INPUT: InputRules = InputRules {
    name: "script",
    media_types: &[MediaType {
        name: MEDIA_TYPE,
        label: "JSON",
        extensions: &[".json"],
        signature: b"",
    }],
    max_bytes: MAX_UPLOAD_BYTES,
    check: is_script,
    check_parameters: any_parameters,
    example: "",
};

/// The media type of scripts.
pub const MEDIA_TYPE: &str = "application/json";

fn is_script(_: &'static MediaType, bytes: &[u8]) -> Result<(), String> {
    let script: Result<Script, _> = serde_json::from_slice(bytes);
    match script {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("the body is not a script: {error}")),
    }
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

/// The name of the artifact that a stage attaches.
pub const ARTIFACT: &str = "numbers.bin";

/// The media type of the artifact that a stage attaches.
pub const ARTIFACT_TYPE: &str = "application/x-numbers";

/// The content of an artifact of `size` bytes.
pub fn artifact_content(size: usize) -> Vec<u8> {
    // The period divides no size of a part, so that parts in another order are another content.
    let period: Vec<u8> = (0..251).collect();
    let mut content = period.repeat(size.div_ceil(period.len()));
    content.truncate(size);
    content
}

/// The behaviour of both stages.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Script {
    /// The first stage, `stage_1`.
    pub stage_1: StageScript,
    /// The second stage, `stage_2`.
    pub stage_2: StageScript,
}

/// The behaviour of a stage.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StageScript {
    /// What the stage waits for before it starts.
    pub wait: Wait,
    /// Whether the stage blocks its thread instead of awaiting, without checks for cancellation. It then
    /// reports 50 % before it waits.
    pub blocking: bool,
    /// The number of progress reports, in even steps.
    pub steps: u32,
    /// The time between two reports, in milliseconds.
    pub step_millis: u64,
    /// Whether the stage offers a checkpoint after each step.
    pub checkpoints: bool,
    /// The end of the stage.
    pub then: StageResult,
    /// Whether the stage reads the whole input as a stream. Its results then have an `input` with the
    /// `sha256`, the size in `bytes` and the peak memory of the process in `peak_kib`.
    pub hash_input: bool,
    /// The size of the padding in the results, in bytes.
    pub results_bytes: usize,
    /// The size of the artifact that the stage attaches from a file, in bytes: see [`artifact_content`]. None
    /// for 0.
    pub artifact_bytes: usize,
}

/// What a stage waits for.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub enum Wait {
    /// Nothing.
    #[default]
    Nothing,
    /// The deletion of a file, where stage and scenario run on one machine.
    File(PathBuf),
    /// A number of seconds, where they do not.
    Seconds(u64),
}

/// Holds a stage until the scenario is set up: subscribers, faults. Dropping the gate opens it.
#[derive(Debug)]
pub struct Gate {
    /// Exists while the gate is closed.
    file: TempPath,
}

impl Gate {
    /// A closed gate.
    pub fn closed() -> Self {
        let file = NamedTempFile::new().expect("a file");
        Self {
            file: file.into_temp_path(),
        }
    }

    /// Lets the stage start.
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

/// The end of a stage.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub enum StageResult {
    /// The stage returns results.
    #[default]
    Finish,
    /// The stage fails with this error code.
    Fail(String),
    /// The stage panics.
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

    /// A stage that blocks its thread until `gate` opens.
    pub fn blocking_until(gate: &Gate) -> Self {
        Self {
            blocking: true,
            ..Self::default()
        }
        .behind(gate)
    }

    /// The same stage, waiting for `gate`.
    #[must_use]
    pub fn behind(self, gate: &Gate) -> Self {
        Self {
            wait: gate.wait(),
            ..self
        }
    }
}

impl Script {
    /// The same script, with a first stage that waits for `gate`.
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

    /// Reads a script from the beginning of the input of a job. Zeros may follow it.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == 0);
        serde_json::from_slice(&bytes[..end.unwrap_or(bytes.len())]).ok()
    }
}
