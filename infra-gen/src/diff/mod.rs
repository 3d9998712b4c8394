//! What deploying a template would change, property by property.
//!
//! | to change | look in |
//! | --- | --- |
//! | where the other template comes from | `source` |
//! | how a template is read | `document` |
//! | what a template is for certain values of its parameters | `parameters` |
//! | which ways of writing a value are the same | `canonical` |
//! | what counts as a difference | `compare`, `values` |
//! | which names a template chooses | `names` |
//! | what a resource that is replaced drags along | `follow` |
//! | which properties force a replacement | [`replacement`] |
//! | which updates a service refuses | `refusals` |
//! | what it looks like | `format` |
//!
//! Both sides are documents as AWS gets them, so where they come from is no matter to the
//! comparison.

mod canonical;
mod change;
mod compare;
mod document;
mod follow;
mod format;
mod names;
mod parameters;
mod path;
mod refusals;
pub mod replacement;
mod source;
#[cfg(test)]
mod tests;
mod values;

pub use change::{
    Cause, ChangeAction, Difference, Disposition, PropertyChange, ResourceChange, Section,
    SettingChange, Summary,
};
pub use compare::{compare, is_iam};
pub use document::{ReadError, TemplateDocument};
pub use names::{ChosenName, name_property};
pub use path::PropertyPath;
pub use refusals::Refusal;
pub use source::{Source, SourceError};
