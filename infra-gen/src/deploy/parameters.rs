//! The values of the stack's parameters.

use contract::functions;
use indexmap::IndexMap;

use super::{ArtifactBucket, Package};
use crate::{
    constructs::NAME_SUFFIX,
    diff::TemplateDocument,
    resources::lambda::Code,
    template::{ParameterName, Template},
};

/// Why a parameter has no value.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParameterError {
    /// The template has no such parameter.
    #[error("the template has no parameter '{name}'; it has {known}")]
    Unknown {
        /// What was given.
        name: String,
        /// What there is.
        known: String,
    },
    /// Nobody has given it.
    #[error("the parameter '{0}' has no value\n  what to do: give one with --parameter {0}=VALUE")]
    Missing(String),
}

/// The values of the stack's parameters, by name.
pub type Values = IndexMap<String, String>;

/// What the values of parameters come from.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// What was said on the command line.
    pub given: &'a Values,
    /// What is filled in: where the packages are.
    pub filled: &'a Values,
    /// What is deployed: the values, and the template with its defaults.
    pub deployed: Option<(&'a Values, &'a TemplateDocument)>,
}

/// The parameters that say where the functions' packages are.
pub fn of_packages(bucket: &ArtifactBucket, packages: &[Package]) -> Values {
    let mut values = Values::new();
    for package in packages {
        let Code {
            s3_bucket, s3_key, ..
        } = Code::of(package.function);
        values.insert(s3_bucket.as_str().to_owned(), bucket.name.clone());
        values.insert(s3_key.as_str().to_owned(), package.key());
    }
    values
}

/// The same for packages that nobody has made: those that are deployed stay, and a stack that was
/// deployed by other means, with its packages in other places, has a place that is not known.
pub fn of_unknown_packages(deployed: &Values) -> Values {
    let mut values = Values::new();
    for spec in functions::ALL {
        let Code {
            s3_bucket, s3_key, ..
        } = Code::of(spec.name);
        for name in [s3_bucket, s3_key] {
            let value = deployed
                .get(name.as_str())
                .map_or("unknown", String::as_str);
            values.insert(name.as_str().to_owned(), value.to_owned());
        }
    }
    values
}

/// The value of every parameter of the template.
///
/// A value that was given once stays until another is given. A parameter that was never given follows
/// the code's default, except for the suffix of names: another one replaces every table and queue, so
/// a stack keeps the suffix that it was made with.
pub fn values(template: &Template, sources: Sources<'_>) -> Result<Values, ParameterError> {
    let known = || template.parameters().keys().map(ParameterName::as_str);
    if let Some(name) = sources
        .given
        .keys()
        .find(|name| !known().any(|it| it == *name))
    {
        return Err(ParameterError::Unknown {
            name: name.clone(),
            known: known().collect::<Vec<_>>().join(", "),
        });
    }
    let mut values = Values::new();
    for (name, parameter) in template.parameters() {
        let name = name.as_str();
        let stays = || {
            let (deployed, document) = sources.deployed?;
            let value = deployed.get(name)?;
            let was_given = document.default_of(name) != Some(value);
            (was_given || name == NAME_SUFFIX).then_some(value)
        };
        let value = sources
            .given
            .get(name)
            .or_else(|| sources.filled.get(name))
            .or_else(stays)
            .or(parameter.default.as_ref())
            .ok_or_else(|| ParameterError::Missing(name.to_owned()))?;
        values.insert(name.to_owned(), value.clone());
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{environments::Environment, stack};

    fn template() -> Template {
        stack::synthesize(&Environment::prod()).expect("a template")
    }

    fn code() -> Values {
        let template = template();
        let without_default = template
            .parameters()
            .iter()
            .filter(|it| it.1.default.is_none());
        without_default
            .map(|(name, _)| (name.as_str().to_owned(), format!("new {name}")))
            .collect()
    }

    fn deployed(suffix: &str, default: &str) -> (Values, TemplateDocument) {
        let values = Values::from([
            ("NameSuffix".to_owned(), suffix.to_owned()),
            ("JobsCodeKey".to_owned(), "old".to_owned()),
        ]);
        let document = TemplateDocument::from_json(json!({
            "Parameters": { "NameSuffix": { "Default": default } },
            "Resources": {},
        }));
        (values, document.expect("a template"))
    }

    fn suffix(given: &[(&str, &str)], deployed: Option<&(Values, TemplateDocument)>) -> String {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let sources = Sources {
            given: &given.iter().map(own).collect(),
            filled: &code(),
            deployed: deployed.map(|(values, document)| (values, document)),
        };
        let values = values(&template(), sources).expect("values");
        assert_eq!(values["JobsCodeKey"], "new JobsCodeKey");
        values["NameSuffix"].clone()
    }

    #[test]
    fn what_was_given_once_stays_until_something_else_is_given() {
        let staging = deployed("-staging", "");
        assert_eq!(suffix(&[], Some(&staging)), "-staging");
        assert_eq!(
            suffix(&[("NameSuffix", "-other")], Some(&staging)),
            "-other"
        );
        assert_eq!(suffix(&[("NameSuffix", "")], Some(&staging)), "");
    }

    #[test]
    fn parameter_that_was_never_given_follows_the_default_of_the_code() {
        assert_eq!(suffix(&[], None), "-prod");
        let topic = |value: &str, default: &str| {
            let deployed = Values::from([("AlarmTopicArn".to_owned(), value.to_owned())]);
            let document = TemplateDocument::from_json(json!({
                "Parameters": { "AlarmTopicArn": { "Default": default } },
                "Resources": {},
            }))
            .expect("a template");
            let sources = Sources {
                given: &Values::new(),
                filled: &code(),
                deployed: Some((&deployed, &document)),
            };
            values(&template(), sources).expect("values")["AlarmTopicArn"].clone()
        };
        assert_eq!(topic("arn:old", "arn:old"), "");
        assert_eq!(topic("arn:given", "arn:old"), "arn:given");
    }

    /// Stacks of `prod` were once deployed without a suffix, which was the default then.
    #[test]
    fn stack_keeps_the_suffix_it_was_made_with_when_the_default_changes() {
        assert_eq!(suffix(&[], Some(&deployed("", ""))), "");
        assert_eq!(suffix(&[], Some(&deployed("-old", "-old"))), "-old");
        assert_eq!(
            suffix(&[("NameSuffix", "-new")], Some(&deployed("", ""))),
            "-new"
        );
    }

    #[test]
    fn a_parameter_that_there_is_none_of_is_answered_with_those_there_are() {
        let given = Values::from([("Suffix".to_owned(), "-a".to_owned())]);
        let sources = Sources {
            given: &given,
            filled: &code(),
            deployed: None,
        };
        let error = values(&template(), sources)
            .expect_err("unknown")
            .to_string();
        assert!(
            error.contains("no parameter 'Suffix'; it has NameSuffix, "),
            "{error}"
        );
    }

    #[test]
    fn a_parameter_without_a_value_is_named() {
        let nothing = Values::new();
        let sources = Sources {
            given: &nothing,
            filled: &nothing,
            deployed: None,
        };
        let error = values(&template(), sources)
            .expect_err("missing")
            .to_string();
        assert!(
            error.contains("--parameter ArtifactBucket=VALUE"),
            "{error}"
        );
    }
}
