//! Evaluates conditions.

use serde_json::Value;

use super::{
    error::TemplateError,
    intrinsics::{MAX_REFERENCE_DEPTH, Scope, scalar},
};

impl Scope<'_> {
    pub(super) fn named_condition(&self, name: &str, depth: usize) -> Result<bool, TemplateError> {
        let condition = self.document.conditions.get(name);
        let condition = condition.ok_or_else(|| TemplateError::UnknownName {
            name: name.to_owned(),
        })?;
        self.holds(condition, depth + 1)
    }

    fn holds(&self, condition: &Value, depth: usize) -> Result<bool, TemplateError> {
        let malformed = || TemplateError::Malformed {
            function: "Conditions".to_owned(),
            argument: condition.to_string(),
        };
        if depth > MAX_REFERENCE_DEPTH {
            return Err(TemplateError::CircularReference {
                value: condition.to_string(),
            });
        }
        let fields = condition.as_object().ok_or_else(malformed)?;
        let (name, argument) = fields.iter().next().ok_or_else(malformed)?;
        let operands = argument.as_array().map_or(&[][..], Vec::as_slice);
        match (name.as_str(), operands) {
            ("Condition", _) => {
                self.named_condition(argument.as_str().ok_or_else(malformed)?, depth)
            }
            ("Fn::Equals", [left, right]) => {
                let (left, right) = (self.value(left, depth)?, self.value(right, depth)?);
                Ok(left.as_ref().and_then(scalar) == right.as_ref().and_then(scalar))
            }
            ("Fn::Not", [operand]) => Ok(!self.holds(operand, depth + 1)?),
            ("Fn::And", operands) => operands.iter().try_fold(true, |all, operand| {
                Ok(all && self.holds(operand, depth + 1)?)
            }),
            ("Fn::Or", operands) => operands.iter().try_fold(false, |any, operand| {
                Ok(any || self.holds(operand, depth + 1)?)
            }),
            _ => Err(malformed()),
        }
    }
}
