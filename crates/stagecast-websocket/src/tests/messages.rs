//! Every client message except `subscribe`, and invalid frames.

use local_aws::Fault;
use serde_json::json as message;
use stagecast_contract::{messages::Artifact, queues::JobQueue, tables::Jobs};
use stagecast_testing::fixtures::{claimed, json};

use super::{Site, error, subscribe, types};

#[tokio::test]
async fn ping_is_answered_with_its_request_id() {
    let site = Site::new();
    site.connect("c1", &[]).await;

    let replies = site
        .send("c1", message!({"type": "ping", "request_id": "mine"}))
        .await;

    assert_eq!(types(&replies), ["pong"]);
    assert_eq!(replies[0]["request_id"], "mine");
}

#[tokio::test]
async fn invalid_frame_is_rejected_with_the_invalid_field() {
    let site = Site::new();
    site.connect("c1", &[]).await;

    for (frame, code, field) in [
        ("{", "invalid_json", None),
        ("[]", "invalid_json", None),
        (r#"{"type":"shout"}"#, "unknown_type", None),
        (r#"{"type":"subscribe"}"#, "invalid_message", Some("job_id")),
        (
            r#"{"type":"request_status","job_id":7}"#,
            "invalid_message",
            Some("job_id"),
        ),
    ] {
        let replies = site.send_text("c1", frame).await;
        assert_eq!(error(&replies), code, "{frame}");
        if let Some(field) = field {
            assert_eq!(replies[0]["details"]["field"], field, "{frame}");
        }
    }
}

#[tokio::test]
async fn unsubscribe_ends_the_subscription_and_may_be_repeated() {
    let site = Site::new();
    let job = site.job(1).await;
    site.connect("c1", &[]).await;
    site.send("c1", subscribe(&job)).await;
    let unsubscribe = message!({"type": "unsubscribe", "job_id": job.id.as_str()});

    let first = site.send("c1", unsubscribe.clone()).await;
    let again = site.send("c1", unsubscribe).await;

    assert_eq!(types(&first), ["unsubscribed"]);
    assert_eq!(types(&again), ["unsubscribed"]);
    assert_eq!(site.subscribers(), 0);
}

#[tokio::test]
async fn status_has_the_results_of_a_finished_stage() {
    let site = Site::new();
    let job = site.job(1).await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    run.finish_stage("a", Some(50), json("12.917521550408111"))
        .await
        .unwrap();
    site.connect("c1", &[]).await;
    let request = message!({
        "type": "request_status",
        "job_id": job.id.as_str(),
        "access_key": job.access_key.reveal(),
    });

    let replies = site.send("c1", request).await;

    assert_eq!(types(&replies), ["job_status"]);
    assert_eq!(replies[0]["status"], "running");
    assert_eq!(replies[0]["overall_progress"], 50);
    assert_eq!(replies[0]["seq"], 1);
}

#[tokio::test]
async fn status_and_subscribed_list_the_artifacts_so_far() {
    let site = Site::new();
    let job = site.job(1).await;
    let mut run = claimed(&site.aws, &site.clock, &job).await;
    let artifact = Artifact {
        name: "a.csv".to_owned(),
        content_type: "text/csv".to_owned(),
        size: 3,
        sha256: "0a".repeat(32),
    };
    run.attach("a", &artifact).await.unwrap().unwrap();
    site.connect("c1", &[]).await;

    let subscribed = site.send("c1", subscribe(&job)).await;
    let request = message!({"type": "request_status", "job_id": job.id.as_str()});
    let status = site.send("c1", request).await;

    let expected = message!([artifact]);
    assert_eq!(subscribed[0]["status"]["artifacts"], expected);
    assert_eq!(status[0]["artifacts"], expected);
}

#[tokio::test]
async fn status_without_a_key_needs_a_subscription() {
    let site = Site::new();
    let job = site.job(1).await;
    site.connect("c1", &[]).await;
    let request = message!({"type": "request_status", "job_id": job.id.as_str()});

    let refused = site.send("c1", request.clone()).await;
    site.send("c1", subscribe(&job)).await;
    let answered = site.send("c1", request).await;

    assert_eq!(error(&refused), "forbidden");
    assert_eq!(types(&answered), ["job_status"]);
}

#[tokio::test]
async fn cancel_of_a_running_job_is_stored_in_the_job() {
    let site = Site::new();
    let job = site.job(1).await;
    let run = claimed(&site.aws, &site.clock, &job).await;
    site.connect("c1", &[]).await;
    let cancel = message!({
        "type": "cancel_job",
        "job_id": job.id.as_str(),
        "access_key": job.access_key.reveal(),
    });

    let replies = site.send("c1", cancel).await;

    assert_eq!(types(&replies), ["cancel_requested"]);
    assert_eq!(
        site.aws.items::<Jobs>()[0]["cancel_requested"]["BOOL"],
        true
    );
    assert!(run.poll_cancellation().await.unwrap().cancel_requested);
}

#[tokio::test]
async fn cancel_of_a_queued_job_ends_it() {
    let site = Site::new();
    let job = site.job(1).await;
    site.connect("c1", &[]).await;
    site.send("c1", subscribe(&job)).await;
    let cancel = message!({"type": "cancel_job", "job_id": job.id.as_str()});

    let first = site.send("c1", cancel.clone()).await;
    let again = site.send("c1", cancel).await;

    assert_eq!(types(&first), ["cancel_requested"]);
    assert_eq!(site.aws.items::<Jobs>()[0]["status"]["S"], "cancelled");
    assert_eq!(error(&again), "job_already_finished");
    assert!(site.aws.queued::<JobQueue>().is_empty());
}

#[tokio::test]
async fn cancel_without_the_key_is_refused() {
    let site = Site::new();
    let job = site.job(1).await;
    site.connect("c1", &[]).await;

    let refused = site
        .send(
            "c1",
            message!({"type": "cancel_job", "job_id": job.id.as_str()}),
        )
        .await;

    assert_eq!(error(&refused), "forbidden");
    assert_eq!(
        site.aws.items::<Jobs>()[0]["cancel_requested"]["BOOL"],
        false
    );
}

#[tokio::test(start_paused = true)]
async fn reply_is_sent_again_when_a_post_is_throttled() {
    let site = Site::new();
    site.connect("c1", &[]).await;
    let twice = local_aws::Times::new(2);
    site.aws
        .faults()
        .on_post(move |_| twice.take().then_some(Fault::Throttle));

    let replies = site.send("c1", message!({"type": "ping"})).await;

    assert_eq!(types(&replies), ["pong"]);
}

#[tokio::test]
async fn reply_to_a_gone_client_deletes_its_items() {
    let site = Site::new();
    site.connect("c1", &[]).await;
    site.aws.disconnect("c1");
    site.clock.advance(60);

    site.send("c1", message!({"type": "ping"})).await;

    assert_eq!(site.connections(), 0);
}
