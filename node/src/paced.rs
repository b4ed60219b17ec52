//! Bodies that arrive at some speed: who sends slower than that is not waited for.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

/// What every body has, however small.
const PATIENCE: Duration = Duration::from_secs(15);
/// Bytes per second that earn more: slower than any line that can carry a page.
const PACE: u64 = 8 * 1024;

/// A body that fails when it is slower than that.
pub(crate) struct Paced<B> {
    body: B,
    began: Instant,
    received: u64,
    deadline: Pin<Box<Sleep>>,
}

/// The body was too slow.
#[derive(Debug, thiserror::Error)]
#[error("the body arrives too slowly")]
struct TooSlow;

/// Holds a body to it, from now on.
pub(crate) fn paced<B>(body: B) -> Body
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    if body.is_end_stream() {
        return Body::empty();
    }
    let began = Instant::now();
    Body::new(Paced {
        body,
        began,
        received: 0,
        deadline: Box::pin(sleep_until(began + PATIENCE)),
    })
}

impl<B> HttpBody for Paced<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

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

#[cfg(test)]
mod tests {
    use futures_util::stream::{self, Stream, StreamExt as _};
    use tokio::time::sleep;

    use super::*;

    /// So many pieces of so many bytes, one in each of these times.
    fn pieces(
        count: u64,
        bytes: usize,
        every: Duration,
    ) -> impl Stream<Item = std::io::Result<Bytes>> + Send {
        stream::iter(0..count).then(move |_| async move {
            sleep(every).await;
            Ok(Bytes::from(vec![0; bytes]))
        })
    }

    /// How many bytes of it arrive, how long that takes, and whether it ends well.
    async fn read(
        body: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    ) -> (u64, Duration, bool) {
        let began = Instant::now();
        let mut body = paced(Body::from_stream(body)).into_data_stream();
        let mut bytes = 0;
        while let Some(piece) = body.next().await {
            match piece {
                Ok(piece) => bytes += piece.len() as u64,
                Err(_) => return (bytes, began.elapsed(), false),
            }
        }
        (bytes, began.elapsed(), true)
    }

    #[tokio::test(start_paused = true)]
    async fn h1_a_body_that_stops_is_not_waited_for() {
        let (bytes, took, ended) = read(pieces(1, 1, Duration::from_secs(3600))).await;
        assert_eq!((bytes, ended), (0, false));
        assert!(took >= PATIENCE && took < PATIENCE * 2, "{took:?}");
        // nor one that stops later
        let stops = pieces(10, 8192, Duration::from_secs(1));
        let never = pieces(1, 1, Duration::from_secs(3600));
        let (bytes, took, ended) = read(stops.chain(never)).await;
        assert_eq!((bytes, ended), (81_920, false));
        assert!(took < PATIENCE * 2, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn h1_a_body_that_trickles_ends_soon() {
        let (bytes, took, ended) = read(pieces(u64::MAX, 10, Duration::from_secs(1))).await;
        assert!(!ended && bytes < 1000, "{bytes}");
        assert!(took < PATIENCE * 2, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_at_its_pace_arrives_however_long_it_takes() {
        let (bytes, took, ended) = read(pieces(1000, 8192, Duration::from_secs(1))).await;
        assert!(ended);
        assert_eq!((bytes, took.as_secs()), (8_192_000, 1000));
        // and one that is small has some time
        let (bytes, _, ended) = read(pieces(1, 1, Duration::from_secs(14))).await;
        assert_eq!((bytes, ended), (1, true));
        assert_eq!(read(pieces(0, 1, Duration::ZERO)).await.0, 0);
    }
}
