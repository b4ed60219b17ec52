//! One call, from its place to its answer.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::{Instant, sleep, timeout_at};

use super::{Inner, connection::Answer, slot::Place};
use crate::{
    frame::{Failure, Frame, FrameError, MAX_BODY},
    message::{Bytes, Class},
};

/// How much longer than its deadline a call waits for the server's own word on it.
const GRACE: Duration = Duration::from_millis(250);

/// A call that brought no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// Too many wait here already; nothing was sent.
    #[error("too many requests wait to be sent")]
    Busy,
    /// The server has no room; nothing was begun.
    #[error("the server has no room for more")]
    ServerBusy,
    /// The body does not fit a frame; nothing was sent.
    #[error("the request has {length} bytes, where {MAX_BODY} are the most")]
    TooLarge {
        /// Bytes of the body.
        length: usize,
    },
    /// The server could not be reached before the deadline; nothing was sent.
    #[error("the server cannot be reached: {0}")]
    Unreachable(FrameError),
    /// The server speaks no common version; nothing was sent.
    #[error("the server cannot be spoken to: {0}")]
    Unsupported(FrameError),
    /// The time ran out.
    #[error("the time ran out")]
    Deadline {
        /// Whether the request was sent, so that it may have been done.
        sent: bool,
    },
    /// The connection died after the request was sent.
    #[error("the connection died before the reply came")]
    Lost,
    /// The request was done, but the reply does not fit a frame.
    #[error("the server's reply is too large")]
    ReplyTooLarge,
    /// The request's handler broke.
    #[error("the server failed")]
    Broken,
}

impl CallError {
    /// True if the request may have been done: only reading the state again tells.
    #[must_use]
    pub const fn effect_unknown(&self) -> bool {
        matches!(
            self,
            Self::Deadline { sent: true } | Self::Lost | Self::ReplyTooLarge | Self::Broken
        )
    }
}

pub(super) async fn call(
    inner: &Arc<Inner>,
    class: Class,
    body: Vec<u8>,
    deadline: Duration,
) -> Result<Vec<u8>, CallError> {
    if body.len() > MAX_BODY {
        return Err(CallError::TooLarge { length: body.len() });
    }
    let until = Instant::now() + deadline;
    let (lane, counted) = match class {
        Class::Evidence => (&inner.evidence, false),
        Class::SignUp | Class::Request => (&inner.requests, true),
    };
    let permit = lane.enter(until).await?;
    let mut frame = Frame::Request {
        id: 0,
        body: Bytes(body),
        class,
        deadline_ms: 0,
    };
    let mut unreachable = None;
    loop {
        let place = Place::take(inner, &permit, counted);
        match attempt(inner, &mut frame, until, place).await {
            Attempt::Done(Err(CallError::Deadline { sent: false })) => {
                let late = CallError::Deadline { sent: false };
                return Err(unreachable.map_or(late, CallError::Unreachable));
            }
            Attempt::Done(result) => return result,
            // A server that closes every connection at once must not make this a busy loop.
            Attempt::NotSent => sleep(inner.options.first_pause).await,
            Attempt::Unreachable(error @ FrameError::NoCommonVersion { .. }) => {
                return Err(CallError::Unsupported(error));
            }
            Attempt::Unreachable(error) => unreachable = Some(error),
        }
    }
}

enum Attempt {
    Done(Result<Vec<u8>, CallError>),
    /// The connection died first, or the server is stopping.
    NotSent,
    Unreachable(FrameError),
}

/// Tries once, on one connection. Ends a little after `until` at the latest.
async fn attempt(inner: &Arc<Inner>, frame: &mut Frame, until: Instant, place: Place) -> Attempt {
    let late = || Attempt::Done(Err(CallError::Deadline { sent: false }));
    let connection = match timeout_at(until, place.connection()).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return Attempt::Unreachable(error),
        Err(_) => return late(),
    };
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return late();
    }
    let next = inner.next.fetch_add(1, Ordering::Relaxed);
    if let Frame::Request {
        id, deadline_ms, ..
    } = frame
    {
        *id = next;
        *deadline_ms = u32::try_from(left.as_millis()).unwrap_or(u32::MAX);
    }
    let framed = match frame.encode() {
        Ok(framed) => framed,
        // Its body fits, so this is out of reach; a caller learns that nothing was sent.
        Err(error) => return Attempt::Done(Err(CallError::Unreachable(error))),
    };
    let mut ticket = connection.send(next, framed, until + GRACE, place);
    match timeout_at(until + GRACE, ticket.answer()).await {
        Ok(Answer::Reply(body)) => Attempt::Done(Ok(body)),
        Ok(Answer::NotSent | Answer::Failure(Failure::Stopping)) => Attempt::NotSent,
        Ok(Answer::Lost) => Attempt::Done(Err(CallError::Lost)),
        Ok(Answer::Failure(failure)) => Attempt::Done(Err(refusal(failure))),
        Err(_) => {
            let sent = ticket.give_up();
            Attempt::Done(Err(CallError::Deadline { sent }))
        }
    }
}

/// What a failure of the server's means to the caller.
const fn refusal(failure: Failure) -> CallError {
    match failure {
        Failure::Busy => CallError::ServerBusy,
        Failure::Deadline => CallError::Deadline { sent: true },
        Failure::TooLarge => CallError::ReplyTooLarge,
        // The last three are no answers to requests: a server that gives them is broken.
        Failure::Broken | Failure::Stopping | Failure::Malformed | Failure::Unsupported => {
            CallError::Broken
        }
    }
}
