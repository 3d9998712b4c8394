//! What this product declares beside Stagecast's job system. The functions in `handlers` and the template that
//! `infra-gen` writes both derive from it.

use stagecast_contract::{
    input::{InputRules, MediaType, any_parameters, no_check},
    limits::MAX_INPUT_BYTES,
    product::Product,
};
use typed_contract::functions::Function as _;

/// The product: its name, and what it has beside the job system.
pub const PRODUCT: Product = Product {
    name_prefix: "{{name}}-",
    description: "{{title}}",
    ..Product::new("{{name}}", PipelineFunction::SPEC, &INPUT)
};
const _: () = PRODUCT.check();

/// The inputs that the pipeline accepts.
pub const INPUT: InputRules = InputRules {
    name: "CSV file",
    media_types: &[MediaType {
        name: "text/csv",
        label: "CSV",
        extensions: &[".csv"],
        signature: b"",
    }],
    max_bytes: MAX_INPUT_BYTES,
    check: no_check,
    check_parameters: any_parameters,
    example: "sample.csv",
};

stagecast_contract::pipeline_function! {
    /// Adds up the amounts of CSV files.
    PipelineFunction {
        memory_mib: 1024,
        timeout_seconds: 900,
        grants: {},
        settings: [],
    }
}
