//! `GET /v1/jobs`.

use std::collections::HashMap;

use granted_aws::Database;
use serde_json::{Value, json};
use stagecast_contract::{
    functions::JobsFunction,
    ids::{AccessKey, JobId, RequestId},
    limits::{MAX_EXAMINED_JOBS, MAX_LISTED_JOBS},
    messages::JobStatus,
    routes::HttpRoute,
};
use stagecast_core::{
    models::{Job, OwnedJob},
    stores::{JobStore, OwnedJobStore},
};
use stagecast_testing::{
    fixtures,
    http_api::{Answer, request, with_header},
    owner_tokens::{project, token, token_of},
};

use super::Site;

/// A site with jobs of owners, numbered by their creation.
struct Owners {
    site: Site,
    jobs: JobStore<JobsFunction>,
    owned: OwnedJobStore<JobsFunction>,
    count: u8,
}

impl Owners {
    fn new() -> Self {
        let site = Site::of_project(project());
        let environment = fixtures::environment(&site.aws);
        let database = Database::new(&site.aws.config::<JobsFunction>(), &environment);
        Self {
            jobs: JobStore::new(database.clone(), site.clock.clone()),
            owned: OwnedJobStore::new(database),
            site,
            count: 0,
        }
    }

    /// Stores a job of `owner`, a millisecond after the one before.
    async fn add(&mut self, owner: &str, change: impl FnOnce(&mut Job)) -> String {
        self.count += 1;
        let (now, number) = (self.site.clock.now(), self.count);
        let mut job = Job::queued(
            JobId::new(now, [number; 8]),
            &AccessKey::new([number; 16]),
            RequestId::new(now, [number; 8]),
            "correlation".to_owned(),
            "text/plain".to_owned(),
            now,
        );
        job.owner = Some(owner.to_owned());
        change(&mut job);
        let entry = OwnedJob::of(&job, self.site.clock.millis() + u64::from(number));
        let entry = entry.expect("it has an owner");
        self.owned.put(&entry).await.expect("the entry is stored");
        assert!(self.jobs.create(&job).await.expect("the job is stored"));
        job.job_id.to_string()
    }

    async fn list(&self, token: &str, parameters: &[(&str, &str)]) -> Answer {
        let mut request = request(HttpRoute::ListJobs);
        if !token.is_empty() {
            request = with_header(request, "authorization", &format!("Bearer {token}"));
        }
        let parameters = parameters.iter();
        let parameters = parameters.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        request.query_string_parameters = parameters.collect::<HashMap<_, _>>().into();
        self.site.handle(request).await
    }

    fn token(&self, owner: &str) -> String {
        token_of(&self.site.clock, owner, &["watch"])
    }

    /// The ids in a page of `user-7`, and the cursor of the next one.
    async fn page(&self, parameters: &[(&str, &str)]) -> (Vec<String>, Option<String>) {
        let page = self
            .list(&self.token("user-7"), parameters)
            .await
            .accepted();
        (ids(&page), page["next_cursor"].as_str().map(str::to_owned))
    }
}

fn ids(page: &Value) -> Vec<String> {
    let jobs = page["jobs"].as_array().expect("jobs").iter();
    jobs.map(|job| job["job_id"].as_str().expect("an id").to_owned())
        .collect()
}

#[tokio::test]
async fn list_has_the_jobs_of_the_owner_newest_first() {
    let mut owners = Owners::new();
    let first = owners.add("user-7", |_| {}).await;
    owners.add("user-70", |_| {}).await;
    let second = owners.add("user-7", |_| {}).await;

    let (jobs, next) = owners.page(&[("owner", "user-7")]).await;

    assert_eq!((jobs, next), (vec![second, first], None));
    assert_eq!(owners.page(&[]).await.0.len(), 2);
}

#[tokio::test]
async fn created_job_is_in_the_list_at_once() {
    let owners = Owners::new();
    let token = token_of(&owners.site.clock, "user-7", &["create", "watch"]);
    let mut creation = request(HttpRoute::CreateJob);
    creation.body = Some("a,b".to_owned());
    let creation = with_header(creation, "content-type", "text/csv");
    let creation = with_header(creation, "authorization", &format!("Bearer {token}"));

    let created = owners.site.handle(creation).await;

    assert_eq!(created.status, 202);
    let page = owners.list(&token, &[]).await.accepted();
    assert_eq!(page["jobs"][0]["job_id"], created.json()["job_id"]);
    assert_eq!(page["jobs"][0]["owner"], "user-7");
}

#[tokio::test]
async fn cursors_lead_through_all_jobs_once() {
    let mut owners = Owners::new();
    let mut all = Vec::new();
    for _ in 0..2 * MAX_LISTED_JOBS + 3 {
        all.push(owners.add("user-7", |_| {}).await);
    }
    all.reverse();

    let (mut found, mut next) = owners.page(&[]).await;
    assert_eq!(found.len(), MAX_LISTED_JOBS);
    // A later job does not move the pages.
    owners.add("user-7", |_| {}).await;
    while let Some(cursor) = next {
        let (page, following) = owners.page(&[("cursor", &cursor)]).await;
        found.extend(page);
        next = following;
    }

    assert_eq!(found, all);
}

#[tokio::test]
async fn last_full_page_has_no_cursor() {
    let mut owners = Owners::new();
    for _ in 0..MAX_LISTED_JOBS {
        owners.add("user-7", |_| {}).await;
    }

    let (jobs, next) = owners.page(&[]).await;

    assert_eq!((jobs.len(), next), (MAX_LISTED_JOBS, None));
}

#[tokio::test]
async fn jobs_are_selected_by_status_and_labels() {
    let mut owners = Owners::new();
    let blue = |job: &mut Job| {
        job.labels.insert("team".to_owned(), "blue".to_owned());
    };
    let failed = owners
        .add("user-7", |job| {
            blue(job);
            job.status = JobStatus::Failed;
        })
        .await;
    let queued = owners.add("user-7", blue).await;
    let plain = owners
        .add("user-7", |job| job.status = JobStatus::Failed)
        .await;

    let page = owners.page(&[("label.team", "blue")]).await.0;
    assert_eq!(page, [queued.clone(), failed.clone()]);
    let page = owners.page(&[("status", "failed")]).await.0;
    assert_eq!(page, [plain, failed.clone()]);
    let both = [
        ("status", "failed"),
        ("label.team", "blue"),
        ("label.none", "x"),
    ];
    assert_eq!(owners.page(&both[..2]).await.0, [failed.as_str()]);
    assert!(owners.page(&both).await.0.is_empty());

    // The labels of the token select, too.
    let claim = json!({ "scopes": ["watch"], "labels": { "team": "blue" } });
    let token = token(
        &owners.site.clock,
        &json!({ "sub": "user-7", "stagecast": claim }),
    );
    let page = owners.list(&token, &[]).await.accepted();
    assert_eq!(ids(&page), [queued, failed]);
    let page = owners
        .list(&token, &[("label.team", "red")])
        .await
        .accepted();
    assert!(ids(&page).is_empty());
}

#[tokio::test]
async fn page_examines_a_limited_number_of_jobs() {
    let mut owners = Owners::new();
    let oldest = owners
        .add("user-7", |job| job.status = JobStatus::Failed)
        .await;
    for _ in 0..MAX_EXAMINED_JOBS {
        owners.add("user-7", |_| {}).await;
    }

    let (jobs, next) = owners.page(&[("status", "failed")]).await;

    assert!(jobs.is_empty());
    let cursor = next.expect("more jobs follow");
    let rest = owners
        .page(&[("status", "failed"), ("cursor", &cursor)])
        .await;
    assert_eq!(rest, (vec![oldest], None));
}

#[tokio::test]
async fn page_costs_one_query_and_a_read_of_each_job() {
    let mut owners = Owners::new();
    for _ in 0..MAX_LISTED_JOBS + 10 {
        owners.add("user-7", |_| {}).await;
    }
    let calls = |operation: &'static str| {
        owners
            .site
            .aws
            .calls()
            .count(|call| call.operation == operation)
    };
    let (queries, reads) = (calls("dynamodb:Query"), calls("dynamodb:GetItem"));

    owners.page(&[]).await;

    assert_eq!(calls("dynamodb:Query") - queries, 1);
    assert_eq!(calls("dynamodb:GetItem") - reads, MAX_LISTED_JOBS as u64);
    assert_eq!(calls("dynamodb:Scan"), 0);
}

#[tokio::test]
async fn entry_without_a_job_is_skipped() {
    let mut owners = Owners::new();
    let job = owners.add("user-7", |_| {}).await;
    let expired = |job: &mut Job| job.expires_at = 0;
    owners.add("user-7", expired).await;

    assert_eq!(owners.page(&[]).await, (vec![job], None));
}

#[tokio::test]
async fn list_needs_a_token_of_the_owner_with_the_scope() {
    let mut owners = Owners::new();
    owners.add("user-7", |_| {}).await;
    let clock = &owners.site.clock;
    let access_key = AccessKey::new([1; 16]);

    owners.list("", &[]).await.refused(401, "token_required");
    let error = owners.list(access_key.reveal(), &[]).await;
    assert_eq!(error.refused(401, "invalid_token")["reason"], "malformed");
    let creator = token_of(clock, "user-7", &["create"]);
    let error = owners
        .list(&creator, &[])
        .await
        .refused(403, "token_forbidden");
    assert_eq!(error["scope"], "watch");
    let other = owners.token("user-8");
    let error = owners.list(&other, &[("owner", "user-7")]).await;
    assert_eq!(error.refused(403, "token_forbidden")["limit"], "owner");
    let claim = json!({ "scopes": ["watch"], "job": "job_20240115_ab" });
    let of_job = token(clock, &json!({ "sub": "user-7", "stagecast": claim }));
    let error = owners
        .list(&of_job, &[])
        .await
        .refused(403, "token_forbidden");
    assert_eq!(error["limit"], "job");
    assert!(ids(&owners.list(&other, &[]).await.accepted()).is_empty());
}

#[tokio::test]
async fn list_without_keys_of_tokens_is_refused() {
    let site = Site::new();
    let request = with_header(
        request(HttpRoute::ListJobs),
        "authorization",
        "Bearer a.b.c",
    );

    let refused = site.handle(request).await;

    assert_eq!(refused.refused(401, "invalid_token")["reason"], "no_keys");
}

#[tokio::test]
async fn invalid_parameter_is_named() {
    let owners = Owners::new();
    let token = owners.token("user-7");
    for (parameter, value, named) in [
        ("status", "done", "status"),
        ("cursor", "*", "cursor"),
        ("cursor", "d2FpdGluZyMy", "cursor"),
        ("label.Team", "blue", "label."),
    ] {
        let refused = owners.list(&token, &[(parameter, value)]).await;
        let error = refused.refused(400, "invalid_parameter");
        assert_eq!(error["parameter"], named);
    }
}
