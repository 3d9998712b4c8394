//! What functions run on and log, and how many requests there may be.

use std::fmt;

use serde::Serialize;

/// What the functions log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum LogLevel {
    /// Also what only its author wants to know.
    Debug,
    /// What happened.
    Info,
    /// What should not have happened.
    Warn,
    /// What went wrong.
    Error,
}

impl fmt::Display for LogLevel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        })
    }
}

/// What functions run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Architecture {
    /// Graviton.
    #[serde(rename = "arm64")]
    Arm64,
    /// Intel and AMD.
    #[serde(rename = "x86_64")]
    X86_64,
}

/// How many requests an API takes before it answers with 429.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttling {
    /// Requests a second, in the long run.
    pub requests_per_second: u32,
    /// Requests at once.
    pub burst: u32,
}
