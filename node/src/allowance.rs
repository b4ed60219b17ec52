//! Memory for what is read from the store: whoever reads says how much it has memory for. The store answers what
//! fits, or how much more it is: nothing waits for memory and has been read.

use crate::asking;
use crate::error::Error;
use crate::store::StoreError;

/// Bytes that may be read. Whoever answers a request gets more than the least only by `Taken::allow`, which has
/// memory for them.
#[derive(Clone, Copy, Debug)]
pub struct Allowance(usize);

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read<T, N = usize> {
    /// All of it.
    All(T),
    /// Nothing: it has so many bytes, which are more than were allowed.
    Larger(N),
}

/// Memory that a request has taken for what it reads.
#[derive(Debug, Default)]
pub(crate) struct Taken(usize);

/// What may be read is counted while it is.
pub(crate) struct Fitting {
    allowed: usize,
    bytes: usize,
}

impl Allowance {
    /// What needs no room in the memory for requests.
    pub const LEAST: Self = Self(8 * 1024);
    /// What every connection has memory for, beside what its request takes: see `docs/node.md`.
    pub(crate) const OF_CONNECTION: Self = Self(160 * 1024);

    /// Any number of bytes, for who answers nobody: check, backup, tests.
    #[must_use]
    pub const fn any() -> Self {
        Self(usize::MAX)
    }

    /// Begins to count.
    pub(crate) const fn fitting(self) -> Fitting {
        Fitting {
            allowed: self.0,
            bytes: 0,
        }
    }
}

impl Fitting {
    /// Whether so many bytes more may be read.
    pub(crate) const fn fits(&mut self, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        self.is_within()
    }

    pub(crate) const fn is_within(&self) -> bool {
        self.bytes <= self.allowed
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// What was read, if all of it fitted.
    pub(crate) fn done<T>(self, read: T) -> Read<T> {
        if self.is_within() {
            Read::All(read)
        } else {
            Read::Larger(self.bytes)
        }
    }
}

impl<T, N: std::fmt::Debug> Read<T, N> {
    /// What was read, where any number of bytes was allowed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`]: less was allowed.
    pub fn all(self) -> Result<T, StoreError> {
        match self {
            Self::All(read) => Ok(read),
            Self::Larger(bytes) => Err(StoreError::Failed {
                reason: format!("there are more bytes than can be: {bytes:?}"),
            }),
        }
    }
}

impl Taken {
    /// Allows to read so many bytes when there is so much memory, for them and all that was read before.
    ///
    /// # Errors
    ///
    /// [`Error::Memory`], [`Error::TooLarge`].
    pub(crate) async fn allow(&mut self, bytes: usize, memory: usize) -> Result<Allowance, Error> {
        if let Some(more) = memory.checked_sub(self.0).filter(|more| *more > 0) {
            asking::room(more).await?;
            self.0 = memory;
        }
        Ok(Allowance(bytes))
    }

    /// Gives it back: what was read is not kept.
    pub(crate) async fn give_back(&mut self) {
        let taken = std::mem::take(&mut self.0);
        if taken > 0 {
            asking::less(taken).await;
        }
    }
}
