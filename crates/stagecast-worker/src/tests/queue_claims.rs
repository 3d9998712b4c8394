//! `POST /v1/queues/{queue}/claim`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use local_aws::Fault;
use serde_json::{Value, json};
use stagecast_contract::{
    ids::{AccessKey, RequestId, WorkerToken},
    limits::MAX_EVENTS_BYTES,
    routes::HttpRoute,
    time_limits::JobLimits,
};
use stagecast_core::models::{Job, TokenQueues, WorkerTokenRecord};
use stagecast_testing::{
    fixtures::{self, START, cancel},
    http_api::{self, job_request},
};

use super::{Site, job_complete, progress, stage_complete};

#[tokio::test]
async fn claim_gets_the_job_with_a_worker_key_of_its_own() {
    let site = Site::new();
    let token = site.token().await;
    let waiting = fixtures::waiting_job(&site.aws, &site.clock, 1, |job| {
        job.limited(JobLimits {
            queue_seconds: None,
            run_seconds: Some(60),
        })
    })
    .await;

    let (claimed, job) = site.claim_next(&token).await;

    assert_eq!(job.id, waiting.id);
    for (field, value) in [
        ("epoch", json!(1)),
        ("seq", json!(0)),
        ("attempt", json!(1)),
        ("queue", json!("plans")),
        ("priority", json!(5)),
        ("created_at", json!(START)),
        ("run_until", json!(START.plus_seconds(60))),
        ("content_type", json!("text/plain")),
        ("lease_expires_at", json!(START.plus_seconds(30))),
        ("websocket_url", json!(site.websocket_url())),
    ] {
        assert_eq!(claimed[field], value, "{field}");
    }
    let key = job.worker_key.reveal();
    assert_eq!(key.len(), 32);
    assert!(!site.item().to_string().contains(key));
    assert_eq!(site.watchdogs(), [1]);
    assert!(site.entries().is_empty());
    let end = json!([progress("a", 10), stage_complete("a", 1), job_complete()]);
    let accepted = site.post(&job, 1, 0, end).await.accepted();
    assert_eq!(accepted["status"], "completed");
}

#[tokio::test]
async fn empty_queue_is_answered_with_204_and_a_time() {
    let site = Site::new();
    let token = site.token().await;
    site.waiting_job(1).await;

    let other = site.claim_from("gpu", token.reveal(), &json!({})).await;
    site.claim_next(&token).await;
    let empty = site.claim_from("plans", token.reveal(), &json!({})).await;

    for answer in [other, empty] {
        assert_eq!((answer.status, answer.body.len()), (204, 0));
        assert_eq!(answer.header("retry-after"), "5");
        assert_eq!(answer.header("content-type"), "");
        assert_eq!(answer.header("websocket-url"), site.websocket_url());
    }
}

#[tokio::test]
async fn highest_priority_is_first_then_the_oldest_job() {
    let site = Site::new();
    let token = site.token().await;
    for (number, priority) in [
        (1, None),
        (2, Some(9)),
        (3, None),
        (4, Some(0)),
        (5, Some(9)),
    ] {
        fixtures::waiting_job(&site.aws, &site.clock, number, |mut job| {
            job.priority = priority;
            job
        })
        .await;
    }

    let mut order = Vec::new();
    for _ in 0..5 {
        let (claimed, job) = site.claim_next(&token).await;
        order.push((claimed["priority"].as_u64(), job.id.to_string()));
    }

    let digits: Vec<_> = order
        .iter()
        .map(|(priority, id)| (priority.unwrap_or(99), &id[id.len() - 1..]))
        .collect();
    assert_eq!(digits, [(9, "2"), (9, "5"), (5, "1"), (5, "3"), (0, "4")]);
}

#[tokio::test]
async fn token_is_checked_before_the_queue() {
    let site = Site::new();
    let all = site.token().await;
    let gpu = fixtures::worker_token(&site.aws, &site.clock, Some(&["gpu"])).await;
    let body = json!({});
    let wrong_secret = format!("{}_{}", &all.reveal()[..20], "0".repeat(32));

    for token in ["", "stw_", &wrong_secret, &"0".repeat(53)] {
        for queue in ["plans", "unknown"] {
            let answer = site.claim_from(queue, token, &body).await;
            answer.refused(401, "invalid_worker_token");
        }
    }
    let request = http_api::request(HttpRoute::ClaimFromQueue);
    let answer = site.handle(request).await;
    answer.refused(401, "invalid_worker_token");
    let unknown = site.claim_from("unknown", all.reveal(), &body).await;
    let unknown = unknown.refused(404, "unknown_queue");
    assert_eq!(unknown["queue"], "unknown");
    assert_eq!(unknown["queues"], json!(["plans", "gpu"]));
    let forbidden = site.claim_from("plans", gpu.reveal(), &body).await;
    let forbidden = forbidden.refused(403, "queue_forbidden");
    assert_eq!(forbidden["queue"], "plans");
    let allowed = site.claim_from("gpu", gpu.reveal(), &body).await;
    assert_eq!(allowed.status, 204);
}

#[tokio::test]
async fn expired_token_is_refused() {
    let site = Site::new();
    let token = WorkerToken::new([7; 8], [8; 16]);
    let expiry = Some(START.plus_seconds(60));
    let record =
        WorkerTokenRecord::new(&token, "ci".to_owned(), TokenQueues::All, START, expiry).unwrap();
    fixtures::put_worker_token(&site.aws, &record).await;

    let before = site.claim_from("plans", token.reveal(), &json!({})).await;
    site.clock.advance(60);
    let after = site.claim_from("plans", token.reveal(), &json!({})).await;

    assert_eq!(before.status, 204);
    after.refused(401, "invalid_worker_token");
}

#[tokio::test]
async fn token_that_is_not_stored_is_refused() {
    let site = Site::new();
    site.token().await;
    // Never created, or revoked: its item is deleted.
    let token = WorkerToken::new([9; 8], [9; 16]);
    let answer = site.claim_from("plans", token.reveal(), &json!({})).await;
    answer.refused(401, "invalid_worker_token");
}

#[tokio::test]
async fn invalid_claim_is_refused_with_its_field_or_the_limit() {
    let site = Site::new();
    let token = site.token().await;
    for (body, field) in [
        (json!([]), Value::Null),
        (json!({"worker_id": "a b"}), json!("worker_id")),
        (json!({"listener": 1}), json!("listener")),
        (json!({"stages": ["a", "a"]}), json!("stages[1]")),
    ] {
        let refused = site.claim_from("plans", token.reveal(), &body).await;
        let error = refused.refused(400, "invalid_body");
        assert_eq!(error["field"], field, "{body}");
    }
    let large = json!({"stages": ["x".repeat(MAX_EVENTS_BYTES)]});
    let refused = site.claim_from("plans", token.reveal(), &large).await;
    let error = refused.refused(413, "body_too_large");
    assert_eq!(error["max_bytes"], MAX_EVENTS_BYTES);
}

#[tokio::test]
async fn malformed_token_costs_no_read() {
    let site = Site::new();
    let answer = site.claim_from("plans", "stw_short", &json!({})).await;
    answer.refused(401, "invalid_worker_token");
    assert!(site.aws.calls().all().is_empty());
}

#[tokio::test]
async fn lost_lease_is_claimed_by_another_worker_and_the_old_key_says_so() {
    let site = Site::new();
    let token = site.token().await;
    site.waiting_job(1).await;
    let (_, first) = site.claim_next(&token).await;
    let stage = json!([stage_complete("a", 7)]);
    site.post(&first, 1, 0, stage).await.accepted();
    site.end_lease();
    site.enqueue(&first).await;

    let (claimed, second) = site.claim_next(&token).await;

    assert_eq!(
        (&claimed["epoch"], &claimed["attempt"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(claimed["finished"], json!([{"stage": "a", "results": 7}]));
    assert_ne!(first.worker_key.reveal(), second.worker_key.reveal());
    let post = site.post(&first, 1, 1, json!([])).await;
    let lost = post.refused(409, "lease_lost");
    assert_eq!(lost["epoch"], 2);
    let input = site.send(HttpRoute::GetInput, &first, "").await;
    input.refused(409, "lease_lost");
    site.release(&first, 1, 0).await.refused(409, "lease_lost");
    site.post(&second, 2, 1, json!([])).await.accepted();
    // The key of the claim before that is unknown.
    site.end_lease();
    site.enqueue(&second).await;
    site.claim_next(&token).await;
    let oldest = site.post(&first, 1, 1, json!([])).await;
    oldest.refused(403, "forbidden");
    let former = site.post(&second, 2, 1, json!([])).await;
    former.refused(409, "lease_lost");
}

#[tokio::test]
async fn worker_id_does_not_reclaim_a_job_from_the_queue() {
    let site = Site::new();
    let token = site.token().await;
    site.waiting_job(1).await;
    let claim = json!({"worker_id": "gpu-1"});
    let claimed = site.claim_from("plans", token.reveal(), &claim).await;
    let claimed = claimed.accepted();
    // As if the watchdog had stored it just before the worker renewed its lease.
    let job = Site::job_of(&claimed);
    site.enqueue(&job).await;

    let again = site.claim_from("plans", token.reveal(), &claim).await;

    assert_eq!(again.status, 204);
    assert_eq!(
        site.entries().len(),
        1,
        "a release may be about to be written"
    );
    for _ in 0..4 {
        site.clock.advance(20);
        site.post(&job, 1, 0, json!([])).await.accepted();
    }
    let again = site.claim_from("plans", token.reveal(), &claim).await;
    assert_eq!(again.status, 204);
    assert!(site.entries().is_empty());
}

#[tokio::test]
async fn claim_by_id_reclaims_with_the_key_of_the_claim() {
    let site = Site::new();
    let token = site.token().await;
    site.waiting_job(1).await;
    let body = json!({"worker_id": "gpu-1", "stages": ["a"]});
    let claimed = site.claim_from("plans", token.reveal(), &body).await;
    let job = Site::job_of(&claimed.accepted());

    let again = site.claim_as(&job, "gpu-1").await.accepted();

    assert_eq!((&again["epoch"], &again["attempt"]), (&json!(2), &json!(2)));
    assert_eq!(again["queue"], "plans");
    assert!(again.get("worker_key").is_none());
    assert!(again.get("websocket_url").is_none());
    site.post(&job, 2, 0, json!([])).await.accepted();
}

#[tokio::test]
async fn claim_by_id_deletes_the_entry() {
    let site = Site::new();
    let token = site.token().await;
    site.waiting_job(1).await;
    let (_, job) = site.claim_next(&token).await;
    site.end_lease();
    site.enqueue(&job).await;
    assert_eq!(site.entries().len(), 1);

    site.claim(&job, &["a"]).await.accepted();

    assert!(site.entries().is_empty());
}

#[tokio::test]
async fn job_without_a_claim_has_no_worker_key() {
    let site = Site::new();
    let job = site.waiting_job(1).await;
    for key in [job.worker_key.reveal(), job.access_key.reveal()] {
        let request = job_request(HttpRoute::GetInput, job.id.as_str(), key);
        site.handle(request).await.refused(403, "forbidden");
    }
}

#[tokio::test]
async fn fourth_attempt_fails_the_job_and_the_next_one_is_claimed() {
    let site = Site::new();
    let token = site.token().await;
    site.waiting_job(1).await;
    for attempt in 1..=3 {
        let (claimed, job) = site.claim_next(&token).await;
        assert_eq!(claimed["attempt"], attempt);
        site.end_lease();
        site.enqueue(&job).await;
    }
    let next = site.waiting_job(2).await;

    let (_, job) = site.claim_next(&token).await;

    assert_eq!(job.id, next.id);
    let failed = site.item();
    assert_eq!(failed["status"]["S"], "failed");
    assert_eq!(failed["error"]["M"]["code"]["S"], "too_many_attempts");
    assert!(site.entries().is_empty());
}

#[tokio::test]
async fn job_over_its_queue_limit_fails_instead_of_being_claimed() {
    let site = Site::new();
    let token = site.token().await;
    fixtures::waiting_job(&site.aws, &site.clock, 1, |job| {
        job.limited(JobLimits {
            queue_seconds: Some(10),
            run_seconds: None,
        })
    })
    .await;
    site.clock.advance(11);

    let answer = site.claim_from("plans", token.reveal(), &json!({})).await;

    assert_eq!(answer.status, 204);
    assert_eq!(site.item()["error"]["M"]["code"]["S"], "queue_timeout");
    assert!(site.entries().is_empty());
}

#[tokio::test]
async fn entry_of_an_ended_job_is_deleted_at_once() {
    let site = Site::new();
    let token = site.token().await;
    let job = site.waiting_job(1).await;
    // The deletion that belongs to the cancellation fails.
    site.aws.fail(0..1, Fault::Outage, |call| {
        call.operation == "dynamodb:DeleteItem"
    });
    cancel(&site.aws, &site.clock, &job).await.unwrap();
    assert_eq!(site.entries().len(), 1);

    let answer = site.claim_from("plans", token.reveal(), &json!({})).await;

    assert_eq!(answer.status, 204);
    assert!(site.entries().is_empty());
}

#[tokio::test]
async fn entry_of_a_cancelled_job_is_deleted_with_it() {
    let site = Site::new();
    let job = site.waiting_job(1).await;
    cancel(&site.aws, &site.clock, &job).await.unwrap();
    assert!(site.entries().is_empty());
}

#[tokio::test]
async fn entry_without_a_job_is_deleted_after_a_minute() {
    let site = Site::new();
    let token = site.token().await;
    // Its creation was interrupted, or is about to store the job.
    let job = Job::queued(
        "job_20260101_ab".parse().unwrap(),
        &AccessKey::new([1; 16]),
        RequestId::new(START, [2; 8]),
        "c".to_owned(),
        "text/plain".to_owned(),
        START,
    )
    .in_queue("plans".parse().unwrap(), None, 0);
    fixtures::enqueue(&site.aws, &site.clock, &job).await;

    for (seconds, left) in [(0, 1), (60, 1), (1, 0)] {
        site.clock.advance(seconds);
        let answer = site.claim_from("plans", token.reveal(), &json!({})).await;
        assert_eq!(answer.status, 204);
        assert_eq!(site.entries().len(), left, "{seconds}");
    }
}

#[tokio::test]
async fn late_deletion_of_a_claim_keeps_the_entry_of_its_lost_lease() {
    let site = Site::new();
    let token = site.token().await;
    let waiting = site.waiting_job(1).await;
    // The claimant is suspended before it deletes the entry. Its lease ends, and the watchdog stores it again.
    site.aws.fail(0..1, Fault::Outage, |call| {
        call.operation == "dynamodb:DeleteItem"
    });
    let (_, job) = site.claim_next(&token).await;
    assert_eq!(site.entries(), [(waiting.id.to_string(), 0)]);
    site.end_lease();
    site.enqueue(&job).await;
    assert_eq!(site.entries(), [(waiting.id.to_string(), 1)]);

    site.dequeue(&job).await;

    assert_eq!(site.entries().len(), 1);
    site.claim_next(&token).await;
    assert!(site.entries().is_empty());
}

#[tokio::test]
async fn claim_whose_answer_from_the_table_was_lost_is_found_again() {
    let site = Site::new();
    let token = site.token().await;
    let waiting = site.waiting_job(1).await;
    site.aws.fail(0..1, Fault::LostResponse, |call| {
        call.operation == "dynamodb:UpdateItem"
    });

    // The SDK does not repeat requests here: the second request of the worker meets the claim of the first.
    let lost = site.claim_from("plans", token.reveal(), &json!({})).await;
    lost.refused(500, "internal");
    let empty = site.claim_from("plans", token.reveal(), &json!({})).await;

    assert_eq!(empty.status, 204, "until the lease ends");
    site.end_lease();
    site.enqueue(&waiting).await;
    let (claimed, _) = site.claim_next(&token).await;
    assert_eq!(
        (&claimed["epoch"], &claimed["attempt"]),
        (&json!(2), &json!(2))
    );
}

#[tokio::test(start_paused = true)]
async fn twenty_claimants_get_one_job_each() {
    let site = Site::new();
    let token = site.token().await;
    for number in 1..=20 {
        site.waiting_job(number).await;
    }
    let others: Vec<_> = (0..20).map(|_| site.other_process()).collect();
    let claims = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&claims);
    site.aws.faults().on_call(move |call| {
        let is_claim = call.caller == "worker" && call.operation == "dynamodb:UpdateItem";
        counted.fetch_add(usize::from(is_claim), Ordering::Relaxed);
        // Each call takes as long as on AWS, so that all overlap.
        Some(Fault::Delay(Duration::from_millis(5)))
    });

    let answers = join_all(others.iter().map(|other| {
        let token = token.reveal();
        async move { other.claim_from("plans", token, &json!({})).await }
    }))
    .await;

    let mut jobs: Vec<_> = answers
        .iter()
        .map(|answer| answer.accepted()["job_id"].to_string())
        .collect();
    jobs.sort();
    jobs.dedup();
    assert_eq!(jobs.len(), 20);
    assert!(site.entries().is_empty());
    // Without the random choice, the n-th claimant would lose n - 1 times: 210 writes.
    let claims = claims.load(Ordering::Relaxed);
    eprintln!("{claims} writes for 20 claims");
    assert!((20..140).contains(&claims), "{claims} writes for 20 claims");
}

#[tokio::test]
async fn claim_takes_two_writes_and_an_empty_one_three_reads() {
    let site = Site::new();
    let token = site.token().await;
    site.waiting_job(1).await;
    let count = |operation: &str| {
        let is_one =
            |call: &local_aws::Call| call.caller == "worker" && call.operation == operation;
        site.aws.calls().count(is_one)
    };

    site.claim_next(&token).await;

    assert_eq!(count("dynamodb:UpdateItem"), 1, "the claim");
    assert_eq!(count("dynamodb:DeleteItem"), 1, "the entry");
    assert_eq!(count("dynamodb:PutItem"), 0);
    assert_eq!(count("sqs:SendMessage"), 1, "the watchdog");
    site.aws.calls().clear();
    let empty = site.claim_from("plans", token.reveal(), &json!({})).await;
    assert_eq!(empty.status, 204);
    assert_eq!((count("dynamodb:GetItem"), count("dynamodb:Query")), (1, 2));
    assert_eq!(site.aws.calls().count(|call| call.caller == "worker"), 3);
}
