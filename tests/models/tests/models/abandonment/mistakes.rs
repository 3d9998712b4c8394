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
fn cancelled_job_never_ends_without_a_watchdog() {
    let protocol = Protocol {
        watches: false,
        ..WHOLE
    };
    assert!(finds(ACCEPTED, protocol));
}

#[test]
fn unconditional_claim_can_lack_a_watchdog() {
    let protocol = Protocol {
        rereads: false,
        ..WHOLE
    };
    assert!(finds(ACCEPTED, protocol));
}

#[test]
fn job_never_ends_when_settlement_adopts_no_event() {
    let protocol = Protocol {
        adopts: false,
        ..WHOLE
    };
    assert!(finds(ACCEPTED, protocol));
}

#[test]
fn watchdog_without_a_claim_overrules_a_returning_worker() {
    let protocol = Protocol {
        takes: false,
        ..WHOLE
    };
    assert!(finds(OVERRULED, protocol));
}

#[test]
fn claim_that_adopts_worker_lost_is_overruled() {
    let protocol = Protocol {
        skips: false,
        ..WHOLE
    };
    assert!(finds(OVERRULED, protocol));
}
