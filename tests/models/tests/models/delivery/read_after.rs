//! The obvious order, which the model must be able to refute: look at the job's seq only after the
//! subscription is stored.

use stateright::{Checker as _, Model, Property};

use super::{Protocol, State, Step, Subscribing, is_unique};

#[test]
fn reading_the_log_after_the_transaction_would_send_messages_twice() {
    struct ReadAfter;
    impl Model for ReadAfter {
        type State = State;
        type Action = Step;
        fn init_states(&self) -> Vec<State> {
            Protocol.init_states()
        }
        fn actions(&self, state: &State, actions: &mut Vec<Step>) {
            Protocol.actions(state, actions);
        }
        fn next_state(&self, state: &State, step: Step) -> Option<State> {
            let mut state = state.clone();
            match (&step, &state.client.subscribing) {
                (Step::Look, _) => {
                    state.job.subscriber = Some((state.client.connection, 0));
                    state.job.version += 1;
                    state.client.subscribing = Subscribing::Looked { seq: 0 };
                    Some(state)
                }
                (Step::Subscribe, Subscribing::Looked { .. }) => {
                    let (next, until) = (state.client.has + 1, state.job.seq);
                    state.client.subscribing = Subscribing::Replaying { next, until };
                    Some(state)
                }
                _ => Protocol.next_state(&state, step),
            }
        }
        fn properties(&self) -> Vec<Property<Self>> {
            vec![Property::always(
                "nothing comes twice",
                |_, state: &State| {
                    state.crashed || state.may_repeat || is_unique(&state.client.wire)
                },
            )]
        }
    }
    let checker = ReadAfter.checker().spawn_bfs().join();
    assert!(checker.discovery("nothing comes twice").is_some());
}
