//! Faults of AWS services: after them, every client has every durable message in order, and the job
//! has ended.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use end_to_end::{
    Client, System, needs,
    script::{Gate, Script, StageScript},
};
use http::Method;
use local_aws::{Fault, Times};
use serde_json::{Value, json};
use stagecast_contract::tables::{JobEvents, Jobs};
use typed_contract::tables::Table as _;

/// The number of attempts of the SDK.
const ATTEMPTS: usize = 3;

/// The `seq`s of the durable messages without repeats.
fn seqs(messages: &[Value]) -> Vec<u64> {
    let mut seen = HashSet::new();
    messages
        .iter()
        .filter(|message| message["type"] != "progress_update" && message["type"] != "subscribed")
        .filter_map(|message| message["seq"].as_u64())
        .filter(|seq| seen.insert(*seq))
        .collect()
}

/// Reads messages up to the one with `seq` `last`.
async fn until_seq(client: &mut Client, last: u64) -> Vec<Value> {
    let mut messages = Vec::new();
    while !seqs(&messages).contains(&last) {
        messages.push(client.next().await.expect("a message"));
    }
    messages
}

fn two_stages() -> Script {
    Script {
        stage_1: StageScript::slow(10, 50),
        stage_2: StageScript::slow(10, 50),
    }
}

/// A client that has all messages of a job, and a new client with the job in its URL, whose replay is
/// pending.
async fn with_pending_replay(system: &System) -> (Client, Client) {
    let job = system.create_scripted(&two_stages()).await;
    let mut first = system.watch(&job).await;
    until_seq(&mut first, 3).await;
    let client = Client::connect(&job.url()).await.expect("a connection");
    (first, client)
}

#[tokio::test]
async fn throttling_of_all_clients_loses_no_message() {
    needs!(InjectFaults);
    let system = System::scripted().await;
    let gate = Gate::closed();
    let job = system.create_scripted(&two_stages().behind(&gate)).await;
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(system.watch(&job).await);
    }
    let storm = Arc::new(Times::new(60));
    system.local().faults().on_post(move |post| {
        (post.caller == "pipeline" && storm.take()).then_some(Fault::Throttle)
    });
    gate.open();
    for client in &mut clients {
        assert_eq!(seqs(&until_seq(client, 3).await), [1, 2, 3]);
    }
    for client in clients {
        client.close().await;
    }
    system.finish().await;
}

#[tokio::test]
async fn hanging_connection_delays_neither_others_nor_the_job() {
    needs!(InjectFaults);
    let system = System::scripted().await;
    let gate = Gate::closed();
    let job = system.create_scripted(&two_stages().behind(&gate)).await;
    let slow = system.watch(&job).await;
    let slow_id = system.local().connection_ids().pop().unwrap();
    let mut fast = system.watch(&job).await;
    system.local().faults().on_post(move |post| {
        (post.caller == "pipeline" && post.connection_id == slow_id).then_some(Fault::Hang)
    });
    gate.open();
    // The fast client gets the end while the first post to the slow one still hangs.
    let messages = until_seq(&mut fast, 3).await;
    assert_eq!(seqs(&messages), [1, 2, 3]);
    // The slow one gets everything from the delivery function.
    let mut slow = slow;
    assert_eq!(seqs(&until_seq(&mut slow, 3).await), [1, 2, 3]);
    slow.close().await;
    fast.close().await;
    system.finish().await;
}

#[tokio::test]
async fn throttling_and_failing_tables_lose_no_message() {
    needs!(InjectFaults);
    let system = System::scripted().await;
    let gate = Gate::closed();
    let job = system.create_scripted(&two_stages().behind(&gate)).await;
    let mut client = system.watch(&job).await;
    let bad = Arc::new(Times::new(18));
    let turn = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    system.local().faults().on_call(move |call| {
        if call.caller != "pipeline" || !call.operation.starts_with("dynamodb:") {
            return None;
        }
        // Two of three calls fail, so that the SDK succeeds on its last attempt. A failed run would be
        // retried with growing delays, which other scenarios cover.
        let turn = turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if turn % 3 == 2 || !bad.take() {
            return None;
        }
        Some([Fault::Throttle, Fault::Outage, Fault::LostResponse][turn / 2 % 3])
    });
    gate.open();
    assert_eq!(seqs(&until_seq(&mut client, 3).await), [1, 2, 3]);
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn run_that_fails_on_a_table_outage_is_retried() {
    needs!(InjectFaults);
    let system = System::scripted().await;
    // All attempts of the SDK fail: the claim fails, and with it the run.
    let away = Arc::new(Times::new(ATTEMPTS));
    system.local().faults().on_call(move |call| {
        let is_ours = call.caller == "pipeline" && call.operation.starts_with("dynamodb:");
        (is_ours && away.take()).then_some(Fault::Outage)
    });
    let job = system.create_scripted(&two_stages()).await;
    let mut client = system.watch(&job).await;
    assert_eq!(seqs(&until_seq(&mut client, 3).await), [1, 2, 3]);
    let logs = system.local().logs();
    let failed = logs.iter().filter(|line| {
        line.text
            .contains("a run failed; its job message stays on the queue")
    });
    assert_eq!(failed.count(), 1, "{logs:#?}");
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn released_job_is_queued_when_the_write_response_is_lost() {
    needs!(InjectFaults, CountCalls, AdjustStack);
    // A run releases its job after half of this timeout.
    let system = System::scripted_with(|options| {
        let ten = Duration::from_secs(10);
        options.function_timeouts.insert("pipeline".to_owned(), ten);
    })
    .await;
    let script = Script {
        stage_1: StageScript::slow(100_000, 100),
        ..Script::default()
    };
    let job = system.create_scripted(&script).await;
    let mut client = system.watch(&job).await;
    client.next().await.expect("the job runs");
    // Every first write loses its response, so the SDK repeats it.
    let turn = AtomicU64::new(0);
    system.local().faults().on_call(move |call| {
        let is_write = call.caller == "pipeline" && call.operation == "dynamodb:UpdateItem";
        let is_first = is_write && turn.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
        is_first.then_some(Fault::LostResponse)
    });
    system
        .eventually("the job is back on its queue", async |system| {
            let calls = system.local().calls();
            calls.count(|call| call.caller == "pipeline" && call.operation == "sqs:SendMessage") > 0
        })
        .await;
    system.local().faults().clear();
    let cancelled = system
        .http
        .with_key(Method::DELETE, &job.path(), &job.key)
        .await;
    assert_eq!(cancelled.status, 202);
    client.expect("job_cancelled").await;
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn run_failing_after_a_stage_leaves_a_readable_job() {
    needs!(InjectFaults, ReadLogs);
    let system = System::scripted().await;
    let gate = Gate::closed();
    let large = StageScript {
        results_bytes: 100_000,
        ..StageScript::default()
    };
    let script = Script {
        stage_2: large.behind(&gate),
        ..Script::default()
    };
    let job = system.create_scripted(&script).await;
    let mut client = system.watch(&job).await;
    client.expect("stage_complete").await;
    // The run's attempts times the SDK's attempts.
    let away = Times::new(5 * ATTEMPTS);
    system.local().faults().on_call(move |call| {
        let is_result = call.caller == "pipeline" && call.operation == "s3:PutObject";
        (is_result && away.take()).then_some(Fault::Outage)
    });
    gate.open();
    system
        .eventually("the run fails", async |system| {
            let logs = system.local().logs();
            logs.iter().any(|line| line.text.contains("a run failed"))
        })
        .await;
    let snapshot = system
        .http
        .with_key(Method::GET, &job.path(), &job.key)
        .await;
    assert_eq!(snapshot.status, 200, "{:?}", snapshot.body);
    let items = system.items(Jobs::SPEC).await;
    let item = items.iter().find(|item| item["job_id"] == job.id.as_str());
    assert_eq!(item.expect("the job")["attempts_without_progress"], 0);
    client.expect("stage_complete").await;
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn client_gets_the_log_when_subscribed_cannot_be_posted() {
    needs!(InjectFaults);
    let system = System::scripted().await;
    let job = system.create_scripted(&two_stages()).await;
    let mut first = system.watch(&job).await;
    until_seq(&mut first, 3).await;
    // All attempts to post `subscribed` fail.
    system
        .local()
        .faults()
        .on_post(|post| (post.caller == "websocket").then_some(Fault::Throttle));
    let mut client = system.connect().await;
    client.send(&job.subscribe()).await;
    assert_eq!(seqs(&until_seq(&mut client, 3).await), [1, 2, 3]);
    client.close().await;
    first.close().await;
    system.finish().await;
}

#[tokio::test]
async fn pending_reply_is_kept_until_it_is_sent() {
    needs!(InjectFaults);
    let system = System::scripted().await;
    let (first, mut client) = with_pending_replay(&system).await;
    // All attempts of the SDK fail.
    let away = Arc::new(Times::new(3));
    system.local().faults().on_call(move |call| {
        let is_log = call.caller == "websocket" && call.resource == JobEvents::SPEC.name;
        (is_log && away.take()).then_some(Fault::Outage)
    });
    let ping = json!({ "type": "ping" });
    assert_eq!(client.ask(&ping, "error").await["code"], "internal");
    client.ask(&ping, "subscribed").await;
    assert_eq!(seqs(&until_seq(&mut client, 3).await), [1, 2, 3]);
    client.close().await;
    first.close().await;
    system.finish().await;
}

#[tokio::test]
async fn pending_reply_is_sent_when_the_write_response_is_lost() {
    needs!(InjectFaults);
    let system = System::scripted().await;
    let (first, mut client) = with_pending_replay(&system).await;
    let lost = Arc::new(Times::new(1));
    system.local().faults().on_call(move |call| {
        let is_sign_of_life = call.caller == "websocket" && call.operation == "dynamodb:UpdateItem";
        (is_sign_of_life && lost.take()).then_some(Fault::LostResponse)
    });
    client.ask(&json!({ "type": "ping" }), "subscribed").await;
    assert_eq!(seqs(&until_seq(&mut client, 3).await), [1, 2, 3]);
    client.expect("pong").await;
    // It is not sent again.
    client.ask(&json!({ "type": "ping" }), "pong").await;
    client.close().await;
    first.close().await;
    system.finish().await;
}

#[tokio::test]
async fn all_clients_resume_after_dropping_at_once() {
    let system = System::scripted().await;
    let gate = Gate::closed();
    let script = Script {
        stage_1: StageScript::slow(5, 50).behind(&gate),
        stage_2: StageScript::slow(30, 100),
    };
    let job = system.create_scripted(&script).await;
    let mut clients = Vec::new();
    for _ in 0..6 {
        clients.push(system.watch(&job).await);
    }
    gate.open();
    for client in &mut clients {
        assert_eq!(client.expect("stage_complete").await["seq"], 1);
    }
    for client in clients {
        client.drop_connection();
    }
    for after in [0, 1] {
        let mut client = system.connect().await;
        let mut subscribe = job.subscribe();
        subscribe["after_seq"] = json!(after);
        client.ask(&subscribe, "subscribed").await;
        let expected: Vec<u64> = (after + 1..=3).collect();
        assert_eq!(seqs(&until_seq(&mut client, 3).await), expected);
        client.close().await;
    }
    system.finish().await;
}

#[tokio::test]
async fn killed_delivery_function_delivers_on_retry() {
    needs!(InjectFaults, KillFunctions, AdjustStack);
    let system = System::scripted_with(|options| {
        let soon = Duration::from_secs(2);
        options
            .visibility_timeouts
            .insert("deliveries".to_owned(), soon);
    })
    .await;
    let gate = Gate::closed();
    let script = Script::default().behind(&gate);
    let job = system.create_scripted(&script).await;
    // The pipeline's posts fail, and the delivery function hangs until it is killed.
    let hang = Arc::new(Times::new(3));
    system
        .local()
        .faults()
        .on_post(move |post| match post.caller {
            "pipeline" => Some(Fault::Outage),
            "delivery" if hang.take() => Some(Fault::Hang),
            _ => None,
        });
    let mut client = system.watch(&job).await;
    gate.open();
    system
        .eventually("the delivery function posts", async |system| {
            system.local().calls().count(|call| {
                call.caller == "delivery" && call.operation == "execute-api:ManageConnections"
            }) > 0
        })
        .await;
    system.local().kill("delivery");
    let messages = until_seq(&mut client, 3).await;
    let mut came = seqs(&messages);
    came.sort_unstable();
    assert_eq!(came, [1, 2, 3]);
    client.close().await;
    system.finish().await;
}
