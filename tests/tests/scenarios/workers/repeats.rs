//! Lost responses and repeated posts.

use std::{sync::Arc, time::Duration};

use contract::tables::{JobEvents, Table as _};
use end_to_end::{
    Job, Response, System, needs,
    worker::{Worker, progress, stage_complete},
};
use local::{Fault, Times};
use serde_json::{Value, json};

async fn log(system: &System, job: &Job) -> Vec<Value> {
    let mut events = system.items(JobEvents::SPEC).await;
    events.retain(|event| event["job_id"] == job.id);
    events.sort_by_key(|event| {
        event["seq"]
            .as_str()
            .and_then(|seq| seq.parse::<u64>().ok())
    });
    events
}

#[tokio::test]
async fn post_with_a_lost_response_takes_effect_once() {
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    let mut client = system.watch(&job).await;
    worker.claim(&["a", "b"]).await;
    let post = worker.body(&json!([
        progress("a", 99),
        stage_complete("a", 1),
        progress("b", 0),
    ]));
    let first = worker.post(&post).await;
    let before = log(&system, &job).await;
    let again = worker.post(&post).await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (200, 200));
    assert_eq!(again.json()["seq"], first.json()["seq"]);
    assert_eq!(log(&system, &job).await, before);

    worker.seq = 1;
    let last = worker.body(&json!([stage_complete("b", 2), { "type": "job_complete" }]));
    let ended = worker.post(&last).await;
    let again = worker.post(&last).await;
    assert_eq!((ended.status.as_u16(), again.status.as_u16()), (200, 200));
    assert_eq!(again.json()["status"], "completed");
    assert_eq!(log(&system, &job).await.len(), 3);

    // Repeated messages have the same `seq` and content.
    let mut seen = std::collections::BTreeMap::new();
    for message in client.until_job_ends().await {
        if message["type"] != "progress_update" {
            let seq = message["seq"].as_u64().unwrap();
            assert_eq!(seen.entry(seq).or_insert_with(|| message.clone()), &message);
        }
    }
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), [1, 2, 3]);
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn repeated_post_sends_the_log_again() {
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    let mut client = system.watch(&job).await;
    worker.claim(&["a"]).await;
    let post = worker.body(&json!([stage_complete("a", 1)]));
    // After a lost response, it is unknown how far the attempt got, so the log is sent again.
    for _ in 0..2 {
        assert_eq!(worker.post(&post).await.status, 200);
        assert_eq!(client.expect("stage_complete").await["seq"], 1);
    }
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn conflicting_post_is_rejected_without_effect() {
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    worker.claim(&["a", "b"]).await;
    let start = worker.clone();
    worker.post_events(json!([stage_complete("a", 1)])).await;
    let before = log(&system, &job).await;
    for events in [
        json!([stage_complete("a", 2)]),
        json!([stage_complete("b", 1)]),
        json!([{ "type": "job_complete" }]),
        json!([stage_complete("a", 2), stage_complete("b", 1)]),
    ] {
        let refused = start.post_rejected(409, events).await;
        assert_eq!(
            (&refused["code"], &refused["seq"]),
            (&json!("seq_conflict"), &json!(1))
        );
    }
    let mut ahead = worker.clone();
    ahead.seq = 7;
    let refused = ahead
        .post_rejected(409, json!([stage_complete("b", 1)]))
        .await;
    assert_eq!(refused["code"], "seq_conflict");
    // An outdated progress update is not an error.
    let late = start.post(&start.body(&json!([progress("a", 10)]))).await;
    assert_eq!(
        (late.status.as_u16(), &late.json()["seq"]),
        (200, &json!(1))
    );
    assert_eq!(log(&system, &job).await, before);
    system.finish().await;
}

#[tokio::test]
async fn repeat_completes_a_post_interrupted_between_writes() {
    needs!(InjectFaults);
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    let mut client = system.watch(&job).await;
    worker.claim(&["a", "b"]).await;
    let post = worker.body(&json!([stage_complete("a", 1)]));
    system.local().faults().on_call(|call| {
        let commits = call.caller == "worker" && call.operation == "dynamodb:UpdateItem";
        commits.then_some(Fault::Outage)
    });
    let failed = worker.post(&post).await;
    assert_eq!(failed.status, 500);
    assert_eq!(failed.json()["error"]["code"], "internal");
    let written = log(&system, &job).await;
    assert_eq!(written.len(), 1);

    system.local().faults().clear();
    let other = worker
        .post_rejected(409, json!([stage_complete("b", 2)]))
        .await;
    assert_eq!(other["code"], "seq_conflict");
    let done = worker.post(&post).await;
    assert_eq!(
        (done.status.as_u16(), &done.json()["seq"]),
        (200, &json!(1))
    );
    assert_eq!(
        log(&system, &job).await,
        written,
        "the logged event is unchanged"
    );
    assert_eq!(client.expect("stage_complete").await["seq"], 1);
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn claim_adopts_an_uncommitted_event_of_the_previous_worker() {
    needs!(InjectFaults);
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    let mut client = system.watch(&job).await;
    worker.claim(&["a", "b"]).await;
    system.local().faults().on_call(|call| {
        let commits = call.caller == "worker" && call.operation == "dynamodb:UpdateItem";
        commits.then_some(Fault::Outage)
    });
    worker
        .post(&worker.body(&json!([stage_complete("a", 1)])))
        .await;
    system.local().faults().clear();
    system.end_lease(&job).await;
    let claimed = worker.claim(&["a", "b"]).await;
    assert_eq!((&claimed["epoch"], &claimed["seq"]), (&json!(2), &json!(1)));
    assert_eq!(claimed["finished"], json!([{ "stage": "a", "results": 1 }]));
    assert_eq!(client.expect("stage_complete").await["results"], 1);
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn claims_failed_by_server_errors_are_not_counted() {
    needs!(InjectFaults);
    let system = System::start().await;
    let (_, mut worker) = system.create_external("").await;
    let claim = json!({ "stages": ["a"], "worker_id": "worker-7" });
    // The log cannot be read, so the claim is written but its request fails.
    system.local().faults().on_call(|call| {
        let reads = call.caller == "worker" && call.operation == "dynamodb:Query";
        reads.then_some(Fault::Outage)
    });
    for _ in 0..4 {
        assert_eq!(worker.try_claim(&claim).await.status, 500);
    }
    system.local().faults().clear();
    assert_eq!(worker.try_claim(&claim).await.status, 200);
    worker.post_events(json!([stage_complete("a", 1)])).await;
    system.finish().await;
}

#[tokio::test]
async fn lost_table_responses_duplicate_no_event() {
    needs!(InjectFaults);
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    worker.claim(&["a", "b"]).await;
    // More lost responses in a row than the SDK's attempts, so the worker must repeat its post.
    let lost = Arc::new(Times::new(8));
    system.local().faults().on_call(move |call| {
        let writes = ["dynamodb:PutItem", "dynamodb:UpdateItem"];
        let is_ours = call.caller == "worker" && writes.contains(&call.operation.as_str());
        (is_ours && lost.take()).then_some(Fault::LostResponse)
    });
    worker.post_with_retry(json!([progress("a", 50)])).await;
    worker
        .post_with_retry(json!([stage_complete("a", 1)]))
        .await;
    worker
        .post_with_retry(json!([stage_complete("b", 2), { "type": "job_complete" }]))
        .await;
    assert_eq!(log(&system, &job).await.len(), 3);
    let mut client = system.watch(&job).await;
    let seqs: Vec<_> = client
        .until_job_ends()
        .await
        .iter()
        .map(|message| message["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(seqs, [1, 2, 3]);
    client.close().await;
    system.finish().await;
}

/// A whole job in one post, so that overlapping attempts have many writes to conflict on.
fn whole_job(worker: &Worker, stages: &[&str]) -> Value {
    let events = stages
        .iter()
        .flat_map(|stage| [progress(stage, 50), stage_complete(stage, 1)]);
    worker.body(&events.chain([json!({ "type": "job_complete" })]).collect())
}

/// Whether a response is wrong for a valid post of the worker that holds the job.
fn is_wrong(answer: &Response) -> bool {
    let is_retry = answer.status == 503 && answer.json()["error"]["code"] == "conflict_retry";
    answer.status != 200 && !is_retry
}

#[tokio::test]
async fn identical_concurrent_posts_get_the_same_response() {
    const ROUNDS: usize = 25;
    const AT_ONCE: usize = 6;
    let system = System::start().await;
    let mut wrong = Vec::new();
    for _ in 0..ROUNDS {
        let (job, mut worker) = system.create_external("").await;
        worker.claim(&["a", "b", "c"]).await;
        let post = whole_job(&worker, &["a", "b", "c"]);
        let posts = (0..AT_ONCE).map(|_| worker.post(&post));
        let answers = futures_util::future::join_all(posts).await;
        wrong.extend(answers.iter().filter(|it| is_wrong(it)).map(Response::json));
        let done = answers.iter().find(|answer| answer.status == 200);
        let done = done.expect("one of them is served").json();
        assert_eq!(
            (&done["status"], &done["seq"]),
            (&json!("completed"), &json!(4))
        );
        assert_eq!(log(&system, &job).await.len(), 4);
    }
    let tried = ROUNDS * AT_ONCE;
    assert!(
        wrong.is_empty(),
        "{} of {tried} wrong: {wrong:#?}",
        wrong.len()
    );
    system.finish().await;
}

#[tokio::test]
async fn post_repeated_after_a_broken_connection_is_accepted() {
    let system = System::start().await;
    let mut wrong = Vec::new();
    let mut tried = 0;
    let names: Vec<String> = (0..10).map(|number| format!("stage_{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for stages in [&names[..3], &names[..]] {
        for round in 0..20 {
            let (job, mut worker) = system.create_external("").await;
            worker.claim(stages).await;
            let mut first = 0;
            for part in stages.chunks(9) {
                let is_last = first + part.len() == stages.len();
                first += part.len();
                let mut events: Vec<_> = part.iter().map(|it| stage_complete(it, 1)).collect();
                events.extend(is_last.then(|| json!({ "type": "job_complete" })));
                let post = worker.body(&events.into());
                let breaks = Duration::from_millis(2 + 3 * round);
                // The connection breaks while the request is in flight or being served.
                let broken = tokio::time::timeout(breaks, worker.post(&post)).await;
                drop(broken);
                let answer = worker.post(&post).await;
                tried += 1;
                if is_wrong(&answer) {
                    wrong.push(answer.json());
                }
                worker.seq = first as u64;
            }
            assert_eq!(log(&system, &job).await.len(), stages.len() + 1);
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {tried} wrong: {wrong:#?}",
        wrong.len()
    );
    system.finish().await;
}

#[tokio::test]
async fn new_claim_starts_the_next_attempt_of_its_stage() {
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    let mut client = system.watch(&job).await;
    let claim = json!({ "stages": ["a", "b"], "worker_id": "worker-7" });
    worker.try_claim(&claim).await;
    // Progress close to the end of the stage, as of a worker that crashes then.
    worker.post_events(json!([progress("a", 99)])).await;
    let first = client.expect("progress_update").await;
    assert_eq!(
        (&first["progress"], &first["attempt"]),
        (&json!(99), &json!(1))
    );
    worker.post_events(json!([progress("a", 10)])).await;
    let held = client.expect("progress_update").await;
    assert_eq!(
        (&held["progress"], &held["attempt"]),
        (&json!(99), &json!(1))
    );

    assert_eq!(worker.try_claim(&claim).await.status, 200);
    worker.post_events(json!([progress("a", 10)])).await;
    let again = client.expect("progress_update").await;
    assert_eq!(
        (&again["progress"], &again["attempt"]),
        (&json!(10), &json!(2))
    );
    assert_eq!(again["overall_progress"], 5);
    let status = json!({ "type": "request_status", "job_id": job.id });
    let status = client.ask(&status, "job_status").await;
    assert_eq!(
        (&status["progress"], &status["attempt"]),
        (&json!(10), &json!(2))
    );

    worker
        .post_events(json!([stage_complete("a", 1), progress("b", 20)]))
        .await;
    client.expect("stage_complete").await;
    let next = client.expect("progress_update").await;
    assert_eq!((&next["stage"], &next["attempt"]), (&json!("b"), &json!(1)));
    client.close().await;
    system.finish().await;
}
