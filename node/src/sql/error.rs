//! Why a request is not answered, as status and text.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// What the caveat `constrained-statements` refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Constraint {
    /// SQL of the caller's own, to read.
    RawQuery,
    /// SQL of the caller's own, to write.
    RawExecute,
    /// Several statements.
    Batch,
    /// The whole database.
    Export,
    /// A name that is not in the caveat.
    Statement,
    /// A value where the caveat has one.
    FixedParam,
    /// A statement that writes.
    Write,
    /// A statement that is several.
    Several,
    /// A statement that reaches beyond the tables of the database.
    Escape,
    /// A value that is not null, a boolean, a number or a text.
    Bind,
}

impl Constraint {
    /// The stable name of the rule, which is also the text of the response.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::RawQuery => "sql-raw-query-blocked",
            Self::RawExecute => "sql-raw-execute-blocked",
            Self::Batch => "sql-batch-blocked",
            Self::Export => "sql-export-blocked",
            Self::Statement => "sql-statement-not-allowed",
            Self::FixedParam => "sql-fixed-param-override",
            Self::Write => "sql-write-blocked",
            Self::Several => "sql-multistatement-blocked",
            Self::Escape => "sql-escape-blocked",
            Self::Bind => "sql-non-primitive-bind",
        }
    }
}

/// Why a request is not answered. [`Display`](core::fmt::Display) is the text of the response: it
/// tells what the caller wrote or may do, nothing about the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum SqlError {
    /// The request is not what a request must be.
    #[error("Parse error: {0}")]
    Parse(String),
    /// What SQLite says of the statement.
    #[error("SQLite error: {0}")]
    Sqlite(String),
    /// A member of `schema` is something else than a definition.
    #[error("Schema error: {0}")]
    Schema(Cow<'static, str>),
    /// It took longer than a request may.
    #[error("SQLite error: interrupted, the request took longer than it may")]
    Time,
    /// It needed more memory than requests may, or has more operations than statements may.
    #[error(
        "SQLite error: out of memory, the request needs more than it may, or a statement more than 25,000 operations"
    )]
    Memory,
    /// It needs an ability that the invocation does not have. The text is a whole line that clients
    /// search for.
    #[error("Unauthorized Action: {resource} / tinycloud.sql/{ability}")]
    Unauthorized {
        /// What it was invoked on.
        resource: String,
        /// The missing ability's name.
        ability: Cow<'static, str>,
    },
    /// It may not be done at all, or not by who asks.
    #[error("Permission denied: {0}")]
    Permission(String),
    /// Who may only read writes.
    #[error("Read-only violation")]
    ReadOnly,
    /// The caveat `constrained-statements` refuses it.
    #[error("{}", .0.code())]
    Constrained(Constraint),
    /// The database was never written.
    #[error("Database not found")]
    NotFound,
    /// The response is larger than responses may be, or than who asks wants.
    #[error("Response too large: more than {0}")]
    TooLarge(String),
    /// The database would be larger than it may.
    #[error("Quota exceeded: the database would be larger than it may be")]
    Quota,
    /// Too many wait, or it has waited too long.
    #[error("Busy: too many requests wait for databases, try again later")]
    Busy,
    /// It had a worker, or its turn to write, and others waited who have used less lately or come before: it was
    /// ended, and nothing was written.
    #[error(
        "Busy: the request was ended, and nothing was written, because others wait who have used less lately or are nearer to the owner: try again later"
    )]
    Preempted,
    /// What the request rests on was revoked, or has ended, while it was carried out.
    #[error("What the request rests on was revoked or has ended: nothing was written")]
    Withdrawn,
    /// Something is revoked, and a write that rests on it becomes durable.
    #[error(
        "The delegation is revoked. A write to a database that rested on it has not ended yet: ask again to learn that it has"
    )]
    Ending,
    /// Another process holds the database and makes no progress: nothing was written.
    #[error("Busy: another process holds the database, try again later")]
    Locked,
    /// The disk has no room, or none for the node: nothing was written.
    #[error("The node's disk is full: what is there can be read and deleted")]
    DiskFull,
    /// The disk has little room, and the log of a change could take most of it: nothing was written.
    #[error(
        "The node's disk is full: this database is larger than a quarter of what is left, and can only be read"
    )]
    LargeForDisk,
    /// Something could not be written to the disk, it is not known why: nothing was written.
    #[error("Internal error")]
    Unwritten(String),
    /// Its worker ended while it wrote. The reason is for the machine's log.
    #[error(
        "Internal error: what carried it out has ended meanwhile, and it is not known whether it was written: read before you repeat it"
    )]
    Unknown(String),
    /// The machine failed: nothing was written. The reason is for its log.
    #[error("Internal error")]
    Internal(String),
}

impl SqlError {
    /// The status of the response (RFC 9110, section 15).
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Parse(_) | Self::Sqlite(_) | Self::Schema(_) | Self::Time | Self::Memory => 400,
            Self::Unauthorized { .. } | Self::Withdrawn => 401,
            Self::Permission(_) | Self::ReadOnly | Self::Constrained(_) => 403,
            Self::NotFound => 404,
            Self::TooLarge(_) => 413,
            Self::Quota => 429,
            Self::Internal(_) | Self::Unwritten(_) | Self::Unknown(_) => 500,
            Self::DiskFull | Self::LargeForDisk => 507,
            Self::Busy | Self::Preempted | Self::Locked | Self::Ending => 503,
        }
    }

    /// A stable name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Parse(_) => "sql_parse_error",
            Self::Sqlite(_) => "sql_error",
            Self::Schema(_) => "sql_schema_error",
            Self::Time => "sql_timeout",
            Self::Memory => "sql_out_of_memory",
            Self::Unauthorized { .. } | Self::Withdrawn => "unauthorized_action",
            Self::Permission(_) => "sql_permission_denied",
            Self::ReadOnly => "sql_readonly_violation",
            Self::Constrained(constraint) => constraint.code(),
            Self::NotFound => "sql_database_not_found",
            Self::TooLarge(_) => "sql_response_too_large",
            Self::Quota => "sql_quota_exceeded",
            Self::Internal(_) | Self::Unwritten(_) | Self::Unknown(_) => "sql_internal_error",
            Self::DiskFull | Self::LargeForDisk => "sql_disk_full",
            Self::Busy | Self::Locked | Self::Ending => "sql_busy",
            Self::Preempted => "sql_preempted",
        }
    }

    /// Whether the connection that it came from may be of no use any more.
    pub(super) const fn is_of_machine(&self) -> bool {
        matches!(
            self,
            Self::Internal(_)
                | Self::Unwritten(_)
                | Self::Unknown(_)
                | Self::Memory
                | Self::DiskFull
        )
    }

    pub(super) fn denied(what: impl Into<String>) -> Self {
        Self::Permission(what.into())
    }
}
