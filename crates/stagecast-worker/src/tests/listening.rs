//! Claims of workers that listen, and what notifies them.

use local_aws::{Fault, Times};
use serde_json::{Value, json};
use stagecast_contract::{
    functions::DeliveryFunction,
    ids::{JobId, WorkerKey, WorkerToken},
    routes::HttpRoute,
    tables::WorkQueues,
};
use stagecast_core::{clock::Clock, delivery::QueueWaker};
use stagecast_testing::{
    TestAws,
    fixtures::{self, armed, stores},
    http_api::{self, Answer, with_body, with_header},
};

use super::Site;

/// Stores a job in the queue `plans`, as its creation does, without a notification.
async fn store(aws: &TestAws, clock: &Clock, number: u8) -> JobId {
    fixtures::waiting_job(aws, clock, number, |job| job)
        .await
        .id
}

struct Queue {
    site: Site,
    token: WorkerToken,
}

impl Queue {
    /// The empty queue `plans`, to which these connections listen, armed.
    async fn with(connections: &[&str]) -> Self {
        let site = Site::new();
        for connection in connections {
            armed(&site.aws, &site.clock, "plans", connection).await;
        }
        let token = fixtures::worker_token(&site.aws, &site.clock, Some(&["plans"])).await;
        Self { site, token }
    }

    async fn claim(&self, listener: Option<&str>) -> Answer {
        let mut request = http_api::request(HttpRoute::ClaimFromQueue);
        let parameters = &mut request.path_parameters;
        parameters.insert("queue".to_owned(), "plans".to_owned());
        let bearer = format!("Bearer {}", self.token.reveal());
        let request = with_header(request, "authorization", &bearer);
        let body = json!({"stages": ["a"], "listener": listener});
        self.site.handle(with_body(request, body.to_string())).await
    }

    async fn store(&self, number: u8) -> JobId {
        store(&self.site.aws, &self.site.clock, number).await
    }

    /// What the creation of a job does after it has stored it.
    async fn wake(&self) {
        let stores = stores::<DeliveryFunction>(&self.site.aws, &self.site.clock);
        let (listeners, api) = (stores.listeners.clone(), stores.api.clone());
        let waker = QueueWaker::new(listeners, api, self.site.clock.clone());
        waker.wake(&"plans".parse().expect("a name")).await;
    }

    fn is_armed(&self, connection: &str) -> bool {
        let items = self.site.aws.items::<WorkQueues>();
        let mut items = items
            .iter()
            .filter(|it| it["connection_id"]["S"] == connection);
        items.next().expect("a listener")["is_armed"]["BOOL"] == true
    }

    fn notifications(&self, connection: &str) -> usize {
        let messages = self.site.aws.take_messages(connection);
        let is_notification = |message: &&Value| message["type"] == "job_available";
        messages.iter().filter(is_notification).count()
    }

    fn calls(&self, operation: &str) -> u64 {
        let calls = self.site.aws.calls();
        calls.count(|it| it.operation == operation && it.resource == "work_queues")
    }
}

#[tokio::test]
async fn empty_claim_arms_its_listener_for_one_notification() {
    let queue = Queue::with(&["c1"]).await;
    queue.wake().await;
    assert!(!queue.is_armed("c1"));
    queue.notifications("c1");

    let empty = queue.claim(Some("c1")).await;
    let armed = queue.is_armed("c1");
    queue.wake().await;
    queue.wake().await;

    assert_eq!(empty.status, 204);
    assert!(armed);
    assert_eq!(queue.notifications("c1"), 1);
}

#[tokio::test]
async fn claim_without_a_listener_arms_none_and_reads_once() {
    let queue = Queue::with(&["c1"]).await;
    queue.wake().await;
    queue.site.aws.calls().clear();

    assert_eq!(queue.claim(None).await.status, 204);

    assert!(!queue.is_armed("c1"));
    assert_eq!(queue.calls("dynamodb:Query"), 2);
    assert_eq!(queue.calls("dynamodb:UpdateItem"), 0);
}

#[tokio::test]
async fn claim_that_has_a_job_disarms_its_listener() {
    let queue = Queue::with(&["c1"]).await;
    let job = queue.store(1).await;

    let claimed = queue.claim(Some("c1")).await.accepted();
    queue.wake().await;

    assert_eq!(claimed["job_id"], job.as_str());
    assert!(!queue.is_armed("c1"));
    assert_eq!(queue.notifications("c1"), 0);
}

/// The job is stored after the first read of the claim, and has found no armed listener.
#[tokio::test]
async fn job_that_is_stored_before_the_listener_is_armed_is_claimed() {
    let queue = Queue::with(&["c1"]).await;
    queue.wake().await;
    let (aws, clock) = (queue.site.aws.clone(), queue.site.clock.clone());
    let once = Times::new(1);
    queue.site.aws.faults().on_call(move |call| {
        let is_arming = call.operation == "dynamodb:UpdateItem" && call.resource == "work_queues";
        if is_arming && once.take() {
            let (aws, clock) = (aws.clone(), clock.clone());
            let storing = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build();
                runtime.expect("a runtime").block_on(store(&aws, &clock, 1));
            });
            storing.join().expect("the job is stored");
        }
        None
    });

    let claimed = queue.claim(Some("c1")).await.accepted();

    assert_eq!(claimed["queue"], "plans");
    assert!(!queue.is_armed("c1"));
}

#[tokio::test]
async fn empty_claim_with_a_listener_reads_the_queue_twice() {
    let queue = Queue::with(&["c1"]).await;
    queue.site.aws.calls().clear();

    assert_eq!(queue.claim(Some("c1")).await.status, 204);

    // The poll of an idle worker: its token, the queue, the listener, the queue again.
    assert_eq!(queue.calls("dynamodb:GetItem"), 1);
    assert_eq!(queue.calls("dynamodb:Query"), 4);
    assert_eq!(queue.calls("dynamodb:UpdateItem"), 1);
    assert_eq!(queue.site.aws.calls().count(|_| true), 6);
}

#[tokio::test]
async fn listener_that_is_gone_is_named_only_by_an_empty_claim() {
    let queue = Queue::with(&["c1"]).await;
    queue.store(1).await;

    let claimed = queue.claim(Some("gone")).await;
    let empty = queue.claim(Some("gone")).await;

    assert_eq!(claimed.status, 200);
    let error = empty.refused(410, "listener_gone");
    assert_eq!(error["queue"], "plans");
    assert!(queue.is_armed("c1"));
}

#[tokio::test]
async fn claim_that_leaves_jobs_notifies_one_other_listener() {
    let queue = Queue::with(&["c1", "c2", "c3"]).await;
    queue.store(1).await;
    queue.store(2).await;

    queue.claim(Some("c1")).await.accepted();
    let notified = queue.notifications("c2") + queue.notifications("c3");
    queue.claim(Some("c2")).await.accepted();

    assert_eq!(notified, 1);
    assert_eq!(queue.notifications("c1"), 0);
    assert_eq!(queue.notifications("c2") + queue.notifications("c3"), 0);
}

#[tokio::test(start_paused = true)]
async fn claim_succeeds_if_its_listener_cannot_be_disarmed() {
    let queue = Queue::with(&["c1"]).await;
    queue.store(1).await;
    queue.site.aws.fail(0..10, Fault::Outage, |call| {
        call.operation == "dynamodb:UpdateItem" && call.resource == "work_queues"
    });

    queue.claim(Some("c1")).await.accepted();

    assert!(queue.is_armed("c1"));
}

#[tokio::test]
async fn released_job_notifies_listeners_unless_it_is_delayed() {
    for (delay, notified) in [(0, 1), (60, 0)] {
        let queue = Queue::with(&["c1"]).await;
        let id = queue.store(1).await;
        let claimed = queue.claim(None).await.accepted();
        let key = claimed["worker_key"].as_str().map(WorkerKey::from_client);
        let key = key.expect("a key");
        let request = http_api::job_request(HttpRoute::ReleaseJob, id.as_str(), key.reveal());
        let body = json!({"epoch": claimed["epoch"], "delay_seconds": delay});

        let released = queue
            .site
            .handle(with_body(request, body.to_string()))
            .await;

        assert_eq!(released.accepted()["status"], "queued");
        assert_eq!(queue.notifications("c1"), notified, "{delay}");
    }
}
