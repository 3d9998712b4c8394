//! Time limits of the jobs of external workers.

use serde_json::json;
use stagecast_contract::time_limits::JobLimits;
use stagecast_testing::fixtures::{TestJob, external_job_as};

use super::{Site, job_complete, progress, stage_complete, types};

async fn limited(site: &Site) -> TestJob {
    let limits = JobLimits {
        queue_seconds: Some(100),
        run_seconds: Some(60),
    };
    external_job_as(&site.aws, &site.clock, 1, |job| job.limited(limits)).await
}

#[tokio::test]
async fn claim_after_the_queue_limit_fails_the_job() {
    let site = Site::new();
    let job = limited(&site).await;
    site.clock.advance(101);

    let late = site.claim(&job, &["a"]).await;
    let again = site.claim(&job, &["a"]).await;

    assert_eq!(
        late.refused(409, "job_already_finished")["status"],
        "failed"
    );
    again.refused(409, "job_already_finished");
    let log = site.log();
    assert_eq!(types(&log), ["job_failed"]);
    assert_eq!(log[0]["error"]["code"], "queue_timeout");
}

#[tokio::test]
async fn claim_in_the_last_second_of_the_queue_limit_gets_the_job() {
    let site = Site::new();
    let job = limited(&site).await;
    site.clock.advance(100);

    site.claim(&job, &["a"]).await.accepted();
    site.clock.advance(30);

    site.post(&job, 1, 0, json!([progress("a", 50)]))
        .await
        .accepted();
}

#[tokio::test]
async fn post_after_the_run_limit_fails_the_job() {
    let site = Site::new();
    let job = limited(&site).await;
    site.claim(&job, &["a"]).await.accepted();
    for _ in 0..3 {
        site.clock.advance(20);
        site.post(&job, 1, 0, json!([progress("a", 50)]))
            .await
            .accepted();
    }
    site.clock.advance(1);

    let late = json!([stage_complete("a", 1), job_complete()]);
    let late = site.post(&job, 1, 0, late).await;

    assert_eq!(
        late.refused(409, "job_already_finished")["status"],
        "failed"
    );
    let log = site.log();
    assert_eq!(types(&log), ["job_failed"]);
    assert_eq!(log[0]["error"]["code"], "job_timed_out");
    assert_eq!(log[0]["stage"], "a");
    let delivery = &site.deliveries()[0];
    assert_eq!(
        (&delivery["content"], &delivery["through_seq"]),
        (&json!("published"), &json!(1))
    );
}

#[tokio::test]
async fn repeated_post_after_the_run_limit_is_still_accepted() {
    let site = Site::new();
    let job = limited(&site).await;
    site.claim(&job, &["a"]).await.accepted();
    let post = json!([stage_complete("a", 1)]);
    site.post(&job, 1, 0, post.clone()).await.accepted();
    site.clock.advance(61);

    let again = site.post(&job, 1, 0, post).await;
    let next = site.post(&job, 1, 1, json!([job_complete()])).await;

    again.refused(409, "job_already_finished");
    next.refused(409, "job_already_finished");
    assert_eq!(types(&site.log()), ["stage_complete", "job_failed"]);
}

#[tokio::test]
async fn claim_before_the_start_is_refused_with_the_time_to_wait() {
    let site = Site::new();
    let run_at = site.clock.now().plus_seconds(3600);
    let start = |job: stagecast_core::models::Job| job.starting_at(Some(run_at));
    let job = external_job_as(&site.aws, &site.clock, 1, start).await;

    let early = site.claim(&job, &["a"]).await.refused(409, "not_due");
    site.clock.advance(3599);
    site.claim(&job, &["a"]).await.refused(409, "not_due");
    site.clock.advance(1);
    let due = site.claim(&job, &["a"]).await;

    assert_eq!(early["retry_after_seconds"], 3600);
    assert_eq!(early["run_at"], run_at.to_string());
    assert_eq!(due.accepted()["epoch"], 1);
    assert_eq!(site.watchdogs(), [1], "a refused claim starts none");
}

#[tokio::test]
async fn later_claim_counts_from_the_first_one() {
    let site = Site::new();
    let job = limited(&site).await;
    site.claim(&job, &["a"]).await.accepted();
    site.end_lease();
    site.claim(&job, &["a"]).await.accepted();
    site.clock.advance(30);

    let late = site.claim(&job, &["a"]).await;

    late.refused(409, "job_already_finished");
    assert_eq!(site.log()[0]["error"]["code"], "job_timed_out");
}
