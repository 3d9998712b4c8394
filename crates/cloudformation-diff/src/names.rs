//! The names that a template gives its resources. CloudFormation generates unique names for the others.

use serde_json::Value;

use crate::document::{PROPERTIES, TemplateDocument};

/// The property for the name of a resource in its account, by type.
const OWN_NAMES: [(&str, &str); 9] = [
    ("AWS::ApiGatewayV2::DomainName", "DomainName"),
    ("AWS::CloudWatch::Alarm", "AlarmName"),
    ("AWS::CloudWatch::Dashboard", "DashboardName"),
    ("AWS::DynamoDB::Table", "TableName"),
    ("AWS::IAM::Role", "RoleName"),
    ("AWS::Lambda::Function", "FunctionName"),
    ("AWS::Logs::LogGroup", "LogGroupName"),
    ("AWS::S3::Bucket", "BucketName"),
    ("AWS::SQS::Queue", "QueueName"),
];

/// A name that a template gives a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChosenName {
    /// The resource's logical id.
    pub logical_id: String,
    /// The resource's type, `AWS::SQS::Queue`.
    pub kind: String,
    /// The resource's name in its account.
    pub name: String,
}

/// The property for the name of a resource in its account. None if the type is not known to have one.
pub fn name_property(kind: &str) -> Option<&'static str> {
    let found = OWN_NAMES.iter().find(|(known, _)| *known == kind);
    found.map(|(_, property)| *property)
}

impl TemplateDocument {
    /// The names that the template gives its resources, without names that are known only when the stack is
    /// deployed (see [`Self::with_values`]), and without resources that depend on a condition.
    pub fn chosen_names(&self) -> Vec<ChosenName> {
        let resources = self.resources.iter();
        let names = resources.filter_map(|(logical_id, resource)| {
            let property = name_property(&resource.kind)?;
            let name = resource.attribute(PROPERTIES)?.get(property)?;
            let name = name.as_str()?.to_owned();
            let is_certain = resource.attribute("Condition").is_none_or(Value::is_null);
            is_certain.then(|| ChosenName {
                logical_id: logical_id.clone(),
                kind: resource.kind.clone(),
                name,
            })
        });
        names.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_names_of_certain_resources_are_chosen() {
        let template = "
            Resources:
              A: {Type: 'AWS::SQS::Queue', Properties: {QueueName: jobs}}
              B: {Type: 'AWS::SQS::Queue', Properties: {QueueName: !Sub 'jobs${Suffix}'}}
              C: {Type: 'AWS::SQS::Queue', Condition: Rich, Properties: {QueueName: rich}}
              D: {Type: 'AWS::SQS::Queue'}
              E: {Type: 'AWS::SNS::Subscription', Properties: {Name: e}}";
        let document = TemplateDocument::parse(template).expect("a template");
        let expected = ChosenName {
            logical_id: "A".to_owned(),
            kind: "AWS::SQS::Queue".to_owned(),
            name: "jobs".to_owned(),
        };
        assert_eq!(document.chosen_names(), [expected]);
    }
}
