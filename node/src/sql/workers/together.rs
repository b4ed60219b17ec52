//! Requests that write one database: one at a time, and those that wait meanwhile together.
//!
//! A transaction costs a sync of the disk, whatever is in it. So whoever has had to wait for the turn to write
//! shares one transaction with others in the same name and from the same place, who may do the same. Each is
//! answered when that is durable, and fails by itself.

use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::lease::{Became, Lease, Rests};
use super::turns::{self, Turns};
use super::wire::{Frame, Kind, Outcome};
use super::{PATIENCE, Pool, Waiting};
use crate::sql::access::{Can, Who};
use crate::sql::{DatabaseId, SqlError};

/// Requests that are done together at the most, and their bytes.
const MOST: usize = 64;
const BYTES: usize = 1 << 20;
/// How often a request is done together with others that do not let it be done, before it is done by itself.
const TRIES: u8 = 4;
/// How long a turn is held without a worker while others wait for it.
const HELD: Duration = PATIENCE.saturating_mul(2);
/// A request of more bytes is done by itself.
const LARGE: usize = 64 << 10;

/// Those who may share a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Group {
    pub(super) database: DatabaseId,
    pub(super) who: Who,
    pub(super) can: Can,
}

/// The turn to write a database: over when the last one who was answered in it drops it.
pub(super) type Turn = Arc<turns::Turn>;
/// What became of a request, and the turn in which it was done.
pub(super) type Written = Result<(Outcome, Vec<u8>, Turn), SqlError>;

/// A request that waits to write.
struct Writer {
    frame: Frame,
    rests: Rests,
    waiting: Waiting,
    is_alone: bool,
    tries: u8,
    answer: oneshot::Sender<Written>,
}

/// Requests that wait to write. Where there is a queue, though it may be empty, somebody looks after it.
#[derive(Default)]
pub(super) struct Writers(Mutex<HashMap<Group, VecDeque<Writer>>>);

impl Writers {
    fn all(&self) -> MutexGuard<'_, HashMap<Group, VecDeque<Writer>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one. True: the caller looks after the queue from now on.
    fn add(&self, group: Group, writer: Writer) -> bool {
        let mut all = self.all();
        let leads = !all.contains_key(&group);
        all.entry(group).or_default().push_back(writer);
        leads
    }

    /// Until when the first one waits, once those are gone who have waited too long, or do not wait any more.
    /// `None`: nobody waits, and nobody looks after the queue any more.
    fn end(&self, group: &Group) -> Option<Instant> {
        let mut gone = Vec::new();
        let end = {
            let mut all = self.all();
            let queue = all.get_mut(group)?;
            let now = Instant::now();
            while let Some(first) = queue.front()
                && (first.answer.is_closed() || first.waiting.end <= now)
            {
                gone.extend(queue.pop_front());
            }
            let end = queue.front().map(|first| first.waiting.end);
            if end.is_none() {
                all.remove(group);
            }
            end
        };
        for writer in gone {
            let _ = writer.answer.send(Err(SqlError::Busy));
        }
        end
    }

    /// Takes the first one, and those behind it who can be done together with it.
    fn take(&self, group: &Group) -> Vec<Writer> {
        let mut all = self.all();
        let Some(queue) = all.get_mut(group) else {
            return Vec::new();
        };
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while let Some(next) = queue.front() {
            if !next.answer.is_closed() {
                bytes += next.frame.bytes().len();
                let fits = taken.len() < MOST && bytes <= BYTES && !next.is_alone;
                if !taken.is_empty() && !fits {
                    break;
                }
            }
            let next = queue.pop_front();
            let next = next.filter(|next| !next.answer.is_closed());
            let is_alone = next.as_ref().is_some_and(|next| next.is_alone);
            taken.extend(next);
            if is_alone {
                break;
            }
        }
        taken
    }

    /// Puts some back, in order.
    fn put_back(&self, group: &Group, writers: Vec<Writer>) {
        let mut all = self.all();
        let queue = all.entry(*group).or_default();
        for writer in writers.into_iter().rev() {
            queue.push_front(writer);
        }
    }
}

/// Has a request written, in its turn.
pub(super) async fn write(
    pool: &Arc<Pool>,
    group: Group,
    (frame, rests): (Frame, Rests),
    waiting: Waiting,
    is_alone: bool,
) -> Written {
    let (answer, answered) = oneshot::channel();
    let is_alone = is_alone || frame.bytes().len() > LARGE;
    let writer = Writer {
        frame,
        rests,
        waiting,
        is_alone,
        tries: 0,
        answer,
    };
    if pool.writers.add(group, writer) {
        tokio::spawn(lead(Arc::clone(pool), group));
    }
    match answered.await {
        Ok(written) => written,
        // the runtime ends
        Err(_) => Err(SqlError::Internal(
            "nobody looks after those who write".to_owned(),
        )),
    }
}

/// Looks after a queue until nobody waits in it.
async fn lead(pool: Arc<Pool>, group: Group) {
    loop {
        let turn = {
            let mut entering = pin!(Turns::enter(&pool, group.database, group.who));
            loop {
                let Some(end) = pool.writers.end(&group) else {
                    return;
                };
                if let Ok(turn) = timeout_at(end, &mut entering).await {
                    break Arc::new(turn);
                }
            }
        };
        let lease = match worker(&pool, &group, &turn).await {
            Worker::Is(lease) => lease,
            Worker::Late => continue,
            Worker::Unwanted => return,
        };
        let mut writers = pool.writers.take(&group);
        let lease = match lease {
            Ok(lease) => lease,
            Err(error) => {
                for writer in writers {
                    let _ = writer.answer.send(Err(error.clone()));
                }
                continue;
            }
        };
        turn.at_work(lease.stop());
        if writers.len() > 1 {
            let frames: Vec<_> = writers.iter().map(|writer| writer.frame.bytes()).collect();
            let rests: Vec<_> = writers.iter().map(|writer| writer.rests.clone()).collect();
            let became = lease.call_together(&frames, &rests).await;
            answer(&pool, &group, writers, became, &turn);
        } else if let Some(writer) = writers.pop() {
            let Writer {
                frame,
                rests,
                waiting,
                answer,
                ..
            } = writer;
            // it waits no more
            drop(waiting);
            let called = lease.call(Kind::Write, frame.bytes(), &[rests]).await;
            let written = called.map(|(outcome, body)| (outcome, body, turn));
            let _ = answer.send(written);
        }
    }
}

/// What became of waiting for a worker.
enum Worker {
    Is(Result<Lease, SqlError>),
    /// None is to be had, and others wait for the turn, who may have one.
    Late,
    /// Nobody wants one any more, and nobody looks after the queue.
    Unwanted,
}

async fn worker(pool: &Arc<Pool>, group: &Group, turn: &turns::Turn) -> Worker {
    let until = Instant::now() + HELD;
    let mut leasing = pin!(pool.lease(group.who, None, Kind::Write));
    loop {
        let Some(end) = pool.writers.end(group) else {
            return Worker::Unwanted;
        };
        let look = Instant::now() + PATIENCE;
        if let Ok(lease) = timeout_at(end.min(look.max(until)), &mut leasing).await {
            return Worker::Is(lease);
        }
        if Instant::now() >= until && turn.is_wanted() {
            return Worker::Late;
        }
    }
}

fn answer(pool: &Arc<Pool>, group: &Group, writers: Vec<Writer>, became: Vec<Became>, turn: &Turn) {
    let mut back = Vec::new();
    for (mut writer, became) in writers.into_iter().zip(became) {
        match became {
            Became::Done(called) => {
                let written = called.map(|(outcome, body)| (outcome, body, Arc::clone(turn)));
                let _ = writer.answer.send(written);
            }
            Became::Again { alone } => {
                writer.tries += 1;
                writer.is_alone |= alone || writer.tries >= TRIES;
                // what others took of its time is not its own
                let end = Instant::now() + pool.limits.wait;
                writer.waiting.end = writer.waiting.end.max(end);
                back.push(writer);
            }
        }
    }
    pool.writers.put_back(group, back);
}
