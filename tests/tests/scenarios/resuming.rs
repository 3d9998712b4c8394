//! Resuming after a killed run, and stages that are longer than a run.

use std::time::Duration;

use end_to_end::{
    System, needs,
    script::{Gate, Script, StageScript},
};
use http::Method;

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

#[tokio::test]
async fn stage_longer_than_its_function_is_continued_by_the_next_runs() {
    needs!(AdjustStack, CountCalls);
    // A run hands its stage on after less than half of this timeout.
    let system = System::scripted_with(|options| {
        let four = Duration::from_secs(4);
        options
            .function_timeouts
            .insert("pipeline".to_owned(), four);
    })
    .await;
    let script = Script {
        stage_1: StageScript {
            checkpoints: true,
            ..StageScript::slow(60, 100)
        },
        ..Script::default()
    };
    let job = system.create_scripted(&script).await;
    let mut client = system.watch(&job).await;
    let mut last = 0;
    let messages = client.until_job_ends().await;
    for message in &messages {
        let is_of_the_stage = message["type"] == "progress_update" && message["stage"] == "stage_1";
        let Some(progress) = message["progress"].as_u64().filter(|_| is_of_the_stage) else {
            continue;
        };
        assert!(progress >= last, "it was {last} %: {message}");
        assert_eq!(message["attempt"], 1);
        last = progress;
    }
    assert_eq!(last, 100);
    assert_eq!(messages.last().expect("an end")["type"], "job_complete");
    // Three runs of at most two seconds for six seconds of work.
    let calls = system.local().calls();
    let sends =
        calls.count(|call| call.caller == "pipeline" && call.operation == "sqs:SendMessage");
    assert!(sends >= 2, "{sends} hand-ons");
    client.close().await;
    system.finish().await;
}
