//! The product of unit tests: a pipeline that accepts plain text.

use stagecast_contract::{
    input::{InputRules, MediaType, any_parameters, no_check},
    product::Product,
};
use typed_contract::functions::Function as _;

/// The product.
pub const PRODUCT: Product = Product {
    worker_queues: &["plans", "gpu"],
    ..Product::new("test", PipelineFunction::SPEC, &INPUT)
};
const _: () = PRODUCT.check();

/// The inputs that its pipeline accepts.
pub const INPUT: InputRules = InputRules {
    name: "text",
    media_types: &[MediaType {
        name: "text/plain",
        label: "plain text",
        extensions: &[".txt"],
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
