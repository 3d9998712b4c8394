//! Protocols that lack a rule. The model must find a counterexample for each.

use stateright::{Checker as _, HasDiscoveries};

use super::{
    FULL_PROTOCOL, NEWEST, NO_OLDER_THAN_BEFORE, NOT_BACK, NOT_TAKEN_OVER, ONCE, Protocol,
    UNFINISHED, explore,
};

/// Requires that the model finds a counterexample of `property`.
fn breaks(model: Protocol, property: &'static str) {
    let until = HasDiscoveries::AnyOf([property].into());
    let found = explore(model, until).discovery(property);
    assert!(found.is_some(), "nothing breaks: {property}");
}

#[test]
fn checkpoint_without_a_number_is_replaced_by_a_late_repeat() {
    for property in [NOT_BACK, NEWEST] {
        let model = Protocol {
            compares_numbers: false,
            ..FULL_PROTOCOL
        };
        breaks(model, property);
    }
}

#[test]
fn numbers_alone_let_an_earlier_stage_replace_the_state() {
    let model = Protocol {
        compares_seqs: false,
        ..FULL_PROTOCOL
    };
    breaks(model, NOT_BACK);
}

#[test]
fn numbers_of_two_claims_do_not_compare() {
    for property in [NOT_TAKEN_OVER, NO_OLDER_THAN_BEFORE] {
        let model = Protocol {
            compares_epochs: false,
            ..FULL_PROTOCOL
        };
        breaks(model, property);
    }
}

#[test]
fn claim_that_does_not_fence_the_item_lets_the_last_worker_store() {
    let model = Protocol {
        fences_claims: false,
        ..FULL_PROTOCOL
    };
    breaks(model, NOT_TAKEN_OVER);
}

#[test]
fn checkpoint_without_the_lease_is_accepted_after_a_takeover() {
    let model = Protocol {
        records_under_lease: false,
        ..FULL_PROTOCOL
    };
    breaks(model, NOT_TAKEN_OVER);
}

#[test]
fn state_outlives_its_stage_unless_the_claim_leaves_it_out() {
    let model = Protocol {
        hides_finished: false,
        ..FULL_PROTOCOL
    };
    breaks(model, UNFINISHED);
}

#[test]
fn event_that_is_applied_again_completes_its_stage_twice() {
    let model = Protocol {
        recognizes_repeats: false,
        ..FULL_PROTOCOL
    };
    breaks(model, ONCE);
}
