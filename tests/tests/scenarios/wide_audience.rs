//! More subscribers than a publisher posts to directly.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use end_to_end::{
    Client, Job, System, needs,
    script::{Script, StageScript},
    worker::stage_complete,
};
use futures_util::future::join_all;
use local_aws::Fault;
use serde_json::{Value, json};
use stagecast_contract::limits::MAX_DIRECT_SUBSCRIBERS;
use tokio::sync::Mutex;

use crate::queues::send_log_task;

/// The number of subscribers that only the delivery function serves.
const BEYOND: usize = 20;

/// Lets one of these scenarios run at a time, because of their many clients.
static ALONE: Mutex<()> = Mutex::const_new(());

async fn watch_in_company(system: &System, job: &Job) -> Vec<Client> {
    let mut clients = Vec::new();
    let all = MAX_DIRECT_SUBSCRIBERS + BEYOND;
    while clients.len() < all {
        let next = (all - clients.len()).min(10);
        clients.extend(join_all((0..next).map(|_| system.watch(job))).await);
    }
    clients
}

/// Reads all messages of a client up to the end of the job.
async fn read_to_the_end(mut client: Client) -> (Client, Vec<Value>) {
    let messages = client.until_job_ends().await;
    (client, messages)
}

fn durable(messages: &[Value]) -> BTreeSet<u64> {
    messages
        .iter()
        .filter(|message| message["type"] != "progress_update")
        .filter_map(|message| message["seq"].as_u64())
        .collect()
}

#[tokio::test]
async fn wide_audience_costs_its_publisher_no_more_than_a_small_one() {
    needs!(CountCalls);
    let _alone = ALONE.lock().await;
    let system = System::scripted().await;
    // The job runs until all clients are subscribed, and is then cancelled.
    let script = Script {
        stage_1: StageScript::slow(100_000, 50),
        ..Script::default()
    };
    let job = system.create_scripted(&script).await;
    let clients = watch_in_company(&system, &job).await;
    let calls = system.local().calls();

    // Progress reaches all subscribers, direct and deferred ones.
    let clients = join_all(clients.into_iter().map(async |mut client| {
        let message = client.next().await.expect("a message");
        assert_eq!(message["type"], "progress_update");
        client
    }))
    .await;
    calls.clear();
    let cancel = json!({ "type": "cancel_job", "job_id": job.id, "access_key": job.key });
    system
        .connect()
        .await
        .ask(&cancel, "cancel_requested")
        .await;
    let heard = join_all(clients.into_iter().map(read_to_the_end)).await;

    // The one durable message costs two writes, the log entry and its commit. All deferred subscribers
    // cost one queue message for it, and one for each progress update that is sent to them. The list of
    // subscribers is cached, or read once more if the last subscribers were missing.
    let by_pipeline = |operation: &'static str| {
        calls.count(move |call| call.caller == "pipeline" && call.operation == operation)
    };
    assert_eq!(by_pipeline("dynamodb:PutItem"), 1, "{:#?}", calls.all());
    let updates = by_pipeline("dynamodb:UpdateItem");
    let queued = by_pipeline("sqs:SendMessage");
    assert!(queued <= updates, "{queued} queued for {updates} updates");
    assert!(by_pipeline("dynamodb:Query") <= 1, "{:#?}", calls.all());
    let by_delivery = calls.count(|call| {
        call.caller == "delivery" && call.operation == "execute-api:ManageConnections"
    });
    assert!(by_delivery >= BEYOND as u64, "{by_delivery} posts");

    // They are too many for one invocation of the delivery function, which splits them.
    send_log_task(&system, &job, 0).await;
    for (mut client, messages) in heard {
        assert_eq!(durable(&messages), BTreeSet::from([1]));
        assert_eq!(messages.last().unwrap()["type"], "job_cancelled");
        assert_eq!(client.expect("job_cancelled").await["seq"], 1);
        client.close().await;
    }
    let dealt_out =
        calls.count(|call| call.caller == "delivery" && call.operation == "sqs:SendMessage");
    assert!(dealt_out >= 1, "{:#?}", calls.all());
    system.finish().await;
}

#[tokio::test]
async fn durable_messages_reach_a_wide_audience_in_order() {
    needs!(CountCalls);
    let _alone = ALONE.lock().await;
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    let clients = watch_in_company(&system, &job).await;
    worker.claim(&["a"]).await;
    let calls = system.local().calls();
    calls.clear();
    worker
        .post_events(json!([stage_complete("a", 1), { "type": "job_complete" }]))
        .await;
    let heard = join_all(clients.into_iter().map(read_to_the_end)).await;
    for (client, messages) in heard {
        // Messages that the publisher had no time for arrive a second time.
        let mut seen = BTreeSet::new();
        let once = messages.iter().filter(|it| seen.insert(it["seq"].as_u64()));
        let kinds: Vec<_> = once.map(|it| it["type"].clone()).collect();
        assert_eq!(kinds, ["stage_complete", "job_complete"]);
        client.close().await;
    }
    let queued = calls.count(|call| call.caller == "worker" && call.operation == "sqs:SendMessage");
    // One for the deferred subscribers, and one for those that the publisher had no time for.
    let late = system.local().logs().iter().any(|line| {
        let record: Value = serde_json::from_str(&line.text).unwrap_or_default();
        line.function == "worker" && record["MessagesDeferred"].as_u64() > Some(0)
    });
    assert_eq!(queued, 1 + u64::from(late), "{:#?}", calls.all());
    system.finish().await;
}

#[tokio::test]
async fn subscriber_moving_into_direct_reach_misses_nothing() {
    needs!(InjectFaults);
    let _alone = ALONE.lock().await;
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    let mut clients = watch_in_company(&system, &job).await;
    worker.claim(&["a"]).await;
    // Between the end of the stage and of the job, enough clients leave that the publisher reaches all
    // others directly.
    let writes = AtomicU64::new(0);
    system.local().faults().on_call(move |call| {
        let is_write = call.caller == "worker" && call.operation == "dynamodb:PutItem";
        let is_second = is_write && writes.fetch_add(1, Ordering::Relaxed) == 1;
        is_second.then_some(Fault::Delay(Duration::from_secs(4)))
    });
    let mut leaving = clients.split_off(clients.len() - BEYOND - 10);
    let ends = json!([stage_complete("a", 1), { "type": "job_complete" }]);
    let (_, ()) = tokio::join!(worker.post_events(ends), async {
        clients[0].expect("stage_complete").await;
        for some in leaving.chunks_mut(10) {
            let unsubscribe = json!({ "type": "unsubscribe", "job_id": job.id });
            join_all(some.iter_mut().map(async |client| {
                client.send(&unsubscribe).await;
                while client.next().await.expect("a message")["type"] != "unsubscribed" {}
            }))
            .await;
        }
    });
    let heard = join_all(clients.into_iter().skip(1).map(read_to_the_end)).await;
    for (mut client, mut messages) in heard {
        // They are in separate delivery tasks, so their order is open.
        while durable(&messages) != BTreeSet::from([1, 2]) {
            messages.push(client.next().await.expect("a message"));
        }
        client.close().await;
    }
    for client in leaving {
        client.close().await;
    }
    system.finish().await;
}
