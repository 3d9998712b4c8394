//! S3: the `s3s` server, with objects as files in a folder.

mod body;

use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Body, Frame};
use s3s::{
    S3Result,
    auth::{S3Auth, SecretKey},
    service::{S3Service, S3ServiceBuilder},
};
use s3s_fs::FileSystem;

use crate::{
    faults::Fault,
    http_util::{self, BoxError, Response, header_text},
    recorder::Call,
    s3_objects::Objects,
};

use self::body::SharedBody;

/// Largest body of one request, in bytes: S3's limit.
const MAX_PUT_BYTES: u64 = 5 * 1024 * 1024 * 1024;

/// Size of the chunks in which an object is sent.
const CHUNK_BYTES: usize = 64 * 1024;

/// A bucket's folder cannot be created or opened.
#[derive(Debug, thiserror::Error)]
#[error("the bucket folder {} cannot be used: {reason}", path.display())]
pub struct BucketError {
    path: PathBuf,
    reason: String,
}

/// The buckets, each a folder.
pub(crate) struct S3 {
    service: S3Service,
}

impl std::fmt::Debug for S3 {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("S3").finish_non_exhaustive()
    }
}

/// One secret for all access keys. The key identifies the caller; signatures are verified, presigned
/// URLs included.
struct SharedSecret(String);

#[async_trait::async_trait]
impl S3Auth for SharedSecret {
    async fn get_secret_key(&self, _access_key: &str) -> S3Result<SecretKey> {
        Ok(SecretKey::from(self.0.clone()))
    }
}

impl S3 {
    /// Opens the buckets under `root` and creates missing ones. `uploads` is the existing folder of unfinished
    /// uploads.
    pub(crate) fn open(
        root: &Path,
        uploads: PathBuf,
        buckets: &[String],
        secret: &str,
    ) -> Result<Self, BucketError> {
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
        let mut builder = S3ServiceBuilder::new(Objects::new(files, uploads));
        builder.set_auth(SharedSecret(secret.to_owned()));
        Ok(Self {
            service: builder.build(),
        })
    }

    /// Whether a request is for S3: it has a signature, in a header or in the query.
    pub(crate) fn is_s3_request<B>(request: &Request<B>) -> bool {
        header_text(request.headers(), header::AUTHORIZATION).starts_with("AWS4-HMAC-SHA256")
            || is_presigned(request)
    }

    /// Serves a request.
    pub(crate) async fn handle<B>(&self, mut request: Request<B>) -> Response
    where
        B: Body<Data = Bytes> + Unpin + Send + 'static,
        B::Error: Into<BoxError>,
    {
        // A client that follows a redirect to the same host keeps its `Authorization` header for the
        // HTTP API. In AWS the hosts differ, and clients drop it.
        if is_presigned(&request) {
            request.headers_mut().remove(header::AUTHORIZATION);
        }
        let (head, body) = request.into_parts();
        if content_length(&head.headers).is_some_and(|size| size > MAX_PUT_BYTES) {
            return refuse(StatusCode::BAD_REQUEST, "EntityTooLarge");
        }
        let required = required_etag(&head);
        let body = SharedBody::new(body);
        let request = Request::from_parts(head, body.for_s3());
        let answer = self.service.call(request).await;
        body.drain().await;
        match answer {
            Ok(response) if required.is_some_and(|etag| is_other(&etag, &response)) => {
                refuse(StatusCode::PRECONDITION_FAILED, "PreconditionFailed")
            }
            Ok(response) => response.map(in_large_chunks),
            Err(error) => {
                tracing::warn!("S3 could not serve a request: {error:?}");
                http_util::empty(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}

/// The same body in chunks of [`CHUNK_BYTES`]. `s3s-fs` sends 4 KiB at a time, which takes several times as
/// long for a large object.
fn in_large_chunks(body: s3s::Body) -> http_util::Body {
    let chunks = stream::try_unfold(body, async |mut body| {
        let mut chunk = BytesMut::new();
        while chunk.len() < CHUNK_BYTES {
            let Some(frame) = body.frame().await else {
                break;
            };
            if let Ok(data) = frame?.into_data() {
                chunk.extend_from_slice(&data);
            }
        }
        let chunk = (!chunk.is_empty()).then(|| Frame::data(chunk.freeze()));
        Ok::<_, BoxError>(chunk.map(|chunk| (chunk, body)))
    });
    StreamBody::new(chunks).boxed_unsync()
}

/// The version that a read requires. The `s3s-fs` file system ignores this header.
fn required_etag(request: &http::request::Parts) -> Option<HeaderValue> {
    let is_read = matches!(request.method, Method::GET | Method::HEAD);
    let etag = request.headers.get(header::IF_MATCH).filter(|_| is_read)?;
    (etag != "*").then(|| etag.clone())
}

/// Whether a response has an object of another version.
fn is_other<B>(etag: &HeaderValue, response: &http::Response<B>) -> bool {
    response.status().is_success() && response.headers().get(header::ETAG) != Some(etag)
}

/// The response of a fault; `None` if the fault does not replace the response.
pub(crate) fn fault_response(fault: Fault) -> Option<Response> {
    match fault {
        Fault::Throttle => Some(refuse(StatusCode::SERVICE_UNAVAILABLE, "SlowDown")),
        Fault::Outage => Some(refuse(StatusCode::INTERNAL_SERVER_ERROR, "InternalError")),
        Fault::Denied => Some(refuse(StatusCode::FORBIDDEN, "AccessDenied")),
        Fault::Status(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            Some(http_util::empty(status))
        }
        Fault::Conflict | Fault::Delay(_) | Fault::Hang | Fault::LostResponse => None,
    }
}

/// The call to record for a request, with the IAM action as its operation.
pub(crate) fn call<B>(caller: &str, request: &Request<B>) -> Call {
    let path = request.uri().path().trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let query = request.uri().query().unwrap_or_default();
    let of_upload = url::form_urlencoded::parse(query.as_bytes()).any(|(it, _)| it == "uploadId");
    let operation = match (request.method(), key.is_empty()) {
        (&Method::GET, false) if of_upload => "s3:ListMultipartUploadParts",
        (&Method::DELETE, false) if of_upload => "s3:AbortMultipartUpload",
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

fn content_length(headers: &HeaderMap) -> Option<u64> {
    header_text(headers, header::CONTENT_LENGTH).parse().ok()
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
    let xml = HeaderValue::from_static("application/xml");
    response.headers_mut().insert(header::CONTENT_TYPE, xml);
    response
}
