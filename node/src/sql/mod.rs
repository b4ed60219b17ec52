//! Databases of a space's owner, and what may be done in them.
//!
//! Nothing here knows of HTTP or of tokens. Whoever calls has checked an invocation, and says in an
//! [`Access`] what it may do; a [`Request`] is what it asks for. [`Databases`] answers it, or says
//! with which status and text it does not ([`SqlError`]).
//!
//! * `id`: which database a resource names.
//! * `request`, `value`: what is asked for, strictly read.
//! * `access`, `limited`: what abilities allow, and what caveats leave of that.
//! * `standing`: in whose name somebody asks.
//! * `statement`: one statement per text.
//! * [`local`]: databases as SQLite files of one directory.
//! * [`workers`]: processes that do that work, and who has one of them when.
//! * `limits`: how much requests may take.
//! * `links`: what is revoked while something becomes durable that rests on it.

mod access;
mod error;
mod id;
mod limited;
mod limits;
mod links;
pub mod local;
mod request;
mod statement;
mod value;
pub mod workers;

use std::fs::File;

pub use access::{Access, Effect};
pub use error::{Constraint, SqlError};
pub use id::{DatabaseId, DatabaseIdError};
pub use limits::SqlLimits;
pub use local::LocalDatabases;
pub use request::{Bounds, Command, MAX_REQUEST, MAX_RESPONSE_ASKED, MAX_ROWS, Request};
pub use value::Value;
pub use workers::{SqlWorkers, WorkerProgram};

/// What comes back.
#[derive(Debug)]
#[non_exhaustive]
pub enum Response {
    /// A JSON object, `application/json`.
    Json(Vec<u8>),
    /// A database, `application/x-sqlite3`.
    Export(Export),
}

impl Response {
    /// Its media type.
    #[must_use]
    pub const fn content_type(&self) -> &'static str {
        match self {
            Self::Json(_) => "application/json",
            Self::Export(_) => "application/x-sqlite3",
        }
    }
}

/// A database as of one moment.
#[derive(Debug)]
pub struct Export {
    /// What it holds, from the beginning. The file has no name any more: it is gone when closed.
    pub file: File,
    /// Its length in bytes.
    pub bytes: u64,
}

/// What became of a request.
#[derive(Debug)]
pub struct Done {
    /// What comes back.
    pub response: Response,
    /// What that did to the database's size, where it had its turn to write.
    pub sizes: Option<Sizes>,
}

/// How large a database was before a request, and is after it.
///
/// Nobody else of this process writes the database until this is dropped, so that whoever counts what
/// databases hold does so in the order in which they changed.
pub struct Sizes {
    /// Bytes before; 0 if the request made it.
    pub before: u64,
    /// Bytes after.
    pub after: u64,
    _turn: Box<dyn Send + Sync>,
}

impl Sizes {
    /// Those of a request whose turn to write ends when `turn` is dropped.
    pub fn new(before: u64, after: u64, turn: impl Send + Sync + 'static) -> Self {
        Self {
            before,
            after,
            _turn: Box::new(turn),
        }
    }
}

impl core::fmt::Debug for Sizes {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Sizes({} to {})", self.before, self.after)
    }
}

/// Databases, by name.
///
/// A response to a request that writes is given when what was written is durable. One that is not
/// answered, by an error or because nobody waits any more, was done as a whole or not at all.
#[async_trait::async_trait]
pub trait Databases: Send + Sync {
    /// Answers a request. A database that was never written is empty.
    ///
    /// # Errors
    ///
    /// [`SqlError`]: nothing was written; after [`SqlError::Unknown`] nobody knows.
    async fn run(
        &self,
        database: &DatabaseId,
        access: &Access,
        request: Request,
    ) -> Result<Done, SqlError>;

    /// Waits until nothing becomes durable any more that rests on a delegation that says this, and that was
    /// asked for by [`Stands`] before it was revoked.
    ///
    /// # Errors
    ///
    /// [`SqlError::Ending`]: not yet.
    async fn ended(&self, statement: &[u8; 32]) -> Result<(), SqlError>;
}

/// What a request rests on, asked when all of it is done, and before it becomes durable.
#[async_trait::async_trait]
pub trait Stands: Send + Sync + core::fmt::Debug {
    /// What the delegations say that it rests on.
    fn statements(&self) -> &[[u8; 32]];

    /// Whether it still rests on something. If not, nothing of the request stays.
    async fn stands(&self) -> bool;
}
