//! What a node is told when it starts.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use openkey_capability::did::Did;
use openkey_capability::resource::SpaceId;

use crate::sql::{SqlLimits, WorkerProgram};
use crate::store::DefaultBounds;

/// What a node is told when it starts. The defaults are enough for a first one.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where everything is kept.
    pub dir: PathBuf,
    /// Most bytes of one value.
    pub max_value_bytes: u64,
    /// Most bytes of all uploads under way.
    pub max_staged_bytes: u64,
    /// Most bytes of a space's values and databases, unless somebody sets another bound for it.
    pub quota_bytes: Option<u64>,
    /// The same, for spaces that anybody may read.
    pub public_quota_bytes: Option<u64>,
    /// Free bytes of the disk below which nothing grows; `None`: as many as are right for its size.
    pub reserve_bytes: Option<u64>,
    /// How far ahead the end of an invocation may lie.
    pub longest_invocation: Duration,
    /// Processes that carry out what is asked of databases.
    pub sql_workers: usize,
    /// The program that they run: by default this one, under the subcommand that `openkey-node` has for it.
    pub sql_program: WorkerProgram,
    /// Owners whose spaces are hosted; `None`: everybody's.
    pub owners: Option<BTreeSet<Did>>,
    /// Where clients ask how much they may keep; told by `/info`.
    pub quota_url: Option<String>,
    /// What who sets quotas shows; `None`: nobody may.
    pub admin_secret: Option<AdminSecret>,
}

/// A secret that is compared and never shown.
#[derive(Clone)]
pub struct AdminSecret(blake3::Hash);

impl AdminSecret {
    /// This one.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self(blake3::hash(secret))
    }

    /// Whether somebody shows the same, in a time that does not say how far it is.
    #[must_use]
    pub fn is(&self, shown: &[u8]) -> bool {
        // `blake3::Hash` compares in constant time
        blake3::hash(shown) == self.0
    }
}

impl std::fmt::Debug for AdminSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AdminSecret")
    }
}

/// 1 GiB: what clients of present nodes may store.
pub const MAX_VALUE_BYTES: u64 = 1024 * 1024 * 1024;
/// 16 GiB: sixteen of the largest values at once.
pub const MAX_STAGED_BYTES: u64 = 16 * 1024 * 1024 * 1024;
/// 10 MiB: whoever can read a public space costs its host something.
pub const PUBLIC_QUOTA_BYTES: u64 = 10 * 1024 * 1024;
/// Five minutes: the shipped clients ask for one or two.
pub const LONGEST_INVOCATION: Duration = Duration::from_secs(300);

impl Config {
    /// The defaults, in this directory.
    #[must_use]
    pub fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            max_value_bytes: MAX_VALUE_BYTES,
            max_staged_bytes: MAX_STAGED_BYTES,
            quota_bytes: None,
            public_quota_bytes: Some(PUBLIC_QUOTA_BYTES),
            reserve_bytes: None,
            longest_invocation: LONGEST_INVOCATION,
            sql_workers: SqlLimits::default_workers(),
            sql_program: WorkerProgram::own(WorkerProgram::ARGUMENT),
            owners: None,
            quota_url: None,
            admin_secret: None,
        }
    }

    /// How far ahead the end of an invocation may lie, in milliseconds.
    #[must_use]
    pub fn longest_invocation_ms(&self) -> i64 {
        i64::try_from(self.longest_invocation.as_millis()).unwrap_or(i64::MAX)
    }

    /// The bound of a space for which nobody set one.
    #[must_use]
    pub fn default_bound(&self, space: &SpaceId) -> Option<u64> {
        self.default_bounds().of(space)
    }

    /// The bounds of spaces for which nobody set one.
    #[must_use]
    pub const fn default_bounds(&self) -> DefaultBounds {
        DefaultBounds {
            public: self.public_quota_bytes,
            others: self.quota_bytes,
        }
    }

    /// Whether spaces of somebody are hosted here.
    #[must_use]
    pub fn may_host(&self, owner: &Did) -> bool {
        self.owners
            .as_ref()
            .is_none_or(|owners| owners.contains(owner))
    }
}
