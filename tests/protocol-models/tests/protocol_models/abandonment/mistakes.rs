//! Variants of the protocol that lack a rule. The model must find a violation in each.

use stateright::{Checker as _, HasDiscoveries, Model as _};

use super::{FULL_PROTOCOL, Protocol};

fn finds(property: &'static str, protocol: Protocol) -> bool {
    let found = HasDiscoveries::AnyOf([property].into());
    let checker = protocol.checker().finish_when(found).spawn_bfs().join();
    checker.discovery(property).is_some()
}

const ACCEPTED: &str = "an accepted request ends the job";
const OVERRULED: &str = "a returning worker is not overruled";

#[test]
fn cancelled_job_never_ends_without_a_watchdog() {
    let protocol = Protocol {
        schedules_watchdog: false,
        ..FULL_PROTOCOL
    };
    assert!(finds(ACCEPTED, protocol));
}

#[test]
fn unconditional_claim_can_lack_a_watchdog() {
    let protocol = Protocol {
        rejects_stale_claims: false,
        ..FULL_PROTOCOL
    };
    assert!(finds(ACCEPTED, protocol));
}

#[test]
fn job_never_ends_when_settlement_adopts_no_event() {
    let protocol = Protocol {
        adopts_events: false,
        ..FULL_PROTOCOL
    };
    assert!(finds(ACCEPTED, protocol));
}

#[test]
fn watchdog_without_a_claim_overrules_a_returning_worker() {
    let protocol = Protocol {
        watchdog_claims: false,
        ..FULL_PROTOCOL
    };
    assert!(finds(OVERRULED, protocol));
}

#[test]
fn claim_that_adopts_worker_lost_is_overruled() {
    let protocol = Protocol {
        discards_worker_lost: false,
        ..FULL_PROTOCOL
    };
    assert!(finds(OVERRULED, protocol));
}
