//! Cancelled jobs.

use http::Method;
use serde_json::json;

use crate::{log, needs, run::Scenario};

/// A client that is not subscribed cancels a job that no run has claimed; a subscriber gets the terminal
/// message. Needs an engine that can keep jobs queued.
pub async fn queued_job_is_cancelled_for_all_subscribers(scenario: &Scenario) {
    needs!(HoldJobs);
    scenario.system.hold_jobs();
    let job = scenario.create().await;
    let mut watches = scenario.system.watch(&job).await;
    let mut cancels = scenario.system.connect().await;
    let cancel = json!({ "type": "cancel_job", "job_id": job.id, "access_key": job.key });
    cancels.ask(&cancel, "cancel_requested").await;
    let cancelled = watches.expect("job_cancelled").await;
    assert_eq!(cancelled["seq"], 1);
    assert!(cancelled["stage"].is_null(), "{cancelled}");

    let results = format!("{}/results", job.path());
    let http = &scenario.system.http;
    let answer = http.with_key(Method::GET, &results, &job.key).await;
    assert_eq!(answer.status, 404, "{answer:?}");
    assert_eq!(answer.json()["error"]["code"], "no_results");
    cancels.close().await;
    watches.close().await;
}

/// A job that is cancelled while the pipeline may run it ends with `job_cancelled`, or with `job_complete` if
/// its last stage finished before. Then it cannot be cancelled again.
pub async fn cancelled_job_ends_once(scenario: &Scenario) {
    let job = scenario.create().await;
    let mut client = scenario.system.watch(&job).await;
    let cancel = json!({ "type": "cancel_job", "job_id": job.id, "access_key": job.key });
    let replies = ["cancel_requested", "error"];
    let reply = client.ask_for_one_of(&cancel, &replies).await;
    let was_over = reply["type"] == "error";
    if was_over {
        assert_eq!(reply["code"], "job_already_finished", "{reply}");
    }
    let messages = log::read(&mut client, &job.id, 0).await;
    let last = messages.last().expect("a terminal message");
    let status = match last["type"].as_str() {
        Some("job_cancelled") if !was_over => "cancelled",
        Some("job_complete") => "completed",
        _ => panic!("after {reply}, the job ends with {last}"),
    };
    let http = &scenario.system.http;
    let snapshot = http.with_key(Method::GET, &job.path(), &job.key).await;
    assert_eq!(snapshot.json()["status"], status);

    let again = client.ask(&cancel, "error").await;
    assert_eq!(again["code"], "job_already_finished");
    let again = http.with_key(Method::DELETE, &job.path(), &job.key).await;
    assert_eq!(again.status, 409, "{again:?}");
    assert_eq!(again.json()["error"]["code"], "job_already_finished");
    client.close().await;
}
