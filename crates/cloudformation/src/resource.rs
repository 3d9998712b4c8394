//! A resource with its attributes.

use indexmap::IndexMap;
use serde::{
    Serialize, Serializer,
    ser::{Error, SerializeStruct},
};

use crate::{
    names::{ConditionName, ConstructPath, LogicalId},
    properties::Properties,
    untyped::Overrides,
};

/// A resource of a template.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// Where the resource is among the constructs. Its logical id is made from it.
    pub path: ConstructPath,
    /// The type and the properties.
    pub properties: Properties,
    /// Properties that are written in place of those above, or besides them.
    pub overrides: Overrides,
    /// What CloudFormation itself reads: dependencies, policies, metadata.
    pub attributes: Attributes,
}

/// The resource attributes of CloudFormation.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-product-attribute-reference.html>
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes {
    /// The condition under which the resource is created. None: always.
    pub condition: Option<ConditionName>,
    /// Resources to create before this one, besides those that its properties refer to.
    pub depends_on: Vec<LogicalId>,
    /// What happens to the resource when it is removed from the stack or replaced. One value for both: a
    /// resource that is retained in one case and deleted in the other is a trap.
    pub removal: Option<RemovalPolicy>,
    /// Data for other tools. CloudFormation ignores it.
    pub metadata: IndexMap<&'static str, Metadata>,
}

/// What happens to a resource that is removed from the stack or replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum RemovalPolicy {
    /// It is deleted with its data.
    Delete,
    /// It stays in the account, outside the stack.
    Retain,
}

/// A value of a resource's metadata.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Metadata {
    /// Text.
    StringValue(String),
    /// Text by name.
    Map(IndexMap<&'static str, String>),
}

impl Serialize for Resource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let attributes = &self.attributes;
        let mut resource = serializer.serialize_struct("Resource", 7)?;
        resource.serialize_field("Type", self.properties.type_name())?;
        if let Some(condition) = &attributes.condition {
            resource.serialize_field("Condition", condition)?;
        }
        if !attributes.depends_on.is_empty() {
            resource.serialize_field("DependsOn", &attributes.depends_on)?;
        }
        if let Some(removal) = attributes.removal {
            resource.serialize_field("DeletionPolicy", &removal)?;
            resource.serialize_field("UpdateReplacePolicy", &removal)?;
        }
        if !attributes.metadata.is_empty() {
            resource.serialize_field("Metadata", &attributes.metadata)?;
        }
        if self.overrides.is_empty() {
            resource.serialize_field("Properties", &self.properties)?;
        } else {
            let type_name = self.properties.type_name();
            let properties = self.overrides.apply(type_name, &self.properties);
            let properties = properties.map_err(S::Error::custom)?;
            resource.serialize_field("Properties", &properties)?;
        }
        resource.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resources::{
        Tags,
        logs::{LogGroup, RetentionDays},
    };

    fn log_group(attributes: Attributes) -> serde_json::Value {
        let properties = LogGroup {
            retention_in_days: RetentionDays::OneWeek,
            tags: Tags::new([]).list(),
        };
        let resource = Resource {
            path: ConstructPath::root("logs"),
            properties: properties.into(),
            overrides: Overrides::default(),
            attributes,
        };
        serde_json::to_value(resource).expect("JSON")
    }

    #[test]
    fn unset_attributes_are_not_written() {
        assert_eq!(
            log_group(Attributes::default()),
            json!({
                "Type": "AWS::Logs::LogGroup",
                "Properties": { "RetentionInDays": 7, "Tags": [] },
            })
        );
    }

    #[test]
    fn removal_policy_is_written_for_deletion_and_replacement() {
        let attributes = Attributes {
            condition: Some(ConditionName::new("always")),
            depends_on: vec![ConstructPath::root("first").logical_id()],
            removal: Some(RemovalPolicy::Retain),
            metadata: IndexMap::from([("Purpose", Metadata::StringValue("logs".to_owned()))]),
        };
        let written = log_group(attributes);
        assert_eq!(written["Condition"], "Always");
        assert_eq!(written["DependsOn"], json!(["First"]));
        assert_eq!(written["DeletionPolicy"], "Retain");
        assert_eq!(written["UpdateReplacePolicy"], "Retain");
        assert_eq!(written["Metadata"], json!({ "Purpose": "logs" }));
    }
}
