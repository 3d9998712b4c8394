//! `GET /v1/jobs/{job_id}/events`.

use local_aws::Fault;
use raw_json::RawJson;
use serde::Deserialize;
use serde_json::{Value, json};
use stagecast_contract::{
    functions::JobsFunction,
    http::EventsPage,
    limits::{MAX_EVENTS_RESPONSE_BYTES, MAX_RESPONSE_STRING_BYTES},
    messages::{JobError, JobStatus},
    routes::HttpRoute,
    tables::JobEvents,
};
use stagecast_core::{
    delivery::Publisher, models::TerminalState, response_size::json_string_bytes,
};
use stagecast_testing::{
    fixtures::{self, TestJob, cancel, claimed},
    http_api::{Answer, job_request, with_parameter},
    product::PipelineFunction,
};

use super::{Site, TABLES};
use crate::{context::Context, get_events::events_page};

type Run = Publisher<PipelineFunction>;

/// Requests the events after `after`.
async fn poll(site: &Site, job: &TestJob, after: impl ToString) -> Answer {
    let request = job_request(
        HttpRoute::GetEvents,
        job.id.as_str(),
        job.access_key.reveal(),
    );
    let request = with_parameter(request, "after_seq", &after.to_string());
    site.handle(request).await
}

async fn finish(run: &mut Run, stage: &str, results: &str) {
    let results = fixtures::json(results);
    run.finish_stage(stage, Some(50), results).await.unwrap();
}

async fn complete(run: &mut Run, results: &str) {
    let results = fixtures::json(results);
    let (_, results) = run.finish_stage("last", Some(100), results).await.unwrap();
    let completed = TerminalState::Completed;
    run.end(&completed, None, Some(results)).await.unwrap();
}

/// The events of an answer, byte for byte.
fn events(answer: &Answer) -> Vec<String> {
    #[derive(Deserialize)]
    struct Body {
        events: Vec<RawJson>,
    }
    assert_eq!(answer.status, 200, "{:?}", answer.json());
    let body: Body = serde_json::from_slice(&answer.body).unwrap();
    let texts = body.events.iter().map(|event| event.get().to_owned());
    texts.collect()
}

fn seq(event: &str) -> u64 {
    // Not all JSON is a `Value`: `1e400` exceeds its numbers.
    #[derive(Deserialize)]
    struct Event {
        seq: u64,
    }
    serde_json::from_str::<Event>(event).unwrap().seq
}

/// The log as it is stored.
fn log(site: &Site) -> Vec<String> {
    let items = site.aws.items::<JobEvents>();
    let texts = items
        .iter()
        .filter_map(|item| item["message"]["S"].as_str());
    let mut log: Vec<String> = texts.map(str::to_owned).collect();
    log.sort_by_key(|event| seq(event));
    log
}

/// Polls until the job has ended, and returns all events and the number of requests.
async fn poll_to_the_end(site: &Site, job: &TestJob) -> (Vec<String>, usize) {
    let (mut seen, mut after) = (Vec::new(), 0);
    for requests in 1.. {
        let answer = poll(site, job, after).await;
        seen.extend(events(&answer));
        let page = answer.json();
        after = page["next_after_seq"].as_u64().unwrap();
        if page["retry_after"].is_null() {
            return (seen, requests);
        }
        tokio::task::yield_now().await;
    }
    unreachable!("the job ends")
}

#[tokio::test]
async fn events_are_answered_byte_for_byte_as_they_are_logged() {
    const RESULTS: &str = r#"{ "z": [12.917521550408111, -0, 1e400], "a": 1.0, "a": "\ud800" }"#;
    let site = Site::new();
    let job = site.job().await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    finish(&mut run, "first", RESULTS).await;
    complete(&mut run, "[ 1E2 ]").await;

    let answer = poll(&site, &job, 0).await;

    let polled = events(&answer);
    assert_eq!(polled, log(&site));
    assert!(polled[0].contains(RESULTS), "{}", polled[0]);
    let text = String::from_utf8(answer.body.clone()).unwrap();
    assert!(text.contains(&polled[0]), "{text}");
    // The results of the snapshot, too.
    assert!(text.ends_with(r#""results":[ 1E2 ]}}"#), "{text}");
    let page: Value = serde_json::from_str(&text.replace("1e400", "1").replace(r"\ud800", ""))
        .expect("JSON that serde can read");
    assert_eq!(page["recovered"], true);
    assert_eq!(page["next_after_seq"], 3);
    assert_eq!(page["more"], false);
    assert_eq!(page["retry_after"], Value::Null);
    assert_eq!(answer.header("retry-after"), "");
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn snapshot_is_that_of_the_status_route() {
    let site = Site::new();
    let job = site.job().await;
    let queued = poll(&site, &job, 0).await.accepted();
    let status = site.ask(HttpRoute::GetJob, &job).await.accepted();
    assert_eq!(queued["snapshot"], status);
    assert_eq!(queued["events"], json!([]));

    let mut run = claimed(&site.aws, &site.clock, &job).await;
    finish(&mut run, "first", "1").await;
    complete(&mut run, "2").await;

    // With and without the last event among the events.
    for after in 0..=3 {
        let page = poll(&site, &job, after).await.accepted();
        let status = site.ask(HttpRoute::GetJob, &job).await.accepted();
        assert_eq!(page["snapshot"], status, "after {after}");
        assert_eq!(page["snapshot"]["results"], 2, "after {after}");
        let count = page["events"].as_array().unwrap().len();
        assert_eq!(count, 3 - after, "after {after}");
    }
}

#[tokio::test]
async fn events_of_failed_and_cancelled_jobs_have_their_end() {
    let site = Site::new();
    let failed = site.job().await;
    let mut run = claimed(&site.aws, &site.clock, &failed).await;
    let error = JobError {
        code: "no_walls".to_owned(),
        message: "None.".to_owned(),
    };
    let end = TerminalState::Failed(error);
    run.end(&end, Some("a"), None).await.unwrap();
    let cancelled = fixtures::job(&site.aws, &site.clock, 2).await;
    cancel(&site.aws, &site.clock, &cancelled).await.unwrap();

    for (job, end) in [(failed, "job_failed"), (cancelled, "job_cancelled")] {
        let page = poll(&site, &job, 0).await.accepted();
        assert_eq!(page["events"][0]["type"], end);
        assert_eq!(page["retry_after"], Value::Null, "{end}");
        let nothing = poll(&site, &job, 1).await.accepted();
        assert_eq!(nothing["events"], json!([]));
        assert_eq!(nothing["recovered"], true);
        assert_eq!(nothing["retry_after"], Value::Null, "{end}");
    }
}

#[tokio::test]
async fn long_log_is_answered_in_pages_that_fit() {
    let site = Site::new();
    // Each byte counts twice as a JSON string. The other results fill more than one answer of DynamoDB.
    let quotes = format!("\"{}\"", r#"\""#.repeat(15_000));
    let plain = format!("\"{}\"", "x".repeat(30_000));
    for (number, results) in [(1, quotes), (2, plain)] {
        let job = fixtures::job(&site.aws, &site.clock, number).await;
        let mut run = claimed(&site.aws, &site.clock, &job).await;
        for stage in 0..40 {
            finish(&mut run, &format!("stage_{stage}"), &results).await;
        }
        complete(&mut run, &results).await;

        let (mut after, mut pages) = (0, 0);
        loop {
            let answer = poll(&site, &job, after).await;
            pages += 1;
            let events = events(&answer);
            let bytes: usize = events.iter().map(|event| json_string_bytes(event)).sum();
            assert!(bytes <= MAX_EVENTS_RESPONSE_BYTES, "{bytes}");
            let body = String::from_utf8(answer.body.clone()).unwrap();
            assert!(json_string_bytes(&body) <= MAX_RESPONSE_STRING_BYTES);
            let seqs: Vec<u64> = events.iter().map(|event| seq(event)).collect();
            let page = answer.json();
            let next = page["next_after_seq"].as_u64().unwrap();
            assert_eq!(seqs, (after + 1..=next).collect::<Vec<_>>());
            assert_eq!(page["snapshot"]["status"], "completed");
            assert!(page["snapshot"]["results"].is_string(), "{page}");
            after = next;
            if page["more"] == false {
                assert_eq!(page["retry_after"], Value::Null);
                break;
            }
            assert_eq!(page["retry_after"], 0);
            assert_eq!(answer.header("retry-after"), "0");
        }
        assert_eq!(after, 42);
        assert!(pages >= 2, "{pages} pages");
    }
}

#[tokio::test]
async fn after_seq_beyond_the_last_event_is_answered_as_by_subscribe() {
    let site = Site::new();
    let job = site.job().await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    finish(&mut run, "first", "1").await;

    for after in ["2", "18446744073709551615"] {
        let page = poll(&site, &job, after).await.accepted();
        assert_eq!(page["recovered"], false);
        assert_eq!(page["events"], json!([]));
        assert_eq!(page["next_after_seq"], 1);
        assert_eq!(page["more"], false);
    }
}

#[tokio::test]
async fn malformed_after_seq_is_refused_with_its_name_and_value() {
    let site = Site::new();
    let job = site.job().await;
    site.aws.calls().clear();

    for value in ["-1", "1.5", "abc", "", "18446744073709551616"] {
        let answer = poll(&site, &job, value).await;
        let error = answer.refused(400, "invalid_parameter");
        assert_eq!(error["parameter"], "after_seq");
        assert_eq!(error["value"], value);
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("`next_after_seq`"), "{message}");
    }
    assert_eq!(site.aws.calls().count(|_| true), 0);
    // Without the parameter, from the beginning.
    let page = site.ask(HttpRoute::GetEvents, &job).await.accepted();
    assert_eq!(page["next_after_seq"], 0);
}

#[tokio::test]
async fn interval_follows_the_state_of_the_job() {
    let site = Site::new();
    let job = site.job().await;
    let queued = poll(&site, &job, 0).await;
    assert_eq!(queued.accepted()["retry_after"], 2);
    assert_eq!(queued.header("retry-after"), "2");

    let mut run = claimed(&site.aws, &site.clock, &job).await;
    finish(&mut run, "first", "1").await;
    assert_eq!(poll(&site, &job, 1).await.accepted()["retry_after"], 2);

    cancel(&site.aws, &site.clock, &job).await.unwrap();
    assert_eq!(poll(&site, &job, 1).await.accepted()["retry_after"], 1);
}

#[tokio::test]
async fn event_that_is_logged_but_not_committed_is_not_shown() {
    let site = Site::new();
    let job = site.job().await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    finish(&mut run, "first", "1").await;
    site.aws.fail(0..100, Fault::Outage, |call| {
        call.operation == "dynamodb:UpdateItem"
    });
    let results = fixtures::json("2");
    run.finish_stage("second", None, results).await.unwrap_err();
    site.aws.faults().clear();
    assert_eq!(log(&site).len(), 2);

    let page = poll(&site, &job, 0).await.accepted();

    assert_eq!(page["events"].as_array().unwrap().len(), 1);
    assert_eq!(page["next_after_seq"], 1);
    assert_eq!(page["more"], false);
}

/// The part of `page` that must agree: no event is missing or newer than the snapshot.
fn assert_consistent(page: &EventsPage, after: u64) {
    let seqs: Vec<u64> = page.events.iter().map(|event| seq(event.get())).collect();
    assert_eq!(seqs, (after + 1..=page.snapshot.seq).collect::<Vec<_>>());
    assert_eq!(page.next_after_seq, page.snapshot.seq);
    assert_eq!(page.retry_after.is_none(), page.snapshot.status.has_ended());
}

#[tokio::test]
async fn events_committed_between_the_reads_are_in_the_next_page() {
    let site = Site::new();
    let config = site.aws.config::<JobsFunction>();
    let environment = fixtures::environment(&site.aws);
    let context = Context::new(&config, &environment, site.clock.clone(), &TABLES).unwrap();
    let job = site.job().await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    // The number of events that are committed before the first read, then between the two reads.
    for committed in 0..3 {
        let read = context.jobs.load(&job.id).await.unwrap().unwrap();
        if committed == 2 {
            complete(&mut run, "9").await;
        } else {
            finish(&mut run, &format!("stage_{committed}"), "1").await;
        }

        let page = events_page(&context, &read, 0).await.unwrap();

        assert_eq!(page.snapshot.seq, committed);
        assert_eq!(page.snapshot.status, JobStatus::Running);
        assert!(page.recovered);
        let seqs: Vec<u64> = page.events.iter().map(|event| seq(event.get())).collect();
        assert_eq!(seqs, (1..=committed).collect::<Vec<_>>());
        let now = context.jobs.load(&job.id).await.unwrap().unwrap();
        let next = events_page(&context, &now, committed).await.unwrap();
        assert_consistent(&next, committed);
    }
}

#[tokio::test]
async fn polling_while_events_are_published_gets_each_once_and_in_order() {
    let site = Site::new();
    let job = site.job().await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    let publish = async {
        for stage in 0..20 {
            finish(&mut run, &format!("stage_{stage}"), "1").await;
            tokio::task::yield_now().await;
        }
        complete(&mut run, "2").await;
    };

    let ((), (seen, requests)) = tokio::join!(publish, poll_to_the_end(&site, &job));

    assert_eq!(seen, log(&site));
    assert_eq!(seen.len(), 22);
    assert!(requests > 1, "{requests} requests");
}

#[tokio::test]
async fn poll_costs_one_read_and_one_query_if_there_are_events() {
    let site = Site::new();
    let job = site.job().await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    finish(&mut run, "first", "1").await;
    let reads = async |after: u64| {
        site.aws.calls().clear();
        poll(&site, &job, after).await.accepted();
        let count = |operation: &str| site.aws.calls().count(|call| call.operation == operation);
        let [gets, queries] = ["dynamodb:GetItem", "dynamodb:Query"].map(count);
        assert_eq!(site.aws.calls().count(|_| true), gets + queries);
        (gets, queries)
    };

    assert_eq!(reads(0).await, (1, 1), "with an event");
    assert_eq!(reads(1).await, (1, 0), "without an event");
    complete(&mut run, "2").await;
    assert_eq!(reads(1).await, (1, 1), "the end");
    // The snapshot has the results, which are in the log.
    assert_eq!(reads(3).await, (1, 1), "after the end");
}

#[tokio::test]
async fn log_that_cannot_be_read_is_an_internal_error() {
    let site = Site::new();
    let job = site.job().await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    finish(&mut run, "first", "1").await;
    site.aws.fail(0..1, Fault::Outage, |call| {
        call.operation == "dynamodb:Query"
    });

    poll(&site, &job, 0).await.refused(500, "internal");
    poll(&site, &job, 0).await.accepted();
}
