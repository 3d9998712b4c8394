//! What runs a new job: the pipeline, an external worker with the job's key, or the external workers of a queue.

use std::borrow::Cow;

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use stagecast_contract::{
    description::{DescribedWorker, JobDescription},
    http::{EXTERNAL_WORKER, HttpErrorCode, PRIORITY_PARAMETER, QUEUE_PARAMETER, WORKER_PARAMETER},
    worker::InvalidBody,
    worker_queues::{DEFAULT_PRIORITY, DeclaredQueues, MAX_PRIORITY, PIPELINE_QUEUE, QueueName},
};
use stagecast_core::http::ApiError;

use crate::query;

/// What runs a new job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Runner {
    Pipeline,
    /// The holder of the job's worker key.
    ExternalWorker,
    /// The workers that claim from this queue. The priority is the request's.
    Queue {
        name: QueueName,
        priority: Option<u8>,
    },
}

impl Runner {
    /// Reads the query and the description, if the request has one.
    pub(crate) fn read(
        request: &ApiGatewayV2httpRequest,
        description: Option<&JobDescription>,
        declared: &DeclaredQueues,
    ) -> Result<Self, ApiError> {
        let described_worker = description.and_then(|it| it.worker);
        let is_external =
            is_external(request)? || described_worker == Some(DescribedWorker::External);
        let in_query = request.query_string_parameters.first(QUEUE_PARAMETER);
        let described = description.and_then(|it| it.queue.as_deref());
        let queue = one_of("queue", in_query, described)?;
        let described = description.and_then(|it| it.priority);
        let priority = one_of("priority", priority(request)?, described)?;
        let Some(queue) = queue.filter(|queue| *queue != PIPELINE_QUEUE) else {
            if priority.is_some() {
                let problem = "is only for a job of a queue of external workers; give its `queue`, or leave \
                               the priority out";
                return Err(InvalidBody::field("priority", problem).into());
            }
            return Ok(if is_external {
                Self::ExternalWorker
            } else {
                Self::Pipeline
            });
        };
        if is_external {
            let problem = "contradicts `worker`, which gives the job to the holder of its worker key; leave one of \
                           the two out";
            return Err(InvalidBody::field("queue", problem).into());
        }
        let name = declared
            .find(queue)
            .ok_or_else(|| unknown_queue(queue, declared))?;
        let priority = priority.map(checked).transpose()?;
        Ok(Self::Queue {
            name: name.clone(),
            priority,
        })
    }

    /// Whether the rules of the pipeline for inputs and parameters do not apply.
    pub(crate) const fn is_external(&self) -> bool {
        !matches!(self, Self::Pipeline)
    }

    /// Whether the job gets a worker key when it is created.
    pub(crate) const fn has_worker_key(&self) -> bool {
        matches!(self, Self::ExternalWorker)
    }

    /// The name of the queue, also of the pipeline's. None for the holder of the job's worker key.
    pub(crate) fn queue_name(&self) -> Option<&str> {
        match self {
            Self::Pipeline => Some(PIPELINE_QUEUE),
            Self::ExternalWorker => None,
            Self::Queue { name, .. } => Some(name.as_str()),
        }
    }

    /// The same text for the same runner, for the comparison of requests.
    pub(crate) fn fingerprint(&self) -> Cow<'static, str> {
        match self {
            Self::Pipeline => "pipeline".into(),
            Self::ExternalWorker => EXTERNAL_WORKER.into(),
            Self::Queue { name, priority } => {
                let priority = priority.unwrap_or(DEFAULT_PRIORITY);
                format!("queue/{name}/{priority}").into()
            }
        }
    }
}

/// A value that the query or the description gives, or both without a difference.
fn one_of<T: PartialEq>(
    field: &str,
    in_query: Option<T>,
    described: Option<T>,
) -> Result<Option<T>, ApiError> {
    match (in_query, described) {
        (Some(one), Some(other)) if one != other => {
            let problem = "differs between the query and the description; give it once";
            Err(InvalidBody::field(field, problem).into())
        }
        (one, other) => Ok(one.or(other)),
    }
}

fn priority(request: &ApiGatewayV2httpRequest) -> Result<Option<u64>, ApiError> {
    let next_step = format!("give a whole number from 0 to {MAX_PRIORITY}, or leave it out");
    query::number(request, PRIORITY_PARAMETER, &next_step)
}

fn checked(priority: u64) -> Result<u8, ApiError> {
    let checked = u8::try_from(priority).ok();
    checked.filter(|it| *it <= MAX_PRIORITY).ok_or_else(|| {
        let problem = format!("{priority}; give a whole number from 0 to {MAX_PRIORITY}");
        InvalidBody::field("priority", problem).into()
    })
}

/// The error for a queue that the product does not declare.
fn unknown_queue(queue: &str, declared: &DeclaredQueues) -> ApiError {
    let queue: String = queue.chars().take(64).collect();
    let names: Vec<_> = declared.names().iter().map(QueueName::as_str).collect();
    let next_step = if names.is_empty() {
        "the product declares no queues: leave `queue` out for the pipeline, or declare it in the \
         product's `worker_queues`"
            .to_owned()
    } else {
        format!(
            "use one of {}, or leave `queue` out for the pipeline",
            names.join(", ")
        )
    };
    ApiError::new(
        HttpErrorCode::UnknownQueue,
        format!("`queue`: there is no queue '{queue}'; {next_step}"),
    )
    .with("field", "queue")
    .with("queue", queue)
    .with("queues", names)
}

/// Whether the query says that an external worker with the job's key runs the job.
fn is_external(request: &ApiGatewayV2httpRequest) -> Result<bool, ApiError> {
    match request.query_string_parameters.first(WORKER_PARAMETER) {
        None => Ok(false),
        Some(EXTERNAL_WORKER) => Ok(true),
        Some(other) => {
            let other: String = other.chars().take(64).collect();
            let error = ApiError::new(
                HttpErrorCode::InvalidParameter,
                format!(
                    "there is no worker '{other}'; leave `{WORKER_PARAMETER}` out for the \
                     pipeline, or say {WORKER_PARAMETER}={EXTERNAL_WORKER} for an external worker"
                ),
            );
            Err(error.with("parameter", WORKER_PARAMETER))
        }
    }
}
