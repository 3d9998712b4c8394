//! Faulty variants of the protocol. The model must find a violation in each.

use stateright::{Checker as _, Model, Property};

use super::{Protocol, State, Step, Subscribing, is_unique};

/// A protocol with a changed step, and the property that it must violate.
struct FaultyProtocol {
    /// The state after the changed step; `None` for all other steps.
    override_step: fn(&State, &Step) -> Option<State>,
    holds: fn(&Self, &State) -> bool,
}

impl Model for FaultyProtocol {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        Protocol.init_states()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Step>) {
        Protocol.actions(state, actions);
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        (self.override_step)(state, &step).or_else(|| Protocol.next_state(state, step))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("it holds", self.holds)]
    }
}

impl FaultyProtocol {
    fn violates_property(self) -> bool {
        let checker = self.checker().spawn_bfs().join();
        checker.discovery("it holds").is_some()
    }
}

/// Reads the job's `seq` only after the subscription is stored.
#[test]
fn log_read_after_the_transaction_sends_messages_twice() {
    let read_after = FaultyProtocol {
        override_step: |state, step| {
            let mut state = state.clone();
            match (step, &state.client.subscribing) {
                (Step::LoadContext, _) => {
                    state.job.subscriber = Some((state.client.connection, 0));
                    state.job.version += 1;
                    state.client.subscribing = Subscribing::Loaded { seq: 0 };
                    Some(state)
                }
                (Step::Subscribe, Subscribing::Loaded { .. }) => {
                    let (next, until) = (state.client.has + 1, state.job.seq);
                    state.client.subscribing = Subscribing::Replaying { next, until };
                    Some(state)
                }
                _ => None,
            }
        },
        holds: |_, state| state.crashed || state.may_repeat || is_unique(&state.client.wire),
    };
    assert!(read_after.violates_property());
}

/// Stores a subscription without a condition on the job's `seq`, and sends the log only up to the `seq` read
/// before.
#[test]
fn missing_reload_of_the_job_loses_messages() {
    let no_reload = FaultyProtocol {
        override_step: |state, step| {
            if *step != Step::Reload {
                return None;
            }
            let mut state = state.clone();
            let next = state.client.has + 1;
            let until = state.job.subscriber.map_or(0, |(_, at_seq)| at_seq);
            state.client.subscribing = Subscribing::Replaying { next, until };
            Some(state)
        },
        holds: |_, state| !state.is_quiet() || state.client.has == state.job.seq,
    };
    assert!(no_reload.violates_property());
}
