//! Forms of several parts, of which little is in memory: the library keeps whatever it is given until it has
//! found what it looks for, so it is given little at a time, and no more when that was not to be found.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream, StreamExt as _};
use multer::{Field, Multipart};

use crate::error::Error;

/// What is given at once.
const PIECE: usize = 16 * 1024;
/// Most bytes in which nothing is found: a part's head with as many headers as a value keeps, or what stands
/// before the first part.
const MAX_HEAD: usize = 32 * 1024;

/// A form that arrives.
pub(super) struct Form {
    parts: Multipart<'static>,
    /// Bytes since something was found.
    unfound: Arc<AtomicUsize>,
}

/// What the form is given.
struct Given {
    body: BoxStream<'static, Result<Bytes, Error>>,
    rest: Bytes,
    unfound: Arc<AtomicUsize>,
    /// Whether the library is to look at what it has before it is given more.
    looks: bool,
}

/// Why the library is given no more.
#[derive(Debug, thiserror::Error)]
enum NoMore {
    #[error("the head of a part has more than {MAX_HEAD} bytes")]
    Head,
    #[error("{0}")]
    Body(Error),
}

impl Form {
    pub(super) fn new(body: BoxStream<'static, Result<Bytes, Error>>, boundary: String) -> Self {
        let unfound = Arc::new(AtomicUsize::new(0));
        let given = Given {
            body,
            rest: Bytes::new(),
            unfound: Arc::clone(&unfound),
            looks: false,
        };
        Self {
            parts: Multipart::new(given, boundary),
            unfound,
        }
    }

    /// The next part.
    pub(super) async fn next(&mut self) -> Result<Option<Field<'static>>, Error> {
        let part = self.parts.next_field().await;
        self.unfound.store(0, Ordering::Relaxed);
        part.map_err(told)
    }

    /// What a part consists of.
    pub(super) fn pieces(
        &self,
        part: Field<'static>,
    ) -> impl Stream<Item = Result<Bytes, Error>> + use<> {
        let unfound = Arc::clone(&self.unfound);
        part.map(move |piece| {
            unfound.store(0, Ordering::Relaxed);
            piece.map_err(told)
        })
    }

    /// All of a part.
    pub(super) async fn whole(&self, part: Field<'static>) -> Result<Bytes, Error> {
        let mut pieces = self.pieces(part);
        let mut all = bytes::BytesMut::new();
        while let Some(piece) = pieces.next().await {
            all.extend_from_slice(&piece?);
        }
        Ok(all.freeze())
    }
}

impl Stream for Given {
    type Item = Result<Bytes, NoMore>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if std::mem::take(&mut this.looks) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if this.rest.is_empty() {
            match std::task::ready!(this.body.poll_next_unpin(cx)) {
                Some(Ok(piece)) => this.rest = piece,
                Some(Err(error)) => return Poll::Ready(Some(Err(NoMore::Body(error)))),
                None => return Poll::Ready(None),
            }
        }
        let piece = this.rest.split_to(this.rest.len().min(PIECE));
        let unfound = this.unfound.fetch_add(piece.len(), Ordering::Relaxed);
        if unfound > MAX_HEAD {
            return Poll::Ready(Some(Err(NoMore::Head)));
        }
        this.looks = true;
        Poll::Ready(Some(Ok(piece)))
    }
}

fn told(error: multer::Error) -> Error {
    let multer::Error::StreamReadFailed(cause) = error else {
        return Error::Bad(format!("KV batch put: {error}"));
    };
    match cause.downcast::<NoMore>() {
        Ok(cause) => match *cause {
            NoMore::Head => Error::TooLarge(format!("KV batch put: {}", NoMore::Head)),
            NoMore::Body(error) => error,
        },
        Err(_) => Error::Body,
    }
}
