use local_aws::Fault;
use stagecast_contract::{
    buckets::{Objects, input_key},
    functions::JobsFunction,
    ids::JobId,
    messages::JobStatus,
    queues::{DeliveryQueue, JobQueue},
    tables::{Jobs, WorkQueues},
};
use stagecast_core::{models::Parameters, stores::ParameterStore};
use stagecast_testing::fixtures::{self, TestJob};

use super::{Site, with_failure};
use crate::OperatorError;

impl Site {
    async fn put_input(&self, job: &TestJob, input: &'static [u8]) {
        let objects = fixtures::objects::<JobsFunction>(&self.aws);
        let put = objects.put_object::<Objects>().key(input_key(&job.id));
        let put = put.content_type("text/plain").body(input.to_vec().into());
        put.send().await.expect("the input can be stored");
    }

    async fn input(&self, id: &JobId) -> Vec<u8> {
        let objects = fixtures::objects::<JobsFunction>(&self.aws);
        let get = objects.get_object::<Objects>().key(input_key(id));
        let got = get.send().await.expect("the input is in the bucket");
        got.body.collect().await.expect("bytes").to_vec()
    }
}

#[tokio::test]
async fn retry_is_a_new_job_with_the_same_input_and_description() {
    let site = Site::new();
    let job = site
        .failed(1, |mut job| {
            job.owner = Some("user-7".to_owned());
            job.labels.insert("team".to_owned(), "maps".to_owned());
            job.run_seconds = Some(60);
            job.has_parameters = true;
            job
        })
        .await;
    site.put_input(&job, b"one two").await;
    let old = site.item(&job).await;
    let parameters = Parameters::new(job.id.clone(), &fixtures::json("{\"n\":1}"), old.expires_at);
    let store = ParameterStore::<JobsFunction>::new(site.database());
    store.save(&parameters).await.expect("they can be stored");
    site.clock.advance(100);

    let retried = site.operator.retry(&job.id, false).await.expect("a retry");
    let new = site
        .operator
        .load(&retried.job_id)
        .await
        .expect("the new job");
    assert!(new.verify_access_key(&retried.access_key) && !new.verify_access_key(&job.access_key));
    assert_eq!(
        (new.status, &new.retry_of),
        (JobStatus::Queued, &Some(job.id.clone()))
    );
    assert_eq!((&new.owner, &new.labels), (&old.owner, &old.labels));
    assert_eq!(new.correlation_id, old.correlation_id);
    assert_eq!((new.run_seconds, &new.error), (Some(60), &None));
    assert_eq!(new.expires_at, old.expires_at + 100);
    assert_eq!(site.input(&new.job_id).await, b"one two");
    let copied = store
        .load(&new)
        .await
        .expect("readable")
        .expect("parameters");
    assert_eq!(copied.get(), "{\"n\":1}");
    assert_eq!(
        site.aws.queued::<JobQueue>()[0]["job_id"],
        new.job_id.as_str()
    );
    let tasks = site.aws.queued::<DeliveryQueue>();
    let of_new = |task: &&serde_json::Value| task["job_id"] == new.job_id.as_str();
    let kinds: Vec<_> = tasks
        .iter()
        .filter(of_new)
        .map(|it| it["content"].as_object().and_then(|it| it.keys().next()))
        .collect();
    let kinds: Vec<_> = kinds.into_iter().flatten().collect();
    assert_eq!(kinds, ["created", "watchdog"], "{tasks:?}");
    assert_eq!(
        site.aws.items::<WorkQueues>().len(),
        1,
        "in the list of its owner"
    );

    let old_now = site.item(&job).await;
    assert_eq!(old_now.retried_as, Some(new.job_id.clone()));
    assert_eq!((old_now.status, old_now.seq), (old.status, old.seq));
}

#[tokio::test]
async fn second_retry_needs_to_be_asked_for() {
    let site = Site::new();
    let job = site.failed(1, |job| job).await;
    site.put_input(&job, b"one").await;
    let first = site.operator.retry(&job.id, false).await.expect("a retry");
    let error = site
        .operator
        .retry(&job.id, false)
        .await
        .expect_err("again");
    assert!(
        matches!(&error, OperatorError::AlreadyRetried { retry, .. } if *retry == first.job_id),
        "{error}"
    );
    assert!(error.help().is_some_and(|help| help.contains("--again")));
    let second = site.operator.retry(&job.id, true).await.expect("a retry");
    assert_ne!(second.job_id, first.job_id);
    assert_eq!(site.item(&job).await.retried_as, Some(second.job_id));
    assert_eq!(site.aws.items::<Jobs>().len(), 3);
}

#[tokio::test]
async fn interrupted_retry_is_continued_under_the_same_id() {
    let site = Site::new();
    let job = site
        .failed(1, |mut job| {
            job.owner = Some("user-7".to_owned());
            job
        })
        .await;
    site.put_input(&job, b"one").await;
    site.aws.fail(0..1, Fault::Outage, |call| {
        call.operation == "dynamodb:PutItem" && call.resource == "jobs"
    });
    let error = site
        .operator
        .retry(&job.id, false)
        .await
        .expect_err("an outage");
    assert!(matches!(error, OperatorError::Store(_)), "{error}");
    let reserved = site.item(&job).await.retried_as.expect("an id");
    site.clock.advance(7);
    let retried = site.operator.retry(&job.id, false).await.expect("a retry");
    assert_eq!(retried.job_id, reserved);
    assert_eq!(site.aws.items::<Jobs>().len(), 2);
    assert_eq!(
        site.aws.items::<WorkQueues>().len(),
        1,
        "one entry of its owner"
    );
}

#[tokio::test]
async fn job_of_a_queue_waits_in_it_again_and_its_workers_are_notified_by_the_watchdog() {
    let site = Site::new();
    let job = fixtures::waiting_job(&site.aws, &site.clock, 1, with_failure).await;
    site.put_input(&job, b"one").await;
    let retried = site.operator.retry(&job.id, false).await.expect("a retry");
    let queue = "plans".parse().expect("a name");
    let waiting = site.waiting().list(&queue, 10).await.expect("a list");
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].job_id, retried.job_id);
    assert_eq!(retried.worker_key, None);
    assert_eq!(site.aws.queued::<DeliveryQueue>().len(), 2);
    assert!(site.aws.queued::<JobQueue>().is_empty());
}

#[tokio::test]
async fn job_of_a_worker_with_a_key_gets_another_key() {
    let site = Site::new();
    let job = fixtures::external_job_as(&site.aws, &site.clock, 1, with_failure).await;
    site.put_input(&job, b"one").await;
    let retried = site.operator.retry(&job.id, false).await.expect("a retry");
    let new = site
        .operator
        .load(&retried.job_id)
        .await
        .expect("the new job");
    let key = retried.worker_key.expect("a worker key");
    assert!(new.verify_worker_key(&key) && !new.verify_worker_key(&job.worker_key));
    assert!(site.aws.queued::<JobQueue>().is_empty());
}

#[tokio::test]
async fn job_that_is_open_or_has_no_input_is_not_retried() {
    let site = Site::new();
    let open = site.job(1, |job| job).await;
    let error = site
        .operator
        .retry(&open.id, false)
        .await
        .expect_err("open");
    assert!(
        error
            .to_string()
            .contains("is queued: only a failed or a cancelled job can"),
        "{error}"
    );
    let empty = site.failed(2, |job| job).await;
    let error = site
        .operator
        .retry(&empty.id, false)
        .await
        .expect_err("no input");
    assert!(matches!(error, OperatorError::NoInput(_)), "{error}");
    assert_eq!(site.aws.items::<Jobs>().len(), 2);
}
