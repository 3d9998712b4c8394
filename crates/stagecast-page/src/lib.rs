//! The files of the progress page and of the API reference, for those that serve or upload them: `cargo dev`
//! and `infra-gen deploy --page`.

mod config;
mod embedded;
mod files;
mod headers;

pub use config::{CONFIG, config};
pub use embedded::{API_REFERENCE, EmbeddedFile, PAGE};
pub use files::{INDEX, PageFile, ReadError, files, has_page};
pub use headers::{CACHE_CONTROL, media_type};
