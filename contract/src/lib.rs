//! The floor plans, a product on Stagecast: what it declares beside the job system.

use stagecast_contract::{
    input::{InputRules, MediaType, any_parameters, no_check},
    limits::MAX_INPUT_BYTES,
    product::Product,
};
use typed_contract::functions::Function as _;

/// The product.
pub const PRODUCT: Product = Product {
    description: "Stagecast: streams live progress of long-running jobs",
    worker_queues: &["plans", "transcripts", "reports"],
    ..Product::new("stagecast", PipelineFunction::SPEC, &INPUT)
};
const _: () = PRODUCT.check();

/// The inputs that the pipeline accepts.
pub const INPUT: InputRules = InputRules {
    name: "floor plan",
    media_types: &[
        MediaType {
            name: "image/png",
            label: "PNG",
            extensions: &[".png"],
            signature: b"\x89PNG\r\n\x1a\n",
        },
        MediaType {
            name: "image/jpeg",
            label: "JPEG",
            extensions: &[".jpg", ".jpeg"],
            signature: b"\xff\xd8\xff",
        },
    ],
    max_bytes: MAX_INPUT_BYTES,
    check: no_check,
    check_parameters: any_parameters,
    example: "client/floor-plan/sample-plan.png",
};

stagecast_contract::pipeline_function! {
    /// Runs the stages of a job and reports their progress.
    PipelineFunction {
        memory_mib: 1769,
        timeout_seconds: 900,
        grants: {},
        settings: [StagePace],
    }
}

typed_contract::settings! {
    /// Minimum duration of a stage, in milliseconds. 0 except on a developer's machine, where the progress
    /// would otherwise end before it can be seen.
    StagePace = "STAGE_PACE_MS",
}
