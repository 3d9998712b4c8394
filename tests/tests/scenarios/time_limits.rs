//! Time limits of jobs.

use end_to_end::{System, worker::Worker};
use serde_json::json;

use crate::uploads::describe;

#[tokio::test]
async fn job_that_no_worker_claims_in_time_fails_for_its_watchers() {
    let system = System::start().await;
    let description = json!({"worker": "external", "limits": {"queue_seconds": 5}});
    let (job, created) = describe(&system, &description).await;
    let mut client = system.watch(&job).await;

    // No worker and no other request comes.
    let messages = client.until_job_ends().await;

    let end = messages.last().expect("an end");
    assert_eq!(
        (&end["type"], &end["seq"]),
        (&json!("job_failed"), &json!(1))
    );
    assert_eq!(end["error"]["code"], "queue_timeout");
    let key = created["worker_key"].as_str().expect("a worker key");
    let mut worker = Worker::new(&system.http, &job, key);
    let late = worker.try_claim(&json!({"stages": ["a"]})).await;
    assert_eq!(late.status, 409, "{:?}", late.body);
    client.close().await;
    system.finish().await;
}
