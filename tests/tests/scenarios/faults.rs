//! AWS on a bad day: every client that comes back has every durable message, in order, and the job
//! has ended.

use std::{collections::HashSet, sync::Arc, time::Duration};

use contract::tables::{JobEvents, Table as _};
use end_to_end::{
    Client, System, needs,
    script::{Gate, Script, StageScript},
};
use local::{Fault, Times};
use serde_json::{Value, json};

/// The `seq`s of the durable messages, each where it came first.
fn seqs(messages: &[Value]) -> Vec<u64> {
    let mut seen = HashSet::new();
    messages
        .iter()
        .filter(|message| message["type"] != "progress_update" && message["type"] != "subscribed")
        .filter_map(|message| message["seq"].as_u64())
        .filter(|seq| seen.insert(*seq))
        .collect()
}

/// Messages until the one with this `seq` has come.
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

/// Someone who has heard all of a job, and someone who has connected with it in the URL since.
async fn owed_the_log(system: &System) -> (Client, Client) {
    let job = system.create_scripted(&two_stages()).await;
    let mut first = system.watch(&job).await;
    until_seq(&mut first, 3).await;
    let client = Client::connect(&job.url()).await.expect("a connection");
    (first, client)
}

#[tokio::test]
async fn a_storm_of_429s_over_all_clients_loses_nothing() {
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
async fn a_connection_that_never_answers_does_not_delay_the_others_or_the_job() {
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
    // The fast client hears the end while the first post to the slow one still hangs.
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
async fn tables_that_throttle_and_fail_now_and_then_lose_nothing() {
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
        // Of three calls two fail: the SDK gets through at its last attempt. Runs that fail for
        // good wait for longer each time, which is not what this is about.
        let turn = turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if turn % 3 == 2 || !bad.take() {
            return None;
        }
        Some([Fault::Throttle, Fault::Outage, Fault::LostAnswer][turn / 2 % 3])
    });
    gate.open();
    assert_eq!(seqs(&until_seq(&mut client, 3).await), [1, 2, 3]);
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn a_run_that_fails_because_a_table_is_away_is_made_again() {
    needs!(InjectFaults);
    let system = System::scripted().await;
    // As many as the SDK makes attempts: the claim fails, and the run with it.
    let away = Arc::new(Times::new(3));
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
            .contains("a run failed; its ticket stays on the queue")
    });
    assert_eq!(failed.count(), 1, "{logs:#?}");
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn a_client_that_cannot_be_welcomed_gets_the_log_all_the_same() {
    needs!(InjectFaults);
    let system = System::scripted().await;
    let job = system.create_scripted(&two_stages()).await;
    let mut first = system.watch(&job).await;
    until_seq(&mut first, 3).await;
    // Not even `subscribed` goes through, as long as the function tries.
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
async fn what_is_owed_since_connecting_is_owed_until_it_is_paid() {
    needs!(InjectFaults);
    let system = System::scripted().await;
    let (first, mut client) = owed_the_log(&system).await;
    // As often as the SDK tries.
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
async fn what_is_owed_since_connecting_is_paid_also_when_an_answer_was_lost() {
    needs!(InjectFaults);
    let system = System::scripted().await;
    let (first, mut client) = owed_the_log(&system).await;
    let lost = Arc::new(Times::new(1));
    system.local().faults().on_call(move |call| {
        let is_sign_of_life = call.caller == "websocket" && call.operation == "dynamodb:UpdateItem";
        (is_sign_of_life && lost.take()).then_some(Fault::LostAnswer)
    });
    client.ask(&json!({ "type": "ping" }), "subscribed").await;
    assert_eq!(seqs(&until_seq(&mut client, 3).await), [1, 2, 3]);
    client.expect("pong").await;
    // Once is enough.
    client.ask(&json!({ "type": "ping" }), "pong").await;
    client.close().await;
    first.close().await;
    system.finish().await;
}

#[tokio::test]
async fn every_client_dropped_at_once_comes_back_to_everything() {
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
        client.vanish();
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
async fn a_killed_delivery_function_delivers_after_all() {
    needs!(InjectFaults, KillFunctions, AdjustTheStack);
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
    // The pipeline cannot send, the delivery function hangs until it is killed.
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
