//! Stagecast's scenarios of delivery, on this product's stack and with its input.

stagecast_scenarios::delivery_scenarios!(
    infra_gen::project(),
    include_bytes!("../sample.csv"),
    "text/csv"
);
