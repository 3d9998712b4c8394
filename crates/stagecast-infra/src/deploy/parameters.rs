//! Resolves the values of the stack's parameters.

use constructs::NAME_SUFFIX;
use indexmap::IndexMap;
use stagecast_contract::product::Product;

use super::{ArtifactBucket, Package};
use crate::{
    diff::TemplateDocument,
    resources::lambda::Code,
    template::{ParameterName, Template},
};

/// Why a parameter has no value.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParameterError {
    /// The template does not declare the parameter.
    #[error("the template has no parameter '{name}'\n  help: use one of {known}")]
    Unknown {
        /// The name on the command line.
        name: String,
        /// The names that the template declares.
        known: String,
    },
    /// No source has a value.
    #[error("the parameter '{0}' has no value\n  help: give one with --parameter {0}=VALUE")]
    Missing(String),
}

/// The values of the stack's parameters, by name.
pub type ParameterValues = IndexMap<String, String>;

/// The sources of values, the first one with a value counts.
#[derive(Clone, Copy, Debug)]
pub struct ParameterSources<'a> {
    /// The command line.
    pub given: &'a ParameterValues,
    /// The locations of the functions' packages.
    pub packages: &'a ParameterValues,
    /// The deployed stack: its values, and its template with the defaults.
    pub deployed: Option<(&'a ParameterValues, &'a TemplateDocument)>,
}

/// The parameters with the locations of packages.
pub fn package_parameters(bucket: &ArtifactBucket, packages: &[Package]) -> ParameterValues {
    let mut values = ParameterValues::new();
    for package in packages {
        let Code {
            s3_bucket, s3_key, ..
        } = Code::of(package.function);
        values.insert(s3_bucket.as_str().to_owned(), bucket.name.clone());
        values.insert(s3_key.as_str().to_owned(), package.key());
    }
    values
}

/// The parameters with the locations of the deployed packages, for comparisons without packages. They
/// are `unknown` in a stack that was deployed without these parameters, such as with the SAM CLI.
pub fn deployed_package_parameters(
    product: &Product,
    deployed: &ParameterValues,
) -> ParameterValues {
    let mut values = ParameterValues::new();
    for spec in product.all_functions() {
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

/// Resolves the value of every parameter of the template.
///
/// A stack keeps a value that was given once, until another one is given. A parameter that was never
/// given follows the template's default. The exception is the name suffix: a change of it replaces
/// every table and queue, so a stack keeps the suffix that it was created with.
pub fn resolve_parameters(
    template: &Template,
    sources: ParameterSources<'_>,
) -> Result<ParameterValues, ParameterError> {
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
    let mut values = ParameterValues::new();
    for (name, parameter) in template.parameters() {
        let name = name.as_str();
        let kept = || {
            let (deployed, document) = sources.deployed?;
            let value = deployed.get(name)?;
            let was_given = document.default_of(name) != Some(value);
            (was_given || name == NAME_SUFFIX).then_some(value)
        };
        let value = sources
            .given
            .get(name)
            .or_else(|| sources.packages.get(name))
            .or_else(kept)
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
        stack::synthesize(crate::test_product::project(), &Environment::prod()).expect("a template")
    }

    fn code() -> ParameterValues {
        let template = template();
        let without_default = template
            .parameters()
            .iter()
            .filter(|it| it.1.default.is_none());
        without_default
            .map(|(name, _)| (name.as_str().to_owned(), format!("new {name}")))
            .collect()
    }

    fn deployed(suffix: &str, default: &str) -> (ParameterValues, TemplateDocument) {
        let values = ParameterValues::from([
            ("NameSuffix".to_owned(), suffix.to_owned()),
            ("JobsCodeKey".to_owned(), "old".to_owned()),
        ]);
        let document = TemplateDocument::from_json(json!({
            "Parameters": { "NameSuffix": { "Default": default } },
            "Resources": {},
        }));
        (values, document.expect("a template"))
    }

    fn suffix(
        given: &[(&str, &str)],
        deployed: Option<&(ParameterValues, TemplateDocument)>,
    ) -> String {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let sources = ParameterSources {
            given: &given.iter().map(own).collect(),
            packages: &code(),
            deployed: deployed.map(|(values, document)| (values, document)),
        };
        let values = resolve_parameters(&template(), sources).expect("values");
        assert_eq!(values["JobsCodeKey"], "new JobsCodeKey");
        values["NameSuffix"].clone()
    }

    #[test]
    fn given_value_stays_until_another_is_given() {
        let staging = deployed("-staging", "");
        assert_eq!(suffix(&[], Some(&staging)), "-staging");
        assert_eq!(
            suffix(&[("NameSuffix", "-other")], Some(&staging)),
            "-other"
        );
        assert_eq!(suffix(&[("NameSuffix", "")], Some(&staging)), "");
    }

    #[test]
    fn parameter_never_given_follows_the_templates_default() {
        assert_eq!(suffix(&[], None), "-prod");
        let topic = |value: &str, default: &str| {
            let deployed = ParameterValues::from([("AlarmTopicArn".to_owned(), value.to_owned())]);
            let document = TemplateDocument::from_json(json!({
                "Parameters": { "AlarmTopicArn": { "Default": default } },
                "Resources": {},
            }))
            .expect("a template");
            let sources = ParameterSources {
                given: &ParameterValues::new(),
                packages: &code(),
                deployed: Some((&deployed, &document)),
            };
            resolve_parameters(&template(), sources).expect("values")["AlarmTopicArn"].clone()
        };
        assert_eq!(topic("arn:old", "arn:old"), "");
        assert_eq!(topic("arn:given", "arn:old"), "arn:given");
    }

    /// Early stacks of `prod` have no suffix, which was the default then.
    #[test]
    fn stack_keeps_its_suffix_when_the_default_changes() {
        assert_eq!(suffix(&[], Some(&deployed("", ""))), "");
        assert_eq!(suffix(&[], Some(&deployed("-old", "-old"))), "-old");
        assert_eq!(
            suffix(&[("NameSuffix", "-new")], Some(&deployed("", ""))),
            "-new"
        );
    }

    #[test]
    fn unknown_parameter_is_reported_with_the_known_ones() {
        let given = ParameterValues::from([("Suffix".to_owned(), "-a".to_owned())]);
        let sources = ParameterSources {
            given: &given,
            packages: &code(),
            deployed: None,
        };
        let error = resolve_parameters(&template(), sources)
            .expect_err("unknown")
            .to_string();
        assert!(
            error.contains("no parameter 'Suffix'\n  help: use one of NameSuffix, "),
            "{error}"
        );
    }

    #[test]
    fn parameter_without_a_value_is_reported() {
        let nothing = ParameterValues::new();
        let sources = ParameterSources {
            given: &nothing,
            packages: &nothing,
            deployed: None,
        };
        let error = resolve_parameters(&template(), sources)
            .expect_err("missing")
            .to_string();
        assert!(
            error.contains("--parameter ArtifactBucket=VALUE"),
            "{error}"
        );
    }
}
