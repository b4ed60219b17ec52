//! Bodies that arrive at some speed: who sends slower than that is not waited for, and who is
//! refused may finish the sentence.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep_until};

/// What every body has, however small.
const PATIENCE: Duration = Duration::from_secs(15);
/// Bytes per second that earn more: slower than any line that can carry a page.
const PACE: u64 = 8 * 1024;

/// Bytes of a refused body that are read and thrown away. A client that is still writing when its
/// connection ends never sees the answer; one that has more than this to say is cut off.
const UNHEARD: u64 = 16 * 1024 * 1024;

/// A body that fails when it is slower than that. What its handler leaves unread when it drops it is
/// thrown away, up to a bound, so that the answer arrives.
pub(crate) struct Paced {
    /// Taken when dropped.
    incoming: Option<Arriving>,
}

/// A body on its way.
struct Arriving {
    body: Incoming,
    began: Instant,
    received: u64,
    deadline: Pin<Box<Sleep>>,
    /// Whether there is nothing more to come.
    ended: bool,
}

/// Why there is no more of a body.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The body was too slow.
#[derive(Debug, thiserror::Error)]
#[error("the body arrives too slowly")]
struct TooSlow;

impl Paced {
    pub(crate) fn body(body: Incoming) -> Body {
        if body.is_end_stream() {
            return Body::empty();
        }
        let began = Instant::now();
        Body::new(Self {
            incoming: Some(Arriving {
                body,
                began,
                received: 0,
                deadline: Box::pin(sleep_until(began + PATIENCE)),
                ended: false,
            }),
        })
    }
}

impl Arriving {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            match &frame {
                Some(Ok(frame)) => {
                    let length = frame.data_ref().map_or(0, Bytes::len);
                    self.received = self.received.saturating_add(length as u64);
                    let earned = Duration::from_secs(self.received / PACE);
                    let deadline = self.began + PATIENCE + earned;
                    self.deadline.as_mut().reset(deadline);
                }
                Some(Err(_)) | None => self.ended = true,
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        ready!(self.deadline.as_mut().poll(cx));
        self.ended = true;
        Poll::Ready(Some(Err(TooSlow.into())))
    }

    /// Reads to the end, or to a bound.
    async fn throw_away(mut self) {
        let most = self.received.saturating_add(UNHEARD);
        while !self.ended && self.received <= most {
            let _ = poll_fn(|cx| self.poll(cx)).await;
        }
    }
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match &mut self.incoming {
            Some(incoming) => incoming.poll(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        let incoming = self.incoming.as_ref();
        incoming.is_none_or(|incoming| incoming.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let incoming = self.incoming.as_ref();
        incoming.map_or_else(SizeHint::default, |incoming| incoming.body.size_hint())
    }
}

impl Drop for Paced {
    fn drop(&mut self) {
        let unread = self
            .incoming
            .take()
            .filter(|it| !it.ended && !it.body.is_end_stream());
        if let Some(unread) = unread
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(unread.throw_away());
        }
    }
}
