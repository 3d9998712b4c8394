//! An operator looks after jobs with `infra-gen`, which has AWS credentials and no key of a job.

use std::process::{Command, Output};

use end_to_end::{
    System, needs,
    script::{Script, StageResult, StageScript},
};
use http::Method;
use serde_json::Value;

/// Runs infra-gen against the local stack.
async fn infra_gen(system: &System, arguments: &[&str]) -> Output {
    let folder = env!("CARGO_MANIFEST_DIR");
    let executable = stagecast_scenarios::executables::build(folder, ["infra-gen"]);
    let mut command = Command::new(executable.join("infra-gen"));
    command
        .args(arguments)
        .args(["--endpoint-url", &system.local().urls().endpoint_url])
        .args(["--region", "us-east-1"])
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env_remove("AWS_PROFILE");
    // The stack runs on the runtime of this test.
    let ran = tokio::task::spawn_blocking(move || command.output()).await;
    ran.expect("the thread ends").expect("infra-gen starts")
}

/// The lines of JSON that infra-gen prints. It succeeds.
async fn lines(system: &System, arguments: &[&str]) -> Vec<Value> {
    let output = infra_gen(system, &[arguments, &["--json"]].concat()).await;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = printed.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().expect("lines of JSON")
}

#[tokio::test]
async fn operator_lists_cancels_and_retries_a_job_and_reads_its_logs() {
    needs!(HoldJobs, ReadLogs);
    let system = System::with_held_jobs().await;
    let job = system.create_scripted(&Script::default()).await;
    let mut client = system.watch(&job).await;
    let id = job.id.as_str();

    let listed = lines(&system, &["jobs", "list", "--status", "queued"]).await;
    let ids: Vec<_> = listed.iter().map(|line| line["job_id"].as_str()).collect();
    assert_eq!(ids, [Some(id)]);
    let shown = infra_gen(&system, &["jobs", "show", id, "--json"]).await;
    let shown: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert_eq!(
        (&shown["status"], &shown["subscribers"]),
        (&"queued".into(), &1.into())
    );

    let cancelled = lines(&system, &["jobs", "cancel", id]).await;
    assert_eq!(cancelled[0]["cancel_requested"], true);
    client.expect("job_cancelled").await;
    let watched = infra_gen(&system, &["jobs", "watch", id]).await;
    assert_eq!(watched.status.code(), Some(4), "{watched:?}");

    let retried = lines(&system, &["jobs", "retry", id]).await;
    let retry = retried[0]["job_id"].as_str().expect("an id");
    assert_eq!(retried[0]["retry_of"], id);
    let key = retried[0]["access_key"].as_str().expect("a key");
    let path = format!("/v1/jobs/{retry}");
    let snapshot = system.http.with_key(Method::GET, &path, key).await;
    assert_eq!(snapshot.json()["status"], "queued", "{snapshot:?}");
    let again = infra_gen(&system, &["jobs", "retry", id]).await;
    assert_eq!(again.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&again.stderr);
    assert!(
        errors.contains(retry) && errors.contains("--again"),
        "{errors}"
    );

    let records = lines(&system, &["logs", "--job", id]).await;
    let functions: Vec<_> = records.iter().map(|it| it["function"].as_str()).collect();
    assert!(functions.contains(&Some("jobs")), "{records:?}");
    let others = lines(&system, &["logs", "--job", id, "--function", "worker"]).await;
    assert!(others.is_empty(), "{others:?}");

    lines(&system, &["jobs", "cancel", retry]).await;
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn retried_job_runs_with_the_input_of_the_failed_one() {
    needs!(ReadLogs);
    let system = System::scripted().await;
    let failing = Script {
        stage_1: StageScript {
            then: StageResult::Fail("out_of_paper".to_owned()),
            ..StageScript::default()
        },
        ..Script::default()
    };
    let job = system.create_scripted(&failing).await;
    let watched = infra_gen(&system, &["jobs", "watch", &job.id]).await;
    assert_eq!(watched.status.code(), Some(3), "{watched:?}");
    let last = String::from_utf8_lossy(&watched.stdout).into_owned();
    let last: Value = serde_json::from_str(last.lines().last().expect("a line")).expect("JSON");
    assert_eq!(last["status"], "failed");

    let retried = lines(&system, &["jobs", "retry", &job.id]).await;
    let retry = retried[0]["job_id"].as_str().expect("an id");
    // It has the same script as its input, so it fails in the same way.
    let watched = infra_gen(&system, &["jobs", "watch", retry]).await;
    assert_eq!(watched.status.code(), Some(3), "{watched:?}");
    let failed = lines(&system, &["jobs", "list", "--status", "failed"]).await;
    assert_eq!(failed.len(), 2);
    assert_eq!(failed[0]["error"], failed[1]["error"]);
    system.finish().await;
}

#[tokio::test]
async fn unknown_job_and_dead_letters_that_are_not_there_are_reported() {
    needs!(ReadLogs);
    let system = System::start().await;
    let shown = infra_gen(&system, &["jobs", "show", "job_20260101_ab"]).await;
    assert_eq!(shown.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&shown.stderr);
    assert!(
        errors.contains("there is no job job_20260101_ab"),
        "{errors}"
    );
    assert!(errors.contains("help: `infra-gen jobs list`"), "{errors}");
    let redriven = infra_gen(&system, &["jobs", "redrive"]).await;
    let errors = String::from_utf8_lossy(&redriven.stderr);
    assert!(redriven.status.success(), "{errors}");
    assert!(
        errors.contains("The queue deliveries has no dead letters."),
        "{errors}"
    );
    system.finish().await;
}
