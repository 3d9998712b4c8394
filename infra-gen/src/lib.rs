//! The infrastructure of the floor plans.

use contract::StagePace;
use stagecast_infra::{Project, environments::Environment};

/// The product's stack and its environments.
pub fn project() -> Project {
    Project::new(&contract::PRODUCT, || {
        vec![Environment::dev(), Environment::prod()]
    })
    // A deployed pipeline never waits; `cargo dev` can slow the stages down.
    .with_settings(|_, values| values.with::<StagePace>("0"))
}
