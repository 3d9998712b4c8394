//! Resuming after a killed run.

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
