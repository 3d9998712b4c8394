//! What `POST /v1/jobs` asks for: an input as the body, or a job description.

use std::collections::BTreeMap;

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use raw_json::RawJson;
use stagecast_contract::{
    description::{
        AnnouncedInput, DescribedInput, JOB_DESCRIPTION_TYPE, JobDescription, check_labels,
    },
    http::HttpErrorCode,
    input::InputRules,
    limits::{MAX_DESCRIPTION_BYTES, MAX_START_DELAY_SECONDS, MIN_SECONDS_AFTER_START},
    retention::JobRetention,
    time_limits::JobLimits,
    timestamp::Timestamp,
    webhooks::JobWebhook,
    worker::InvalidBody,
};
use stagecast_core::{
    http::{ApiError, read_body},
    owner_tokens::OwnerAccess,
};

use crate::{
    context::Context,
    idempotency,
    input::{self, Input},
    runner::Runner,
};

/// The job that a request asks for.
#[derive(Debug)]
pub(crate) struct Requested {
    pub(crate) runner: Runner,
    pub(crate) parameters: Option<RawJson>,
    pub(crate) labels: BTreeMap<String, String>,
    /// The owner of the request's token.
    pub(crate) owner: Option<String>,
    pub(crate) input: NewInput,
    pub(crate) limits: JobLimits,
    pub(crate) run_at: Option<Timestamp>,
    pub(crate) retention: JobRetention,
    pub(crate) webhook: Option<JobWebhook>,
    /// The SHA-256 of what the request asks for.
    pub(crate) sha256: String,
}

/// The input of a new job.
#[derive(Debug)]
pub(crate) enum NewInput {
    /// It is part of the request.
    Given(Input),
    /// It is uploaded later.
    Announced(AnnouncedInput),
}

impl NewInput {
    pub(crate) fn content_type(&self) -> &str {
        match self {
            Self::Given(input) => &input.content_type,
            Self::Announced(input) => &input.content_type,
        }
    }
}

impl Requested {
    /// Reads a request and checks it by the rules of the pipeline and of the product.
    pub(crate) fn read(
        request: &ApiGatewayV2httpRequest,
        context: &Context,
    ) -> Result<Self, ApiError> {
        let rules = context.input_rules;
        if input::is_of_type(request, JOB_DESCRIPTION_TYPE) {
            return Self::described(request, context);
        }
        let runner = Runner::read(request, None, &context.worker_queues)?;
        let input = if runner.is_external() {
            Input::for_external_worker(request)?
        } else {
            check_parameters(rules, None)?;
            Input::for_pipeline(request, rules)?
        };
        Ok(Self {
            parameters: None,
            labels: BTreeMap::new(),
            owner: None,
            limits: context.limit_rules.apply(JobLimits::default())?,
            run_at: None,
            retention: context.retention,
            webhook: context.webhooks.of_job(None)?,
            sha256: idempotency::request_sha256(&runner, &input.content_type, &input.bytes),
            runner,
            input: NewInput::Given(input),
        })
    }

    fn described(request: &ApiGatewayV2httpRequest, context: &Context) -> Result<Self, ApiError> {
        let rules = context.input_rules;
        let advice = "and upload a larger input: announce its `size` in `input`";
        let body = read_body(request, MAX_DESCRIPTION_BYTES, advice)?;
        let description = JobDescription::parse(&body)?;
        let runner = Runner::read(request, Some(&description), &context.worker_queues)?;
        let input = if runner.is_external() {
            for_external_worker(description.input)?
        } else {
            check_parameters(rules, description.parameters.as_ref())?;
            for_pipeline(description.input, rules)?
        };
        let retention = context.retention.of_job(description.retention_days)?;
        if let Some(run_at) = description.run_at {
            let now = context.clock.now();
            check_start(run_at, now, now.plus_seconds(retention.seconds()))?;
        }
        Ok(Self {
            retention,
            run_at: description.run_at,
            webhook: context.webhooks.of_job(description.webhook.as_ref())?,
            limits: context
                .limit_rules
                .apply(description.limits.unwrap_or_default())?,
            parameters: description.parameters,
            labels: description.labels,
            owner: None,
            input,
            sha256: idempotency::request_sha256(&runner, JOB_DESCRIPTION_TYPE, &body),
            runner,
        })
    }

    /// Gives the job to the owner of the token, with the token's labels, if the token permits the job.
    pub(crate) fn restrict(&mut self, access: &OwnerAccess) -> Result<(), ApiError> {
        let claims = access.claims();
        if !claims.allows_queue(self.runner.queue_name()) {
            let queues = claims.queues().unwrap_or_default();
            let names = queues.join(", ");
            let message = format!(
                "the token creates jobs of these queues only: {names}; give one of them as `queue`"
            );
            let error = ApiError::new(HttpErrorCode::TokenForbidden, message);
            return Err(error.with("limit", "queues").with("queues", queues));
        }
        for (name, value) in claims.labels() {
            let given = self
                .labels
                .entry(name.clone())
                .or_insert_with(|| value.clone());
            if given != value {
                let message = format!(
                    "the token creates jobs whose label `{name}` is '{value}' only; leave the label out, or give it \
                     this value"
                );
                let error = ApiError::new(HttpErrorCode::TokenForbidden, message);
                return Err(error.with("limit", "labels").with("label", name.as_str()));
            }
        }
        check_labels(&self.labels)?;
        self.sha256 = idempotency::of_owner(&self.sha256, access.owner());
        self.owner = Some(access.owner().to_owned());
        Ok(())
    }
}

/// Checks the start of a job that is created `now` and expires at `expires_at`.
fn check_start(run_at: Timestamp, now: Timestamp, expires_at: Timestamp) -> Result<(), ApiError> {
    let latest = now.plus_seconds(MAX_START_DELAY_SECONDS);
    let problem = if run_at > latest {
        format!("{run_at} is more than 30 days ahead; give a time until {latest}")
    } else if run_at > expires_at.plus_seconds(-MIN_SECONDS_AFTER_START) {
        let latest = expires_at.plus_seconds(-MIN_SECONDS_AFTER_START);
        format!(
            "{run_at} is less than an hour before the job expires, at {expires_at}; give a time until \
             {latest}"
        )
    } else {
        return Ok(());
    };
    Err(ApiError::from(InvalidBody::field("run_at", problem)))
}

/// The input of a description for the pipeline, by its rules.
fn for_pipeline(input: Option<DescribedInput>, rules: &InputRules) -> Result<NewInput, ApiError> {
    let Some(input) = input else {
        let problem = format!(
            "is missing; give {} as {}",
            rules.name_with_article(),
            rules.labels()
        );
        return Err(InvalidBody::field("input", problem).into());
    };
    let Some(announced) = input.announced() else {
        let content_type = input.content_type.clone();
        let bytes = bytes_of(input)?;
        if bytes.len() > rules.max_body_bytes() {
            let problem = format!(
                "{} bytes; give at most {}, or upload the input: announce its `size` in `input`",
                bytes.len(),
                rules.max_body_bytes()
            );
            return Err(ApiError::from(InvalidBody::field("input", problem))
                .with("max_bytes", rules.max_body_bytes()));
        }
        return Input::checked(bytes, Some(&content_type), rules).map(NewInput::Given);
    };
    if announced.size > rules.max_bytes as u64 {
        let problem = format!(
            "{} bytes; {} has at most {} ({} bytes)",
            announced.size,
            rules.name_with_article(),
            rules.max_size(),
            rules.max_bytes
        );
        return Err(ApiError::from(InvalidBody::field("input.size", problem))
            .with("max_bytes", rules.max_bytes));
    }
    let Some(media_type) = rules.media_type_named(&announced.content_type) else {
        return Err(input::unsupported(rules, Some(&announced.content_type)));
    };
    Ok(NewInput::Announced(AnnouncedInput {
        content_type: media_type.name.to_owned(),
        ..announced
    }))
}

/// The input of a description for an external worker, which can have none.
fn for_external_worker(input: Option<DescribedInput>) -> Result<NewInput, ApiError> {
    let Some(input) = input else {
        return Ok(NewInput::Given(Input::nothing()));
    };
    if let Some(announced) = input.announced() {
        return Ok(NewInput::Announced(announced));
    }
    let content_type = input.content_type.clone();
    Ok(NewInput::Given(Input {
        bytes: bytes_of(input)?,
        content_type,
    }))
}

/// The bytes of an input that is part of its description.
fn bytes_of(input: DescribedInput) -> Result<Vec<u8>, ApiError> {
    if let Some(text) = input.text {
        return Ok(text.into_bytes());
    }
    let base64 = input.base64.unwrap_or_default();
    BASE64_STANDARD.decode(base64).map_err(|error| {
        let problem = format!("is not base64: {error}; use the standard alphabet and padding");
        InvalidBody::field("input.base64", problem).into()
    })
}

/// Checks the parameters by the rules of the pipeline.
fn check_parameters(rules: &InputRules, parameters: Option<&RawJson>) -> Result<(), ApiError> {
    let checked = (rules.check_parameters)(parameters.map_or("{}", RawJson::get));
    let Err(invalid) = checked else {
        return Ok(());
    };
    let field = if invalid.path.is_empty() {
        "parameters".to_owned()
    } else {
        format!("parameters.{}", invalid.path)
    };
    let advice = if parameters.is_some() {
        String::new()
    } else {
        format!(
            "; this job needs parameters: send a job description, with the content-type \
             {JOB_DESCRIPTION_TYPE}"
        )
    };
    Err(InvalidBody::field(field, format!("{}{advice}", invalid.problem)).into())
}
