//! What a space holds, may hold, and what requests of its databases may use of that.

use openkey_capability::resource::SpaceId;

use super::types::Admission;

/// What a space holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Whether it is hosted.
    pub hosted: bool,
    /// Bytes of its values with their keys and headers, of its databases, and of its
    /// delegations beyond what is free.
    pub bytes: u64,
    /// Bytes of blobs that are being received for it, of replaced ones that are not removed yet, and of what
    /// is reserved for databases.
    pub pending: u64,
    /// The bound that somebody set.
    pub bound: Option<u64>,
}

/// The bounds of bytes where nobody set another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DefaultBounds {
    /// Of spaces that anybody may read.
    pub public: Option<u64>,
    /// Of all others.
    pub others: Option<u64>,
}

impl DefaultBounds {
    /// That of one space.
    #[must_use]
    pub fn of(&self, space: &SpaceId) -> Option<u64> {
        if space.is_public() {
            self.public
        } else {
            self.others
        }
    }
}

/// What somebody wants of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// To read, or to change it without making it larger.
    Reading,
    /// To write: room is reserved for it.
    Writing,
    /// To have all of it as a file.
    Export,
}

/// A request of one of a space's databases.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What is used up by it.
    pub admission: Admission,
    /// The space that holds the database.
    pub space: SpaceId,
    /// Which one.
    pub database: String,
    /// What it is for.
    pub wants: Wants,
    /// Whether the mark that the invocation was used must be on disk before the work begins: after a power
    /// cut, whatever may have written must not be carried out again.
    pub is_durable: bool,
    /// The bound of the space's bytes where nobody set another.
    pub default_bound: Option<u64>,
}

/// What somebody finds who enters a space for one of its databases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entered {
    /// Whether the space is hosted.
    pub hosted: bool,
    /// Bytes of it that are the database's, as they were counted last.
    pub database_bytes: u64,
    /// What is reserved for the request, until somebody says with [`Store::settle`](super::Store::settle)
    /// what became of it, or for ten minutes.
    pub reservation: Option<i64>,
    /// How large the database may become in bytes: what it is counted with, and what is reserved
    /// besides. `None`: without end.
    pub most: Option<u64>,
}

impl Usage {
    /// How many bytes there is room for, under this bound if nobody set another.
    ///
    /// `None`: without end.
    #[must_use]
    pub fn room(&self, default_bound: Option<u64>) -> Option<u64> {
        self.bound
            .or(default_bound)
            .map(|limit| limit.saturating_sub(self.used()))
    }

    /// Bytes that count towards the bound.
    #[must_use]
    pub const fn used(&self) -> u64 {
        self.bytes.saturating_add(self.pending)
    }
}
