//! What a check says.

use core::fmt;
use std::path::Path;

use serde::Serialize;

/// Findings that are named; more are counted.
const MOST: usize = 1000;
/// What helps where data is gone or changed.
pub const RESTORE: &str = "restore a backup";
/// What helps where a file is in nobody's way.
const UNLISTED: &str = "garbage: no row lists it; it is of a write that was not acknowledged, or that came \
    while a backup was made";

/// Of what something is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Part {
    /// The node's secret.
    Secret,
    /// The store's file as a whole.
    Store,
    /// A space.
    Space,
    /// A value.
    Value,
    /// A file of `sql/`, or the row that lists it.
    Database,
    /// A delegation, its token or a row that lists it.
    Delegation,
    /// A revocation or its token.
    Revocation,
    /// A ticket of a signed URL.
    Ticket,
    /// Room that is reserved for a blob.
    Reservation,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret => "secret",
            Self::Store => "store",
            Self::Space => "space",
            Self::Value => "value",
            Self::Database => "database",
            Self::Delegation => "delegation",
            Self::Revocation => "revocation",
            Self::Ticket => "ticket",
            Self::Reservation => "reservation",
        })
    }
}

/// Something that is not whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Of what.
    pub part: Part,
    /// The space that it is in, if it is in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub space: Option<String>,
    /// Its name there: a value's key, a database's path, a delegation's CID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub advice: &'static str,
}

impl Finding {
    pub(super) fn new(part: Part, problem: impl Into<String>) -> Self {
        Self {
            part,
            space: None,
            key: None,
            problem: problem.into(),
            advice: RESTORE,
        }
    }

    pub(super) fn space(mut self, space: &str) -> Self {
        self.space = Some(space.to_owned());
        self
    }

    pub(super) fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }
}

/// In one line, whatever names in a damaged store are.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(space) = &self.space {
            write!(f, "space {}", space.escape_debug())?;
            if self.part != Part::Space {
                write!(f, ", {}", self.part)?;
            }
        } else {
            write!(f, "{}", self.part)?;
        }
        if let Some(key) = &self.key {
            write!(f, " {}", key.escape_debug())?;
        }
        write!(f, ": {}; {}", self.problem, self.advice)
    }
}

/// What a check read and found.
#[derive(Debug, Default, Serialize)]
pub struct Checked {
    /// Values that were read.
    pub values: u64,
    /// Those of them that are blobs.
    pub blobs: u64,
    /// The bytes that blobs should have.
    pub blob_bytes: u64,
    /// Databases that are listed.
    pub databases: u64,
    /// Delegations that were read.
    pub delegations: u64,
    /// Revocations that were read.
    pub revocations: u64,
    /// What is not whole; at most 1000 of them.
    pub findings: Vec<Finding>,
    /// How many there are in all.
    pub findings_in_all: u64,
    /// Files that no row lists, each in a sentence; at most 1000 of them. They are no damage: a crash
    /// leaves some.
    pub garbage: Vec<String>,
    /// How many there are in all.
    pub garbage_in_all: u64,
}

impl Checked {
    /// Whether all is.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.findings_in_all == 0
    }

    pub(super) fn find(&mut self, finding: Finding) {
        self.findings_in_all += 1;
        if self.findings.len() < MOST {
            self.findings.push(finding);
        }
    }

    pub(super) fn find_garbage(&mut self, path: &Path) {
        self.garbage_in_all += 1;
        if self.garbage.len() < MOST {
            self.garbage.push(format!("{}: {UNLISTED}", path.display()));
        }
    }

    /// How many there are, and the first.
    pub(super) fn summary(&self) -> String {
        let count = match self.findings_in_all {
            1 => "1 finding".to_owned(),
            count => format!("{count} findings"),
        };
        match self.findings.first() {
            Some(first) => format!("{count}, such as: {first}"),
            None => count,
        }
    }
}
