//! The open set of resource types: any type that implements [`ResourceType`] can be in a template.

use std::{any::Any, fmt};

use serde::{Serialize, Serializer};

use crate::{names::ParameterName, untyped::Untyped};

/// A resource type: a struct of its properties, which serializes as CloudFormation writes them.
///
/// Implement it to use a resource type that this crate does not have. What other resources can refer
/// to (the values of `Ref` and `Fn::GetAtt`) is an extension trait on the resource's
/// [`Handle`](crate::Handle), so that a reference to an attribute that the type does not have does not
/// compile:
///
/// ```
/// use cloudformation::{Attributes, ConstructPath, Handle, ResourceType, StringValue, Template};
/// use serde::Serialize;
///
/// /// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-sns-topic.html>
/// #[derive(Clone, Debug, PartialEq, Serialize)]
/// #[serde(rename_all = "PascalCase")]
/// struct Topic {
///     display_name: StringValue,
/// }
///
/// impl ResourceType for Topic {
///     const TYPE_NAME: &'static str = "AWS::SNS::Topic";
/// }
///
/// trait TopicAttributes {
///     fn arn(&self) -> StringValue;
/// }
///
/// impl TopicAttributes for Handle<Topic> {
///     fn arn(&self) -> StringValue {
///         self.reference()
///     }
/// }
///
/// let mut template = Template::new("A topic");
/// let topic = Topic { display_name: "Orders".into() };
/// let topic = template.add(&ConstructPath::root("orders"), topic, Attributes::default())?;
/// assert_eq!(serde_json::to_value(topic.arn())?, serde_json::json!({ "Ref": "Orders" }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// References need no declaration: they are found in the serialized properties, as
/// [`Template::check_references`](crate::Template::check_references) does.
pub trait ResourceType: Serialize + Clone + PartialEq + fmt::Debug + Send + Sync + 'static {
    /// The type's name in a template, `AWS::SQS::Queue`.
    const TYPE_NAME: &'static str;

    /// Whether resources of this type hold data that is lost when they are deleted. Such a resource
    /// should have a [`RemovalPolicy`](crate::RemovalPolicy).
    const HOLDS_DATA: bool = false;

    /// How the resource is written in a SAM template, if SAM has its own type for it. None if SAM takes
    /// it as it is.
    fn sam(&self) -> Option<SamResource> {
        None
    }
}

/// A resource as it is written in a SAM template instead of a CloudFormation template.
#[derive(Clone, Debug, PartialEq)]
pub struct SamResource {
    /// The resource's properties in the SAM template.
    pub properties: Properties,
    /// Parameters that only the CloudFormation form refers to. The SAM template does not have them.
    pub unused_parameters: Vec<ParameterName>,
}

/// The properties of a resource of any type.
#[derive(Clone, PartialEq)]
pub struct Properties(Inner);

#[derive(Clone, PartialEq)]
enum Inner {
    Typed(Box<dyn Typed>),
    Untyped(Untyped),
}

impl Properties {
    /// The type's name, `AWS::SQS::Queue`.
    pub fn type_name(&self) -> &str {
        match &self.0 {
            Inner::Typed(properties) => properties.type_name(),
            Inner::Untyped(properties) => properties.type_name(),
        }
    }

    /// Whether the type says that its resources hold data ([`ResourceType::HOLDS_DATA`]). False for
    /// untyped resources.
    pub fn holds_data(&self) -> bool {
        match &self.0 {
            Inner::Typed(properties) => properties.holds_data(),
            Inner::Untyped(_) => false,
        }
    }

    /// How the resource is written in a SAM template, if otherwise.
    pub fn sam(&self) -> Option<SamResource> {
        match &self.0 {
            Inner::Typed(properties) => properties.sam(),
            Inner::Untyped(_) => None,
        }
    }

    /// The properties, if they are of the type `R`.
    pub fn get<R: ResourceType>(&self) -> Option<&R> {
        match &self.0 {
            Inner::Typed(properties) => (&**properties as &dyn Any).downcast_ref(),
            Inner::Untyped(_) => None,
        }
    }

    /// The properties for changes, if they are of the type `R`.
    pub fn get_mut<R: ResourceType>(&mut self) -> Option<&mut R> {
        match &mut self.0 {
            Inner::Typed(properties) => (&mut **properties as &mut dyn Any).downcast_mut(),
            Inner::Untyped(_) => None,
        }
    }
}

impl<R: ResourceType> From<R> for Properties {
    fn from(properties: R) -> Self {
        Self(Inner::Typed(Box::new(properties)))
    }
}

impl From<Untyped> for Properties {
    fn from(properties: Untyped) -> Self {
        Self(Inner::Untyped(properties))
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Typed(properties) => properties.fmt(formatter),
            Inner::Untyped(properties) => properties.fmt(formatter),
        }
    }
}

impl Serialize for Properties {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Inner::Typed(properties) => erased_serde::serialize(&**properties, serializer),
            Inner::Untyped(properties) => properties.serialize(serializer),
        }
    }
}

/// A [`ResourceType`] behind a pointer.
trait Typed: Any + erased_serde::Serialize + fmt::Debug + Send + Sync {
    fn type_name(&self) -> &'static str;
    fn holds_data(&self) -> bool;
    fn sam(&self) -> Option<SamResource>;
    fn clone_box(&self) -> Box<dyn Typed>;
    fn equals(&self, other: &dyn Any) -> bool;
}

impl<R: ResourceType> Typed for R {
    fn type_name(&self) -> &'static str {
        R::TYPE_NAME
    }

    fn holds_data(&self) -> bool {
        R::HOLDS_DATA
    }

    fn sam(&self) -> Option<SamResource> {
        ResourceType::sam(self)
    }

    fn clone_box(&self) -> Box<dyn Typed> {
        Box::new(self.clone())
    }

    fn equals(&self, other: &dyn Any) -> bool {
        other.downcast_ref() == Some(self)
    }
}

impl Clone for Box<dyn Typed> {
    fn clone(&self) -> Self {
        (**self).clone_box()
    }
}

impl PartialEq for dyn Typed {
    fn eq(&self, other: &Self) -> bool {
        self.equals(other as &dyn Any)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::StringValue;

    #[derive(Clone, Debug, PartialEq, Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Topic {
        display_name: StringValue,
    }

    impl ResourceType for Topic {
        const TYPE_NAME: &'static str = "AWS::SNS::Topic";
    }

    #[derive(Clone, Debug, PartialEq, Serialize)]
    struct Other {}

    impl ResourceType for Other {
        const TYPE_NAME: &'static str = "AWS::SNS::Topic";
    }

    fn topic(name: &'static str) -> Properties {
        let display_name = name.into();
        Topic { display_name }.into()
    }

    #[test]
    fn properties_are_equal_if_type_and_values_are() {
        assert_eq!(topic("a"), topic("a").clone());
        assert_ne!(topic("a"), topic("b"));
        assert_ne!(topic("a"), Properties::from(Other {}));
    }

    #[test]
    fn properties_are_returned_as_their_own_type_only() {
        let mut properties = topic("a");
        assert_eq!(properties.get::<Other>(), None);
        properties.get_mut::<Topic>().expect("a topic").display_name = "b".into();
        assert_eq!(properties, topic("b"));
    }

    #[test]
    fn untyped_properties_serialize_as_the_typed_ones_do() {
        let display_name =
            StringValue::GetAtt(crate::ConstructPath::root("a").logical_id(), "Arn".into());
        let typed = Properties::from(Topic { display_name });
        let json = json!({ "DisplayName": { "Fn::GetAtt": "A.Arn" } });
        let untyped = Properties::from(Untyped::new("AWS::SNS::Topic", json).expect("properties"));
        let yaml = |properties| serde_yaml::to_value(properties).expect("YAML");
        assert_eq!(yaml(&typed), yaml(&untyped));
        let json = |properties| serde_json::to_value(properties).expect("JSON");
        assert_eq!(json(&typed), json(&untyped));
    }
}
