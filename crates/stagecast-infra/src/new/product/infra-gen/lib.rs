//! The infrastructure of this product.

use stagecast_infra::{Project, environments::Environment};

/// The product's stack, and its environments.
pub fn project() -> Project {
    Project::new(&contract::PRODUCT, || {
        vec![Environment::dev(), Environment::prod()]
    })
}
