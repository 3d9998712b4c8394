//! Gives the dependencies of all packages the same features.
//!
//! Cargo unites the features of a dependency over the packages that a command selects. Without this package, `cargo run -p infra-gen`
//! after `cargo test --workspace` compiles most dependencies again, with fewer features. And tests would use features, such as
//! `preserve_order` of `serde_json`, that the deployed functions do not have.
//!
//! Every package depends on it: libraries for their tests only. `.ci/unified_features.py` finds differences.
