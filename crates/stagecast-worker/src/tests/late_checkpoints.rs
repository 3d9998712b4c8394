//! Checkpoints in posts that are served late, or again.

use std::time::Duration;

use local_aws::Fault;
use serde_json::{Value, json};
use stagecast_contract::limits::MAX_INLINE_CHECKPOINT_BYTES;
use stagecast_testing::fixtures::{TestJob, cancel};
use tokio::{join, time::sleep};

use super::{Answer, Site, progress, stage_complete};

/// The checkpoint with this number; its state is one letter, `length` times.
fn checkpoint(stage: &str, number: u64, letter: &str, length: usize) -> Value {
    let content = letter.repeat(length);
    json!({"type": "checkpoint", "stage": stage, "number": number, "state": content})
}

const SMALL: usize = 1;
const LARGE: usize = MAX_INLINE_CHECKPOINT_BYTES + 1;

impl Site {
    /// The checkpoint that the next claim gets.
    async fn checkpoint_of_next_claim(&self, job: &TestJob) -> Value {
        self.end_lease();
        self.claim(job, &["a", "b"]).await.accepted()["checkpoint"].clone()
    }

    /// Posts a checkpoint under the first claim, before any durable event.
    async fn store(&self, job: &TestJob, checkpoint: Value) -> Answer {
        self.post(job, 1, 0, json!([checkpoint])).await
    }

    /// Serves a post for a second, from the first call of this operation on.
    fn delay(&self, operation: &'static str) {
        let delay = Fault::Delay(Duration::from_secs(1));
        self.aws
            .fail(0..1, delay, move |call| call.operation == operation);
    }
}

/// While another post is served.
async fn meanwhile() {
    sleep(Duration::from_millis(500)).await;
}

#[tokio::test]
async fn late_repeat_does_not_replace_a_newer_state() {
    for length in [SMALL, LARGE] {
        let site = Site::new();
        let job = site.claimed_job(&["a", "b"]).await;
        let post = |number, percent, letter| {
            let events = json!([
                progress("a", percent),
                checkpoint("a", number, letter, length)
            ]);
            site.post(&job, 1, 0, events)
        };
        post(1, 10, "x").await.accepted();
        post(2, 20, "y").await.accepted();
        let late = post(1, 10, "x").await.accepted();
        assert_eq!(late["status"], "running");
        assert_eq!(site.item()["progress"]["N"], "20");
        // A repeat of the newest one changes nothing either.
        post(2, 20, "y").await.accepted();
        let next = site.checkpoint_of_next_claim(&job).await;
        assert_eq!(next, json!({"stage": "a", "state": "y".repeat(length)}));
    }
}

#[tokio::test]
async fn late_repeat_renews_the_lease_and_reports_a_cancellation() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    for number in [1, 2] {
        let event = checkpoint("a", number, "x", SMALL);
        site.store(&job, event).await.accepted();
    }
    cancel(&site.aws, &site.clock, &job).await.unwrap();
    site.end_lease();
    let event = checkpoint("a", 1, "x", SMALL);
    let late = site.store(&job, event).await.accepted();
    assert_eq!(late["cancel_requested"], true);
    site.claim(&job, &["a"]).await.refused(409, "job_held");
}

#[tokio::test(start_paused = true)]
async fn post_that_is_overtaken_while_it_is_served_replaces_nothing() {
    for (length, operation) in [
        (SMALL, "dynamodb:PutItem"),
        (LARGE, "s3:PutObject"),
        (LARGE, "dynamodb:PutItem"),
    ] {
        let site = Site::new();
        let other = site.other_process();
        let job = site.claimed_job(&["a", "b"]).await;
        let event = |number, letter| checkpoint("a", number, letter, length);
        site.delay(operation);
        let newer = async {
            meanwhile().await;
            // The repeat of the post that is being served, and two more.
            for (number, letter) in [(1, "x"), (2, "y"), (3, "z")] {
                other.store(&job, event(number, letter)).await.accepted();
            }
        };
        let (late, ()) = join!(site.store(&job, event(1, "x")), newer);
        late.accepted();
        let next = site.checkpoint_of_next_claim(&job).await;
        assert_eq!(next["state"], "z".repeat(length), "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn post_from_before_a_finished_stage_replaces_no_state_of_the_next() {
    let site = Site::new();
    let other = site.other_process();
    let job = site.claimed_job(&["a", "b"]).await;
    site.delay("dynamodb:PutItem");
    let newer = async {
        meanwhile().await;
        let old = checkpoint("a", 7, "x", SMALL);
        other.store(&job, old).await.accepted();
        // The worker counts the checkpoints of each stage.
        let events = json!([stage_complete("a", 1), checkpoint("b", 1, "y", SMALL)]);
        other.post(&job, 1, 0, events).await.accepted();
    };
    let late = checkpoint("a", 7, "x", SMALL);
    let (late, ()) = join!(site.store(&job, late), newer);
    late.accepted();
    let next = site.checkpoint_of_next_claim(&job).await;
    assert_eq!(next, json!({"stage": "b", "state": "y"}));
}

#[tokio::test(start_paused = true)]
async fn post_of_an_earlier_claim_stores_nothing_after_the_next_one() {
    for stored in [true, false] {
        let site = Site::new();
        let other = site.other_process();
        let job = site.claimed_job(&["a", "b"]).await;
        if stored {
            let event = checkpoint("a", 1, "x", SMALL);
            site.store(&job, event).await.accepted();
        }
        site.delay("dynamodb:PutItem");
        let takeover = async {
            meanwhile().await;
            other.checkpoint_of_next_claim(&job).await
        };
        let late = checkpoint("a", 2, "y", SMALL);
        let (late, second) = join!(site.store(&job, late), takeover);
        late.refused(409, "lease_lost");
        let expected = if stored {
            json!({"stage": "a", "state": "x"})
        } else {
            Value::Null
        };
        assert_eq!(second, expected);
        // The third claim has what the second one got, which has stored nothing.
        assert_eq!(site.checkpoint_of_next_claim(&job).await, expected);
    }
}

#[tokio::test]
async fn numbers_start_again_with_each_claim() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    let event = checkpoint("a", 9, "x", SMALL);
    site.store(&job, event).await.accepted();
    site.release(&job, 1, 0).await.accepted();
    site.claim(&job, &["a", "b"]).await.accepted();
    let event = json!([checkpoint("a", 1, "y", SMALL)]);
    site.post(&job, 2, 0, event).await.accepted();
    let next = site.checkpoint_of_next_claim(&job).await;
    assert_eq!(next["state"], "y");
}

#[tokio::test]
async fn last_of_the_checkpoints_without_numbers_wins() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    for state in ["x", "y", "x"] {
        let event = json!([{"type": "checkpoint", "stage": "a", "state": state}]);
        site.post(&job, 1, 0, event).await.accepted();
    }
    let next = site.checkpoint_of_next_claim(&job).await;
    assert_eq!(next["state"], "x");
}

#[tokio::test]
async fn invalid_number_is_refused() {
    let site = Site::new();
    let job = site.claimed_job(&["a"]).await;
    for number in [json!(-1), json!(1.5), json!("1")] {
        let event = json!([{"type": "checkpoint", "stage": "a", "state": 1, "number": number}]);
        let refused = site.post(&job, 1, 0, event).await;
        let error = refused.refused(400, "invalid_body");
        assert_eq!(error["field"], "events[0].number");
    }
}
