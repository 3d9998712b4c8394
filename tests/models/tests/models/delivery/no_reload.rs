//! Another obvious mistake that the model must be able to refute: a subscription that is stored
//! whatever the job's seq is by then, and a log that is sent up to the seq that was read before.

use stateright::{Checker as _, Model, Property};

use super::{Protocol, State, Step, Subscribing};

#[test]
fn not_reading_the_job_again_would_lose_what_was_published_meanwhile() {
    struct NoReload;
    impl Model for NoReload {
        type State = State;
        type Action = Step;
        fn init_states(&self) -> Vec<State> {
            Protocol.init_states()
        }
        fn actions(&self, state: &State, actions: &mut Vec<Step>) {
            Protocol.actions(state, actions);
        }
        fn next_state(&self, state: &State, step: Step) -> Option<State> {
            if step != Step::Reload {
                return Protocol.next_state(state, step);
            }
            let mut state = state.clone();
            let next = state.client.has + 1;
            let until = state.job.subscriber.map_or(0, |(_, at_seq)| at_seq);
            state.client.subscribing = Subscribing::Replaying { next, until };
            Some(state)
        }
        fn properties(&self) -> Vec<Property<Self>> {
            vec![Property::always("nothing is lost", |_, state: &State| {
                !state.is_quiet() || state.client.has == state.job.seq
            })]
        }
    }
    let checker = NoReload.checker().spawn_bfs().join();
    assert!(checker.discovery("nothing is lost").is_some());
}
