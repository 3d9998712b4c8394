//! The names in a template, one type per namespace, and the paths that logical ids are made from.

use std::fmt;

use serde::Serialize;

/// Where a resource is in a tree of constructs: `WebSocketApi/$default/Route`.
///
/// ```
/// use cloudformation::ConstructPath;
///
/// let path = ConstructPath::root("web_socket_api").child("$default").child("Route");
/// assert_eq!(path.logical_id().as_str(), "WebSocketApiDollarDefaultRoute");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConstructPath(Vec<String>);

impl ConstructPath {
    /// The path of a construct at the top level.
    pub fn root(name: &str) -> Self {
        Self(vec![name.to_owned()])
    }

    /// The path of a resource or construct within this construct.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        let mut segments = self.0.clone();
        segments.push(name.to_owned());
        Self(segments)
    }

    /// The logical id of the resource at this path: the segments in Pascal case, joined.
    pub fn logical_id(&self) -> LogicalId {
        LogicalId(self.0.iter().map(|segment| pascal_case(segment)).collect())
    }
}

impl fmt::Display for ConstructPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join("/"))
    }
}

/// The text in Pascal case. CloudFormation's names have only letters and digits. `$` becomes `Dollar`, so
/// that the route keys `$default` and `default` have different names.
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
                /// The name as the template has it.
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
    /// The name of a resource in its template. Made from a [`ConstructPath`].
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
                /// The name in Pascal case, made from any text: `name_suffix` becomes `NameSuffix`.
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
    fn logical_id_has_only_letters_and_digits() {
        let path = ConstructPath::root("http_api").child("GET /v1/jobs/{job_id}");
        assert_eq!(path.logical_id().as_str(), "HttpApiGETV1JobsJobId");
    }

    #[test]
    fn dollar_in_a_route_key_makes_a_different_id() {
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
