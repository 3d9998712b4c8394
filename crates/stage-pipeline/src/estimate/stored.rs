//! The stored form of an estimate: lists of numbers with seven digits, because each byte of an item costs.

use serde::{Deserialize, Deserializer, Serializer};

/// A number with seven digits.
#[expect(
    clippy::cast_possible_truncation,
    reason = "fewer digits are the purpose"
)]
pub(super) const fn rounded(value: f64) -> f32 {
    value as f32
}

/// For `serialize_with`.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f32(rounded(*value))
}

/// For `deserialize_with`.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    f64::deserialize(deserializer)
}

/// Declares the stored form of a struct of numbers: the list of its fields in this order. A position keeps
/// its meaning for ever; new fields are appended. A missing position has its default.
macro_rules! stored_as_list {
    ($type:ident { $($field:ident),* $(,)? }) => {
        impl From<$type> for Vec<f32> {
            fn from(value: $type) -> Self {
                let mut list = vec![$($crate::estimate::stored::rounded(f64::from(value.$field))),*];
                while list.last() == Some(&0.0) {
                    list.pop();
                }
                list
            }
        }

        impl From<Vec<f64>> for $type {
            fn from(list: Vec<f64>) -> Self {
                let mut numbers = list.into_iter();
                let mut value = Self::default();
                $(
                    if let Some(number) = numbers.next() {
                        $crate::estimate::stored::assign(&mut value.$field, number);
                    }
                )*
                value
            }
        }
    };
}
pub(super) use stored_as_list;

/// A field of a stored list.
pub(super) trait Number {
    /// The field with this value.
    fn of(number: f64) -> Self;
}

impl Number for f64 {
    fn of(number: f64) -> Self {
        number
    }
}

impl Number for u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates"
    )]
    fn of(number: f64) -> Self {
        number as Self
    }
}

pub(super) fn assign<N: Number>(field: &mut N, number: f64) {
    *field = N::of(number);
}
