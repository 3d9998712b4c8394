//! Owner tokens: who creates jobs, and which jobs a token opens.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use local_aws::Fault;
use serde_json::{Value, json};
use stagecast_contract::{
    description::JOB_DESCRIPTION_TYPE, http::IDEMPOTENCY_HEADER, routes::HttpRoute, tables::Jobs,
};
use stagecast_testing::{
    fixtures,
    http_api::{Answer, job_request, request, with_body, with_header},
    owner_tokens::{project, project_of_holders, token, token_of},
};

use typed_contract::tables::Table as _;

use super::Site;

fn site() -> Site {
    Site::of_project(project())
}

fn creation(token: &str, description: &Value) -> ApiGatewayV2httpRequest {
    let request = with_body(request(HttpRoute::CreateJob), description.to_string());
    let request = with_header(request, "content-type", JOB_DESCRIPTION_TYPE);
    if token.is_empty() {
        return request;
    }
    with_header(request, "authorization", &format!("Bearer {token}"))
}

fn description() -> Value {
    json!({ "input": { "content_type": "text/csv", "text": "a,b" } })
}

async fn create(site: &Site, token: &str, description: &Value) -> Answer {
    site.handle(creation(token, description)).await
}

/// A job of `owner`, by a token with every scope.
async fn owned(site: &Site, owner: &str, description: &Value) -> Value {
    let token = token_of(&site.clock, owner, &["create"]);
    let created = create(site, &token, description).await;
    assert_eq!(created.status, 202, "{}", created.json());
    created.json()
}

async fn ask(site: &Site, route: HttpRoute, job: &Value, token: &str) -> Answer {
    let id = job["job_id"].as_str().expect("an id");
    site.handle(job_request(route, id, token)).await
}

#[tokio::test]
async fn job_has_the_owner_of_its_token() {
    let site = site();
    let backend = token(
        &site.clock,
        &json!({ "sub": "backend", "stagecast": { "scopes": ["create"], "owner": "user-7" } }),
    );

    let job = create(&site, &backend, &description()).await;

    assert_eq!(job.status, 202);
    assert_eq!(site.items()[0]["owner"]["S"], "user-7");
    let job = job.json();
    let key = job["access_key"].as_str().expect("a key");
    let snapshot = ask(&site, HttpRoute::GetJob, &job, key).await.accepted();
    assert_eq!(snapshot["owner"], "user-7");
}

#[tokio::test]
async fn feed_of_the_owner_is_notified_of_a_job_by_a_task_queued_before_it() {
    let site = site();
    let job = owned(&site, "user-7", &description()).await;
    let give_up_at = site.clock.now().epoch_seconds() + 30;
    let notification = |job_id: &Value| {
        let audience = json!({ "owner_subscribers": {} });
        let content = json!({ "created": { "give_up_at": give_up_at } });
        json!({ "job_id": job_id, "audience": audience, "content": content, "after_seq": 0 })
    };
    assert_eq!(site.deliveries(), [notification(&job["job_id"])]);

    // A request that is killed before it stores the job.
    let jobs = |call: &local_aws::Call| call.resource.contains(Jobs::SPEC.name);
    site.aws.fail(0..1, Fault::Outage, move |call| {
        call.operation == "dynamodb:PutItem" && jobs(call)
    });
    let token = token_of(&site.clock, "user-7", &["create"]);
    assert_eq!(create(&site, &token, &description()).await.status, 500);
    assert_eq!(site.items().len(), 1);
    assert_eq!(site.deliveries().len(), 2);
}

#[tokio::test]
async fn job_without_an_owner_notifies_no_feed() {
    let site = site();

    assert_eq!(create(&site, "", &description()).await.status, 202);

    assert!(site.deliveries().is_empty());
}

#[tokio::test]
async fn creation_needs_a_token_if_the_environment_says_so() {
    let site = Site::of_project(project_of_holders());

    let refused = create(&site, "", &description()).await;

    let error = refused.refused(401, "token_required");
    assert!(error["message"].as_str().unwrap().contains("`create`"));
    assert!(site.items().is_empty() && site.aws.calls().count(|_| true) == 0);
    let token = token_of(&site.clock, "user-7", &["create"]);
    assert_eq!(create(&site, &token, &description()).await.status, 202);
}

#[tokio::test]
async fn creation_without_a_token_has_no_owner_where_anyone_creates_jobs() {
    let site = site();

    assert_eq!(create(&site, "", &description()).await.status, 202);

    assert_eq!(site.items()[0]["owner"], Value::Null);
}

#[tokio::test]
async fn header_is_not_read_without_keys_of_tokens() {
    let site = Site::new();

    let created = create(&site, "a.b.c", &description()).await;

    assert_eq!(created.status, 202);
    assert_eq!(site.items()[0]["owner"], Value::Null);
    let job = created.json();
    ask(&site, HttpRoute::GetJob, &job, "a.b.c")
        .await
        .refused(403, "forbidden");
}

#[tokio::test]
async fn invalid_token_is_refused_with_its_reason_before_the_body_is_read() {
    let site = site();
    let now = site.clock.now().epoch_seconds();
    let good = token_of(&site.clock, "user-7", &["create"]);
    let changed = |claims: Value| {
        let mut all = json!({ "sub": "user-7", "stagecast": { "scopes": ["create"] } });
        all.as_object_mut()
            .unwrap()
            .extend(claims.as_object().unwrap().clone());
        token(&site.clock, &all)
    };
    let (head, signature) = good.rsplit_once('.').unwrap();
    let unsigned = good.replacen(
        "eyJhbGciOiJFZERTQSIsImtpZCI6IjEifQ",
        "eyJhbGciOiJub25lIn0",
        1,
    );
    assert_ne!(unsigned, good);
    for (token, reason) in [
        ("not-a-token".to_owned(), "malformed"),
        (format!("{head}."), "invalid_signature"),
        (
            format!("{head}.{}", signature.replace(char::is_alphabetic, "A")),
            "invalid_signature",
        ),
        (unsigned, "algorithm_mismatch"),
        (changed(json!({ "aud": "mail" })), "wrong_audience"),
        (changed(json!({ "exp": now - 31 })), "expired"),
        (changed(json!({ "nbf": now + 31 })), "not_yet_valid"),
        (changed(json!({ "padding": "x".repeat(9000) })), "too_large"),
        (changed(json!({ "sub": "" })), "invalid_owner"),
        (
            changed(json!({ "stagecast": { "scopes": ["create"], "limit": 1 } })),
            "malformed",
        ),
    ] {
        let refused = create(&site, &token, &json!("not a description")).await;
        let error = refused.refused(401, "invalid_token");
        assert_eq!(error["reason"], reason);
        let text = error.to_string();
        assert!(
            !text.contains("mail") && !text.contains(signature),
            "{text}"
        );
    }
    assert_eq!(site.aws.calls().count(|_| true), 0);
}

#[tokio::test]
async fn token_limits_the_jobs_that_it_creates() {
    let site = site();
    let limited = |limits: Value| {
        let mut claim = json!({ "scopes": ["create"] });
        claim
            .as_object_mut()
            .unwrap()
            .extend(limits.as_object().unwrap().clone());
        token(&site.clock, &json!({ "sub": "user-7", "stagecast": claim }))
    };
    let blue = limited(json!({ "labels": { "team": "blue" } }));
    let plans = limited(json!({ "queues": ["plans"] }));
    let red = json!({ "labels": { "team": "red" }, "input": { "content_type": "text/csv", "text": "a" } });
    for (token, description, limit) in [
        (
            &limited(json!({ "job": "job_20240115_ab" })),
            description(),
            "job",
        ),
        (&blue, red, "labels"),
        (&plans, description(), "queues"),
        (&plans, json!({ "queue": "gpu" }), "queues"),
        (&plans, json!({ "worker": "external" }), "queues"),
    ] {
        let refused = create(&site, token, &description).await;
        let error = refused.refused(403, "token_forbidden");
        assert_eq!(error["limit"], limit, "{error}");
    }
    let watcher = token_of(&site.clock, "user-7", &["watch", "cancel"]);
    let refused = create(&site, &watcher, &description()).await;
    assert_eq!(refused.refused(403, "token_forbidden")["scope"], "create");
    assert!(site.items().is_empty());

    assert_eq!(create(&site, &blue, &description()).await.status, 202);
    assert_eq!(site.items()[0]["labels"]["M"]["team"]["S"], "blue");
    let in_queue = json!({ "queue": "plans" });
    assert_eq!(create(&site, &plans, &in_queue).await.status, 202);
}

#[tokio::test]
async fn token_opens_the_jobs_of_its_owner_only() {
    let site = site();
    let job = owned(&site, "user-7", &description()).await;
    let anonymous = create(&site, "", &description()).await.json();
    let mine = token_of(&site.clock, "user-7", &["watch", "cancel"]);
    let other = token_of(&site.clock, "user-8", &["watch", "cancel"]);
    let unknown = json!({ "job_id": "job_20240115_ab" });

    let routes = [
        HttpRoute::GetJob,
        HttpRoute::GetEvents,
        HttpRoute::CancelJob,
    ];
    let mut messages = Vec::new();
    for (job, token) in [(&job, &other), (&anonymous, &mine), (&unknown, &mine)] {
        for route in routes {
            let error = ask(&site, route, job, token)
                .await
                .refused(403, "forbidden");
            messages.push(error["message"].clone());
        }
    }
    messages.dedup();
    assert_eq!(
        messages.len(),
        1,
        "the answer reveals whether the job exists"
    );

    assert_eq!(ask(&site, HttpRoute::GetJob, &job, &mine).await.status, 200);
    assert_eq!(
        ask(&site, HttpRoute::GetEvents, &job, &mine).await.status,
        200
    );
    ask(&site, HttpRoute::GetResults, &job, &mine)
        .await
        .refused(404, "no_results");
    ask(&site, HttpRoute::GetArtifact, &job, &mine)
        .await
        .refused(404, "no_artifact");
    assert_eq!(
        ask(&site, HttpRoute::CancelJob, &job, &mine).await.status,
        202
    );
}

#[tokio::test]
async fn scope_of_a_token_is_required_for_each_route() {
    let site = site();
    let job = owned(&site, "user-7", &description()).await;
    for (route, scope, others) in [
        (HttpRoute::GetJob, "watch", ["create", "cancel"]),
        (HttpRoute::GetEvents, "watch", ["create", "cancel"]),
        (HttpRoute::GetResults, "watch", ["create", "cancel"]),
        (HttpRoute::GetArtifact, "watch", ["create", "cancel"]),
        (HttpRoute::CancelJob, "cancel", ["create", "watch"]),
        (HttpRoute::GetUpload, "create", ["watch", "cancel"]),
        (HttpRoute::CompleteUpload, "create", ["watch", "cancel"]),
    ] {
        let token = token_of(&site.clock, "user-7", &others);
        let error = ask(&site, route, &job, &token).await;
        assert_eq!(
            error.refused(403, "token_forbidden")["scope"],
            scope,
            "{route:?}"
        );
    }
}

#[tokio::test]
async fn token_is_limited_to_its_job_and_its_labels() {
    let site = site();
    let blue = json!({ "labels": { "team": "blue" }, "input": { "content_type": "text/csv", "text": "a" } });
    let (job, other) = (
        owned(&site, "user-7", &blue).await,
        owned(&site, "user-7", &description()).await,
    );
    for limit in [
        json!({ "scopes": ["watch"], "job": job["job_id"] }),
        json!({ "scopes": ["watch"], "labels": { "team": "blue" } }),
    ] {
        let token = token(&site.clock, &json!({ "sub": "user-7", "stagecast": limit }));
        assert_eq!(
            ask(&site, HttpRoute::GetJob, &job, &token).await.status,
            200
        );
        ask(&site, HttpRoute::GetJob, &other, &token)
            .await
            .refused(403, "forbidden");
    }
}

#[tokio::test]
async fn idempotency_key_of_another_owner_gets_no_job() {
    let site = site();
    let of = async |owner: &str| {
        let token = token_of(&site.clock, owner, &["create"]);
        let request = creation(&token, &description());
        site.handle(with_header(
            request,
            IDEMPOTENCY_HEADER,
            "key-of-the-creation",
        ))
        .await
    };
    let first = of("user-7").await;
    assert_eq!(of("user-7").await.json()["job_id"], first.json()["job_id"]);
    of("user-8").await.refused(422, "idempotency_key_reused");
}

#[tokio::test]
async fn access_key_opens_the_job_of_an_owner() {
    let site = site();
    let job = owned(&site, "user-7", &description()).await;
    let key = job["access_key"].as_str().expect("a key");
    assert_eq!(ask(&site, HttpRoute::GetJob, &job, key).await.status, 200);
    let other = fixtures::job(&site.aws, &site.clock, 1).await;
    ask(&site, HttpRoute::GetJob, &job, other.access_key.reveal())
        .await
        .refused(403, "forbidden");
}
