#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod canonical;
mod change;
mod compare;
mod document;
mod follow;
mod format;
mod meaning;
mod names;
mod parameters;
mod path;
mod refusals;
mod registry;
mod replace;
pub mod replacement;
mod source;
#[cfg(test)]
mod tests;
mod values;

pub use change::{
    Cause, ChangeAction, Difference, Disposition, PropertyChange, Refusal, ResourceChange, Section,
    SettingChange, Summary,
};
pub use compare::{compare, compare_with, is_iam};
pub use document::{ReadError, TemplateDocument};
pub use names::{ChosenName, name_property};
pub use path::PropertyPath;
pub use source::{Source, SourceError};
