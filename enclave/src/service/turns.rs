//! One request at a time for each account of this enclave, and few that wait for their turn.
//!
//! A request that waits keeps its place among all that the enclave serves at once. Without a bound here
//! whoever asks often enough about one account, their own or one that does not exist, would hold all
//! those places while the enclave does next to nothing.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use openkey_protocol::message::{Error, ErrorCode, RecordId};
use tokio::sync::{Mutex as Lock, OwnedMutexGuard};

use crate::errors::refuse;

/// Requests about one account that may wait while another one is served. A page asks for two things
/// at once; a person with two devices does not notice the fifth.
const MAX_WAITING: usize = 4;

/// The accounts about which there are requests. Replicas are kept apart by the store's
/// compare-and-swap; this only keeps two requests from seeing each other's half of the memory.
#[derive(Default)]
pub(crate) struct Turns(Mutex<HashMap<RecordId, Requests>>);

/// The requests about one account.
#[derive(Default)]
struct Requests {
    /// The one that is served, and those that wait.
    requests: usize,
    lock: Arc<Lock<()>>,
}

/// A place in an account's queue; given back when dropped.
struct Queued<'a> {
    turns: &'a Turns,
    id: RecordId,
}

/// The turn of one request: no other about the same account has it until this is dropped.
pub(crate) struct Turn<'a> {
    // Dropped in this order: whoever waits gets the lock before a newcomer finds the place free.
    _lock: OwnedMutexGuard<()>,
    _queued: Queued<'a>,
}

impl Turns {
    /// Waits for the turn of a request about the account that is kept under this id.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::Busy`] if [`MAX_WAITING`] requests wait already.
    pub(crate) async fn enter(&self, id: RecordId) -> Result<Turn<'_>, Error> {
        let (queued, lock) = self.queue(id)?;
        Ok(Turn {
            _lock: lock.lock_owned().await,
            _queued: queued,
        })
    }

    fn queue(&self, id: RecordId) -> Result<(Queued<'_>, Arc<Lock<()>>), Error> {
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let account = accounts.entry(id).or_default();
        if account.requests > MAX_WAITING {
            return Err(refuse(ErrorCode::Busy));
        }
        account.requests += 1;
        Ok((Queued { turns: self, id }, Arc::clone(&account.lock)))
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        let mut accounts = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = accounts.get_mut(&self.id) {
            account.requests = account.requests.saturating_sub(1);
            if account.requests == 0 {
                accounts.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    const ADA: RecordId = RecordId([1; 32]);
    const EVE: RecordId = RecordId([2; 32]);

    #[tokio::test]
    async fn h8_few_requests_wait_for_one_account_and_none_for_another() {
        let turns = Turns::default();
        let served = turns.enter(ADA).await.unwrap();
        let waiting: Vec<_> = (0..MAX_WAITING)
            .map(|_| {
                let mut turn = Box::pin(turns.enter(ADA));
                let mut context = Context::from_waker(Waker::noop());
                assert!(turn.as_mut().poll(&mut context).is_pending());
                turn
            })
            .collect();
        for _ in 0..480 {
            let mut context = Context::from_waker(Waker::noop());
            let Poll::Ready(Err(refused)) = pin!(turns.enter(ADA)).poll(&mut context) else {
                panic!("one more waits");
            };
            assert_eq!(refused.code, ErrorCode::Busy);
            assert!(refused.advice.contains("second"), "{refused:?}");
        }
        drop(turns.enter(EVE).await.unwrap());
        // Who goes away while waiting leaves the place to others.
        drop((served, waiting));
        drop(turns.enter(ADA).await.unwrap());
        assert!(turns.0.lock().unwrap().is_empty(), "nothing is remembered");
    }
}
