//! Queues deliver messages at least once and in any order.

use std::collections::BTreeSet;

use end_to_end::{
    Client, Job, System, needs,
    script::{Gate, Script, StageScript},
};
use local_aws::Fault;
use serde_json::{Value, json};
use stagecast_contract::queues::{
    DeliveryQueue, DeliveryTask, JobQueue, MAX_DELIVERY_ATTEMPTS, Recipients,
};

async fn send_job_message(system: &System, job: &Job) {
    system.send::<JobQueue>(&job.job_message()).await;
}

/// Queues a delivery task that sends the log after `after_seq` to all subscribers.
pub(crate) async fn send_log_task(system: &System, job: &Job, after_seq: u64) {
    let all = Recipients::AllSubscribers;
    let task = DeliveryTask::log(job.job_message().job_id, all, after_seq);
    system.send::<DeliveryQueue>(&task).await;
}

/// Whether the queue has no messages except those of scheduled watchdogs.
fn is_settled(system: &System, queue: &str) -> bool {
    let messages = system.local().queue_messages(queue).expect("the queue");
    messages.iter().all(|message| message.contains("watchdog"))
}

fn dead_letters(system: &System, queue: &str) -> Vec<String> {
    let name = format!("{queue}-dead-letters");
    system.local().queue_messages(&name).expect("the queue")
}

/// The log records of deliveries that the delivery function gave up.
fn given_up(system: &System) -> Vec<Value> {
    let lines = system.local().logs().into_iter();
    lines
        .filter(|line| line.function == "delivery")
        .filter_map(|line| serde_json::from_str(&line.text).ok())
        .filter(|record: &Value| {
            let message = record["message"].as_str().unwrap_or_default();
            message.starts_with("a delivery is given up")
        })
        .collect()
}

async fn durable_until(client: &mut Client, last: &str) -> Vec<Value> {
    let mut messages = Vec::new();
    loop {
        let message = client.next().await.expect("a message");
        if message["type"] != "progress_update" {
            messages.push(message);
        }
        if messages
            .last()
            .is_some_and(|message| message["type"] == last)
        {
            return messages;
        }
    }
}

#[tokio::test]
async fn duplicate_and_unordered_queue_messages_change_nothing() {
    needs!(CountMessages);
    let system = System::scripted().await;
    let script = Script {
        stage_1: StageScript::slow(10, 50),
        stage_2: StageScript::slow(10, 50),
    };
    let (job, mut client) = system.create_and_watch(script).await;
    send_job_message(&system, &job).await;
    let mut messages = durable_until(&mut client, "stage_complete").await;
    send_log_task(&system, &job, 1).await;
    send_log_task(&system, &job, 0).await;
    messages.extend(durable_until(&mut client, "job_complete").await);
    send_job_message(&system, &job).await;
    send_log_task(&system, &job, 2).await;
    system
        .eventually("the queues are empty", async |system| {
            is_settled(system, "deliveries") && is_settled(system, "jobs")
        })
        .await;
    // A repeated message is identical, so clients deduplicate it by its `seq`.
    client.send(&json!({ "type": "ping" })).await;
    messages.extend(durable_until(&mut client, "pong").await);
    messages.pop();
    let different: BTreeSet<_> = messages.iter().map(Value::to_string).collect();
    assert_eq!(different.len(), 3, "{messages:#?}");
    assert!(dead_letters(&system, "jobs").is_empty());
    assert!(dead_letters(&system, "deliveries").is_empty());
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn unreachable_connection_is_given_up_without_dead_letters() {
    needs!(InjectFaults, AdjustStack, ReadLogs);
    let system = System::scripted_with(|options| {
        // Each delivery task is on its last attempt.
        options
            .earlier_receives
            .insert("deliveries".to_owned(), MAX_DELIVERY_ATTEMPTS - 1);
    })
    .await;
    let script = Script {
        stage_1: StageScript::slow(10, 50),
        ..Script::default()
    };
    let gate = Gate::closed();
    let job = system.create_scripted(&script.behind(&gate)).await;
    let unreachable = system.watch(&job).await;
    let id = system.local().connection_ids().pop().expect("a connection");
    let mut other = system.watch(&job).await;
    let refused = id.clone();
    system
        .local()
        .faults()
        .on_post(move |post| (post.connection_id == refused).then_some(Fault::Outage));
    gate.open();
    let messages = durable_until(&mut other, "job_complete").await;
    assert_eq!(
        messages.len(),
        3,
        "the other client gets all messages: {messages:#?}"
    );

    system
        .eventually("the failed delivery is given up", async |system| {
            is_settled(system, "deliveries") && !given_up(system).is_empty()
        })
        .await;
    // Only that connection's delivery was given up.
    for record in given_up(&system) {
        assert_eq!(record["span"]["job_id"], job.id.as_str(), "{record}");
        assert_eq!(record["connection_id"], id.as_str(), "{record}");
    }
    assert!(dead_letters(&system, "deliveries").is_empty());
    assert!(dead_letters(&system, "jobs").is_empty());

    // The messages are not lost: the client gets them from the log.
    system.local().faults().clear();
    let mut unreachable = unreachable;
    let mut subscribe = job.subscribe();
    subscribe["after_seq"] = json!(0);
    unreachable.send(&subscribe).await;
    durable_until(&mut unreachable, "subscribed").await;
    // Attempts that outlived their task's visibility timeout may still succeed, the last one first.
    let mut seqs = BTreeSet::new();
    while seqs != BTreeSet::from([1, 2, 3]) {
        let message = unreachable.next().await.expect("a message");
        if message["type"] != "progress_update" {
            seqs.insert(message["seq"].as_u64().expect("a seq"));
        }
    }
    unreachable.close().await;
    other.close().await;
    system.finish().await;
}
