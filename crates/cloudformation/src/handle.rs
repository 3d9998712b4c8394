//! The typed handle by which other resources refer to a resource.

use std::{borrow::Cow, marker::PhantomData};

use crate::{
    intrinsics::{RefTarget, StringValue},
    names::LogicalId,
};

/// A resource of type `R` that is in a template. Returned by [`Template::add`](crate::Template::add).
///
/// The typed resources of this crate have methods for what CloudFormation returns for them, such as
/// `Handle<Queue>::arn`. [`Self::reference`] and [`Self::attribute`] are what those methods are made of,
/// for resource types of other crates.
///
/// A method that a type does not have does not compile:
///
/// ```compile_fail,E0599
/// use cloudformation::{Handle, resources::dynamodb::Table};
///
/// fn url(table: &Handle<Table>) -> cloudformation::StringValue {
///     table.url() // A queue has a URL, a table has not.
/// }
/// ```
#[derive(Debug)]
pub struct Handle<R> {
    id: LogicalId,
    resource: PhantomData<fn() -> R>,
}

impl<R> Handle<R> {
    pub(crate) fn new(id: LogicalId) -> Self {
        Self {
            id,
            resource: PhantomData,
        }
    }

    /// The resource's name in the template.
    pub fn logical_id(&self) -> &LogicalId {
        &self.id
    }

    /// `Ref`: the resource's name, ARN or id, depending on its type.
    pub fn reference(&self) -> StringValue {
        StringValue::Ref(RefTarget::Resource(self.id.clone()))
    }

    /// `Fn::GetAtt`: an attribute of the resource. Whether its type has that attribute is not checked.
    pub fn attribute(&self, name: impl Into<Cow<'static, str>>) -> StringValue {
        StringValue::GetAtt(self.id.clone(), name.into())
    }
}

impl<R> Clone for Handle<R> {
    fn clone(&self) -> Self {
        Self::new(self.id.clone())
    }
}
