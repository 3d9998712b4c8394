//! Documents for people and programs: the APIs' descriptions, schemas and types, and the diagram.

mod asyncapi;
mod diagram;
mod error;
mod input;
mod openapi;
mod queues;
mod schemas;
mod typescript;

pub use asyncapi::asyncapi;
pub use diagram::diagram;
pub use error::DocumentError;
pub use input::input;
pub use openapi::openapi;
pub use queues::queues;
pub use schemas::{MessageSchemas, Variant};
pub use typescript::typescript;
