//! Answers in pieces, of which few are with the server library at a time: by itself it would take hundreds of
//! KiB of each, and nobody would know how much of it a client has taken.

use std::{
    error::Error,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use hyper::body::{Body, Bytes, Frame, SizeHint};

use crate::body::Room;

/// Bytes of a piece. Another one is given when no more than that is unsent.
pub const PIECE: usize = 32 * 1024;

/// Others have the memory of the answer, whose client took too little of it.
#[derive(Debug, thiserror::Error)]
#[error("the client took too little of its answer, and others need the memory")]
pub struct TooLittle;

/// The body of an answer, in pieces. Its room is given back with the last piece, which is a copy as all are;
/// when nothing is taken for a second, or its client holds much, and others need the memory, it fails.
pub struct Pieces<B> {
    body: B,
    /// What of a frame was not given yet.
    left: Bytes,
    sending: Arc<Sending>,
    gone: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

#[derive(Default)]
struct Sending(Mutex<State>);

#[derive(Default)]
struct State {
    unsent: usize,
    /// Who waits until less is unsent.
    waits: Option<Waker>,
    room: Option<Room>,
}

/// A piece that is not sent.
struct Piece {
    bytes: Bytes,
    of: Arc<Sending>,
}

impl Sending {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let mut state = self.of.state();
        state.unsent = state.unsent.saturating_sub(self.bytes.len());
        if let Some(waits) = state.waits.take() {
            drop(state);
            waits.wake();
        }
    }
}

impl<B> Pieces<B> {
    /// In pieces; its memory has this room.
    pub fn new(body: B, room: Option<Room>) -> Self {
        let gone = room.as_ref().map(|room| {
            let displaced = room.displaced();
            let gone: Pin<Box<dyn Future<Output = ()> + Send>> =
                Box::pin(async move { displaced.notified().await });
            gone
        });
        let state = State {
            room,
            ..State::default()
        };
        Self {
            body,
            left: Bytes::new(),
            sending: Arc::new(Sending(Mutex::new(state))),
            gone,
        }
    }

    /// Whether another piece may be given.
    fn poll_taken(&mut self, cx: &Context<'_>) -> Poll<Result<(), TooLittle>> {
        let mut state = self.sending.state();
        if state.unsent > PIECE {
            state.waits = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let kept = state.room.as_mut().is_none_or(Room::is_sent);
        Poll::Ready(if kept { Ok(()) } else { Err(TooLittle) })
    }

    fn piece(&mut self) -> Bytes {
        let mut bytes = self.left.split_to(self.left.len().min(PIECE));
        let mut state = self.sending.state();
        state.unsent += bytes.len();
        if state.room.is_some() {
            // what it is a part of is gone with its room
            bytes = Bytes::copy_from_slice(&bytes);
        }
        drop(state);
        let of = Arc::clone(&self.sending);
        Bytes::from_owner(Piece { bytes, of })
    }
}

impl<B> Body for Pieces<B>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
{
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        if let Some(gone) = &mut this.gone
            && gone.as_mut().poll(cx).is_ready()
        {
            this.gone = None;
            return Poll::Ready(Some(Err(TooLittle.into())));
        }
        ready!(this.poll_taken(cx))?;
        while this.left.is_empty() {
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() && this.body.is_end_stream() => {
                        return Poll::Ready(None);
                    }
                    Ok(data) => this.left = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
            }
        }
        let piece = this.piece();
        if this.is_end_stream() {
            this.left = Bytes::new();
            this.gone = None;
            let room = this.sending.state().room.take();
            drop(room);
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.left.len() as u64;
        let of = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(of.lower().saturating_add(left));
        if let Some(upper) = of.upper() {
            hint.set_upper(upper.saturating_add(left));
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_body_util::{BodyExt as _, Full};
    use tokio::time::{advance, timeout};

    use super::*;
    use crate::{body::BodyBudget, client::ClientKey};

    const SIZE: usize = 10 * PIECE + 1;

    fn room(budget: &Arc<BodyBudget>, n: u8) -> Room {
        Room::new(Arc::clone(budget), ClientKey::of([192, 0, 2, n].into()))
    }

    /// An answer that has room.
    fn answer(budget: &Arc<BodyBudget>) -> Pieces<Full<Bytes>> {
        let mut room = room(budget, 1);
        assert!(room.holds(SIZE) && room.is_whole());
        Pieces::new(Full::new(vec![7; SIZE].into()), Some(room))
    }

    #[tokio::test(start_paused = true)]
    async fn h8_few_pieces_are_unsent_and_the_room_is_kept_until_the_last_is_given() {
        let budget = Arc::new(BodyBudget::new(0, SIZE, usize::MAX));
        let mut answer = answer(&budget);
        assert_eq!(answer.size_hint().exact(), Some(SIZE as u64));
        let mut sent = Vec::new();
        let mut unsent = Vec::new();
        let mut all = 0;
        while all < SIZE {
            let next = timeout(Duration::from_millis(1), answer.frame()).await;
            match next {
                Ok(frame) => {
                    let data = frame.unwrap().unwrap().into_data().unwrap();
                    all += data.len();
                    unsent.push(data);
                }
                Err(_) => {
                    assert_eq!(unsent.len(), 2);
                    assert!(!room(&budget, 2).holds(1), "there is more of it");
                    sent.push(unsent.remove(0).to_vec());
                }
            }
            assert_eq!(answer.size_hint().exact(), Some((SIZE - all) as u64));
        }
        assert!(answer.is_end_stream());
        drop(answer);
        assert!(
            room(&budget, 2).holds(SIZE),
            "two pieces are unsent, copies"
        );
        sent.extend(unsent.iter().map(|piece| piece.to_vec()));
        assert_eq!(sent.concat(), vec![7; SIZE]);
    }

    #[tokio::test(start_paused = true)]
    async fn h8_an_answer_that_is_not_taken_fails_when_others_need_its_memory() {
        let budget = Arc::new(BodyBudget::new(0, SIZE, usize::MAX));
        let mut answer = answer(&budget);
        let first = answer.frame().await.unwrap().unwrap();
        assert!(
            !room(&budget, 2).holds(SIZE),
            "something was taken just now"
        );
        advance(Duration::from_secs(2)).await;
        let second = answer.frame().await.unwrap().unwrap();
        assert!(!room(&budget, 2).holds(SIZE), "as it goes on");
        // nobody takes more
        let waiting = tokio::spawn(async move { answer.frame().await });
        advance(Duration::from_secs(2)).await;
        let mut other = room(&budget, 2);
        assert!(other.holds(SIZE) && other.is_whole());
        let failed = waiting.await.unwrap().unwrap();
        assert!(failed.unwrap_err().is::<TooLittle>());
        drop((first, second));
        assert!(!room(&budget, 3).holds(1));
        drop(other);
        assert!(room(&budget, 3).holds(SIZE));
    }
}
