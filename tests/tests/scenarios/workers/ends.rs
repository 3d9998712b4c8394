//! The ends of external jobs, including those whose worker does not return.

use end_to_end::{
    System,
    worker::{progress, stage_complete},
};
use http::Method;
use serde_json::json;

#[tokio::test]
async fn worker_is_notified_of_a_cancellation_and_stops() {
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    let mut client = system.watch(&job).await;
    worker.claim(&["a"]).await;
    let early = worker
        .post_rejected(409, json!([{ "type": "job_cancelled" }]))
        .await;
    assert_eq!(early["code"], "not_cancelled");
    let accepted = worker.post_events(json!([progress("a", 10)])).await;
    assert_eq!(accepted["cancel_requested"], false);

    let cancel = json!({ "type": "cancel_job", "job_id": job.id });
    client.ask(&cancel, "cancel_requested").await;
    let accepted = worker.post_events(json!([progress("a", 20)])).await;
    assert_eq!(accepted["cancel_requested"], true);
    let accepted = worker
        .post_events(json!([{ "type": "job_cancelled" }]))
        .await;
    assert_eq!(accepted["status"], "cancelled");
    let end = client.until_job_ends().await.pop().expect("an end");
    assert_eq!(
        (&end["type"], &end["stage"]),
        (&json!("job_cancelled"), &json!("a"))
    );
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn failure_has_the_code_and_message_of_the_worker() {
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    let mut client = system.watch(&job).await;
    worker.claim(&["a"]).await;
    worker.post_events(json!([progress("a", 10)])).await;
    let error = json!({ "code": "no_words", "message": "The text has no words." });
    worker
        .post_events(json!([{ "type": "job_failed", "error": error }]))
        .await;
    let end = client.until_job_ends().await.pop().expect("an end");
    assert_eq!(
        (&end["type"], &end["error"]),
        (&json!("job_failed"), &error)
    );
    assert_eq!(end["stage"], "a");
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn job_without_a_worker_is_cancelled_at_once() {
    let system = System::start().await;
    let (waiting, mut late) = system.create_external("").await;
    let (left, mut gone) = system.create_external("").await;
    gone.claim(&["a"]).await;
    gone.post_events(json!([stage_complete("a", 1)])).await;
    system.end_lease(&left).await;
    for job in [&waiting, &left] {
        let mut client = system.watch(job).await;
        let cancelled = system
            .http
            .with_key(Method::DELETE, &job.path(), &job.key)
            .await;
        assert_eq!(cancelled.status, 202);
        let end = client.until_job_ends().await.pop().expect("an end");
        assert_eq!(end["type"], "job_cancelled");
        client.close().await;
    }
    let refused = late.try_claim(&json!({ "stages": ["a"] })).await;
    assert_eq!(refused.status, 409);
    assert_eq!(refused.json()["error"]["code"], "job_already_finished");
    let refused = gone.post_rejected(409, json!([progress("b", 1)])).await;
    assert_eq!(refused["code"], "job_already_finished");
    system.finish().await;
}

#[tokio::test]
async fn second_worker_takes_over_after_the_lease_of_the_first() {
    let system = System::start().await;
    let (job, mut first) = system.create_external("").await;
    let mut second = first.clone();
    first.claim(&["a", "b"]).await;
    first
        .post_events(json!([stage_complete("a", "of the first")]))
        .await;

    let stages = json!({ "stages": ["a", "b"] });
    let held = second.try_claim(&stages).await;
    assert_eq!(held.status, 409);
    assert_eq!(held.json()["error"]["code"], "job_held");
    assert!(held.json()["error"]["retry_after_seconds"].as_u64() <= Some(31));

    system.end_lease(&job).await;
    let claimed = second.claim(&["a", "b"]).await;
    assert_eq!((&claimed["epoch"], &claimed["seq"]), (&json!(2), &json!(1)));
    let finished = json!([{ "stage": "a", "results": "of the first" }]);
    assert_eq!(claimed["finished"], finished);
    for events in [
        json!([progress("b", 50)]),
        json!([stage_complete("b", "of the first")]),
        json!([{ "type": "job_complete" }]),
    ] {
        assert_eq!(first.post_rejected(409, events).await["code"], "lease_lost");
    }
    second
        .post_events(json!([stage_complete("b", "of the second")]))
        .await;
    second
        .post_events(json!([{ "type": "job_complete" }]))
        .await;

    let mut client = system.watch(&job).await;
    let log = client.until_job_ends().await;
    let results: Vec<_> = log.iter().map(|message| &message["results"]).collect();
    assert_eq!(results, ["of the first", "of the second", "of the second"]);
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn named_worker_reclaims_its_job_a_limited_number_of_times() {
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    let mut client = system.watch(&job).await;
    let claim = json!({ "stages": ["a"], "worker_id": "worker-7" });
    for epoch in 1..=3 {
        let claimed = worker.try_claim(&claim).await;
        assert_eq!((claimed.status.as_u16(), worker.epoch), (200, epoch));
    }
    let stranger = json!({ "stages": ["a"], "worker_id": "worker-8" });
    assert_eq!(worker.try_claim(&stranger).await.status, 409);
    let refused = worker.try_claim(&claim).await;
    assert_eq!(refused.json()["error"]["code"], "job_already_finished");
    let end = client.until_job_ends().await.pop().expect("an end");
    assert_eq!(end["error"]["code"], "too_many_attempts");
    client.close().await;
    system.finish().await;
}
