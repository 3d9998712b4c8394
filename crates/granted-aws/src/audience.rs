//! Posts to audiences, at a fraction of the processor time of the SDK.

use std::{
    marker::PhantomData,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use aws_config::Region;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_runtime_api::client::{
    http::{HttpConnector as _, SharedHttpConnector},
    orchestrator::HttpRequest,
    result::ConnectorError,
};
use aws_smithy_types::{body::SdkBody, byte_stream::ByteStream};
use bytes::Bytes;
use typed_contract::{
    environment::WebSocketApi,
    functions::Function,
    grants::{Granted, PostToConnection},
};

use crate::{
    config::Aws,
    post::{ATTEMPT_TIMEOUT, Post, PostError},
    signature::{PreparedMessage, SigningKey, canonical_path, segment},
};

/// Credentials are renewed when they expire within this time, so that they are valid when a request arrives.
const RENEWAL: Duration = Duration::from_mins(5);

/// Posts messages to many connections for the function `F`.
///
/// It sends the same requests as [`ConnectionsApi`](crate::ConnectionsApi), over the same HTTP connections. It prepares
/// a message once for all its posts, and passes by the SDK's steps of a request, which take several times
/// the processor time of the rest.
#[derive(Debug)]
pub struct AudienceApi<F> {
    poster: Arc<Poster>,
    function: PhantomData<fn() -> F>,
}

impl<F> Clone for AudienceApi<F> {
    fn clone(&self) -> Self {
        Self {
            poster: Arc::clone(&self.poster),
            function: PhantomData,
        }
    }
}

impl<F> AudienceApi<F> {
    pub(crate) fn new(aws: &Aws, endpoint: &str) -> Self {
        Self {
            poster: Arc::new(Poster::new(aws, endpoint)),
            function: PhantomData,
        }
    }
}

impl<F: Function> Post for AudienceApi<F>
where
    F: Granted<PostToConnection<WebSocketApi>>,
{
    async fn post(&self, connection_id: &str, message: Bytes) -> Result<(), PostError> {
        self.poster.post(connection_id, message).await
    }
}

#[derive(Debug)]
struct Poster {
    connector: SharedHttpConnector,
    credentials: Option<SharedCredentialsProvider>,
    region: String,
    time: SharedTimeSource,
    /// The address of a post without the id of the connection.
    url: String,
    /// The path of the address, as signatures contain it.
    path: String,
    host: String,
    key: Mutex<Option<Arc<SigningKey>>>,
    /// Held while credentials are loaded, so that one task loads them.
    loading: tokio::sync::Mutex<()>,
    /// The message of the last post. The posts of an audience follow each other.
    prepared: Mutex<Option<Arc<PreparedMessage>>>,
}

impl Poster {
    fn new(aws: &Aws, endpoint: &str) -> Self {
        let url = format!("{}/@connections/", endpoint.trim_end_matches('/'));
        let (scheme, rest) = url.split_once("://").unwrap_or(("https", &url));
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        // HTTP clients leave out the scheme's own port.
        let port = if scheme == "https" { ":443" } else { ":80" };
        let host = host.strip_suffix(port).unwrap_or(host);
        Self {
            connector: aws.connector.clone(),
            credentials: aws.credentials_provider(),
            region: aws.region().map(Region::to_string).unwrap_or_default(),
            time: aws.time_source().unwrap_or_default(),
            path: format!("/{}", canonical_path(path)),
            host: host.to_owned(),
            url,
            key: Mutex::default(),
            loading: tokio::sync::Mutex::default(),
            prepared: Mutex::default(),
        }
    }

    async fn post(&self, connection_id: &str, message: Bytes) -> Result<(), PostError> {
        let now = self.time.now();
        let key = self.key(now).await?;
        let message = self.prepare(message, &key, now);
        let request = self.request(connection_id, &message)?;
        // The request has a limit, and opening a connection a shorter one: after this limit, the request was sent.
        let answer = tokio::time::timeout(ATTEMPT_TIMEOUT, self.call(request)).await;
        let (status, body) = answer
            .map_err(|_| PostError::TimedOut(format!("no response within {ATTEMPT_TIMEOUT:?}")))?
            .map_err(|error| PostError::Transient(describe(&error)))?;
        match PostError::of_response(status, &body) {
            None if (200..300).contains(&status) => Ok(()),
            None => Err(PostError::Transient(format!(
                "status {status}: {}",
                String::from_utf8_lossy(&body)
            ))),
            Some(error) => Err(error),
        }
    }

    async fn call(&self, request: HttpRequest) -> Result<(u16, Bytes), ConnectorError> {
        let response = self.connector.call(request).await?;
        let status = response.status().as_u16();
        // A connection can be used again once the response has been read.
        let body = ByteStream::new(response.into_body()).collect().await;
        let body = body.map_err(|error| ConnectorError::io(error.into()))?;
        Ok((status, body.into_bytes()))
    }

    fn request(
        &self,
        connection_id: &str,
        message: &PreparedMessage,
    ) -> Result<HttpRequest, PostError> {
        let id = segment(connection_id).to_string();
        let canonical = format!("{}{}", self.path, canonical_path(&id));
        let authorization = message.authorization(&canonical);
        let mut request = HttpRequest::new(SdkBody::from(message.message().clone()));
        let invalid = |error: &dyn std::error::Error| {
            PostError::Transient(format!("the request is invalid: {error}"))
        };
        let set = request.set_method("POST");
        set.map_err(|error| invalid(&error))?;
        let set = request.set_uri(format!("{}{id}", self.url));
        set.map_err(|error| invalid(&error))?;
        let headers = request.headers_mut();
        headers.insert("content-type", "application/octet-stream");
        headers.insert("x-amz-date", message.date().to_owned());
        if let Some(token) = message.session_token() {
            headers.insert("x-amz-security-token", token.to_owned());
        }
        headers.insert("authorization", authorization);
        Ok(request)
    }

    fn prepare(
        &self,
        message: Bytes,
        key: &Arc<SigningKey>,
        now: SystemTime,
    ) -> Arc<PreparedMessage> {
        let mut last = lock(&self.prepared);
        if let Some(last) = &*last
            && last.is_of(&message, key, now)
        {
            return Arc::clone(last);
        }
        let prepared = PreparedMessage::new(message, &self.host, Arc::clone(key), now);
        Arc::clone(last.insert(Arc::new(prepared)))
    }

    /// The key of the day, with credentials that are valid for [`RENEWAL`] from now, or at least still valid if
    /// there are no newer ones.
    async fn key(&self, now: SystemTime) -> Result<Arc<SigningKey>, PostError> {
        if let Some(key) = self.usable_key(now + RENEWAL, now) {
            return Ok(key);
        }
        let _loading = self.loading.lock().await;
        if let Some(key) = self.usable_key(now + RENEWAL, now) {
            return Ok(key);
        }
        let loaded = match &self.credentials {
            Some(provider) => provider
                .provide_credentials()
                .await
                .map_err(|error| describe(&error)),
            None => Err("there are none".to_owned()),
        };
        match loaded {
            Ok(credentials) => {
                let key = Arc::new(SigningKey::new(credentials, &self.region, now));
                *lock(&self.key) = Some(Arc::clone(&key));
                Ok(key)
            }
            Err(error) => self.usable_key(now, now).ok_or_else(|| {
                PostError::Transient(format!("the credentials could not be loaded: {error}"))
            }),
        }
    }

    /// The cached key, if it signs requests of today and its credentials do not expire before `valid_until`.
    fn usable_key(&self, valid_until: SystemTime, now: SystemTime) -> Option<Arc<SigningKey>> {
        let key = lock(&self.key).clone()?;
        let expiry = key.credentials.expiry();
        let is_valid = expiry.is_none_or(|expiry| expiry > valid_until);
        (is_valid && key.is_of_the_day(now)).then_some(key)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An error with its causes.
fn describe(error: &(dyn std::error::Error + 'static)) -> String {
    aws_sdk_apigatewaymanagement::error::DisplayErrorContext(error).to_string()
}
