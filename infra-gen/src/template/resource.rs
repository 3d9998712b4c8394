//! A resource with its attributes, and the typed handle that others refer to it by.

use std::marker::PhantomData;

use indexmap::IndexMap;
use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::{ConditionName, ConstructPath, LogicalId, RefTarget, StringValue};
use crate::resources::{Properties, ResourceType};

/// A resource of the template.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// Which construct it belongs to, and as what.
    pub path: ConstructPath,
    /// The type and its properties.
    pub properties: Properties,
    /// What CloudFormation does with it beside making it.
    pub attributes: Attributes,
}

/// The resource attributes of CloudFormation.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-product-attribute-reference.html>
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes {
    /// Made only if this holds.
    pub condition: Option<ConditionName>,
    /// Made after these.
    pub depends_on: Vec<LogicalId>,
    /// What happens to it when it leaves the stack or is replaced. One value for both: a resource
    /// that is kept in one case and lost in the other is a trap.
    pub removal: Option<RemovalPolicy>,
    /// For tools; CloudFormation itself ignores it.
    pub metadata: IndexMap<&'static str, Metadata>,
}

/// What happens to a resource that leaves the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum RemovalPolicy {
    /// It is deleted, with what it holds.
    Delete,
    /// It stays in the account.
    Retain,
}

/// A value of a resource's metadata.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Metadata {
    /// A text.
    StringValue(String),
    /// Texts by name.
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
        resource.serialize_field("Properties", &self.properties)?;
        resource.end()
    }
}

/// A resource of type `R` that is in the template. Its methods, beside each resource type, are
/// what CloudFormation can return for it: an attribute that a type does not have does not compile.
#[derive(Debug)]
pub struct Handle<R> {
    id: LogicalId,
    resource: PhantomData<fn() -> R>,
}

impl<R: ResourceType> Handle<R> {
    pub(super) fn new(id: LogicalId) -> Self {
        Self {
            id,
            resource: PhantomData,
        }
    }

    /// The resource's name in the template.
    pub fn logical_id(&self) -> &LogicalId {
        &self.id
    }

    /// What `Ref` returns: each resource type says what that is.
    pub(crate) fn reference(&self) -> StringValue {
        StringValue::Ref(RefTarget::Resource(self.id.clone()))
    }

    /// What `GetAtt` returns: each resource type says which attributes it has.
    pub(crate) fn attribute(&self, name: &'static str) -> StringValue {
        StringValue::GetAtt(self.id.clone(), name)
    }
}

impl<R> Clone for Handle<R> {
    fn clone(&self) -> Self {
        Self {
            id: self.id.clone(),
            resource: PhantomData,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        environments::RetentionDays,
        resources::{Tags, logs::LogGroup},
    };

    fn log_group(attributes: Attributes) -> serde_json::Value {
        let properties = LogGroup {
            retention_in_days: RetentionDays::OneWeek,
            tags: Tags::new([]).list(),
        };
        let resource = Resource {
            path: ConstructPath::root("logs"),
            properties: properties.into(),
            attributes,
        };
        serde_json::to_value(resource).expect("JSON")
    }

    #[test]
    fn attributes_that_are_not_set_are_not_written() {
        assert_eq!(
            log_group(Attributes::default()),
            json!({
                "Type": "AWS::Logs::LogGroup",
                "Properties": { "RetentionInDays": 7, "Tags": [] },
            })
        );
    }

    #[test]
    fn one_removal_policy_is_written_for_deletion_and_replacement() {
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
