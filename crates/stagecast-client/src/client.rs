//! Creates jobs.

use std::path::Path;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderName, Method, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use stagecast_contract::{
    description::JOB_DESCRIPTION_TYPE,
    http::{IDEMPOTENCY_HEADER, JobCreated},
    ids::JobId,
    limits::{MAX_INPUT_BYTES, MAX_SINGLE_UPLOAD_BYTES},
};

use crate::{
    access::{Access, JobKey},
    error::Error,
    http::{HttpClient, Request},
    job::Job,
    new_job::{DescribedInput, Input, NewJob},
    random,
    tokens::Tokens,
    upload::{self, Content, UploadProgress},
};

/// Largest input that is part of a description, in bytes: as base64 it needs a third more.
const MAX_DESCRIBED_BYTES: usize = 2 * 1024 * 1024;

/// A client of a Stagecast stack. Clones share their connections.
///
/// ```no_run
/// use stagecast_client::{Client, JobMessage, NewJob};
///
/// # async fn create() -> Result<(), stagecast_client::Error> {
/// let client = Client::new("https://api.example.com")?;
/// let job = client.create(NewJob::from_file("plan.png", "image/png")).await?;
/// let mut watch = job.watch();
/// while let Some(message) = watch.next().await {
///     if let JobMessage::Progress(progress) = message? {
///         println!("{}% {}", progress.overall_progress, progress.message);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    http: HttpClient,
    tokens: Option<Tokens>,
}

impl Client {
    /// The stack whose HTTP API is at `url`: the stack's output `HttpApiUrl`, or `http://127.0.0.1:4800` for
    /// `cargo dev`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidUrl`].
    pub fn new(url: &str) -> Result<Self, Error> {
        Ok(Self {
            http: HttpClient::new(url)?,
            tokens: None,
        })
    }

    /// The same client, which creates, lists and opens jobs with owner tokens.
    #[must_use]
    pub fn with_tokens(self, tokens: Tokens) -> Self {
        Self {
            tokens: Some(tokens),
            ..self
        }
    }

    /// The HTTP API, for further routes.
    pub fn http(&self) -> &HttpClient {
        &self.http
    }

    /// A job that was created before.
    pub fn job(&self, key: JobKey) -> Job {
        Job::new(self.http.clone(), Access::Key(key), None)
    }

    /// A job of the tokens' owner. With `websocket_url`, the address of the WebSocket API, it is watched there.
    ///
    /// # Errors
    ///
    /// [`Error::NoToken`] without [`with_tokens`](Self::with_tokens).
    pub fn job_of_owner(&self, job_id: JobId, websocket_url: Option<String>) -> Result<Job, Error> {
        let tokens = self.tokens.clone().ok_or_else(|| Error::NoToken {
            cause: "the client has no `Tokens`".to_owned(),
        })?;
        let access = Access::Tokens {
            job_id,
            websocket_url,
            tokens,
        };
        Ok(Job::new(self.http.clone(), access, None))
    }

    /// Authorizes the request with a token, if the client has tokens.
    pub(crate) async fn with_token(&self, request: Request) -> Result<Request, Error> {
        match &self.tokens {
            Some(tokens) => Ok(request.bearer(&tokens.get().await?)),
            None => Ok(request),
        }
    }

    /// Creates a job. An input that is too large for a request is uploaded before this returns. Requests are
    /// repeated after failures that may pass; the job is created once.
    ///
    /// If the program may be interrupted during the upload of a large input, use
    /// [`create_and_upload`](Self::create_and_upload).
    ///
    /// # Errors
    ///
    /// The service rejects the job, or cannot be reached; or the input's file cannot be read.
    pub async fn create(&self, job: NewJob) -> Result<Job, Error> {
        self.create_and_upload(job, |_| {}, |_| {}).await
    }

    /// Creates a job as [`create`](Self::create) does. `created` is called when the job exists, before its input is
    /// uploaded: with the [key](Job::key), [`Job::upload_file`] resumes an upload that was interrupted.
    /// `progress` is called whenever bytes of an upload were sent.
    ///
    /// # Errors
    ///
    /// Those of [`create`](Self::create).
    pub async fn create_and_upload(
        &self,
        job: NewJob,
        created: impl FnOnce(&Job),
        progress: impl Fn(UploadProgress) + Send + Sync,
    ) -> Result<Job, Error> {
        let content = Content::open(&job.input).await?;
        let size = content.size();
        let is_small = size <= MAX_DESCRIBED_BYTES as u64;
        let request = if !job.needs_description() && size <= MAX_INPUT_BYTES as u64 {
            create_from_body(&job, content.read().await?)
        } else {
            let input = match &job.input {
                Input::None => None,
                _ if is_small => Some(DescribedInput {
                    content_type: job.content_type.clone(),
                    base64: Some(BASE64_STANDARD.encode(content.read().await?)),
                    size: None,
                    sha256: None,
                }),
                _ => Some(DescribedInput {
                    content_type: job.content_type.clone(),
                    base64: None,
                    size: Some(size),
                    // The bucket verifies only that of a single PUT.
                    sha256: if size <= MAX_SINGLE_UPLOAD_BYTES as u64 {
                        Some(content.sha256().await?)
                    } else {
                        None
                    },
                }),
            };
            create_from_description(&job, input)?
        };
        let request = with_headers(request, &job);
        let request = match &job.token {
            Some(token) => request.bearer(token),
            None => self.with_token(request).await?,
        };
        let response = self.http.send_with_retries(request).await?;
        let answer: JobCreated = response.json()?;
        let key = JobKey {
            job_id: answer.job_id,
            access_key: answer.access_key,
            websocket_url: Some(answer.websocket_url),
        };
        let handle = Job::new(self.http.clone(), Access::Key(key), answer.worker_key);
        created(&handle);
        if let Some(missing) = answer.upload {
            upload::send(
                &self.http,
                handle.access(),
                &content,
                Some(missing),
                &progress,
            )
            .await?;
        }
        Ok(handle)
    }
}

impl Job {
    /// Uploads what is missing of the job's input from a file, and queues the job. Resumes an upload that was
    /// interrupted, on any machine, with the same input. `progress` is called whenever bytes were sent.
    ///
    /// # Errors
    ///
    /// [`Error::WrongInput`] for another input; the service rejects the input, or cannot be reached.
    pub async fn upload_file(
        &self,
        path: impl AsRef<Path>,
        progress: impl Fn(UploadProgress) + Send + Sync,
    ) -> Result<(), Error> {
        let content = Content::open(&Input::File(path.as_ref().to_owned())).await?;
        upload::send(self.http(), self.access(), &content, None, &progress).await
    }
}

fn create_from_body(job: &NewJob, input: Bytes) -> Request {
    let mut query = Vec::new();
    let options = &job.options;
    query.extend(options.worker.map(|worker| format!("worker={worker}")));
    let queue = options.queue.as_ref();
    query.extend(
        queue.map(|queue| format!("queue={}", utf8_percent_encode(queue, NON_ALPHANUMERIC))),
    );
    query.extend(
        options
            .priority
            .map(|priority| format!("priority={priority}")),
    );
    let path = if query.is_empty() {
        "/v1/jobs".to_owned()
    } else {
        format!("/v1/jobs?{}", query.join("&"))
    };
    let request = Request::new(Method::POST, path).body(input);
    if job.content_type.is_empty() {
        request
    } else {
        request.header(header::CONTENT_TYPE, &*job.content_type)
    }
}

fn create_from_description(job: &NewJob, input: Option<DescribedInput>) -> Result<Request, Error> {
    let mut description = job.options.clone();
    description.input = input;
    let body = serde_json::to_vec(&description).map_err(|error| Error::Unwritable {
        what: "the description of the job",
        cause: error.to_string(),
    })?;
    Ok(Request::new(Method::POST, "/v1/jobs")
        .header(header::CONTENT_TYPE, JOB_DESCRIPTION_TYPE)
        .body(body))
}

fn with_headers(request: Request, job: &NewJob) -> Request {
    const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
    let key = job.idempotency_key.clone().unwrap_or_else(random::key);
    let mut request = request.header(HeaderName::from_static(IDEMPOTENCY_HEADER), key);
    if let Some(id) = &job.correlation_id {
        request = request.header(CORRELATION_ID, id);
    }
    request
}
