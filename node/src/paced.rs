//! Bodies that arrive at some speed: who sends slower than that is not waited for.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

/// What every body has, however small.
const PATIENCE: Duration = Duration::from_secs(15);
/// Bytes per second that earn more: slower than any line that can carry a page.
const PACE: u64 = 8 * 1024;

/// A body that fails when it is slower than that.
pub(crate) struct Paced {
    body: Incoming,
    began: Instant,
    received: u64,
    deadline: Pin<Box<Sleep>>,
}

/// The body was too slow.
#[derive(Debug, thiserror::Error)]
#[error("the body arrives too slowly")]
struct TooSlow;

impl Paced {
    pub(crate) fn new(body: Incoming) -> Body {
        if body.is_end_stream() {
            return Body::empty();
        }
        let began = Instant::now();
        Body::new(Self {
            body,
            began,
            received: 0,
            deadline: Box::pin(sleep_until(began + PATIENCE)),
        })
    }
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            if let Some(Ok(frame)) = &frame
                && let Some(data) = frame.data_ref()
            {
                self.received = self.received.saturating_add(data.len() as u64);
                let deadline = self.began + PATIENCE + Duration::from_secs(self.received / PACE);
                self.deadline.as_mut().reset(deadline);
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        ready!(self.deadline.as_mut().poll(cx));
        Poll::Ready(Some(Err(TooSlow.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
