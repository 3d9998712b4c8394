use serde_json::Value;
use stagecast_contract::{functions::JobsFunction, messages::JobStatus, tables::JobEvents};
use stagecast_core::{models::Event, stores::EventStore};
use stagecast_testing::fixtures::{self, claimed, subscribed};

use super::Site;
use crate::{OperatorError, details::Holder};

#[tokio::test]
async fn details_have_lease_log_and_subscribers_and_no_key() {
    let site = Site::new();
    let job = site.job(1, |job| job).await;
    subscribed(&site.aws, &site.clock, &job, "c1").await;
    let mut publisher = claimed(&site.aws, &site.clock, &job).await;
    let results = fixtures::json("{}");
    let done = publisher.finish_stage("split", Some(50), results).await;
    done.expect("the stage can be finished");
    // Logged by a run that was killed before it committed it.
    let left = Event {
        job_id: job.id.clone(),
        seq: 2,
        epoch: 1,
        message: String::from_utf8_lossy(
            &serde_json::to_vec(&serde_json::json!({
                "type": "job_failed", "job_id": job.id, "seq": 2, "correlation_id": "c",
                "timestamp": site.clock.now(), "stage": "count",
                "error": {"code": "no_words", "message": "none"},
            }))
            .expect("JSON"),
        )
        .into_owned(),
        expires_at: site.clock.now().plus_seconds(60).epoch_seconds(),
    };
    let events = EventStore::<JobsFunction>::new(site.database());
    events.append(&left).await.expect("it can be logged");

    let details = site
        .operator
        .details(&job.id)
        .await
        .expect("the job exists");
    let claim = details.claim.clone().expect("it was claimed");
    assert_eq!(
        (claim.epoch, claim.holder, claim.is_held),
        (1, Holder::Pipeline, true)
    );
    assert_eq!(details.stored_status, JobStatus::Running);
    assert_eq!(details.subscribers, 1);
    assert_eq!(details.finished_stages.get("split"), Some(&1));
    let log = details.log.iter();
    let log: Vec<_> = log
        .map(|entry| {
            (
                entry.seq,
                entry.kind.as_str(),
                entry.stage.as_deref(),
                entry.is_committed,
            )
        })
        .collect();
    assert_eq!(
        log,
        [
            (1, "stage_complete", Some("split"), true),
            (2, "job_failed", Some("count"), false),
        ]
    );
    let json = serde_json::to_string(&details).expect("JSON");
    let item = site.item(&job).await;
    assert!(!json.contains(&item.access_key_sha256), "{json}");
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["job_id"], job.id.as_str());
    assert_eq!(json["claim"]["holder"], "pipeline");
    assert_eq!(site.aws.items::<JobEvents>().len(), 2);

    site.clock.advance(100);
    let later = site
        .operator
        .details(&job.id)
        .await
        .expect("the job exists");
    assert!(later.claim.is_some_and(|claim| !claim.is_held));
}

#[tokio::test]
async fn unknown_job_is_an_error_with_the_next_step() {
    let site = Site::new();
    let id = "job_20260101_ab".parse().expect("an id");
    let error = site.operator.details(&id).await.expect_err("unknown");
    assert!(matches!(&error, OperatorError::NoJob(unknown) if *unknown == id));
    assert!(error.help().is_some_and(|help| help.contains("jobs list")));
}
