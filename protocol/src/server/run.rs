//! One request: its deadline, and a wall around its handler.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

use tokio::time::{Instant, timeout_at};

use super::Handler;
use crate::{
    frame::{Failure, Frame},
    message::{Bytes, Class},
};

/// Answers one request, whatever its handler does.
pub(super) async fn answer<H: Handler>(
    handler: &H,
    id: u64,
    class: Class,
    body: Vec<u8>,
    deadline: Instant,
) -> Frame {
    // Inside an async block, so that a panic before the handler's first await is contained, too.
    let work = contain(async { handler.handle(class, body, deadline).await });
    let failure = match timeout_at(deadline, work).await {
        Ok(Ok(body)) => {
            return Frame::Reply {
                id,
                body: Bytes(body),
            };
        }
        Ok(Err(Panicked)) => Failure::Broken,
        Err(_) => Failure::Deadline,
    };
    Frame::Failure { id, failure }
}

struct Panicked;

/// Runs a future; a panic ends it and nothing else. Whatever it held is dropped, and locks it
/// poisoned stay poisoned for the handler to deal with.
async fn contain<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => Poll::Ready(Err(Panicked)),
        },
    )
    .await
}
