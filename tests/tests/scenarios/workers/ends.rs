//! How the jobs of a worker end, and what becomes of those whose worker does not come back.

use end_to_end::{
    System,
    worker::{progress, stage_complete},
};
use http::Method;
use serde_json::json;

#[tokio::test]
async fn a_worker_hears_of_a_cancellation_and_stops() {
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    let mut client = system.watch(&job).await;
    worker.claim(&["a"]).await;
    let early = worker
        .refused(409, json!([{ "type": "job_cancelled" }]))
        .await;
    assert_eq!(early["code"], "not_cancelled");
    let told = worker.tell(json!([progress("a", 10)])).await;
    assert_eq!(told["cancel_requested"], false);

    let cancel = json!({ "type": "cancel_job", "job_id": job.id });
    client.ask(&cancel, "cancel_requested").await;
    let told = worker.tell(json!([progress("a", 20)])).await;
    assert_eq!(told["cancel_requested"], true);
    let told = worker.tell(json!([{ "type": "job_cancelled" }])).await;
    assert_eq!(told["status"], "cancelled");
    let end = client.until_the_end().await.pop().expect("an end");
    assert_eq!(
        (&end["type"], &end["stage"]),
        (&json!("job_cancelled"), &json!("a"))
    );
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn a_failure_says_what_the_worker_says() {
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    let mut client = system.watch(&job).await;
    worker.claim(&["a"]).await;
    worker.tell(json!([progress("a", 10)])).await;
    let error = json!({ "code": "no_words", "message": "The text has no words." });
    worker
        .tell(json!([{ "type": "job_failed", "error": error }]))
        .await;
    let end = client.until_the_end().await.pop().expect("an end");
    assert_eq!(
        (&end["type"], &end["error"]),
        (&json!("job_failed"), &error)
    );
    assert_eq!(end["stage"], "a");
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn a_job_that_nobody_runs_is_cancelled_at_once() {
    let system = System::start().await;
    let (waiting, mut late) = system.create_external("").await;
    let (left, mut gone) = system.create_external("").await;
    gone.claim(&["a"]).await;
    gone.tell(json!([stage_complete("a", 1)])).await;
    system.end_lease(&left).await;
    for job in [&waiting, &left] {
        let mut client = system.watch(job).await;
        let cancelled = system
            .http
            .with_key(Method::DELETE, &job.path(), &job.key)
            .await;
        assert_eq!(cancelled.status, 202);
        let end = client.until_the_end().await.pop().expect("an end");
        assert_eq!(end["type"], "job_cancelled");
        client.close().await;
    }
    let refused = late.try_claim(&json!({ "stages": ["a"] })).await;
    assert_eq!(refused.status, 409);
    assert_eq!(refused.json()["error"]["code"], "job_already_finished");
    let refused = gone.refused(409, json!([progress("b", 1)])).await;
    assert_eq!(refused["code"], "job_already_finished");
    system.finish().await;
}

#[tokio::test]
async fn of_two_workers_one_has_the_job_and_the_other_takes_over_when_it_is_gone() {
    let system = System::start().await;
    let (job, mut first) = system.create_external("").await;
    let mut second = first.clone();
    first.claim(&["a", "b"]).await;
    first
        .tell(json!([stage_complete("a", "of the first")]))
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
        assert_eq!(first.refused(409, events).await["code"], "lease_lost");
    }
    second
        .tell(json!([stage_complete("b", "of the second")]))
        .await;
    second.tell(json!([{ "type": "job_complete" }])).await;

    let mut client = system.watch(&job).await;
    let log = client.until_the_end().await;
    let results: Vec<_> = log.iter().map(|message| &message["results"]).collect();
    assert_eq!(results, ["of the first", "of the second", "of the second"]);
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn a_worker_with_a_name_gets_its_job_back_at_once_but_not_without_end() {
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
    let end = client.until_the_end().await.pop().expect("an end");
    assert_eq!(end["error"]["code"], "too_many_attempts");
    client.close().await;
    system.finish().await;
}
