//! The infrastructure of this product.

use stagecast_infra::{Project, environments::Environment};

/// The product's stack, and its environments.
pub fn project() -> Project {
    Project::new(&contract::PRODUCT, || {
        // In `prod`, only holders of tokens can create jobs: set its `tokens` before the first deployment.
        vec![Environment::dev(), Environment::prod()]
    })
}
