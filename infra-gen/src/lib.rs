//! The infrastructure of the floor plans.

use contract::StagePace;
use stagecast_infra::{
    Project,
    environments::{Environment, JobCreation},
};

/// The product's stack and its environments.
pub fn project() -> Project {
    Project::new(&contract::PRODUCT, || {
        let prod = Environment {
            // The demonstration has no users and no identity provider.
            job_creation: JobCreation::Anyone,
            ..Environment::prod()
        };
        vec![Environment::dev(), prod]
    })
    // A deployed pipeline never waits; `cargo dev` can slow the stages down.
    .with_settings(|_, values| values.with::<StagePace>("0"))
}
