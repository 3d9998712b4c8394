//! Wrong keys and invalid posts.

use end_to_end::{
    System,
    script::Script,
    worker::{Worker, progress, stage_complete},
};
use http::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn keys_allow_only_their_own_requests() {
    let system = System::scripted().await;
    let (job, worker) = system.create_external("secret").await;
    let calls = [
        (Method::POST, "claim", json!({ "stages": ["a"] })),
        (Method::GET, "input", Value::Null),
        (Method::POST, "events", json!({})),
    ];
    for (method, what, body) in &calls {
        let ask = async |path: &str, key: &str| {
            let authorization = format!("Bearer {key}");
            let headers = [("authorization", authorization.as_str())];
            let path = format!("{path}/{what}");
            let answer = system
                .http
                .request(method.clone(), &path, &headers, body.to_string())
                .await;
            let mut error = answer.json()["error"].clone();
            error["request_id"].take();
            (answer.status.as_u16(), error)
        };
        let wrong = ask(&job.path(), "wrong").await;
        assert_eq!((wrong.0, &wrong.1["code"]), (403, &json!("forbidden")));
        let unknown = ask("/v1/jobs/job_20240115_0000000000000000", &worker.key).await;
        assert_eq!(unknown, wrong);
        let access_key = ask(&job.path(), &job.key).await;
        assert_eq!(access_key.0, 403);
        assert!(
            access_key.1["message"]
                .as_str()
                .unwrap()
                .contains("worker_key")
        );
        let malformed = ask("/v1/jobs/nonsense", &worker.key).await;
        assert_eq!(
            (malformed.0, &malformed.1["code"]),
            (400, &json!("invalid_job_id"))
        );
    }
    for method in [Method::GET, Method::DELETE] {
        let refused = system.http.with_key(method, &job.path(), &worker.key).await;
        assert_eq!(refused.status, 403);
    }
    let mut client = system.connect().await;
    let mut subscribe = job.subscribe();
    subscribe["access_key"] = worker.key.clone().into();
    assert_eq!(client.ask(&subscribe, "error").await["code"], "forbidden");
    client.close().await;

    let of_the_pipeline = system.create_scripted(&Script::default()).await;
    let path = format!("{}/input", of_the_pipeline.path());
    let refused = system
        .http
        .with_key(Method::GET, &path, &of_the_pipeline.key)
        .await;
    assert_eq!(refused.status, 409);
    assert_eq!(refused.json()["error"]["code"], "not_external");
    let path = "/v1/jobs?worker=mine";
    let refused = system.http.request(Method::POST, path, &[], "x").await;
    assert_eq!(refused.json()["error"]["code"], "invalid_parameter");
    system.finish().await;
}

async fn refusal(worker: &Worker, body: impl Into<Vec<u8>>) -> (u16, Value) {
    let answer = worker.request(Method::POST, "events", body).await;
    (answer.status.as_u16(), answer.json()["error"].clone())
}

#[tokio::test]
async fn invalid_post_is_rejected_as_a_whole_with_its_cause() {
    let system = System::start().await;
    let (job, mut worker) = system.create_external("").await;
    let mut client = system.watch(&job).await;
    let unclaimed = worker.post_rejected(409, json!([progress("a", 1)])).await;
    assert_eq!(unclaimed["code"], "lease_lost");
    assert!(unclaimed["message"].as_str().unwrap().contains("/claim"));
    for claim in [
        json!({}),
        json!({ "stages": [] }),
        json!({ "stages": ["a b"] }),
    ] {
        let refused = worker.try_claim(&claim).await;
        assert_eq!(
            (
                refused.status.as_u16(),
                refused.json()["error"]["code"].as_str()
            ),
            (400, Some("invalid_body")),
            "{claim}"
        );
    }
    worker.claim(&["a", "b"]).await;

    let bodies: [(&str, u16, &str); 3] = [
        ("", 400, "invalid_json"),
        ("{", 400, "invalid_json"),
        ("[]", 400, "invalid_body"),
    ];
    for (body, status, code) in bodies {
        let (answered, error) = refusal(&worker, body).await;
        assert_eq!((answered, &error["code"]), (status, &json!(code)), "{body}");
    }
    let large = worker.body(&json!([stage_complete("a", "x".repeat(4 * 1024 * 1024))]));
    let (status, error) = refusal(&worker, large.to_string()).await;
    assert_eq!((status, &error["code"]), (413, &json!("body_too_large")));

    let events = [
        (
            json!([{ "type": "stage_done", "stage": "a" }]),
            400,
            "unknown_type",
        ),
        (json!([{ "stage": "a" }]), 400, "invalid_body"),
        (
            json!([{ "type": "stage_complete", "stage": "a" }]),
            400,
            "invalid_body",
        ),
        (json!([progress("a", 101)]), 400, "invalid_body"),
        (json!([progress("c", 1)]), 400, "unknown_stage"),
        (
            json!([stage_complete("a", 1), stage_complete("c", 1)]),
            400,
            "unknown_stage",
        ),
        (
            json!([stage_complete("a", 1), stage_complete("a", 1)]),
            409,
            "stage_finished",
        ),
        (
            json!([stage_complete("a", 1), progress("a", 50)]),
            409,
            "stage_finished",
        ),
        (
            json!([{ "type": "job_complete" }, progress("a", 50)]),
            400,
            "invalid_body",
        ),
        (json!([{ "type": "job_cancelled" }]), 409, "not_cancelled"),
        (vec![progress("a", 1); 11].into(), 400, "invalid_body"),
    ];
    for (events, status, code) in events {
        let error = worker.post_rejected(status, events.clone()).await;
        assert_eq!(error["code"], code, "{events}");
        assert!(!error["message"].as_str().unwrap().is_empty());
    }
    let mut stale = worker.clone();
    stale.epoch = 7;
    assert_eq!(
        stale.post_rejected(409, json!([progress("a", 1)])).await["code"],
        "lease_lost"
    );

    // None of this had an effect.
    worker.post_events(json!([progress("a", 1)])).await;
    let update = client.next().await.expect("a message");
    assert_eq!(
        (&update["progress"], &update["seq"]),
        (&json!(1), &json!(0))
    );
    worker
        .post_events(json!([{ "type": "job_complete" }]))
        .await;
    let ended = worker
        .post_rejected(409, json!([progress("a", 2), { "type": "job_complete" }]))
        .await;
    assert_eq!(
        (&ended["code"], &ended["status"]),
        (&json!("job_already_finished"), &json!("completed"))
    );
    client.close().await;
    system.finish().await;
}
