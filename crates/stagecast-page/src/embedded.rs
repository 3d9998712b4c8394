//! The files that this crate was built with.

/// Name and content of a file.
pub type EmbeddedFile = (&'static str, &'static [u8]);

/// The files of Stagecast's page, from `generated/page`, which is built from `client/page`.
pub const PAGE: &[EmbeddedFile] = include!(concat!(env!("OUT_DIR"), "/page_files.rs"));

/// The files of Stagecast's API reference, from `generated/docs`.
pub const API_REFERENCE: &[EmbeddedFile] = include!(concat!(env!("OUT_DIR"), "/docs_files.rs"));
