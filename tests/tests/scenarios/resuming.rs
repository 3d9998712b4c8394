//! Resuming after a disconnect or a killed run.

use end_to_end::{
    System, needs,
    script::{Gate, Script, StageScript},
};
use http::Method;
use serde_json::json;

#[tokio::test]
async fn returning_client_gets_missed_messages_once() {
    let system = System::scripted().await;
    let script = Script {
        stage_1: StageScript::slow(2, 50),
        stage_2: StageScript::slow(20, 100),
    };
    let (job, mut client) = system.create_and_watch(script).await;
    assert_eq!(client.expect("stage_complete").await["seq"], 1);
    client.drop_connection();

    let mut client = system.connect().await;
    let mut subscribe = job.subscribe();
    subscribe["after_seq"] = json!(1);
    let subscribed = client.ask(&subscribe, "subscribed").await;
    assert_eq!(subscribed["recovered"], true);
    let seqs: Vec<_> = client
        .until_job_ends()
        .await
        .iter()
        .filter(|message| message["type"] != "progress_update")
        .map(|message| message["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(seqs, [2, 3]);
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn late_client_gets_the_whole_log() {
    let system = System::scripted().await;
    let job = system.create_scripted(&Script::default()).await;
    let mut first = system.watch(&job).await;
    first.until_job_ends().await;
    first.close().await;

    let mut late = system.connect().await;
    let subscribed = late.ask(&job.subscribe(), "subscribed").await;
    assert_eq!(subscribed["status"]["status"], "completed");
    assert_eq!(subscribed["seq"], 3);
    let messages = late.until_job_ends().await;
    assert_eq!(messages.len(), 3);

    let mut subscribe = job.subscribe();
    subscribe["after_seq"] = json!(99);
    let subscribed = late.ask(&subscribe, "subscribed").await;
    assert_eq!(subscribed["recovered"], false, "the log has no 99");
    late.close().await;
    system.finish().await;
}

#[tokio::test]
async fn killed_run_resumes_at_its_first_unfinished_stage() {
    needs!(KillFunctions);
    let system = System::scripted().await;
    let [begun, killed] = [Gate::closed(), Gate::closed()];
    let script = Script {
        stage_1: StageScript::slow(2, 50).behind(&begun),
        stage_2: StageScript::slow(10, 100).behind(&killed),
    };
    let job = system.create_scripted(&script).await;
    let mut client = system.watch(&job).await;
    begun.open();
    let first = client.expect("stage_complete").await;
    system.local().kill("pipeline");
    killed.open();
    // The lease of the killed run must end first.
    // Messages of the killed run are sent again, because their posts may have failed.
    let second = loop {
        let message = client.expect("stage_complete").await;
        if message["seq"] != 1 {
            break message;
        }
    };
    assert_eq!(second["stage"], "stage_2");
    assert_eq!(second["seq"], 2);
    assert_eq!(
        second["results"]["first_process"],
        first["results"]["process"]
    );
    assert_ne!(second["results"]["process"], first["results"]["process"]);
    assert_eq!(client.expect("job_complete").await["seq"], 3);
    // The interrupted stage was restarted.
    let path = job.path();
    let snapshot = system.http.with_key(Method::GET, &path, &job.key).await;
    assert_eq!(snapshot.json()["attempt"], 2);
    client.close().await;
    system.finish().await;
}
