//! Notifications of workers that listen to a queue.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use local_aws::Fault;
use serde_json::Value;
use stagecast_contract::{
    functions::JobsFunction, limits::CONNECTION_TTL_SECONDS, tables::WorkQueues,
    worker_queues::QueueName,
};
use stagecast_core::{
    clock::Clock,
    delivery::{QueueWaker, WAKE_COUNT},
    stores::QueueListenerStore,
};
use stagecast_testing::{
    TestAws,
    fixtures::{self, armed, stores},
};

struct Site {
    aws: TestAws,
    clock: Clock,
    waker: QueueWaker<JobsFunction>,
    listeners: QueueListenerStore<JobsFunction>,
    queue: QueueName,
}

impl Site {
    /// A queue with this number of armed listeners, `c0`, `c1`, and so on.
    async fn with(listeners: usize) -> Self {
        let (aws, clock) = (TestAws::new(), fixtures::clock());
        for number in 0..listeners {
            armed(&aws, &clock, "plans", &format!("c{number}")).await;
        }
        let stores = stores::<JobsFunction>(&aws, &clock);
        aws.calls().clear();
        Self {
            waker: QueueWaker::new(stores.listeners.clone(), stores.api.clone(), clock.clone()),
            listeners: stores.listeners.clone(),
            queue: "plans".parse().expect("a name"),
            aws,
            clock,
        }
    }

    async fn wake(&self) {
        self.waker.wake(&self.queue).await;
    }

    /// The connections among the first `total` that were notified since the last call.
    fn notified(&self, total: usize) -> Vec<String> {
        let ids = (0..total).map(|number| format!("c{number}"));
        let mut notified = Vec::new();
        for id in ids {
            for message in self.aws.take_messages(&id) {
                assert_eq!(message["type"], "job_available", "{message}");
                assert_eq!(message["queue"], "plans", "{message}");
                notified.push(id.clone());
            }
        }
        notified
    }

    fn stored(&self) -> Vec<Value> {
        self.aws.items::<WorkQueues>()
    }

    fn armed(&self) -> usize {
        let is_armed = |item: &&Value| item["is_armed"]["BOOL"] == true;
        self.stored().iter().filter(is_armed).count()
    }

    fn calls(&self, operation: &str) -> u64 {
        self.aws.calls().count(|call| call.operation == operation)
    }
}

#[tokio::test]
async fn job_wakes_two_listeners_and_disarms_them() {
    let site = Site::with(5).await;

    site.wake().await;

    assert_eq!(site.notified(5).len(), WAKE_COUNT);
    assert_eq!(site.armed(), 5 - WAKE_COUNT);
    assert_eq!(site.calls("dynamodb:Query"), 1);
    assert_eq!(site.calls("dynamodb:UpdateItem"), 2);
}

#[tokio::test]
async fn without_an_armed_listener_one_query_is_spent() {
    let site = Site::with(1).await;
    site.listeners.disarm(&site.queue, "c0").await.unwrap();
    let other: QueueName = "gpu".parse().expect("a name");
    site.aws.calls().clear();

    site.wake().await;
    site.waker.wake(&other).await;

    assert!(site.notified(1).is_empty());
    let calls = site.aws.calls().all();
    assert_eq!(site.calls("dynamodb:Query"), 2, "{calls:?}");
    assert_eq!(calls.len(), 1, "{calls:?}");
}

#[tokio::test]
async fn each_listener_is_woken_by_one_of_many_jobs() {
    let site = Site::with(6).await;

    let wakes = (0..6).map(|_| site.wake());
    futures_util::future::join_all(wakes).await;

    let notified = site.notified(6);
    let different: BTreeSet<_> = notified.iter().collect();
    assert_eq!(notified.len(), 6);
    assert_eq!(different.len(), 6);
    assert_eq!(site.armed(), 0);
}

#[tokio::test]
async fn every_listener_has_its_turn() {
    let mut different = BTreeSet::new();
    let site = Site::with(8).await;
    for _ in 0..60 {
        site.wake().await;
        for id in site.notified(8) {
            site.listeners.arm(&site.queue, &id).await.unwrap();
            different.insert(id);
        }
    }
    assert_eq!(different.len(), 8);
}

#[tokio::test]
async fn gone_listeners_are_deleted_and_others_are_woken() {
    let site = Site::with(5).await;
    for id in ["c0", "c1", "c2"] {
        site.aws.disconnect(id);
    }

    site.wake().await;

    let mut notified = site.notified(5);
    notified.sort();
    // Up to three posts met a connection that is gone, and two others were notified.
    assert_eq!(notified, ["c3", "c4"]);
    let gone = 5 - site.stored().len();
    assert!(gone <= 3, "{gone}");
    assert_eq!(site.calls("dynamodb:DeleteItem"), gone as u64);
}

#[tokio::test]
async fn posts_to_gone_listeners_are_limited() {
    let site = Site::with(20).await;
    for number in 0..20 {
        site.aws.disconnect(&format!("c{number}"));
    }

    site.wake().await;

    assert_eq!(site.stored().len(), 15);
    assert_eq!(site.armed(), 15);
}

#[tokio::test(start_paused = true)]
async fn failing_post_is_retried_once_and_then_another_is_woken() {
    let site = Site::with(3).await;
    let posts: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&posts);
    site.aws.faults().on_post(move |post| {
        let mut seen = seen.lock().unwrap();
        let first = seen.first().cloned();
        seen.push(post.connection_id.to_owned());
        let fails = first.is_none_or(|first| first == post.connection_id);
        fails.then_some(Fault::Throttle)
    });

    site.wake().await;

    let posts = posts.lock().unwrap().clone();
    let failed = posts.iter().filter(|id| **id == posts[0]).count();
    assert_eq!((posts.len(), failed), (4, 2), "{posts:?}");
    assert_eq!(site.notified(3).len(), 2);
    // It is not known to be gone.
    assert_eq!(site.stored().len(), 3);
    assert_eq!(site.armed(), 0);
}

#[tokio::test(start_paused = true)]
async fn outage_of_the_tables_or_of_the_posts_is_no_error() {
    let site = Site::with(2).await;
    site.aws.faults().on_post(|_| Some(Fault::Outage));
    site.wake().await;
    assert!(site.notified(2).is_empty());

    for operation in ["dynamodb:Query", "dynamodb:UpdateItem"] {
        let site = Site::with(2).await;
        site.aws.fail(0..100, Fault::Outage, move |call| {
            call.operation == operation
        });
        site.wake().await;
        assert!(site.notified(2).is_empty(), "{operation}");
        assert_eq!(site.armed(), 2, "{operation}");
    }
}

#[tokio::test]
async fn expired_and_deleted_listeners_are_neither_woken_nor_armed() {
    let site = Site::with(2).await;
    site.listeners.delete(&site.queue, "c0").await.unwrap();
    assert!(!site.listeners.arm(&site.queue, "c0").await.unwrap());
    assert!(!site.listeners.arm(&site.queue, "unknown").await.unwrap());
    site.clock.advance(CONNECTION_TTL_SECONDS);
    assert!(!site.listeners.arm(&site.queue, "c1").await.unwrap());

    site.wake().await;

    assert!(site.notified(2).is_empty());
    assert_eq!(site.stored().len(), 1);
}

#[tokio::test]
async fn only_armed_listener_of_a_large_queue_is_found() {
    let total = 110;
    let site = Site::with(total).await;
    for number in 0..total {
        let id = format!("c{number}");
        site.listeners.disarm(&site.queue, &id).await.unwrap();
    }
    for id in ["c0", "c7", "c99"] {
        site.listeners.arm(&site.queue, id).await.unwrap();
        site.wake().await;
        assert_eq!(site.notified(total), [id]);
    }
}

#[tokio::test]
async fn large_queue_is_read_from_random_positions_in_part() {
    let total = 240;
    let site = Site::with(total).await;
    let mut different = BTreeSet::new();
    site.aws.calls().clear();
    for _ in 0..20 {
        site.wake().await;
        different.extend(site.notified(total));
    }
    assert_eq!(different.len(), 20 * WAKE_COUNT);
    // Two reads of at most 100 listeners each, three where the random position is near the end.
    let queries = site.calls("dynamodb:Query");
    assert!((40..=60).contains(&queries), "{queries}");
}
