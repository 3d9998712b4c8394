//! The scenarios that every product has, on the floor plans' stack.

stagecast_scenarios::delivery_scenarios!(
    infra_gen::project(),
    end_to_end::plans::HOUSE.as_slice(),
    "image/png"
);
