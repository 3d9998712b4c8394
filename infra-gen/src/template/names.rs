//! The namespaces of a template, one type each, and the paths that logical ids are made from.

use std::fmt;

use serde::Serialize;

/// Where a resource stands among the constructs: `WebSocketApi/$default/Route`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConstructPath(Vec<String>);

impl ConstructPath {
    /// The path of a construct that is in no other.
    pub fn root(name: &str) -> Self {
        Self(vec![name.to_owned()])
    }

    /// The path of something inside this construct.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        let mut segments = self.0.clone();
        segments.push(name.to_owned());
        Self(segments)
    }

    /// The logical id of the resource that stands here: the segments in Pascal case, in a row.
    pub fn logical_id(&self) -> LogicalId {
        LogicalId(self.0.iter().map(|segment| pascal_case(segment)).collect())
    }
}

impl fmt::Display for ConstructPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join("/"))
    }
}

/// The text as CloudFormation takes it in names: letters and digits only. A `$` is spelled out,
/// so that `$default` and `default`, which are two route keys, are two names.
fn pascal_case(text: &str) -> String {
    text.replace('$', "dollar_")
        .split(|character: char| !character.is_ascii_alphanumeric())
        .flat_map(|word| {
            let (first, rest) = word.split_at(word.len().min(1));
            [first.to_ascii_uppercase(), rest.to_owned()]
        })
        .collect()
}

macro_rules! names {
    ($($(#[$documentation:meta])* $name:ident,)*) => {
        $(
            $(#[$documentation])*
            #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
            #[serde(transparent)]
            pub struct $name(String);

            impl $name {
                /// The name as it stands in the template.
                pub fn as_str(&self) -> &str {
                    &self.0
                }
            }

            impl fmt::Display for $name {
                fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                    formatter.write_str(&self.0)
                }
            }
        )*
    };
}

names! {
    /// The name of a resource within its template. Made from a [`ConstructPath`].
    LogicalId,
    /// The name of a parameter.
    ParameterName,
    /// The name of a condition.
    ConditionName,
    /// The name of an output.
    OutputName,
}

macro_rules! names_from_text {
    ($($name:ident),*) => {
        $(
            impl $name {
                /// The name made from this text, in Pascal case.
                pub fn new(text: &str) -> Self {
                    Self(pascal_case(text))
                }
            }
        )*
    };
}

names_from_text!(ParameterName, ConditionName, OutputName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logical_ids_hold_letters_and_digits_only() {
        let path = ConstructPath::root("http_api").child("GET /v1/jobs/{job_id}");
        assert_eq!(path.logical_id().as_str(), "HttpApiGETV1JobsJobId");
    }

    #[test]
    fn a_route_key_with_a_dollar_and_one_without_have_different_ids() {
        let api = ConstructPath::root("WebSocketApi");
        assert_eq!(
            api.child("$default").logical_id().as_str(),
            "WebSocketApiDollarDefault"
        );
        assert_eq!(
            api.child("default").logical_id().as_str(),
            "WebSocketApiDefault"
        );
    }
}
