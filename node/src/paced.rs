//! Bodies that arrive at some speed: who sends slower than that is not waited for, and who is
//! refused may finish the sentence.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::asking::Displaced;

/// What every body has, however small.
const PATIENCE: Duration = Duration::from_secs(15);
/// Bytes per second that earn more: slower than any line that can carry a page.
const PACE: u64 = 8 * 1024;
/// What no body has between two pieces, however much it has earned: what is kept for it meanwhile, others
/// cannot have.
const SILENCE: Duration = Duration::from_secs(60);

/// Bytes of a refused body that are read and thrown away. A client that is still writing when its
/// connection ends never sees the answer; one that has more than this to say is cut off.
const UNHEARD: u64 = 16 * 1024 * 1024;

/// A body on its way: it can be read in the background.
pub(crate) trait Arrives:
    HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static
{
}

impl<B> Arrives for B where B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static
{}

/// A body that fails when it is slower than that. What its handler leaves unread when it drops it is
/// thrown away, up to a bound, so that the answer arrives.
struct Paced<B: Arrives> {
    /// Taken when dropped.
    incoming: Option<Arriving<B>>,
}

/// What of it is still to come.
struct Arriving<B> {
    body: B,
    began: Instant,
    received: u64,
    deadline: Pin<Box<Sleep>>,
    /// Whether there is nothing more to come.
    ended: bool,
    /// Is told when the whole body has arrived, and says whether it may be carried out.
    whole: Option<Whole>,
}

/// What is done when the whole body has arrived.
type Whole = Box<dyn FnOnce() -> bool + Send>;

/// The body was too slow.
#[derive(Debug, thiserror::Error)]
#[error("the body arrives too slowly")]
struct TooSlow;

/// Holds a body to its pace, from now on; `whole` is called when all of it has arrived. If that says no, the body
/// fails instead of ending.
pub(crate) fn paced<B: Arrives>(body: B, whole: impl FnOnce() -> bool + Send + 'static) -> Body {
    if body.is_end_stream() {
        return Body::empty();
    }
    let began = Instant::now();
    Body::new(Paced {
        incoming: Some(Arriving {
            body,
            began,
            received: 0,
            deadline: Box::pin(sleep_until(began + PATIENCE)),
            ended: false,
            whole: Some(Box::new(whole)),
        }),
    })
}

impl<B: Arrives> Arriving<B> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            match &frame {
                Some(Ok(frame)) => {
                    let length = frame.data_ref().map_or(0, Bytes::len);
                    self.received = self.received.saturating_add(length as u64);
                    let earned = Duration::from_secs(self.received / PACE);
                    let deadline = self.began + PATIENCE + earned;
                    let deadline = deadline.min(Instant::now() + SILENCE);
                    self.deadline.as_mut().reset(deadline);
                }
                Some(Err(_)) | None => self.ended = true,
            }
            let failed = matches!(frame, Some(Err(_)));
            if !failed
                && (self.ended || self.body.is_end_stream())
                && let Some(whole) = self.whole.take()
                && !whole()
            {
                self.ended = true;
                return Poll::Ready(Some(Err(Displaced.into())));
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

impl<B: Arrives> HttpBody for Paced<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
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

impl<B: Arrives> Drop for Paced<B> {
    fn drop(&mut self) {
        let incoming = self.incoming.take();
        let unread = incoming.filter(|it| !it.ended && !it.body.is_end_stream());
        if let Some(unread) = unread
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(unread.throw_away());
        }
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
        let mut body = paced(Body::from_stream(body), || true).into_data_stream();
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
    async fn h7_a_body_that_came_fast_is_not_waited_for_much_longer() {
        let fast = pieces(1000, 64 * 1024, Duration::from_millis(1));
        let last = pieces(1, 1, Duration::from_secs(61));
        let (bytes, took, ended) = read(fast.chain(last)).await;
        assert_eq!((bytes, ended), (65_536_000, false));
        assert!(took < Duration::from_secs(62), "{took:?}");
        // one that pauses for less goes on
        let fast = pieces(1000, 64 * 1024, Duration::from_millis(1));
        let slow = pieces(10, 1, Duration::from_secs(59));
        let (_, took, ended) = read(fast.chain(slow)).await;
        assert!(ended && took > Duration::from_secs(590), "{took:?}");
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

    /// Whose room others have when the last of it arrives is not carried out: nobody sees its end.
    #[tokio::test(start_paused = true)]
    async fn h8_a_body_that_is_displaced_as_it_ends_fails() {
        for kept in [true, false] {
            let body = Body::from_stream(pieces(2, 10, Duration::from_millis(1)));
            let mut body = paced(body, move || kept).into_data_stream();
            let mut ended = true;
            while let Some(piece) = body.next().await {
                ended = piece.is_ok();
            }
            assert_eq!(ended, kept);
            // one in one piece, of which it is known that nothing follows
            let mut body = paced(Body::from("all"), move || kept).into_data_stream();
            assert_eq!(body.next().await.unwrap().is_ok(), kept);
        }
    }
}
