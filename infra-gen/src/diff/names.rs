//! The names that a template chooses for its resources. Those that it does not choose are made by
//! CloudFormation, and unique.

use serde_json::Value;

use super::{TemplateDocument, document::PROPERTIES};

/// The property that gives a resource of a type its name in the account.
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

/// A name that a template chooses for a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChosenName {
    /// The resource's name in the template.
    pub logical_id: String,
    /// Its type.
    pub kind: String,
    /// Its name in the account.
    pub name: String,
}

/// The property that gives a resource of this type its name in the account.
pub fn name_property(kind: &str) -> Option<&'static str> {
    let found = OWN_NAMES.iter().find(|(known, _)| *known == kind);
    found.map(|(_, property)| *property)
}

impl TemplateDocument {
    /// The names that the template chooses, as far as they are known once its parameters have values.
    /// A resource that depends on a condition may never be made, so it is left out.
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
    use indexmap::IndexMap;

    use super::*;
    use crate::{constructs::NAME_SUFFIX, environments::Environment, stack, template::Format};

    #[test]
    fn stack_chooses_names_for_its_tables_and_queues_only() {
        let template = stack::synthesize(&Environment::prod()).expect("a template");
        let json = template.to_json(Format::CloudFormation).expect("JSON");
        let document = TemplateDocument::from_json(json).expect("a template");
        let values = IndexMap::from([(NAME_SUFFIX.to_owned(), "-x".to_owned())]);
        let mut chosen: Vec<_> = document
            .with_values(&values)
            .chosen_names()
            .into_iter()
            .map(|it| (it.kind, it.name))
            .collect();
        chosen.sort();
        let expected = [
            ("AWS::DynamoDB::Table", "job_events-x"),
            ("AWS::DynamoDB::Table", "job_subscribers-x"),
            ("AWS::DynamoDB::Table", "jobs-x"),
            ("AWS::DynamoDB::Table", "websocket_connections-x"),
            ("AWS::SQS::Queue", "deliveries-dead-letters-x"),
            ("AWS::SQS::Queue", "deliveries-x"),
            ("AWS::SQS::Queue", "jobs-dead-letters-x"),
            ("AWS::SQS::Queue", "jobs-x"),
        ];
        let expected = expected.map(|(kind, name)| (kind.to_owned(), name.to_owned()));
        assert_eq!(chosen, expected);
    }
}
