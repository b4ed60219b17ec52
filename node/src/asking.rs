//! Who is being answered, and the memory that its request and its answer take.

use std::net::Ipv6Addr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::response::{IntoResponse as _, Response};
use openkey_edge::body::{BodyBudget, NoRoom, Room};
use openkey_edge::client::ClientKey;
use openkey_edge::pieces::Pieces;
use tokio::sync::{Mutex, Notify};
use tokio::time::timeout;

use crate::body::FREE;
use crate::error::Error;
use crate::turns::{Turn, Turns, apart};

/// How long a request waits for room.
const WAIT: Duration = Duration::from_secs(10);
/// Bytes of a token that need no room.
const FREE_TOKEN: usize = 2 * 1024;
/// From so many bytes on, reading and checking tokens waits for a turn.
const LARGE: usize = 16 * 1024;
/// Bytes of memory for one of a token: what it names is read into parts, and kept with what it may do.
const OF_TOKEN: usize = 40;

/// Of the memory, one part in so many is for answers that wait for room in the rest; and one client has so much
/// of each.
const PART: usize = 4;

/// Memory for requests and answers.
#[derive(Clone)]
pub(crate) struct Memory {
    /// Requests, and answers that are sent.
    pub(crate) all: Arc<BodyBudget>,
    /// Answers that are there, and wait for room to be sent.
    waiting: Arc<BodyBudget>,
    /// Bytes of all that one client may have.
    each: usize,
}

impl Memory {
    /// So many bytes together.
    pub(crate) fn new(bytes: usize) -> Self {
        let waiting = bytes / PART;
        let budget = |bytes, each| Arc::new(BodyBudget::new(0, bytes, each));
        Self {
            all: budget(bytes - waiting, bytes / PART),
            waiting: budget(waiting, waiting / PART),
            each: bytes / PART,
        }
    }
}

/// Stands in the extensions of an answer if what was asked for has been done: to repeat it would do it again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CarriedOut;

/// Others had the request's room when the last of it arrived.
#[derive(Debug, thiserror::Error)]
#[error("others have the memory of the request")]
pub(crate) struct Displaced;

tokio::task_local! {
    static ASKING: Arc<Asking>;
}

/// A request that is being answered. What it takes is given back with it, or when its answer was sent.
pub(crate) struct Asking {
    client: ClientKey,
    memory: Memory,
    turns: Arc<Turns>,
    /// Held while large tokens are read and checked.
    turn: std::sync::Mutex<Option<Turn>>,
    room: Mutex<Room>,
    taken: AtomicUsize,
    /// Whether all of its body is there. Until then another may have its room.
    arrived: AtomicBool,
    leave: Arc<Notify>,
}

impl Asking {
    pub(crate) fn new(client: ClientKey, memory: Memory, turns: Arc<Turns>) -> Arc<Self> {
        let room = Room::new(Arc::clone(&memory.all), client);
        Arc::new(Self {
            client,
            memory,
            turns,
            turn: std::sync::Mutex::default(),
            leave: room.displaced(),
            room: Mutex::new(room),
            taken: AtomicUsize::new(0),
            arrived: AtomicBool::new(false),
        })
    }

    /// Does the work of this request, which has a token of so many bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Memory`], unless the work has ended before.
    pub(crate) async fn during<T>(
        self: Arc<Self>,
        token: usize,
        work: impl Future<Output = T>,
    ) -> Result<T, Error> {
        let asking = Arc::clone(&self);
        let all = async {
            if token > FREE_TOKEN {
                self.more(token.saturating_mul(OF_TOKEN)).await?;
            }
            if token > LARGE {
                self.take_turn().await?;
            }
            Ok(ASKING.scope(Arc::clone(&self), work).await)
        };
        tokio::select! {
            biased;
            done = all => done,
            () = asking.leave.notified() => Err(Error::Memory),
        }
    }

    /// All of its body has arrived: it keeps what it has. `false`: another has its room, and it must not be
    /// carried out.
    pub(crate) fn arrived(&self) -> bool {
        self.arrived.store(true, Ordering::SeqCst);
        // whoever waits for more sees it then
        self.room
            .try_lock()
            .map_or(true, |mut room| room.is_whole())
    }

    /// Its tokens are checked: others have their turn.
    pub(crate) fn checked(&self) {
        self.turn().take();
    }

    /// Its answer. What the request took is given back; an answer that is there as a whole has room until all
    /// of it was sent, and one that is made while it is sent is ahead of its client by little.
    pub(crate) async fn sent(&self, response: Response) -> Response {
        let room = Room::new(Arc::clone(&self.memory.all), self.client);
        let had = std::mem::replace(&mut *self.room.lock().await, room);
        let Some(size) = response.body().size_hint().exact() else {
            return response.map(|body| Body::new(Pieces::new(body, None)));
        };
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if size <= FREE {
            return response;
        }
        match self.room_for(had, size).await {
            Ok(room) => response.map(|body| Body::new(Pieces::new(body, Some(room)))),
            Err(_) if response.extensions().get::<CarriedOut>().is_some() => {
                Error::Unsent.into_response()
            }
            Err(error) => error.into_response(),
        }
    }

    /// Room for an answer of so many bytes, out of what its request had if that suffices.
    async fn room_for(&self, mut had: Room, size: usize) -> Result<Room, Error> {
        let fits = |room: &mut Room| room.holds(size) && room.is_whole();
        had.shrink(size);
        if fits(&mut had) {
            return Ok(had);
        }
        drop(had);
        // it waits outside of the room that it waits for
        let mut waiting = Room::new(Arc::clone(&self.memory.waiting), self.client);
        if !fits(&mut waiting) {
            return Err(Error::Memory);
        }
        let mut room = Room::new(Arc::clone(&self.memory.all), self.client);
        let found = room.wait(size, WAIT).await;
        if found.is_err() || !room.is_whole() {
            return Err(Error::Memory);
        }
        Ok(room)
    }

    async fn take_turn(&self) -> Result<(), Error> {
        if self.turn().is_some() {
            return Ok(());
        }
        let turn = timeout(WAIT, self.turns.take(self.client)).await;
        *self.turn() = turn.map_err(|_| Error::Checks)?;
        Ok(())
    }

    fn turn(&self) -> MutexGuard<'_, Option<Turn>> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn more(&self, bytes: usize) -> Result<(), Error> {
        let mut room = self.room.lock().await;
        let all = self.taken.load(Ordering::SeqCst).saturating_add(bytes);
        let most = self.memory.each;
        if all > most {
            return Err(Error::TooLarge(format!(
                "The request needs {all} bytes of memory, and the node has {most} for one address: ask for less at once"
            )));
        }
        let mut found = room.wait(all, Duration::ZERO).await;
        let mut had_turn = false;
        if found == Err(NoRoom::Full) {
            // whoever waits for memory keeps nobody from their turn, and waits for another one afterwards
            had_turn = self.turn().take().is_some();
            found = room.wait(all, WAIT).await;
        }
        found.map_err(|_| Error::Memory)?;
        self.taken.store(all, Ordering::SeqCst);
        if self.arrived.load(Ordering::SeqCst) && !room.is_whole() {
            return Err(Error::Memory);
        }
        drop(room);
        if had_turn {
            self.take_turn().await?;
        }
        Ok(())
    }

    async fn less(&self, bytes: usize) {
        let mut room = self.room.lock().await;
        let all = self.taken.load(Ordering::SeqCst).saturating_sub(bytes);
        room.shrink(all);
        self.taken.store(all, Ordering::SeqCst);
    }
}

/// From where the request comes that is being answered. What did not come over HTTP comes from one place.
pub(crate) fn client() -> ClientKey {
    let nowhere = || ClientKey::of(Ipv6Addr::UNSPECIFIED.into());
    ASKING
        .try_with(|asking| asking.client)
        .unwrap_or_else(|_| nowhere())
}

/// Waits until there is room for so many bytes more, for the request that is being answered; without its turn,
/// which it has again afterwards. Whoever asks the node in the same process, and not over HTTP, has any.
///
/// # Errors
///
/// [`Error::Memory`].
pub(crate) async fn room(bytes: usize) -> Result<(), Error> {
    match ASKING.try_with(Arc::clone) {
        Ok(asking) => asking.more(bytes).await,
        Err(_) => Ok(()),
    }
}

/// Gives back so many bytes of what [`room`] has given: nothing is in them any more.
pub(crate) async fn less(bytes: usize) {
    if let Ok(asking) = ASKING.try_with(Arc::clone) {
        asking.less(bytes).await;
    }
}

/// Waits for a turn to check tokens of so many bytes together, if they are large. It ends with [`checked`], or
/// with the request.
///
/// # Errors
///
/// [`Error::Checks`].
pub(crate) async fn turn(bytes: usize) -> Result<(), Error> {
    match ASKING.try_with(Arc::clone) {
        Ok(asking) if bytes > LARGE => asking.take_turn().await,
        _ => Ok(()),
    }
}

/// Checks tokens of so many bytes together in their turn, which ends with that: what follows may wait for a body.
///
/// # Errors
///
/// [`Error::Checks`].
pub(crate) async fn in_turn<T>(bytes: usize, work: impl FnOnce() -> T) -> Result<T, Error> {
    turn(bytes).await?;
    let done = check(work);
    checked();
    Ok(done)
}

/// The tokens are checked; what follows may take as long as it likes.
pub(crate) fn checked() {
    let _ = ASKING.try_with(|asking| asking.checked());
}

/// Reads or checks tokens: apart, if the request has a turn for that.
pub(crate) fn check<T>(work: impl FnOnce() -> T) -> T {
    let has_turn = ASKING.try_with(|asking| asking.turn().is_some());
    if has_turn.unwrap_or(false) {
        apart(work)
    } else {
        work()
    }
}
