//! `GET` and `POST /v1/jobs/{job_id}/upload`.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use stagecast_contract::{
    http::{AFTER_PART_PARAMETER, HttpErrorCode, Upload, UploadPart, UploadState},
    limits::{MAX_INPUT_BYTES, MAX_UPLOAD_URLS, UPLOAD_URL_SECONDS},
    messages::{FailureCode, JobError, JobStatus},
    owner_tokens::Scope,
    queues::JobMessage,
};
use stagecast_core::{
    http::{ApiError, ApiResponse, ApiResult},
    models::{Job, Part, PendingUpload, TerminalState},
    stores::Assembled,
};

use crate::{access, context::Context, input::Input, query, start};

/// Returns what is missing of the input, with new URLs.
pub(crate) async fn get(context: &Context, request: &ApiGatewayV2httpRequest) -> ApiResult {
    let after_part = after_part(request)?;
    let job = access::load_job(context, request, Scope::Create).await?;
    let upload = match pending(&job)? {
        Some(upload) => Some(missing(context, &job, upload, after_part).await?),
        None => None,
    };
    state(job, upload)
}

/// Verifies the uploaded input and queues the job. Idempotent.
pub(crate) async fn complete(context: &Context, request: &ApiGatewayV2httpRequest) -> ApiResult {
    let job = access::load_job(context, request, Scope::Create).await?;
    let Some(upload) = pending(&job)? else {
        resend_job_message(context, &job).await?;
        return state(job, None);
    };
    match context.uploads.assemble(&job.job_id, upload).await? {
        Assembled::Complete => {}
        Assembled::Missing(parts) => return Err(incomplete(upload, &parts)),
        Assembled::WrongSize(size) => return Err(wrong_size(upload, size)),
    }
    let content_type = match verified_type(context, &job, upload).await? {
        Ok(content_type) => content_type,
        Err(rejection) => return Err(reject(context, &job, rejection).await?),
    };
    let now = context.clock.now();
    let to_queue = job.queued_at(now);
    start::schedule_first_check(context, &to_queue, now).await?;
    start::enqueue(context, &to_queue).await?;
    let Some(queued) = context.jobs.complete_upload(&job, &content_type).await? else {
        let current = context.jobs.load(&job.job_id).await?;
        return Err(finished(current.as_ref().unwrap_or(&job)));
    };
    if !queued.is_external() {
        let message = JobMessage::new(queued.job_id.clone());
        start::send_job_message(context, &queued, message).await?;
    }
    start::schedule_early_check(context, &queued).await?;
    start::wake_workers(context, &queued).await;
    tracing::info!(job_id = %queued.job_id, bytes = upload.size, "the input is complete");
    state(queued, None)
}

/// What is missing of the input of a job that was just created: everything.
pub(crate) async fn all(
    context: &Context,
    job: &Job,
    upload: &PendingUpload,
) -> Result<Upload, ApiError> {
    describe(context, job, upload, upload.parts().collect(), 0).await
}

/// What is missing of the input after the part with the number `after_part`.
pub(crate) async fn missing(
    context: &Context,
    job: &Job,
    upload: &PendingUpload,
    after_part: u32,
) -> Result<Upload, ApiError> {
    let parts = context.uploads.missing(&job.job_id, upload).await?;
    describe(context, job, upload, parts, after_part).await
}

/// The upload with the URLs of the missing `parts`, as many as a response contains.
async fn describe(
    context: &Context,
    job: &Job,
    upload: &PendingUpload,
    mut parts: Vec<Part>,
    after_part: u32,
) -> Result<Upload, ApiError> {
    parts.retain(|part| part.number > after_part);
    let has_more = parts.len() > MAX_UPLOAD_URLS;
    parts.truncate(MAX_UPLOAD_URLS);
    let mut described = Vec::with_capacity(parts.len());
    for part in &parts {
        let url = context
            .uploads
            .part_url(&job.job_id, &job.content_type, upload, *part)
            .await?;
        described.push(UploadPart {
            part: part.number,
            offset: part.offset,
            size: part.size,
            url: url.url,
            headers: url.headers,
        });
    }
    let part_count = upload.parts().count();
    Ok(Upload {
        size: upload.size,
        part_size: upload.part_size.min(upload.size),
        part_count: u32::try_from(part_count).unwrap_or(u32::MAX),
        next_after_part: parts.last().filter(|_| has_more).map(|last| last.number),
        parts: described,
        urls_expire_at: context.clock.now().plus_seconds(UPLOAD_URL_SECONDS.into()),
        expires_at: upload.expires_at,
    })
}

/// The upload of the job; none if the job has its input. An error if the job has ended, or is about to end,
/// without its input.
fn pending(job: &Job) -> Result<Option<&PendingUpload>, ApiError> {
    let Some(upload) = &job.upload else {
        return Ok(None);
    };
    let is_over =
        job.status != JobStatus::AwaitingInput || job.cancel_requested || upload.failure.is_some();
    if is_over {
        return Err(finished(job));
    }
    Ok(Some(upload))
}

fn finished(job: &Job) -> ApiError {
    let end = match (job.upload_failure(), job.status) {
        (Some(failure), _) => format!("failed: {}", failure.message),
        (None, JobStatus::AwaitingInput) => JobStatus::Cancelled.name().to_owned(),
        (None, status) => status.name().to_owned(),
    };
    ApiError::new(
        HttpErrorCode::JobAlreadyFinished,
        format!("the job is {end}; create another one to upload the input again"),
    )
}

fn state(job: Job, upload: Option<Upload>) -> ApiResult {
    let state = UploadState {
        job_id: job.job_id,
        status: job.status,
        upload,
    };
    ApiResponse::json(200, &state)
}

/// Sends the message of a job that waits for its first run again: the request that queued it may have been
/// interrupted. The pipeline drops a message of a job that runs. A job of a queue of external workers has had its entry
/// since before it was queued.
async fn resend_job_message(context: &Context, job: &Job) -> Result<(), ApiError> {
    if job.status == JobStatus::Queued && job.epoch == 0 && !job.is_external() {
        let message = JobMessage::from_watchdog(job.job_id.clone());
        start::send_job_message(context, job, message).await?;
    }
    Ok(())
}

fn incomplete(upload: &PendingUpload, missing: &[Part]) -> ApiError {
    let first = missing.first().map_or(1, |part| part.number);
    ApiError::new(
        HttpErrorCode::UploadIncomplete,
        format!(
            "{} of {} parts are missing or have another size, the first one is part {first}; GET this \
             URL for the URLs of the missing parts, send them, and repeat this request",
            missing.len(),
            upload.parts().count(),
        ),
    )
    .with("missing_parts", missing.len())
    .with("first_missing_part", first)
}

fn wrong_size(upload: &PendingUpload, size: u64) -> ApiError {
    ApiError::new(
        HttpErrorCode::UploadIncomplete,
        format!(
            "the uploaded input has {size} bytes, and {} were announced; cancel the job and create \
             another one with the right `input.size`",
            upload.size
        ),
    )
    .with("size", size)
    .with("announced_size", upload.size)
}

/// The media type of an uploaded input, or why the pipeline does not accept it. An input for an external
/// worker is not checked.
async fn verified_type(
    context: &Context,
    job: &Job,
    upload: &PendingUpload,
) -> Result<Result<String, ApiError>, ApiError> {
    let rules = context.input_rules;
    if job.is_external() {
        return Ok(Ok(job.content_type.clone()));
    }
    let content_type = Some(job.content_type.as_str());
    let bytes = usize::try_from(upload.size).unwrap_or(usize::MAX);
    if bytes <= MAX_INPUT_BYTES {
        let bytes = context.uploads.beginning(&job.job_id, bytes).await?;
        let checked = Input::checked(bytes, content_type, rules);
        return Ok(checked.map(|input| input.content_type));
    }
    let longest = rules.media_types.iter().map(|it| it.signature.len()).max();
    let beginning = match longest.unwrap_or(0) {
        0 => Vec::new(),
        longest => context.uploads.beginning(&job.job_id, longest).await?,
    };
    let media_type = rules.media_type(&beginning, content_type);
    Ok(media_type
        .map(|media_type| media_type.name.to_owned())
        .ok_or_else(|| crate::input::unsupported(rules, content_type)))
}

/// Fails a job whose input the pipeline does not accept, and returns the error for the client.
async fn reject(context: &Context, job: &Job, rejection: ApiError) -> Result<ApiError, ApiError> {
    let ApiError::Rejected(error) = &rejection else {
        return Err(rejection);
    };
    let failure = JobError::of(FailureCode::InvalidInput, error.message.clone());
    let Some(failed) = context.jobs.fail_upload(job, &failure).await? else {
        let current = context.jobs.load(&job.job_id).await?;
        return Err(finished(current.as_ref().unwrap_or(job)));
    };
    let failure = failed.upload_failure().unwrap_or(&failure).clone();
    let end = TerminalState::Failed(failure);
    context.unattended.settle(&failed, Some(&end)).await?;
    Ok(rejection)
}

/// The value of the query parameter [`AFTER_PART_PARAMETER`].
fn after_part(request: &ApiGatewayV2httpRequest) -> Result<u32, ApiError> {
    let next_step = "give the number of a part, or leave it out";
    let part = query::number(request, AFTER_PART_PARAMETER, next_step)?;
    Ok(part.unwrap_or(0))
}
