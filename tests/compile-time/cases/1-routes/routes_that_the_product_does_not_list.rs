//! A function is invoked for routes, but the product forgets to list them.

use stagecast_contract::{
    input::{InputRules, MediaType, any_parameters, no_check},
    product::Product,
};
use typed_contract::functions::{Function as _, Trigger};

typed_contract::http_routes! {
    /// The routes of totals.
    pub enum TotalsRoute {
        /// Returns the total of an import.
        GetTotal = Get "/v1/totals/{import_id}",
    }
}

typed_contract::function! {
    /// Serves totals.
    TotalsFunction = "totals" {
        memory_mib: 256,
        timeout_seconds: 10,
        retry_budget_seconds: 0,
        triggers: [Trigger::HttpRoutes],
        grants: {},
        settings: [],
    }
}

stagecast_contract::pipeline_function! {
    /// Imports files.
    PipelineFunction {
        memory_mib: 1024,
        timeout_seconds: 900,
        grants: {},
        settings: [],
    }
}

const PRODUCT: Product = Product {
    functions: &[TotalsFunction::SPEC],
    ..Product::new("imports", PipelineFunction::SPEC, &INPUT)
};
const _: () = PRODUCT.check();

const INPUT: InputRules = InputRules {
    name: "file",
    media_types: &[MediaType {
        name: "text/csv",
        label: "CSV",
        extensions: &[".csv"],
        signature: b"",
    }],
    max_bytes: 1024,
    check: no_check,
    check_parameters: any_parameters,
    example: "",
};

fn main() {}
