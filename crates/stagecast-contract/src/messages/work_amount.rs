//! An amount of work in a unit, for progress beyond a percentage.

use serde::{Deserialize, Serialize};

/// How much of a stage's work is done, in its own unit. All fields are absent if the stage reports only a
/// percentage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WorkAmount {
    /// The amount of work that is done, in `unit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed: Option<u64>,
    /// The whole amount of work, in `unit`; absent if the stage does not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// The plural of what is counted, for display, such as `rows`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Whether the stage does not know how much work there is. Its percentage does not grow meanwhile.
    /// Absent means false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub indeterminate: bool,
}

impl WorkAmount {
    /// Whether the stage reports only a percentage.
    pub fn is_absent(&self) -> bool {
        *self == Self::default()
    }
}
