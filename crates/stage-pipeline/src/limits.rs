//! Limits of what stages return and store.

/// Deepest nesting of arrays and objects in the results of a stage. Most JSON parsers accept 127 or 128
/// levels; a message or record around the results needs some of them.
pub const MAX_RESULTS_DEPTH: usize = 120;
