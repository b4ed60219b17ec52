//! A connection whose heads have room in a budget before they are read.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::body::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::sleep,
};

use crate::{
    body::{BodyBudget, NoRoom, Room},
    client::ClientKey,
    farewell,
    heads::{Heads, Scanner},
    places::Place,
};

/// Most bytes that are read at once, so that no buffer of a connection grows beyond twice that.
const PIECE: usize = 16 * 1024;
/// Bytes of a head that need no room. A connection that has sent more ends with its answer: what is kept
/// for it is large.
pub const SMALL_HEAD: usize = 16 * 1024;
/// Bytes of memory for one of a large head, in buffers that are as large as twice what is in them.
pub const EACH_BYTE: usize = 2;
/// For a peer that is told why its connection ends, and bytes of what it still has to say.
const LAST_WORDS: Duration = Duration::from_secs(2);
const UNHEARD: usize = 512 * 1024;

/// What heads may take.
#[derive(Clone, Debug)]
pub(crate) struct HeadLimits {
    /// Where room is taken.
    pub(crate) budget: Arc<BodyBudget>,
    /// Most bytes of one head.
    pub(crate) most: usize,
    /// Most headers of one.
    pub(crate) headers: usize,
    /// How long a head waits for room.
    pub(crate) wait: Duration,
}

type Waiting = Pin<Box<dyn Future<Output = (Room, Result<(), NoRoom>)> + Send>>;
type Gone = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A stream whose heads have room before they are read.
pub(crate) struct Metered<S> {
    /// `None`: it ends, apart from what reads it, whose memory is given back meanwhile.
    stream: Option<S>,
    limits: HeadLimits,
    scanner: Scanner,
    heads: Heads,
    client: ClientKey,
    /// Whether the client is the one that asks: no proxy speaks for it.
    known: bool,
    waiting: Option<Waiting>,
    gone: Option<Gone>,
    place: Arc<Place>,
}

/// What is said on a stream that ends.
struct LastWords<S> {
    stream: S,
    text: Bytes,
    said: bool,
    heard: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Metered<S> {
    pub(crate) fn new(
        stream: S,
        limits: HeadLimits,
        client: ClientKey,
        known: bool,
        place: Arc<Place>,
    ) -> Self {
        Self {
            stream: Some(stream),
            limits,
            scanner: Scanner::default(),
            heads: Heads::default(),
            client,
            known,
            waiting: None,
            gone: None,
            place,
        }
    }

    /// What is said of the heads of its requests.
    pub(crate) fn heads(&self) -> Heads {
        self.heads.clone()
    }

    /// Ready when a head may grow.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self
            .gone
            .as_mut()
            .is_some_and(|gone| gone.as_mut().poll(cx).is_ready())
        {
            self.full();
        }
        let unfinished = self.scanner.unfinished();
        if unfinished <= SMALL_HEAD || self.stream.is_none() {
            return Poll::Ready(());
        }
        if unfinished > self.limits.most {
            self.too_large();
            return Poll::Ready(());
        }
        if self.heads.room().is_none() {
            let waiting = self.waiting.get_or_insert_with(|| {
                let (budget, client) = (Arc::clone(&self.limits.budget), self.client);
                let mut room = if self.known {
                    Room::new(budget, client)
                } else {
                    Room::unshared(budget, client)
                };
                // all at once: heads that are read in part would wait for each other
                let bytes = self.limits.most.saturating_mul(EACH_BYTE);
                let within = self.limits.wait;
                Box::pin(async move {
                    let found = room.wait(bytes, within).await;
                    (room, found)
                })
            });
            let (room, found) = ready!(waiting.as_mut().poll(cx));
            self.waiting = None;
            if found.is_err() {
                self.full();
                return Poll::Ready(());
            }
            let displaced = room.displaced();
            self.gone = Some(Box::pin(async move { displaced.notified().await }));
            *self.heads.room() = Some(room);
            // so that it is told
            return self.poll_room(cx);
        }
        Poll::Ready(())
    }

    fn too_large(&mut self) {
        let most = self.limits.most;
        let text = format!("The head of a request has at most {most} bytes, its token included");
        self.end("431 Request Header Fields Too Large", None, &text);
    }

    fn too_many(&mut self) {
        let most = self.limits.headers;
        let text = format!("A request has at most {most} headers");
        self.end("431 Request Header Fields Too Large", None, &text);
    }

    fn full(&mut self) {
        let text = "The node's memory for large requests is taken: try again, with fewer at once";
        self.end("503 Service Unavailable", Some(1), text);
    }

    /// Ends the connection, and tells why.
    fn end(&mut self, status: &str, retry_after: Option<u32>, text: &str) {
        self.gone = None;
        *self.heads.room() = None;
        let Some(stream) = self.stream.take() else {
            return;
        };
        // not in the middle of another answer
        if self.heads.is_answering() {
            return;
        }
        let mut last = LastWords {
            stream,
            text: farewell::answer(status, retry_after, text).into(),
            said: false,
            heard: 0,
        };
        let place = Arc::clone(&self.place);
        tokio::spawn(async move {
            tokio::select! {
                _ = poll_fn(|cx| last.poll(cx)) => {}
                () = sleep(LAST_WORDS) => {}
                () = place.displaced() => {}
            }
        });
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> LastWords<S> {
    /// Says them, and reads what the peer says meanwhile, so that they arrive. Ready when that has ended.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.text.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.text))?;
            if written == 0 {
                return Poll::Ready(Ok(()));
            }
            drop(self.text.split_to(written));
        }
        if !self.said {
            // it may wait until the peer has taken it: what the peer says is read meanwhile
            self.said = Pin::new(&mut self.stream).poll_shutdown(cx)?.is_ready();
        }
        let mut piece = [0; 4096];
        loop {
            let mut piece = ReadBuf::new(&mut piece);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut piece))?;
            self.heard += piece.filled().len();
            if piece.filled().is_empty() || self.heard > UNHEARD {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(this.poll_room(cx));
        let Some(stream) = &mut this.stream else {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        };
        let most = buf.remaining().min(PIECE);
        let read = {
            let mut piece = ReadBuf::new(buf.initialize_unfilled_to(most));
            ready!(Pin::new(stream).poll_read(cx, &mut piece))?;
            let keeps = |bytes| bytes <= SMALL_HEAD;
            this.scanner.read(piece.filled(), &this.heads, keeps);
            piece.filled().len()
        };
        if this.scanner.longest() > this.limits.most {
            this.too_large();
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if this.scanner.most_headers() > this.limits.headers {
            this.too_many();
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        buf.advance(read);
        if this.scanner.unfinished() == 0
            && let Some(room) = &mut *this.heads.room()
        {
            room.shrink(this.scanner.longest().saturating_mul(EACH_BYTE));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: Unpin> Metered<S> {
    /// What the stream says, if it is still there.
    fn poll<T>(
        &mut self,
        of: impl FnOnce(Pin<&mut S>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match &mut self.stream {
            Some(stream) => of(Pin::new(stream)),
            None => Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll(|stream| stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll(|stream| stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(S::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|stream| stream.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|stream| stream.poll_shutdown(cx))
    }
}
