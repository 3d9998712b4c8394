#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

pub mod assertions;
mod error;
mod handle;
mod intrinsics;
mod names;
mod properties;
mod references;
mod render;
mod resource;
pub mod resources;
mod sections;
mod template;
mod untyped;

pub use error::RenderError;
pub use handle::Handle;
pub use intrinsics::{Condition, If, Pseudo, RefTarget, StringValue, Sub, sub_references};
pub use names::{ConditionName, ConstructPath, LogicalId, OutputName, ParameterName};
pub use properties::{Properties, ResourceType, SamResource};
pub use references::ReferenceError;
pub use render::{Document, Format, UnknownFormat};
pub use resource::{Attributes, Metadata, RemovalPolicy, Resource};
pub use sections::{Output, Parameter, ParameterType};
pub use template::{NameCollision, Template};
pub use untyped::{Overrides, Untyped, UntypedError};
