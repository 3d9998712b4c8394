//! Jobs whose worker is dead: what is committed, written and queued, and in which order.

use std::sync::{Arc, Mutex};

use local_aws::{Fault, Times};
use stagecast_contract::{
    functions::DeliveryFunction,
    messages::JobStatus,
    queues::DeliveryQueue,
    tables::{JobEvents, Jobs},
};
use stagecast_core::{
    models::TerminalState,
    unattended::{SettleError, Settled},
};
use stagecast_testing::fixtures::json;
use typed_contract::functions::Function as _;

use crate::external::{External, lost};

/// The types of the messages in the log, in order.
fn logged(site: &External) -> Vec<String> {
    let mut events = site.aws.items::<JobEvents>();
    events.sort_by_key(|event| event["seq"]["N"].to_string());
    let message = |event: &serde_json::Value| {
        let text = event["message"]["S"].as_str().expect("a message");
        let message: serde_json::Value = serde_json::from_str(text).expect("messages are JSON");
        message["type"].as_str().expect("a type").to_owned()
    };
    events.iter().map(message).collect()
}

#[tokio::test]
async fn settle_notifies_subscribers_of_a_commit_before_a_failed_read() {
    let site = External::new().await;
    site.die_before_commit().await;
    // The log is read for the event, for the write that finds it there, and for the next event.
    let reads = Times::new(2);
    site.aws.faults().on_call(move |call| {
        let is_read = call.operation == "dynamodb:Query";
        (is_read && !reads.take()).then_some(Fault::Outage)
    });

    let settled = site.unattended.settle(&site.load().await, None).await;

    assert!(matches!(settled, Err(SettleError::Store(_))), "{settled:?}");
    let queued = site.aws.queued::<DeliveryQueue>();
    assert_eq!(queued.len(), 1, "{queued:?}");
    assert_eq!(queued[0]["content"], "published");
    assert_eq!(queued[0]["after_seq"], 0);
    assert_eq!(queued[0]["through_seq"], 1);
    let job = &site.aws.items::<Jobs>()[0];
    assert_eq!(job["redelivered"]["M"]["through"]["N"], "1", "{job}");
}

#[tokio::test]
async fn settle_discards_the_loss_of_an_earlier_worker() {
    let site = External::new().await;
    Box::pin(site.give_up_before_commit()).await;
    site.claim().await;
    site.end_lease();
    let job = site.load().await;

    let open = site.unattended.settle(&job, None).await.unwrap();
    assert_eq!(open, Settled::Open(Box::new(job.clone())));
    assert_eq!(logged(&site), ["job_failed"]);

    let cancelled = TerminalState::Cancelled;
    let ended = site.unattended.settle(&job, Some(&cancelled)).await;
    assert!(matches!(ended, Ok(Settled::Ended(_))), "{ended:?}");
    assert_eq!(logged(&site), ["job_cancelled"]);
}

#[tokio::test]
async fn give_up_schedules_a_watchdog_then_claims_then_writes() {
    let site = External::new().await;
    site.claim().await;
    site.end_lease();
    let job = site.load().await;
    let operations = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&operations);
    site.aws.faults().on_call(move |call| {
        record.lock().unwrap().push(call.operation.clone());
        None
    });

    let settled = site.unattended.give_up(&job, lost()).await.unwrap();

    assert!(matches!(settled, Settled::Ended(_)), "{settled:?}");
    let first = [
        "sqs:SendMessage",
        "dynamodb:UpdateItem",
        "dynamodb:Query",
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
    ];
    assert_eq!(operations.lock().unwrap()[..5], first);
    let queued = site.aws.queued::<DeliveryQueue>();
    assert_eq!(queued[0]["content"]["watchdog"]["epoch"], 2, "{queued:?}");
    assert_eq!(site.aws.items::<JobEvents>()[0]["epoch"]["N"], "2");
    let job = site.load().await;
    assert_eq!((job.epoch, job.status), (2, JobStatus::Failed));
}

#[tokio::test]
async fn give_up_commits_what_the_worker_left_before_it_ends_the_job() {
    let site = External::new().await;
    site.die_before_commit().await;

    let job = site.load().await;
    site.unattended.give_up(&job, lost()).await.unwrap();

    assert_eq!(logged(&site), ["stage_complete", "job_failed"]);
    let job = site.load().await;
    assert_eq!((job.seq, job.status), (2, JobStatus::Failed));
}

#[tokio::test]
async fn give_up_goes_on_when_the_response_to_its_claim_was_lost() {
    let site = External::new().await;
    site.claim().await;
    site.end_lease();
    let job = site.load().await;
    let once = Times::new(1);
    site.aws.faults().on_call(move |call| {
        let is_claim = call.operation == "dynamodb:UpdateItem";
        (is_claim && once.take()).then_some(Fault::LostResponse)
    });

    // The SDK repeats the update on AWS; here the caller does.
    site.unattended.give_up(&job, lost()).await.unwrap_err();
    let settled = site.unattended.give_up(&job, lost()).await.unwrap();

    assert!(matches!(settled, Settled::Ended(_)), "{settled:?}");
    assert_eq!(site.load().await.epoch, 2);
}

/// What a worker does between the watchdog's read and its claim.
#[derive(Clone, Copy)]
enum Return {
    Claims,
    RenewsItsLease,
    FinishesAStage,
}

#[tokio::test]
async fn give_up_writes_nothing_when_a_worker_has_the_job() {
    for back in [
        Return::Claims,
        Return::RenewsItsLease,
        Return::FinishesAStage,
    ] {
        let site = External::new().await;
        let lease = site.claim().await;
        site.end_lease();
        let job = site.load().await;
        let mut publisher = site.publisher(&lease).await;
        match back {
            Return::Claims => drop(site.claim().await),
            Return::RenewsItsLease => drop(publisher.renew().await.unwrap()),
            Return::FinishesAStage => {
                drop(publisher.finish_stage("a", None, json("1")).await.unwrap());
            }
        }
        let before = site.load().await;

        let settled = site.unattended.give_up(&job, lost()).await.unwrap();

        assert_eq!(settled, Settled::Attended);
        assert_eq!(site.load().await, before);
        let writes = site.aws.calls().count(|call| {
            call.caller == DeliveryFunction::SPEC.name && call.operation == "dynamodb:PutItem"
        });
        assert_eq!(writes, 0);
    }
}
