use contract::{
    functions::WorkerFunction,
    ids::{AccessKey, JobId, RequestId, WorkerKey},
    timestamp::Timestamp,
};

use super::*;
use crate::{
    aws::{
        Environment, Objects,
        fake::{Answer, Call, Calls, fake},
    },
    clock::Clock,
};

const NOW: Timestamp = Timestamp::from_epoch_seconds(1_800_000_000);

/// A job that a worker has claimed for the third time.
fn job() -> Job {
    let mut job = Job::queued(
        JobId::new(NOW, [1; 8]),
        &AccessKey::new([3; 16]),
        RequestId::new(NOW, [2; 8]),
        "req_1_a".to_owned(),
        "text/plain".to_owned(),
        NOW,
    )
    .for_external_worker(&WorkerKey::new([4; 16]));
    (job.status, job.epoch) = (JobStatus::Running, 3);
    job
}

fn publisher(
    answer: impl Fn(&Call) -> Answer + Send + Sync + 'static,
) -> (Publisher<WorkerFunction>, Calls) {
    let (config, calls) = fake(answer);
    let environment = Environment::read(|_| Some("https://fake.example".to_owned())).unwrap();
    let stores = Stores::new(&config, &environment, Clock::standing_at(NOW));
    let objects = Objects::new(&config, &environment);
    let job = job();
    let lease = Lease {
        job_id: job.job_id.clone(),
        epoch: job.epoch,
    };
    (
        Publisher::new(Arc::new(stores), &objects, &job, lease),
        calls,
    )
}

fn event(epoch: u64, rest: &str) -> Answer {
    let job_id = job().job_id;
    let common = format!(
        r#""job_id":"{job_id}","timestamp":"2024-01-15T10:30:15Z","seq":1,"correlation_id":"c""#
    );
    let event = Event {
        job_id,
        seq: 1,
        epoch,
        message: format!("{{{common},{rest}}}"),
        expires_at: i64::MAX,
    };
    Answer::items(&[event.to_dynamodb_item().unwrap()])
}

#[tokio::test]
async fn stage_committed_without_its_publisher_has_the_status_of_its_job() {
    for status in [JobStatus::Running, JobStatus::Cancelled] {
        // The commit finds that the job has reached `seq` under this claim.
        let (mut publisher, _) = publisher(move |call| match &*call.operation {
            "UpdateItem" => Answer::ConditionFailed,
            "GetItem" => {
                let job = Job {
                    seq: 2,
                    status,
                    ..job()
                };
                Answer::item(&job.to_dynamodb_item().unwrap())
            }
            "Query" => Answer::items(&[]),
            _ => Answer::nothing(),
        });
        let (lease_status, _) = publisher
            .finish_stage("a", None, RawJson::null())
            .await
            .unwrap();
        assert_eq!(lease_status.status, status);
    }
}

#[tokio::test]
async fn recover_leaves_the_loss_of_an_earlier_worker_uncommitted() {
    let lost = r#""type":"job_failed","error":{"code":"worker_lost","message":"m"}"#;
    let (mut publisher, calls) = publisher(move |call| match &*call.operation {
        "Query" => event(2, lost),
        _ => Answer::nothing(),
    });
    assert!(!publisher.recover().await.unwrap());
    assert_eq!(calls.operations(), ["Query"]);
}

#[tokio::test]
async fn recover_commits_what_an_earlier_worker_left() {
    let stage = r#""type":"stage_complete","stage":"a","results":1"#;
    let (mut publisher, calls) = publisher(move |call| match &*call.operation {
        "Query" if is_of_the_log(call) => event(2, stage),
        "Query" => Answer::items(&[]),
        "UpdateItem" => {
            let job = Job { seq: 1, ..job() };
            Answer::updated(&job.to_dynamodb_item().unwrap())
        }
        _ => Answer::nothing(),
    });
    assert!(publisher.recover().await.unwrap());
    assert_eq!(publisher.seq(), 1);
    let calls = calls.all();
    let written = calls.iter().find(|call| call.operation == "PutItem");
    let item = &written.unwrap().input["Item"];
    assert_eq!(item["epoch"]["N"], "3");
    assert!(
        item["message"]["S"]
            .as_str()
            .unwrap()
            .contains("stage_complete")
    );
}

/// Whether a query is for the log, instead of the subscribers.
fn is_of_the_log(call: &Call) -> bool {
    let condition = call.input["KeyConditionExpression"].as_str();
    condition.is_some_and(|condition| condition.contains("seq"))
}
