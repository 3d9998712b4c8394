//! `POST /v1/jobs`.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use aws_sdk_s3::{error::DisplayErrorContext, primitives::ByteStream};
use contract::{
    buckets::{self, input_key},
    http::JobCreated,
    ids::{AccessKey, JobId, RequestId},
    queues::{JobQueue, JobTicket},
};
use handlers_core::{clock::random, models::Job};

use crate::{
    answer::{Answer, Problem},
    handler::{Handler, Outcome},
    input::Input,
};

/// Longest correlation id that is taken over from a caller, in bytes.
const MAX_CORRELATION_ID_BYTES: usize = 128;

impl Handler {
    pub(crate) async fn create(
        &self,
        request: &ApiGatewayV2httpRequest,
        request_id: &RequestId,
    ) -> Outcome {
        let input = Input::of(request.body.as_deref(), request.is_base64_encoded)?;
        let now = self.clock.now();
        let job_id = JobId::new(now, random());
        let access_key = AccessKey::new(random());
        let correlation_id = correlation_of(request).unwrap_or_else(|| request_id.to_string());
        let job = Job::queued(
            job_id.clone(),
            &access_key,
            request_id.clone(),
            correlation_id,
            input.content_type.to_owned(),
            now,
        );
        self.objects
            .put_object::<buckets::Objects>()
            .key(input_key(&job_id))
            .content_type(input.content_type)
            .body(ByteStream::from(input.bytes))
            .send()
            .await
            .map_err(|error| Problem::ours(DisplayErrorContext(error).to_string()))?;
        if !self.jobs.create(&job).await? {
            return Err(Problem::ours("two jobs were given the same random id"));
        }
        self.queues
            .send::<JobQueue>(
                &JobTicket {
                    job_id: job_id.clone(),
                },
                0,
            )
            .await?;
        tracing::info!(%job_id, correlation_id = job.correlation_id, "created");
        let created = JobCreated {
            status_url: format!("/v1/jobs/{job_id}"),
            job_id,
            access_key,
            websocket_url: self.websocket_url.clone(),
        };
        Answer::json(202, &created)
    }
}

/// The caller's own id for what it does, if it is fit for logs.
fn correlation_of(request: &ApiGatewayV2httpRequest) -> Option<String> {
    let id = request.headers.get("x-correlation-id")?.to_str().ok()?;
    let is_fit = !id.is_empty()
        && id.len() <= MAX_CORRELATION_ID_BYTES
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte));
    is_fit.then(|| id.to_owned())
}
