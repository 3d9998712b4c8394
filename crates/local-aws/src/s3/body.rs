//! The body of a request, which S3 reads as it arrives.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Body, Frame, SizeHint};
use tokio::{
    sync::Mutex,
    time::{timeout, timeout_at},
};

use crate::http_util::{self, BoxError, REQUEST_TIMEOUT};

/// A body that two readers share: the service, and [`Self::drain`] after it.
pub(super) struct SharedBody<B> {
    body: Arc<Mutex<B>>,
    size: SizeHint,
}

/// Frames with the size that the request announces, without which `s3s` refuses them.
struct Sized {
    frames: http_util::Body,
    size: SizeHint,
}

impl Body for Sized {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.frames).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.size.exact() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.size
    }
}

impl<B> SharedBody<B>
where
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<BoxError>,
{
    pub(super) fn new(body: B) -> Self {
        Self {
            size: body.size_hint(),
            body: Arc::new(Mutex::new(body)),
        }
    }

    /// The body for the service. It fails if no data arrive for [`REQUEST_TIMEOUT`].
    pub(super) fn for_s3(&self) -> s3s::Body {
        let frames = stream::try_unfold(Arc::clone(&self.body), async |body| {
            let frame = timeout(REQUEST_TIMEOUT, async { body.lock().await.frame().await }).await;
            match frame {
                Ok(Some(Ok(frame))) => {
                    let bytes = frame.into_data().unwrap_or_default();
                    Ok(Some((Frame::data(bytes), body)))
                }
                Ok(Some(Err(error))) => Err(error.into()),
                Ok(None) => Ok(None),
                Err(error) => Err(BoxError::from(error)),
            }
        });
        s3s::Body::http_body_unsync(Sized {
            frames: StreamBody::new(frames).boxed_unsync(),
            size: self.size,
        })
    }

    /// Reads what the service has not read, because many clients read the response only after they have sent
    /// everything.
    pub(super) async fn drain(self) {
        let deadline = tokio::time::Instant::now() + REQUEST_TIMEOUT;
        let rest = async {
            let mut body = self.body.lock().await;
            while let Some(Ok(_)) = body.frame().await {}
        };
        let _ = timeout_at(deadline, rest).await;
    }
}
