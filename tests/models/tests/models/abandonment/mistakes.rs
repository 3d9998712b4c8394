//! Protocols that lack a rule, which the model must be able to refute.

use stateright::{Checker as _, HasDiscoveries, Model as _};

use super::{Protocol, WHOLE};

fn finds(property: &'static str, protocol: Protocol) -> bool {
    let found = HasDiscoveries::AnyOf([property].into());
    let checker = protocol.checker().finish_when(found).spawn_bfs().join();
    checker.discovery(property).is_some()
}

const ACCEPTED: &str = "an accepted request ends the job";
const OVERRULED: &str = "a worker that is back is not overruled";

#[test]
fn without_a_watchdog_a_cancelled_job_of_a_dead_worker_never_ends() {
    let protocol = Protocol {
        watches: false,
        ..WHOLE
    };
    assert!(finds(ACCEPTED, protocol));
}

#[test]
fn claim_that_does_not_follow_the_one_that_was_read_can_have_no_watchdog() {
    let protocol = Protocol {
        rereads: false,
        ..WHOLE
    };
    assert!(finds(ACCEPTED, protocol));
}

#[test]
fn settlement_that_adopts_nothing_leaves_a_job_with_an_uncommitted_event_for_ever() {
    let protocol = Protocol {
        adopts: false,
        ..WHOLE
    };
    assert!(finds(ACCEPTED, protocol));
}

#[test]
fn watchdog_without_a_claim_overrules_a_worker_that_is_back() {
    let protocol = Protocol {
        takes: false,
        ..WHOLE
    };
    assert!(finds(OVERRULED, protocol));
}

#[test]
fn later_claim_that_adopts_worker_lost_is_overruled() {
    let protocol = Protocol {
        skips: false,
        ..WHOLE
    };
    assert!(finds(OVERRULED, protocol));
}
