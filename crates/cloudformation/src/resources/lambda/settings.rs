//! Settings of a function: runtime, processor, environment variables, logs and tracing.

use std::{borrow::Cow, fmt, str::FromStr};

use indexmap::IndexMap;
use serde::Serialize;

use crate::StringValue;

/// A runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Runtime {
    /// An executable on Amazon Linux 2023.
    #[serde(rename = "provided.al2023")]
    ProvidedAl2023,
}

/// The processor that a function runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Architecture {
    /// 64-bit ARM, AWS Graviton.
    #[serde(rename = "arm64")]
    Arm64,
    /// 64-bit x86, Intel and AMD.
    #[serde(rename = "x86_64")]
    X86_64,
}

impl Architecture {
    /// Every architecture.
    pub const ALL: [Self; 2] = [Self::Arm64, Self::X86_64];

    /// The architecture's name in a template: `arm64` or `x86_64`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::X86_64 => "x86_64",
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Lambda does not have this architecture.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("Lambda does not run on '{0}'; use arm64 or x86_64")]
pub struct UnknownArchitecture(pub String);

impl FromStr for Architecture {
    type Err = UnknownArchitecture;

    fn from_str(name: &str) -> Result<Self, UnknownArchitecture> {
        Self::ALL
            .into_iter()
            .find(|architecture| architecture.name() == name)
            .ok_or_else(|| UnknownArchitecture(name.to_owned()))
    }
}

/// The environment variables of a function, 4 KiB together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Variables {
    /// Values by name.
    pub variables: IndexMap<Cow<'static, str>, StringValue>,
}

/// The log group, format and level of a function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct LoggingConfig {
    /// The name of the log group.
    pub log_group: StringValue,
    /// The format of log records.
    pub log_format: LogFormat,
    /// The lowest level of application log records that Lambda sends to CloudWatch.
    pub application_log_level: LogLevel,
}

/// The format of log records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum LogFormat {
    /// One JSON object per record.
    #[serde(rename = "JSON")]
    Json,
}

/// The level of an application log record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum LogLevel {
    /// Details for debugging.
    Debug,
    /// Normal operation.
    Info,
    /// A problem that the function has handled.
    Warn,
    /// A failure.
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

/// Tracing of a function with X-Ray.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TracingConfig {
    /// Which invocations are traced.
    pub mode: Tracing,
}

/// Which invocations are traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Tracing {
    /// Those that X-Ray samples.
    Active,
}
