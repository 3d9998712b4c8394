//! `GET` and `POST /v1/jobs/{job_id}/upload`.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use granted_aws::Objects;
use local_aws::Fault;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use stagecast_contract::{
    buckets::{Objects as ObjectsBucket, input_key},
    input::{InputRules, MediaType, any_parameters},
    limits::{UPLOAD_PART_BYTES, UPLOAD_SECONDS},
    queues::JobQueue,
    routes::HttpRoute,
    tables::JobEvents,
};
use stagecast_core::hash::hex;
use stagecast_testing::{
    fixtures::environment,
    http_api::{Answer, job_request, request, with_body, with_header, with_parameter},
    product::PipelineFunction,
};

use super::Site;

/// A pipeline that accepts large tables and pictures.
static LARGE: InputRules = InputRules {
    name: "file",
    media_types: &[
        MediaType {
            name: "text/csv",
            label: "CSV",
            extensions: &[".csv"],
            signature: b"",
        },
        MediaType {
            name: "image/gif",
            label: "GIF",
            extensions: &[".gif"],
            signature: b"GIF89a",
        },
    ],
    max_bytes: 1024 * 1024 * 1024,
    check: has_columns,
    check_parameters: any_parameters,
    example: "",
};

fn has_columns(media_type: &'static MediaType, bytes: &[u8]) -> Result<(), String> {
    if media_type.name != "text/csv" || bytes.contains(&b',') {
        return Ok(());
    }
    Err("the table has one column; separate columns by commas".to_owned())
}

/// A job that awaits its input.
struct Awaiting<'a> {
    site: &'a Site,
    created: Value,
}

impl<'a> Awaiting<'a> {
    async fn new(site: &'a Site, input: Value) -> Self {
        Self::described(site, &json!({ "input": input })).await
    }

    async fn described(site: &'a Site, description: &Value) -> Self {
        let created = site.describe(description).await;
        assert_eq!(created.status, 202);
        let created = created.json();
        Self { site, created }
    }

    fn id(&self) -> &str {
        self.created["job_id"].as_str().unwrap()
    }

    async fn ask(&self, route: HttpRoute) -> Answer {
        let key = self.created["access_key"].as_str().unwrap();
        self.site.handle(job_request(route, self.id(), key)).await
    }

    async fn missing_after(&self, part: &str) -> Answer {
        let key = self.created["access_key"].as_str().unwrap();
        let request = job_request(HttpRoute::GetUpload, self.id(), key);
        self.site
            .handle(with_parameter(request, "after_part", part))
            .await
    }

    /// Sends a part of `input` and returns the status.
    async fn put(&self, part: &Value, input: &[u8]) -> u16 {
        let offset = usize::try_from(part["offset"].as_u64().unwrap()).unwrap();
        let size = usize::try_from(part["size"].as_u64().unwrap()).unwrap();
        let bytes = input[offset..offset + size].to_vec();
        self.site.aws.upload(part, bytes).await.0
    }

    /// The only part of a small input.
    fn part(&self) -> &Value {
        let parts = self.created["upload"]["parts"].as_array().unwrap();
        assert_eq!(parts.len(), 1);
        &parts[0]
    }

    /// The input as the pipeline reads it; none if there is none.
    async fn stored(&self) -> Option<Vec<u8>> {
        self.stored_range("bytes=0-").await
    }

    async fn stored_range(&self, range: &str) -> Option<Vec<u8>> {
        let config = self.site.aws.config::<PipelineFunction>();
        let environment = environment::<PipelineFunction>(&self.site.aws);
        let objects = Objects::new(&config, &environment);
        let key = input_key(&self.id().parse().unwrap());
        let object = objects.get_object::<ObjectsBucket>().key(key).range(range);
        let bytes = object
            .send()
            .await
            .ok()?
            .body
            .collect()
            .await
            .expect("the input");
        Some(bytes.to_vec())
    }

    fn status(&self) -> String {
        let items = self.site.items();
        let item = items.iter().find(|item| item["job_id"]["S"] == self.id());
        item.expect("the job")["status"]["S"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

fn csv(size: usize) -> Value {
    json!({"content_type": "text/csv; charset=utf-8", "size": size})
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

#[tokio::test]
async fn small_input_is_uploaded_by_one_put_and_queues_the_job() {
    let site = Site::accepting(&LARGE);
    let job = Awaiting::new(&site, csv(4)).await;

    assert_eq!(job.status(), "awaiting_input");
    assert!(site.aws.queued::<JobQueue>().is_empty());
    assert_eq!(site.upload_checks(), [job.id()]);
    assert!(site.watchdogs().is_empty());
    let upload = &job.created["upload"];
    assert_eq!(upload["part_count"], 1);
    assert_eq!(
        (&upload["size"], &upload["part_size"]),
        (&json!(4), &json!(4))
    );
    assert_eq!(upload["next_after_part"], Value::Null);
    let headers = &job.part()["headers"];
    assert_eq!(headers["content-length"], "4");
    assert_eq!(headers["content-type"], "text/csv");

    assert_eq!(job.put(job.part(), b"a,b\n").await, 200);
    let state = job.ask(HttpRoute::CompleteUpload).await.accepted();

    assert_eq!(state, json!({"job_id": job.id(), "status": "queued"}));
    assert_eq!(job.stored().await.as_deref(), Some(&b"a,b\n"[..]));
    assert_eq!(site.aws.queued::<JobQueue>().len(), 1);
    assert_eq!(site.watchdogs(), [job.id()]);
    let item = &site.items()[0];
    assert!(item["upload"].is_null());
    assert_eq!(item["message"]["S"], "Waiting for a pipeline...");
}

#[tokio::test]
async fn completion_is_idempotent_and_queues_the_job_once() {
    let site = Site::accepting(&LARGE);
    let job = Awaiting::new(&site, csv(3)).await;
    job.put(job.part(), b"a,b").await;

    let answers =
        futures_util::future::join_all((0..5).map(|_| job.ask(HttpRoute::CompleteUpload))).await;
    let state = job.ask(HttpRoute::GetUpload).await.accepted();

    for answer in answers {
        assert_eq!(answer.accepted()["status"], "queued");
    }
    assert_eq!(state, json!({"job_id": job.id(), "status": "queued"}));
    let messages = site.aws.queued::<JobQueue>();
    let first = messages.iter().filter(|it| it["from_watchdog"].is_null());
    assert!(first.count() >= 1);
}

#[tokio::test]
async fn lost_response_to_the_completion_is_repeated() {
    let site = Site::accepting(&LARGE);
    let job = Awaiting::new(&site, csv(3)).await;
    job.put(job.part(), b"a,b").await;
    // The job is queued, and the function does not learn it.
    let is_write = |call: &local_aws::Call| call.operation == "dynamodb:UpdateItem";
    site.aws.fail(0..1, Fault::LostResponse, is_write);

    let lost = job.ask(HttpRoute::CompleteUpload).await;
    let repeated = job.ask(HttpRoute::CompleteUpload).await;

    lost.refused(500, "internal");
    assert_eq!(repeated.accepted()["status"], "queued");
    assert_eq!(site.aws.queued::<JobQueue>().len(), 1);
}

#[tokio::test]
async fn completion_without_the_input_names_what_is_missing() {
    let site = Site::accepting(&LARGE);
    let job = Awaiting::new(&site, csv(3)).await;

    let error = job
        .ask(HttpRoute::CompleteUpload)
        .await
        .refused(409, "upload_incomplete");

    assert_eq!(error["missing_parts"], 1);
    assert_eq!(error["first_missing_part"], 1);
    assert_eq!(job.status(), "awaiting_input");
}

#[tokio::test]
async fn input_of_another_size_or_hash_is_refused_by_the_bucket() {
    let site = Site::accepting(&LARGE);
    let input = json!({"content_type": "text/csv", "size": 3, "sha256": sha256(b"a,b")});
    let job = Awaiting::new(&site, input).await;
    let digest = BASE64_STANDARD.encode(Sha256::digest(b"a,b"));
    assert_eq!(job.part()["headers"]["x-amz-checksum-sha256"], digest);

    let (longer, _) = site.aws.upload(job.part(), "a,bc").await;
    let (other, code) = site.aws.upload(job.part(), "a,c").await;

    assert_eq!((longer, other), (400, 400));
    assert!(code.contains("BadDigest"), "{code}");
    assert_eq!(job.stored().await, None, "no orphaned object");
    let mut forged = job.part().clone();
    forged["headers"]["content-length"] = json!("4");
    assert_eq!(site.aws.upload(&forged, "a,bc").await.0, 403);
    let mut forged = job.part().clone();
    let headers = forged["headers"].as_object_mut().unwrap();
    headers.remove("x-amz-checksum-sha256");
    assert_eq!(site.aws.upload(&forged, "a,c").await.0, 403);

    assert_eq!(job.put(job.part(), b"a,b").await, 200);
    job.ask(HttpRoute::CompleteUpload).await.accepted();
}

#[tokio::test]
async fn url_does_not_overwrite_an_uploaded_input() {
    let site = Site::accepting(&LARGE);
    let job = Awaiting::new(&site, csv(3)).await;
    job.put(job.part(), b"a,b").await;
    job.ask(HttpRoute::CompleteUpload).await.accepted();

    assert_eq!(job.put(job.part(), b"c,d").await, 412);
    assert_eq!(job.stored().await.as_deref(), Some(&b"a,b"[..]));
}

#[tokio::test]
async fn large_input_is_uploaded_in_parts_and_resumes() {
    let site = Site::accepting(&LARGE);
    let input_size = UPLOAD_PART_BYTES + 10;
    let mut input = vec![b','; input_size];
    input[..3].copy_from_slice(b"abc");
    input[UPLOAD_PART_BYTES - 3..].copy_from_slice(b"defghijklmnop");
    let job = Awaiting::new(&site, csv(input_size)).await;
    let upload = &job.created["upload"];
    assert_eq!(upload["part_count"], 2);
    let parts = upload["parts"].as_array().unwrap();
    assert_eq!(parts[1]["offset"], UPLOAD_PART_BYTES);
    assert_eq!(parts[1]["size"], 10);

    // The last part arrives first, then the client is interrupted.
    assert_eq!(job.put(&parts[1], &input).await, 200);
    let error = job
        .ask(HttpRoute::CompleteUpload)
        .await
        .refused(409, "upload_incomplete");
    assert_eq!(error["first_missing_part"], 1);
    let rest = job.ask(HttpRoute::GetUpload).await.accepted();
    assert_eq!(rest["status"], "awaiting_input");
    let missing = rest["upload"]["parts"].as_array().unwrap();
    assert_eq!(missing.len(), 1);
    assert_eq!(missing[0]["part"], 1);
    let (wrong_size, _) = site.aws.upload(&missing[0], "short").await;
    assert_eq!(wrong_size, 400);
    assert_eq!(job.put(&missing[0], &input).await, 200);
    let nothing = job.ask(HttpRoute::GetUpload).await.accepted();
    assert_eq!(nothing["upload"]["parts"], json!([]));

    site.aws.calls().clear();
    job.ask(HttpRoute::CompleteUpload).await.accepted();

    // The costs of a completion, in docs/operate/costs.md.
    let count = |name: &str| site.aws.calls().count(|call| call.operation == name);
    assert_eq!(count("s3:ListMultipartUploadParts"), 1);
    assert_eq!(count("s3:PutObject"), 1, "the completion");
    assert_eq!(count("s3:GetObject"), 2, "the size and the first bytes");
    assert_eq!(count("dynamodb:UpdateItem"), 1);
    let beginning = job.stored_range("bytes=0-3").await.unwrap();
    assert_eq!(beginning, b"abc,");
    let end = format!("bytes={}-{}", UPLOAD_PART_BYTES - 4, input_size - 1);
    assert_eq!(job.stored_range(&end).await.unwrap(), b",defghijklmnop");
    job.ask(HttpRoute::CompleteUpload).await.accepted();
}

#[tokio::test]
async fn urls_are_paged() {
    let site = Site::accepting(&LARGE);
    // External, because it may be larger than the pipeline accepts.
    let description = json!({
        "worker": "external",
        "input": {"content_type": "a/b", "size": 150 * UPLOAD_PART_BYTES},
    });
    let job = Awaiting::described(&site, &description).await;
    let numbers = |upload: &Value| {
        let parts = upload["parts"].as_array().unwrap().iter();
        parts
            .map(|part| part["part"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };

    let first = &job.created["upload"];
    assert_eq!(numbers(first), (1..=100).collect::<Vec<_>>());
    assert_eq!(first["next_after_part"], 100);
    let second = job.missing_after("100").await.accepted();
    assert_eq!(numbers(&second["upload"]), (101..=150).collect::<Vec<_>>());
    assert_eq!(second["upload"]["next_after_part"], Value::Null);
    let error = job
        .missing_after("x")
        .await
        .refused(400, "invalid_parameter");
    assert_eq!(error["parameter"], "after_part");
}

#[tokio::test]
async fn uploaded_input_that_the_pipeline_does_not_accept_fails_the_job() {
    let site = Site::accepting(&LARGE);
    for (content_type, bytes, status, code) in [
        ("image/gif", &b"no gif"[..], 415, "unsupported_media_type"),
        ("text/csv", b"a;b", 400, "invalid_input"),
    ] {
        let input = json!({"content_type": content_type, "size": bytes.len()});
        let job = Awaiting::new(&site, input).await;
        job.put(job.part(), bytes).await;

        job.ask(HttpRoute::CompleteUpload)
            .await
            .refused(status, code);
        let again = job.ask(HttpRoute::CompleteUpload).await;
        again.refused(409, "job_already_finished");

        assert_eq!(job.status(), "failed");
        let snapshot = job.ask(HttpRoute::GetJob).await.accepted();
        assert_eq!(snapshot["error"]["code"], "invalid_input");
    }
    assert!(site.aws.queued::<JobQueue>().is_empty());
    assert_eq!(site.aws.items::<JobEvents>().len(), 2);
    assert_eq!(site.deliveries().len(), 2, "watchers are notified");
}

#[tokio::test]
async fn signature_of_an_uploaded_input_decides_its_type() {
    let site = Site::accepting(&LARGE);
    let job = Awaiting::new(&site, csv(7)).await;
    job.put(job.part(), b"GIF89a!").await;

    job.ask(HttpRoute::CompleteUpload).await.accepted();

    assert_eq!(site.items()[0]["content_type"]["S"], "image/gif");
}

#[tokio::test]
async fn cancelled_job_takes_no_input_and_is_checked_soon() {
    let site = Site::accepting(&LARGE);
    let job = Awaiting::new(&site, csv(3)).await;
    job.put(job.part(), b"a,b").await;

    let cancelled = job.ask(HttpRoute::CancelJob).await;
    let completed = job.ask(HttpRoute::CompleteUpload).await;
    let urls = job.ask(HttpRoute::GetUpload).await;

    assert_eq!(cancelled.status, 202);
    assert_eq!(job.status(), "cancelled");
    completed.refused(409, "job_already_finished");
    urls.refused(409, "job_already_finished");
    assert_eq!(site.upload_checks(), [job.id(), job.id()]);
    assert_eq!(site.deliveries().len(), 1);
}

#[tokio::test]
async fn repeated_creation_returns_what_is_missing() {
    let site = Site::accepting(&LARGE);
    let create = async || {
        let body = json!({ "input": csv(3) }).to_string();
        let request = with_body(request(HttpRoute::CreateJob), body);
        let request = with_header(request, "idempotency-key", "8e03978e-40d5-43e8");
        let content_type = "application/vnd.stagecast.job+json";
        site.handle(with_header(request, "content-type", content_type))
            .await
            .json()
    };

    let created = create().await;
    let repeated = create().await;
    let job = Awaiting {
        site: &site,
        created,
    };
    assert_eq!(job.created["access_key"], repeated["access_key"]);
    assert_eq!(repeated["upload"]["parts"].as_array().unwrap().len(), 1);
    job.put(&repeated["upload"]["parts"][0], b"a,b").await;
    assert_eq!(create().await["upload"]["parts"], json!([]));
    job.ask(HttpRoute::CompleteUpload).await.accepted();
    assert_eq!(create().await["upload"], Value::Null);
}

#[tokio::test]
async fn external_job_is_queued_without_a_message_and_takes_any_input() {
    let site = Site::accepting(&LARGE);
    let description = json!({
        "worker": "external",
        "input": {"content_type": "a/b", "size": 3},
    });
    let job = Awaiting::described(&site, &description).await;
    job.put(job.part(), b"xyz").await;

    let state = job.ask(HttpRoute::CompleteUpload).await.accepted();

    assert_eq!(state["status"], "queued");
    assert!(site.aws.queued::<JobQueue>().is_empty());
    assert!(site.watchdogs().is_empty());
    assert_eq!(site.items()[0]["message"]["S"], "Waiting for a worker...");
}

#[tokio::test]
async fn upload_expires_after_a_day() {
    let site = Site::accepting(&LARGE);
    let job = Awaiting::new(&site, csv(3)).await;
    let now = site.clock.now();

    let expires_at = job.created["upload"]["expires_at"].as_str().unwrap();

    assert_eq!(expires_at, now.plus_seconds(UPLOAD_SECONDS).to_string());
}

#[tokio::test]
async fn large_body_is_refused_with_the_way_to_upload_it() {
    let site = Site::accepting(&LARGE);
    let body = vec![b','; LARGE.max_body_bytes() + 1];
    let request = with_body(request(HttpRoute::CreateJob), body);
    let request = with_header(request, "content-type", "text/csv");

    let error = site.handle(request).await.refused(413, "body_too_large");

    let message = error["message"].as_str().unwrap();
    assert!(message.contains("application/vnd.stagecast.job+json"));
}

#[tokio::test]
async fn queue_limit_counts_from_the_completion_of_the_upload() {
    let site = Site::accepting(&LARGE);
    let description = json!({
        "input": {"content_type": "text/csv", "size": 4},
        "limits": {"queue_seconds": 100},
    });
    let job = Awaiting::described(&site, &description).await;
    assert_eq!(job.put(job.part(), b"a,b\n").await, 200);
    assert!(site.items()[0]["claim_by"].is_null());
    site.clock.advance(500);

    job.ask(HttpRoute::CompleteUpload).await.accepted();

    let claim_by = site.clock.now().plus_seconds(100).to_string();
    assert_eq!(site.items()[0]["claim_by"]["S"], claim_by);
    assert_eq!(site.watchdogs().len(), 1);
}

#[tokio::test]
async fn uploaded_job_starts_at_the_later_of_its_start_and_its_completion() {
    for (seconds, is_due) in [(2000, false), (600, true), (1200, true)] {
        let site = Site::accepting(&LARGE);
        let run_at = site.clock.now().plus_seconds(seconds);
        let description = json!({
            "input": {"content_type": "text/csv", "size": 4},
            "run_at": run_at.to_string(),
            "limits": {"queue_seconds": 60},
        });
        let job = Awaiting::described(&site, &description).await;
        assert_eq!(job.put(job.part(), b"a,b\n").await, 200);
        site.clock.advance(1000);

        job.ask(HttpRoute::CompleteUpload).await.accepted();
        job.ask(HttpRoute::CompleteUpload).await.accepted();

        let item = &site.items()[0];
        assert_eq!(item["status"]["S"], "queued");
        let claim_by = run_at.max(site.clock.now()).plus_seconds(60).to_string();
        assert_eq!(item["claim_by"]["S"], claim_by);
        // The repeated completion sends it again.
        let messages = if is_due { 2 } else { 0 };
        assert_eq!(site.aws.queued::<JobQueue>().len(), messages, "{seconds}");
        assert_eq!(site.watchdogs().len(), 1);
    }
}
