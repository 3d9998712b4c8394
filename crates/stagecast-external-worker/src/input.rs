//! The input of a claimed job, as stages read it.

use std::{
    ops::Range,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use futures_util::{TryStreamExt as _, stream};
use http::header;
use stage_pipeline::{
    InputError,
    host::{InputPart, InputSource, OpenInput},
};
use stagecast_client::{
    Error, JobId, WorkerKey,
    http::{Download, HttpClient, Request},
};
use tokio_util::io::StreamReader;

/// The input over the HTTP API: a small one in the response, a large one at a presigned URL.
pub(crate) struct HttpInput {
    http: HttpClient,
    job_id: JobId,
    key: WorkerKey,
    place: Mutex<Place>,
}

/// Where the input is, as far as it is known.
#[derive(Clone)]
enum Place {
    Unknown,
    Memory(Bytes),
    /// A presigned URL, and the version of the object that was read first.
    Bucket {
        url: String,
        etag: Option<String>,
    },
}

impl HttpInput {
    /// The input of a job. `http` has connections of the stages' runtime.
    pub(crate) fn new(http: HttpClient, job_id: JobId, key: WorkerKey) -> Self {
        Self {
            http,
            job_id,
            key,
            place: Mutex::new(Place::Unknown),
        }
    }

    fn place(&self) -> Place {
        self.place
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, place: Place) {
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = place;
    }

    /// Asks the service where the input is.
    async fn locate(&self, etag: Option<String>) -> Result<Place, InputError> {
        let path = format!("/v1/jobs/{}/input", self.job_id.as_str());
        let request = Request::get(path).bearer(self.key.reveal());
        let response = self
            .http
            .send(request)
            .await
            .map_err(|error| input_error(&error))?;
        let location = response.headers.get(header::LOCATION);
        let place = match location.and_then(|url| url.to_str().ok()) {
            Some(url) => Place::Bucket {
                url: url.to_owned(),
                etag,
            },
            None => Place::Memory(response.body),
        };
        self.set(place.clone());
        Ok(place)
    }

    async fn get(&self, range: Range<u64>) -> Result<InputPart, InputError> {
        let place = match self.place() {
            Place::Unknown => self.locate(None).await?,
            place => place,
        };
        let (url, etag) = match place {
            Place::Memory(bytes) => return Ok(part_of(&bytes, &range)),
            Place::Bucket { url, etag } => (url, etag),
            Place::Unknown => return Err(unavailable("the service named no input")),
        };
        match self.get_range(&url, etag.as_deref(), &range).await {
            // The URL has expired.
            Err(error) if matches!(error.status(), Some(400 | 403)) => {
                let Place::Bucket { url, .. } = self.locate(etag.clone()).await? else {
                    return Err(InputError::Replaced);
                };
                let download = self.get_range(&url, etag.as_deref(), &range).await;
                self.part(url, etag, download, &range)
            }
            download => self.part(url, etag, download, &range),
        }
    }

    async fn get_range(
        &self,
        url: &str,
        etag: Option<&str>,
        range: &Range<u64>,
    ) -> Result<Download, Error> {
        let bytes = format!("bytes={}-{}", range.start, range.end.saturating_sub(1));
        let mut request = Request::get(url).header(header::RANGE, bytes);
        if let Some(etag) = etag {
            request = request.header(header::IF_MATCH, etag);
        }
        self.http.download_without_redirect(request).await
    }

    fn part(
        &self,
        url: String,
        etag: Option<String>,
        download: Result<Download, Error>,
        range: &Range<u64>,
    ) -> Result<InputPart, InputError> {
        let download = match download {
            Ok(download) => download,
            // No byte of an empty object is in any range.
            Err(error) if error.status() == Some(416) && range.start == 0 => {
                return Ok(part_of(&Bytes::new(), range));
            }
            Err(error) => return Err(input_error(&error)),
        };
        let text = |name| download.headers.get(name).and_then(|it| it.to_str().ok());
        let size = object_size(
            text(header::CONTENT_RANGE),
            text(header::CONTENT_LENGTH),
            range,
        );
        let size = size.ok_or_else(|| unavailable("the bucket sent another range"))?;
        let found = text(header::ETAG).map(str::to_owned);
        if etag.is_some() && found.is_some() && etag != found {
            return Err(InputError::Replaced);
        }
        self.set(Place::Bucket {
            url,
            etag: etag.or(found),
        });
        let chunks = stream::try_unfold(download, |mut download| async move {
            let chunk = download.chunk().await.map_err(std::io::Error::other)?;
            Ok::<_, std::io::Error>(chunk.map(|chunk| (chunk, download)))
        });
        Ok(InputPart {
            size,
            body: Box::pin(StreamReader::new(Box::pin(chunks.into_stream()))),
        })
    }
}

impl InputSource for HttpInput {
    fn known_size(&self) -> Option<u64> {
        match self.place() {
            Place::Memory(bytes) => Some(bytes.len() as u64),
            Place::Unknown | Place::Bucket { .. } => None,
        }
    }

    fn open(&self, range: Range<u64>) -> OpenInput<'_> {
        Box::pin(self.get(range))
    }
}

fn part_of(bytes: &Bytes, range: &Range<u64>) -> InputPart {
    let clamp = |at: u64| usize::try_from(at).map_or(bytes.len(), |at| at.min(bytes.len()));
    let (start, end) = (clamp(range.start), clamp(range.end));
    InputPart {
        size: bytes.len() as u64,
        body: Box::pin(std::io::Cursor::new(bytes.slice(start..end.max(start)))),
    }
}

/// The size of the whole object; none if the response is not that to `range`.
fn object_size(
    content_range: Option<&str>,
    content_length: Option<&str>,
    range: &Range<u64>,
) -> Option<u64> {
    match content_range {
        Some(content_range) => {
            let (part, size) = content_range.strip_prefix("bytes ")?.split_once('/')?;
            let (start, _) = part.split_once('-')?;
            let starts_there = start.parse() == Ok(range.start);
            size.parse().ok().filter(|_| starts_there)
        }
        // The whole object: a server may ignore a range.
        None if range.start == 0 => content_length?.parse().ok(),
        None => None,
    }
}

fn unavailable(cause: &str) -> InputError {
    InputError::Unavailable {
        cause: cause.to_owned(),
    }
}

fn input_error(error: &Error) -> InputError {
    let cause = error.to_string();
    match error.status() {
        Some(404) => InputError::NotFound { cause },
        // The object is another one, or shorter than it was.
        Some(412 | 416) => InputError::Replaced,
        _ => InputError::Unavailable { cause },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_is_that_of_the_whole_object() {
        let size = |content_range, length| object_size(content_range, length, &(5..10));
        assert_eq!(size(Some("bytes 5-9/1000"), Some("5")), Some(1000));
        assert_eq!(size(Some("bytes 0-4/1000"), Some("5")), None);
        assert_eq!(size(Some("5-9 of 1000"), None), None);
        assert_eq!(size(None, Some("1000")), None);
        assert_eq!(object_size(None, Some("1000"), &(0..10)), Some(1000));
        assert_eq!(object_size(None, None, &(0..10)), None);
    }

    #[test]
    fn errors_of_the_bucket_are_those_of_inputs() {
        let error = |status| {
            let rejection = stagecast_client::Rejection::read(status, b"", None);
            input_error(&rejection.into())
        };
        assert!(matches!(error(404), InputError::NotFound { .. }));
        assert_eq!(error(412), InputError::Replaced);
        assert!(matches!(error(503), InputError::Unavailable { .. }));
    }
}
