//! `GET /v1/jobs`.

use std::collections::BTreeMap;

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use futures_util::future::try_join_all;
use stagecast_contract::{
    description::check_labels,
    http::{
        CURSOR_PARAMETER, HttpErrorCode, JobsPage, LABEL_PARAMETER_PREFIX, OWNER_PARAMETER,
        STATUS_PARAMETER,
    },
    limits::{MAX_EXAMINED_JOBS, MAX_LISTED_JOBS},
    messages::JobStatus,
};
use stagecast_core::{
    http::{ApiError, ApiResponse, ApiResult},
    models::OwnedJob,
    owner_tokens::OwnerAccess,
};

use crate::{access, context::Context};

/// Returns a page of the jobs of the token's owner, from the index of the owner.
pub(crate) async fn handle(context: &Context, request: &ApiGatewayV2httpRequest) -> ApiResult {
    let access = access::to_list(context, request).await?;
    let filter = Filter::read(request)?;
    require_owner(&access, filter.owner)?;
    let page = match filter.with_labels_of(&access) {
        Some(labels) => page(context, &access, &filter, &labels).await?,
        // No job has two values of a label.
        None => JobsPage {
            jobs: Vec::new(),
            next_cursor: None,
        },
    };
    ApiResponse::json(200, &page)
}

async fn page(
    context: &Context,
    access: &OwnerAccess,
    filter: &Filter<'_>,
    labels: &BTreeMap<String, String>,
) -> Result<JobsPage, ApiError> {
    let after = filter.after.as_deref();
    let owned = &context.owned_jobs;
    let found = owned.older(access.owner(), labels, after, MAX_EXAMINED_JOBS);
    let found = found.await?;
    let mut jobs = Vec::new();
    let mut entries = found.entries.as_slice();
    // Most pages need no more than the first chunk.
    while let Some((chunk, rest)) = entries.split_at_checked(MAX_LISTED_JOBS.min(entries.len()))
        && !chunk.is_empty()
    {
        let loads = chunk.iter().map(|entry| context.jobs.load(&entry.job_id));
        let loaded = try_join_all(loads.map(Box::pin)).await?;
        for (index, job) in loaded.into_iter().enumerate() {
            // An entry without a job is that of a creation that failed.
            let job = job.filter(|job| access.includes(job));
            let snapshot = job.map(|job| job.snapshot());
            let has_status = |status| filter.status.is_none_or(|it| it == status);
            jobs.extend(snapshot.filter(|it| has_status(it.status)));
            if jobs.len() == MAX_LISTED_JOBS {
                let is_last = index + 1 == chunk.len() && rest.is_empty();
                let next = if is_last {
                    found.next
                } else {
                    Some(chunk[index].place().to_owned())
                };
                return Ok(JobsPage {
                    jobs,
                    next_cursor: next.as_deref().map(cursor),
                });
            }
        }
        entries = rest;
    }
    Ok(JobsPage {
        jobs,
        next_cursor: found.next.as_deref().map(cursor),
    })
}

fn cursor(place: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(place)
}

fn require_owner(access: &OwnerAccess, owner: Option<&str>) -> Result<(), ApiError> {
    if owner.is_none_or(|owner| owner == access.owner()) {
        return Ok(());
    }
    let message =
        "the token is of another owner; leave `owner` out for the jobs of the token's owner";
    Err(ApiError::new(HttpErrorCode::TokenForbidden, message).with("limit", "owner"))
}

/// The jobs that a request asks for.
struct Filter<'a> {
    owner: Option<&'a str>,
    status: Option<JobStatus>,
    labels: BTreeMap<String, String>,
    /// The place after which the page begins.
    after: Option<String>,
}

impl<'a> Filter<'a> {
    fn read(request: &'a ApiGatewayV2httpRequest) -> Result<Self, ApiError> {
        let parameters = &request.query_string_parameters;
        let status = parameters.first(STATUS_PARAMETER).map(status).transpose()?;
        let after = parameters.first(CURSOR_PARAMETER).map(place).transpose()?;
        let mut labels = BTreeMap::new();
        for (parameter, value) in parameters.iter() {
            let Some(name) = parameter.strip_prefix(LABEL_PARAMETER_PREFIX) else {
                continue;
            };
            let earlier = labels.insert(name.to_owned(), value.to_owned());
            if earlier.is_some_and(|earlier| earlier != value) {
                return Err(invalid(parameter, "has two values; give one"));
            }
        }
        check_labels(&labels).map_err(|error| invalid(LABEL_PARAMETER_PREFIX, &error.message))?;
        Ok(Self {
            owner: parameters.first(OWNER_PARAMETER),
            status,
            labels,
            after,
        })
    }

    /// The labels of the request and of the token; none if they contradict each other.
    fn with_labels_of(&self, access: &OwnerAccess) -> Option<BTreeMap<String, String>> {
        let mut labels = self.labels.clone();
        for (name, value) in access.claims().labels() {
            if labels.entry(name.clone()).or_insert_with(|| value.clone()) != value {
                return None;
            }
        }
        Some(labels)
    }
}

fn status(name: &str) -> Result<JobStatus, ApiError> {
    JobStatus::from_name(name).ok_or_else(|| {
        let names: Vec<_> = JobStatus::ALL.iter().map(|it| it.name()).collect();
        let name: String = name.chars().take(64).collect();
        let problem = format!("is '{name}'; give one of {}", names.join(", "));
        invalid(STATUS_PARAMETER, &problem)
    })
}

fn place(cursor: &str) -> Result<String, ApiError> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok();
    let place = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let place = place.filter(|place| OwnedJob::is_place(place));
    let problem = "is not the `next_cursor` of a page; begin without one";
    place.ok_or_else(|| invalid(CURSOR_PARAMETER, problem))
}

fn invalid(parameter: &str, problem: &str) -> ApiError {
    let message = format!("`{parameter}`: {problem}");
    ApiError::new(HttpErrorCode::InvalidParameter, message).with("parameter", parameter)
}
