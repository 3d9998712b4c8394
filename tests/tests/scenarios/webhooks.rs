//! Webhooks: from a job to a receiver on this machine, which fails at first.

use end_to_end::{Job, System, needs, script::Script};
use http::Method;
use local_aws::Options;
use serde_json::{Value, json};
use stagecast_contract::{
    description::JOB_DESCRIPTION_TYPE,
    environment::Webhooks,
    functions::{JobsFunction, WebhooksFunction},
    queues::{DeliveryQueue, DeliveryTask, WebhookQueue, WebhookTask},
    webhooks::{WebhookEndpoint, WebhookEvent, WebhookRules, WebhookSecret},
};
use stagecast_testing::webhooks::{Received, Receiver, Reply};
use typed_contract::{environment::Setting as _, functions::Function as _, secrets::Secret as _};

use crate::abandoned::run_watchdog;

/// Posts the webhooks of all jobs to the receiver, as `cargo dev --webhook` does.
pub(crate) fn post_to(receiver: &Receiver, options: &mut Options) {
    let events = [
        WebhookEvent::StageComplete,
        WebhookEvent::JobComplete,
        WebhookEvent::JobFailed,
        WebhookEvent::JobCancelled,
    ];
    let endpoint = WebhookEndpoint::of_local_stack(&receiver.url()).expect("a URL");
    let rules = WebhookRules {
        endpoint: Some(endpoint.with_events(&events)),
        allow_loopback: true,
        ..WebhookRules::default()
    };
    for function in [JobsFunction::SPEC, WebhooksFunction::SPEC] {
        let variables = options.environment.entry(function.name.to_owned());
        let variable = Webhooks::SPEC.variable.to_owned();
        variables.or_default().insert(variable, rules.to_setting());
    }
    let name = WebhookSecret::SPEC.name.replace("{suffix}", "");
    options
        .secrets
        .set(name, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
}

async fn system_with(receiver: &Receiver) -> System {
    System::scripted_with(|options| post_to(receiver, options)).await
}

/// The webhook with this `webhook-id`, as often as the receiver got it.
fn with_id(receiver: &Receiver, job: &Job, seq: u64) -> Vec<Received> {
    let id = format!("{}-{seq}", job.id);
    let mut posts = receiver.received();
    posts.retain(|it| it.headers["webhook-id"] == id);
    posts
}

fn data(posts: &Received) -> Value {
    let body: Value = serde_json::from_str(&posts.body).expect("JSON");
    assert_eq!(body["type"], body["data"]["type"]);
    body["data"].clone()
}

#[tokio::test]
async fn receiver_that_fails_twice_gets_the_webhook_with_the_same_id() {
    needs!(AdjustStack);
    let receiver = Receiver::replying([Reply::status(500), Reply::Close]).await;
    let system = system_with(&receiver).await;
    // Only its last event is of interest: the receiver fails for the first request.
    let webhook = json!({ "events": ["job_cancelled"] });
    let description = json!({ "worker": "external", "webhook": webhook });
    let job = create(&system, &description).await;
    cancel(&system, &job).await;

    system
        .eventually("the webhook is delivered", async |_| {
            receiver.received().len() == 3
        })
        .await;
    let posts = with_id(&receiver, &job, 1);
    assert_eq!(posts.len(), 3);
    assert_eq!(data(&posts[2])["type"], "job_cancelled");
    assert!(posts.iter().all(|it| it.body == posts[0].body));
    let times = posts.iter().map(|it| &it.headers["webhook-timestamp"]);
    assert!(times.is_sorted(), "{posts:?}");
    system.finish().await;
}

#[tokio::test]
async fn every_durable_message_of_a_job_is_posted_as_subscribers_receive_it() {
    needs!(AdjustStack);
    let receiver = Receiver::replying([]).await;
    let system = system_with(&receiver).await;
    let (job, mut client) = system.create_and_watch(Script::default()).await;
    let messages = client.until_job_ends().await;
    let durable: Vec<_> = messages
        .into_iter()
        .filter(|message| message["type"] != "progress_update" && message["seq"].is_u64())
        .collect();
    assert_eq!(durable.len(), 3, "{durable:?}");
    for message in &durable {
        let seq = message["seq"].as_u64().expect("a number");
        system
            .eventually("the webhook is delivered", async |_| {
                !with_id(&receiver, &job, seq).is_empty()
            })
            .await;
        assert_eq!(data(&with_id(&receiver, &job, seq)[0]), *message);
    }
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn webhook_of_a_job_that_the_watchdog_ends_is_posted() {
    needs!(AdjustStack);
    let receiver = Receiver::replying([]).await;
    let system = system_with(&receiver).await;
    let (job, mut worker) = system.create_external("").await;
    worker.claim(&["a"]).await;
    cancel(&system, &job).await;
    system.end_lease(&job).await;
    run_watchdog(&system, &job, Some(1)).await;
    system
        .eventually("the webhook is delivered", async |_| {
            !with_id(&receiver, &job, 1).is_empty()
        })
        .await;
    assert_eq!(
        data(&with_id(&receiver, &job, 1)[0])["type"],
        "job_cancelled"
    );
    system.finish().await;
}

#[tokio::test]
async fn webhook_is_posted_again_on_request_and_not_before_its_message_is_committed() {
    needs!(AdjustStack);
    let receiver = Receiver::replying([]).await;
    let system = system_with(&receiver).await;
    let (job, mut worker) = system.create_external("").await;
    worker.claim(&["a"]).await;
    let job_id = job.job_message().job_id;
    // A process that died before it committed the message leaves this task.
    let early = DeliveryTask::webhook(job_id.clone(), 1);
    system.send::<DeliveryQueue>(&early).await;
    worker
        .post_events(json!([{ "type": "job_complete" }]))
        .await;
    system
        .eventually("the webhook of both tasks is delivered", async |_| {
            with_id(&receiver, &job, 1).len() == 2
        })
        .await;
    system
        .send::<WebhookQueue>(&WebhookTask { job_id, seq: 1 })
        .await;
    system
        .eventually("the webhook is posted again", async |_| {
            with_id(&receiver, &job, 1).len() == 3
        })
        .await;
    let posts = with_id(&receiver, &job, 1);
    assert!(posts.iter().all(|it| data(it)["type"] == "job_complete"));
    system.finish().await;
}

/// Creates a job from a description.
async fn create(system: &System, description: &Value) -> Job {
    let headers = [("content-type", JOB_DESCRIPTION_TYPE)];
    let body = description.to_string().into_bytes();
    let answer = system
        .http
        .request(Method::POST, "/v1/jobs", &headers, body)
        .await;
    assert_eq!(answer.status, 202, "{:?}", answer.body);
    system.job(&answer)
}

async fn cancel(system: &System, job: &Job) {
    let path = job.path();
    let answer = system.http.with_key(Method::DELETE, &path, &job.key).await;
    assert_eq!(answer.status, 202);
}
