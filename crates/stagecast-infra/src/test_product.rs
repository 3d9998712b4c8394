//! The product of this crate's unit tests.

use stagecast_contract::{
    input::{InputRules, MediaType, no_check},
    product::Product,
};
use typed_contract::functions::Function as _;

use crate::{environments::Environment, project::Project};

/// The product.
pub(crate) const PRODUCT: Product = Product::new("stagecast", PipelineFunction::SPEC, &INPUT);
const _: () = PRODUCT.check();

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
