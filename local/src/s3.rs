//! S3: `s3s` over a folder.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Body;
use s3s::{
    S3Result,
    auth::{S3Auth, SecretKey},
    service::{S3Service, S3ServiceBuilder},
};
use s3s_fs::FileSystem;

use crate::{
    faults::Fault,
    http_util::{self, BodyError, BoxError, Response, header_text},
    recorder::Call,
};

/// Largest body of one request, in bytes. S3 takes 5 GB; clients send what is larger than a few
/// megabytes in parts anyway.
const MAX_PUT_BYTES: usize = 64 * 1024 * 1024;

/// The buckets could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the bucket folder {} cannot be used: {reason}", path.display())]
pub struct BucketError {
    path: PathBuf,
    reason: String,
}

/// The buckets.
pub(crate) struct S3 {
    service: S3Service,
}

impl std::fmt::Debug for S3 {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("S3").finish_non_exhaustive()
    }
}

/// One secret for every access key: who calls is known from the key, and signatures (of presigned
/// addresses, too) are checked.
struct OneSecret(String);

#[async_trait::async_trait]
impl S3Auth for OneSecret {
    async fn get_secret_key(&self, _access_key: &str) -> S3Result<SecretKey> {
        Ok(SecretKey::from(self.0.clone()))
    }
}

impl S3 {
    /// Opens the buckets under `root`, and makes those that are not there.
    pub(crate) fn open(root: &Path, buckets: &[String], secret: &str) -> Result<Self, BucketError> {
        for bucket in buckets {
            let path = root.join(bucket);
            std::fs::create_dir_all(&path).map_err(|error| BucketError {
                reason: error.to_string(),
                path,
            })?;
        }
        let files = FileSystem::new(root).map_err(|error| BucketError {
            path: root.to_owned(),
            reason: format!("{error:?}"),
        })?;
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(OneSecret(secret.to_owned()));
        Ok(Self {
            service: builder.build(),
        })
    }

    /// Whether a request can only be meant for S3: it is signed, in its header or its query.
    pub(crate) fn is_meant<B>(request: &Request<B>) -> bool {
        header_text(request.headers(), header::AUTHORIZATION).starts_with("AWS4-HMAC-SHA256")
            || is_presigned(request)
    }

    /// Answers a request.
    pub(crate) async fn answer<B>(&self, mut request: Request<B>) -> Response
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Into<BoxError>,
    {
        // Clients that follow a redirect on one host carry their credentials for the HTTP API
        // along; in AWS the hosts differ, and they don't.
        if is_presigned(&request) {
            request.headers_mut().remove(header::AUTHORIZATION);
        }
        let (head, body) = request.into_parts();
        let body = match http_util::read_body(body, MAX_PUT_BYTES).await {
            Ok(body) => body,
            Err(BodyError::TooLarge) => return refuse(StatusCode::BAD_REQUEST, "EntityTooLarge"),
            Err(BodyError::TooSlow | BodyError::Broken) => {
                return refuse(StatusCode::BAD_REQUEST, "RequestTimeout");
            }
        };
        let request = Request::from_parts(head, s3s::Body::from(body));
        match self.service.call(request).await {
            Ok(response) => response.map(|body| body.map_err(BoxError::from).boxed_unsync()),
            Err(error) => {
                tracing::warn!("S3 could not answer: {error:?}");
                http_util::empty(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}

/// What a fault answers instead of the buckets; `None` if it is not one of answers.
pub(crate) fn fault_answer(fault: Fault) -> Option<Response> {
    match fault {
        Fault::Throttle => Some(refuse(StatusCode::SERVICE_UNAVAILABLE, "SlowDown")),
        Fault::Outage => Some(refuse(StatusCode::INTERNAL_SERVER_ERROR, "InternalError")),
        Fault::Denied => Some(refuse(StatusCode::FORBIDDEN, "AccessDenied")),
        Fault::Status(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            Some(http_util::empty(status))
        }
        Fault::Conflict | Fault::Delay(_) | Fault::Hang | Fault::LostAnswer => None,
    }
}

/// What a request calls, for the recorder: named as IAM names it.
pub(crate) fn call<B>(caller: &str, request: &Request<B>) -> Call {
    let path = request.uri().path().trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let operation = match (request.method(), key.is_empty()) {
        (&Method::GET | &Method::HEAD, false) => "s3:GetObject",
        (&Method::PUT | &Method::POST, false) => "s3:PutObject",
        (&Method::DELETE, false) => "s3:DeleteObject",
        (_, _) if bucket.is_empty() => "s3:ListAllMyBuckets",
        (&Method::GET | &Method::HEAD, true) => "s3:ListBucket",
        _ => "s3:Bucket",
    };
    Call {
        caller: caller.to_owned(),
        operation: operation.to_owned(),
        resource: bucket.to_owned(),
    }
}

fn is_presigned<B>(request: &Request<B>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    let mut parameters = url::form_urlencoded::parse(query.as_bytes());
    parameters.any(|(name, _)| name == "X-Amz-Signature")
}

fn refuse(status: StatusCode, code: &str) -> Response {
    let body = format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>");
    let mut response = Response::new(http_util::full(body));
    *response.status_mut() = status;
    let xml = http::HeaderValue::from_static("application/xml");
    response.headers_mut().insert(header::CONTENT_TYPE, xml);
    response
}
