//! Several clients of one job.

use end_to_end::{
    System,
    script::{Gate, Script, StageScript},
};
use serde_json::{Value, json};

fn durable(messages: &[Value]) -> Vec<&Value> {
    messages
        .iter()
        .filter(|message| message["type"] != "progress_update")
        .collect()
}

#[tokio::test]
async fn all_clients_get_all_durable_messages_in_order() {
    let system = System::scripted().await;
    let script = Script {
        stage_1: StageScript::slow(10, 100),
        stage_2: StageScript::slow(10, 50),
    };
    let gate = Gate::closed();
    let job = system.create_scripted(&script.behind(&gate)).await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(system.watch(&job).await);
    }
    gate.open();
    let mut seen = Vec::new();
    for client in &mut clients {
        seen.push(client.until_job_ends().await);
    }
    for messages in &seen {
        assert_eq!(durable(messages), durable(&seen[0]));
        assert_eq!(durable(messages).len(), 3);
    }
    for client in clients {
        client.close().await;
    }
    system.finish().await;
}

#[tokio::test]
async fn unsubscribed_client_gets_no_more_messages() {
    let system = System::scripted().await;
    let script = Script {
        stage_1: StageScript::slow(20, 100),
        ..Script::default()
    };
    let gate = Gate::closed();
    let job = system.create_scripted(&script.behind(&gate)).await;
    let mut leaves = system.watch(&job).await;
    let mut stays = system.watch(&job).await;
    leaves
        .ask(
            &json!({ "type": "unsubscribe", "job_id": job.id }),
            "unsubscribed",
        )
        .await;
    gate.open();
    let messages = stays.until_job_ends().await;
    assert_eq!(messages.last().unwrap()["type"], "job_complete");
    // Messages in flight at the unsubscribe may still arrive, but not the end of the job.
    leaves.send(&json!({ "type": "ping" })).await;
    loop {
        let message = leaves.next().await.unwrap();
        if message["type"] == "pong" {
            break;
        }
        assert_eq!(message["type"], "progress_update", "{message}");
    }
    leaves.close().await;
    stays.close().await;
    system.finish().await;
}

#[tokio::test]
async fn clients_get_only_messages_of_their_own_job() {
    let system = System::scripted().await;
    let script = Script {
        stage_1: StageScript::slow(5, 50),
        ..Script::default()
    };
    let one = system.create_scripted(&script).await;
    let other = system.create_scripted(&script).await;
    let mut client_of_one = system.watch(&one).await;
    let mut client_of_other = system.watch(&other).await;
    for (client, job) in [(&mut client_of_one, &one), (&mut client_of_other, &other)] {
        for message in client.until_job_ends().await {
            assert_eq!(message["job_id"], job.id);
        }
    }
    client_of_one.close().await;
    client_of_other.close().await;
    system.finish().await;
}
