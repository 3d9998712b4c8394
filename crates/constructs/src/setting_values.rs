//! The values of the functions' settings.

use cloudformation::StringValue;
use indexmap::IndexMap;
use typed_contract::{
    environment::{Setting, SettingSpec},
    functions::FunctionSpec,
};

use crate::error::SynthError;

/// The values of settings that are declared with [`typed_contract::settings!`]. A function gets the
/// environment variables of the settings that it lists; a setting without a value fails the synthesis.
///
/// ```
/// use constructs::SettingValues;
///
/// typed_contract::settings! {
///     /// The address that customers can reply to.
///     ReplyAddress = "REPLY_ADDRESS",
///     /// Maximum number of items in an order.
///     MaxItems = "MAX_ITEMS",
/// }
///
/// let values = SettingValues::default()
///     .with::<ReplyAddress>("shop@example.com")
///     .with::<MaxItems>(20.to_string());
/// ```
///
/// A type that is not a setting has no value:
///
/// ```compile_fail,E0277
/// # use constructs::SettingValues;
/// let values = SettingValues::default().with::<String>("shop@example.com");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettingValues(IndexMap<&'static str, StringValue>);

impl SettingValues {
    /// The values and that of the setting `S`. The last value of a setting counts.
    #[must_use]
    pub fn with<S: Setting>(mut self, value: impl Into<StringValue>) -> Self {
        self.0.insert(S::SPEC.variable, value.into());
        self
    }

    pub(crate) fn value(
        &self,
        function: &FunctionSpec,
        setting: &SettingSpec,
    ) -> Result<StringValue, SynthError> {
        let value = self.0.get(setting.variable);
        value.cloned().ok_or(SynthError::NoSettingValue {
            function: function.name,
            setting: setting.variable,
        })
    }
}
