//! The product of this crate's unit tests.

use stagecast_contract::{
    input::{InputRules, MediaType, any_parameters, no_check},
    product::{Product, ProductRoutes},
};
use typed_contract::functions::{Function as _, Trigger};

use crate::{environments::Environment, project::Project};

/// The product.
pub(crate) const PRODUCT: Product = Product {
    worker_queues: &["plans", "gpu"],
    ..Product::new("stagecast", PipelineFunction::SPEC, &INPUT)
};
const _: () = PRODUCT.check();

/// The product with routes and a function of them.
pub(crate) const PRODUCT_WITH_ROUTES: Product = Product {
    functions: &[ShelvesFunction::SPEC],
    http_routes: &[ProductRoutes::of::<ShelfRoute>(ShelvesFunction::SPEC)],
    ..PRODUCT
};
const _: () = PRODUCT_WITH_ROUTES.check();

typed_contract::http_routes! {
    /// The routes of shelves.
    pub(crate) enum ShelfRoute {
        /// Returns a shelf.
        GetShelf = Get "/v1/shelves/{shelf}",
        /// Adds a shelf.
        PutShelf = Post "/v1/shelves" { authorizer: Api },
    }
}

typed_contract::function! {
    /// Serves the shelves.
    ShelvesFunction = "shelves" {
        memory_mib: 256,
        timeout_seconds: 10,
        retry_budget_seconds: 0,
        triggers: [Trigger::HttpRoutes],
        grants: {},
        settings: [],
    }
}

/// The inputs that its pipeline accepts.
pub(crate) const INPUT: InputRules = InputRules {
    name: "order",
    media_types: &[MediaType {
        name: "text/csv",
        label: "CSV",
        extensions: &[".csv"],
        signature: b"",
    }],
    max_bytes: 1024 * 1024,
    check: no_check,
    check_parameters: any_parameters,
    example: "",
};

stagecast_contract::pipeline_function! {
    /// Runs the stages of a job and reports their progress.
    PipelineFunction {
        memory_mib: 1769,
        timeout_seconds: 900,
        grants: {},
        settings: [],
    }
}

/// The product in the environments `dev` and `prod`.
pub(crate) fn project() -> Project {
    Project::new(&PRODUCT, || vec![Environment::dev(), Environment::prod()])
}
