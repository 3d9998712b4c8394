//! Posts and claims of one worker that are served at the same time.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use local_aws::Fault;
use serde_json::json;
use stagecast_contract::tables::JobEvents;
use stagecast_testing::fixtures::external_job;
use tokio::{join, time::sleep};

use super::{Site, job_complete, progress, stage_complete, types};

#[tokio::test(start_paused = true)]
async fn one_of_two_different_overlapping_posts_is_a_conflict() {
    let site = Site::new();
    let job = site.claimed_job(&["a", "b"]).await;
    let other = site.other_process();
    // The first post is in the log and not committed when the second arrives.
    site.aws
        .fail(0..1, Fault::Delay(Duration::from_secs(1)), |call| {
            call.operation == "dynamodb:UpdateItem"
        });
    let late = async {
        sleep(Duration::from_millis(500)).await;
        other
            .post(&job, 1, 0, json!([stage_complete("b", 2)]))
            .await
    };

    let (first, second) = join!(site.post(&job, 1, 0, json!([stage_complete("a", 1)])), late);

    assert_eq!(first.accepted()["seq"], 1);
    assert_eq!(second.refused(409, "seq_conflict")["seq"], 0);
    assert_eq!(types(&site.log()), ["stage_complete"]);
}

/// Delays calls by up to 50 ms, differently with each seed.
fn shuffle_calls(site: &Site, seed: u64) {
    let next = AtomicU64::new(0);
    site.aws.faults().on_call(move |_| {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let hash = (seed * 1_000 + number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        Some(Fault::Delay(Duration::from_millis(hash % 50)))
    });
}

#[tokio::test(start_paused = true)]
async fn identical_overlapping_posts_get_the_same_response() {
    let site = Site::new();
    let (two, three) = (site.other_process(), site.other_process());
    for seed in 0..8_u8 {
        site.aws.faults().clear();
        let job = external_job(&site.aws, &site.clock, seed).await;
        site.claim(&job, &["a", "b"]).await.accepted();
        let events = json!([
            progress("a", 50),
            stage_complete("a", 1),
            progress("b", 50),
            stage_complete("b", 2),
            job_complete(),
        ]);
        shuffle_calls(&site, seed.into());

        let answers: [_; 3] = join!(
            site.post(&job, 1, 0, events.clone()),
            two.post(&job, 1, 0, events.clone()),
            three.post(&job, 1, 0, events.clone()),
        )
        .into();
        let repeat = site.post(&job, 1, 0, events).await;

        for answer in &answers {
            if answer.status == 503 {
                answer.refused(503, "conflict_retry");
                assert_eq!(answer.header("retry-after"), "1");
            } else {
                answer.accepted();
            }
        }
        assert!(answers.iter().any(|answer| answer.status == 200));
        let repeat = repeat.accepted();
        assert_eq!(repeat["status"], "completed", "seed {seed}");
        assert_eq!(repeat["seq"], 3, "seed {seed}");
        let log = site.aws.items::<JobEvents>();
        let own = log
            .iter()
            .filter(|event| event["job_id"]["S"] == job.id.as_str());
        assert_eq!(own.count(), 3, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn post_that_is_repeated_while_it_is_served_is_accepted() {
    let site = Site::new();
    let other = site.other_process();
    for seed in 0..8_u8 {
        site.aws.faults().clear();
        let job = external_job(&site.aws, &site.clock, seed).await;
        site.claim(&job, &["a", "b"]).await.accepted();
        let events = json!([stage_complete("a", 1), stage_complete("b", 2)]);
        shuffle_calls(&site, seed.into());

        let repeating = async {
            sleep(Duration::from_millis(u64::from(seed) * 30)).await;
            other.post(&job, 1, 0, events.clone()).await
        };
        let (first, repeat) = join!(site.post(&job, 1, 0, events.clone()), repeating);

        for answer in [first, repeat] {
            if answer.status != 503 {
                assert_eq!(answer.accepted()["seq"], 2, "seed {seed}");
            }
        }
        let log = site.aws.items::<JobEvents>();
        let own = log
            .iter()
            .filter(|event| event["job_id"]["S"] == job.id.as_str());
        assert_eq!(own.count(), 2, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn overtaken_claim_is_not_made_without_a_watchdog() {
    let site = Site::new();
    let job = site.job().await;
    let other = site.other_process();
    let sends = AtomicUsize::new(0);
    site.aws.faults().on_call(move |call| {
        if call.operation != "sqs:SendMessage" {
            return None;
        }
        match sends.fetch_add(1, Ordering::Relaxed) {
            // The other claim is written meanwhile.
            0 => Some(Fault::Delay(Duration::from_secs(1))),
            // The watchdog of the slow claim's next epoch.
            2 => Some(Fault::Outage),
            _ => None,
        }
    });
    let overtaking = async {
        sleep(Duration::from_millis(500)).await;
        other.claim_as(&job, "worker-7").await
    };

    let (slow, fast) = join!(site.claim_as(&job, "worker-7"), overtaking);
    let epoch = site.item()["epoch"]["N"].clone();
    let again = site.claim_as(&job, "worker-7").await;

    assert_eq!(fast.accepted()["epoch"], 1);
    slow.refused(500, "internal");
    assert_eq!(epoch, "1");
    assert_eq!(again.accepted()["epoch"], 2);
}
