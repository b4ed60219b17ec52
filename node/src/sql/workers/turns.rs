//! Requests of this process that write one database take turns.
//!
//! The turn goes round among the owner, those to whom the owner has delegated, and those below these; in each of
//! these among the keys. So whoever makes keys, or waits with many requests, is not next more often for that. Who
//! has it and makes another wait who is nearer to the owner, or as near and has used less, is ended after a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

use super::queue::SLICE;
use super::{PATIENCE, Pool};
use crate::sql::DatabaseId;
use crate::sql::access::Who;
use crate::standing::{Nearness, Standing};

/// Keys of which a database that is never free remembers when they wrote it last.
const MOST: usize = 1024;

/// The turns of every database that somebody writes.
#[derive(Default)]
pub(super) struct Turns(Mutex<HashMap<DatabaseId, Line>>);

/// A turn to write; over when dropped.
pub(super) struct Turn {
    pool: Arc<Pool>,
    database: DatabaseId,
}

/// Who has the turn, and who waits for it.
struct Line {
    who: Who,
    /// Since when a worker is at it, and how that is told to end; `None`: it is not, or was told.
    stop: Option<(Instant, Arc<Notify>)>,
    waiting: Vec<Waiter>,
    next: u64,
    /// Whose turn it was last: by nearness, and by key.
    classes: HashMap<Nearness, u64>,
    keys: HashMap<Standing, u64>,
}

struct Waiter {
    number: u64,
    who: Who,
    give: oneshot::Sender<Turn>,
}

impl Line {
    fn new(who: Who) -> Self {
        let mut line = Self {
            who,
            stop: None,
            waiting: Vec::new(),
            next: 0,
            classes: HashMap::new(),
            keys: HashMap::new(),
        };
        line.begins(who);
        line
    }

    fn begins(&mut self, who: Who) {
        self.next += 1;
        (self.who, self.stop) = (who, None);
        self.classes.insert(who.standing.nearness, self.next);
        if self.keys.len() >= MOST {
            self.keys.clear();
        }
        self.keys.insert(who.standing, self.next);
    }

    /// Takes out whoever is next.
    fn pop(&mut self) -> Option<Waiter> {
        let last = |waiter: &Waiter| {
            let standing = waiter.who.standing;
            let class = self.classes.get(&standing.nearness).copied();
            let key = self.keys.get(&standing).copied();
            (class, key, waiter.number)
        };
        let waiting = self.waiting.iter().enumerate();
        let (at, _) = waiting.min_by_key(|(_, waiter)| last(waiter))?;
        Some(self.waiting.swap_remove(at))
    }
}

impl Turns {
    fn lines(&self) -> MutexGuard<'_, HashMap<DatabaseId, Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is this one's turn to write.
    pub(super) async fn enter(pool: &Arc<Pool>, database: DatabaseId, who: Who) -> Turn {
        let (number, mut receive) = {
            let mut lines = pool.turns.lines();
            let Some(line) = lines.get_mut(&database) else {
                lines.insert(database, Line::new(who));
                return Turn {
                    pool: Arc::clone(pool),
                    database,
                };
            };
            let (give, receive) = oneshot::channel();
            line.next += 1;
            line.waiting.push(Waiter {
                number: line.next,
                who,
                give,
            });
            (line.next, receive)
        };
        let _place = Place {
            pool,
            database,
            number,
        };
        loop {
            match timeout(PATIENCE, &mut receive).await {
                Ok(Ok(turn)) => return turn,
                // whoever has it gives it to somebody, or nobody waits
                Ok(Err(_)) => std::future::pending().await,
                Err(_) => pool.turns.push(pool, database, who),
            }
        }
    }

    /// Has whoever has the turn end, if this one comes before.
    fn push(&self, pool: &Pool, database: DatabaseId, who: Who) {
        let mut lines = self.lines();
        let Some(line) = lines.get_mut(&database) else {
            return;
        };
        let (own, has) = (who.standing, line.who.standing);
        let Some((since, _)) = &line.stop else {
            return;
        };
        if own == has || since.elapsed() < SLICE {
            return;
        }
        let comes_before = match own.nearness.cmp(&has.nearness) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Equal => pool.queue().has_used_less(who, line.who),
            std::cmp::Ordering::Greater => false,
        };
        if comes_before && let Some((_, stop)) = line.stop.take() {
            stop.notify_one();
        }
    }
}

impl Turn {
    /// A worker is at it, and is told so if it has to end.
    pub(super) fn at_work(&self, stop: &Arc<Notify>) {
        if let Some(line) = self.pool.turns.lines().get_mut(&self.database) {
            line.stop = Some((Instant::now(), Arc::clone(stop)));
        }
    }

    /// Whether somebody waits for it.
    pub(super) fn is_wanted(&self) -> bool {
        let lines = self.pool.turns.lines();
        let line = lines.get(&self.database);
        line.is_some_and(|line| !line.waiting.is_empty())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut undelivered = None;
        {
            let mut lines = self.pool.turns.lines();
            let Some(line) = lines.get_mut(&self.database) else {
                return;
            };
            match line.pop() {
                None => drop(lines.remove(&self.database)),
                Some(next) => {
                    line.begins(next.who);
                    let turn = Self {
                        pool: Arc::clone(&self.pool),
                        database: self.database,
                    };
                    // who has left has not been taken out yet
                    undelivered = next.give.send(turn).err();
                }
            }
        }
        drop(undelivered);
    }
}

/// A place in the line; given up when dropped.
struct Place<'a> {
    pool: &'a Pool,
    database: DatabaseId,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(line) = self.pool.turns.lines().get_mut(&self.database) {
            line.waiting.retain(|waiter| waiter.number != self.number);
        }
    }
}
