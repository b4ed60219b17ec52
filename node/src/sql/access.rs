//! What may be done in a database, from what an invocation was granted.

use std::sync::Arc;

use openkey_capability::ability::Ability;
use openkey_capability::attenuation::Caveats;
use openkey_capability::resource::SpaceResource;
use openkey_edge::client::ClientKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::limited::{Named, Narrowed};
use super::statement::only_selects;
use super::{DatabaseId, Request, SqlError, Stands};
use crate::standing::Standing;

/// What the abilities of an invocation let it do.
///
/// Abilities add up: an invocation with several may do what one of them allows.
///
/// | ability | rows | tables and so on | pragmas |
/// |---|---|---|---|
/// | `read`, `select` | reads | | |
/// | `write` | reads, writes | defines | |
/// | `schema` | | defines | |
/// | `admin` | | defines | asks |
/// | `*` | reads, writes | defines | asks |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Can {
    pub(super) read: bool,
    pub(super) write: bool,
    pub(super) define: bool,
    pub(super) pragma: bool,
}

impl Can {
    fn of(ability: &str) -> Self {
        let (read, write, define, pragma) = match ability {
            "tinycloud.sql/read" => (true, false, false, false),
            "tinycloud.sql/write" => (true, true, true, false),
            "tinycloud.sql/schema" => (false, false, true, false),
            "tinycloud.sql/admin" => (false, false, true, true),
            "tinycloud.sql/*" => (true, true, true, true),
            _ => (false, false, false, false),
        };
        Self {
            read,
            write,
            define,
            pragma,
        }
    }

    const fn or(self, other: Self) -> Self {
        Self {
            read: self.read || other.read,
            write: self.write || other.write,
            define: self.define || other.define,
            pragma: self.pragma || other.pragma,
        }
    }

    /// What of it is reading.
    const fn reading(self) -> Self {
        Self {
            read: self.read,
            write: false,
            define: false,
            pragma: false,
        }
    }

    /// Whether nothing is allowed that writes.
    pub(super) const fn only_reads(self) -> bool {
        !self.write && !self.define
    }
}

/// Whose requests share what there is of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Who {
    /// The owner of the space, as the hash of its DID.
    pub(super) owner: [u8; 32],
    /// From where it is asked.
    pub(super) client: ClientKey,
    /// In whose name, of those who use the owner's databases.
    pub(super) standing: Standing,
}

/// What may be done in one database, and how large it may become.
#[derive(Clone, Debug)]
pub struct Access {
    pub(super) database: DatabaseId,
    pub(super) who: Who,
    pub(super) resource: String,
    pub(super) can: Can,
    /// What whoever asks may do, though not all of it is asked for now.
    pub(super) holds: Can,
    pub(super) named: Named,
    /// What the invoker's own fact leaves of it.
    pub(super) narrowed: Narrowed,
    pub(super) may_create: bool,
    pub(super) max_bytes: Option<u64>,
    /// What it rests on, and who says whether it still does; `None`: nothing that could be taken back.
    pub(super) rests: Option<Arc<dyn Stands>>,
}

impl Access {
    /// What an invocation may do in the database that `resource` names.
    ///
    /// `granted` are its abilities for this resource, each with the caveats that it was granted
    /// under; `own` is what the invoker's fact `sqlCaveats` says, if there is one. It may not make
    /// the database ([`Access::may_create`]), which may become as large as any
    /// ([`Access::max_bytes`]).
    ///
    /// A caveat that allows nothing here refuses the whole, not only its ability: no request is
    /// answered for one of which not all is granted.
    ///
    /// # Errors
    ///
    /// [`SqlError::Permission`]: a caveat is unknown, cannot be read, contradicts another or selects
    /// another path; or the fact cannot be read. [`SqlError::Parse`]: the resource names no database.
    pub fn new<'a>(
        resource: &SpaceResource,
        granted: impl IntoIterator<Item = (&'a Ability, &'a Caveats)>,
        own: Option<&Value>,
    ) -> Result<Self, SqlError> {
        let database = DatabaseId::new(resource);
        let database = database.map_err(|error| SqlError::Parse(error.to_string()))?;
        let path = resource.path().unwrap_or_default();
        let mut can = Can::default();
        let mut constrained = None;
        for (ability, caveats) in granted {
            can = can.or(Can::of(ability.canonical()));
            super::limited::constrain(&mut constrained, caveats, path)?;
        }
        let (named, narrowed) = match constrained {
            Some(statements) => (Named::Constrained(statements), Narrowed::default()),
            None => super::limited::own(own)?,
        };
        // here, and nowhere else, it is decided whether anything may be written
        if narrowed.read_only || matches!(named, Named::Constrained(_)) {
            can = can.reading();
        }
        let owner = blake3::hash(resource.space().owner().as_str().as_bytes());
        let nowhere = std::net::Ipv6Addr::UNSPECIFIED;
        Ok(Self {
            database,
            who: Who {
                owner: *owner.as_bytes(),
                client: ClientKey::of(nowhere.into()),
                standing: Standing::OWNER,
            },
            resource: resource.to_string(),
            can,
            holds: can,
            named,
            narrowed,
            may_create: false,
            max_bytes: None,
            rests: None,
        })
    }

    /// From where and in whose name it is asked. All that nobody says this of come from one place, in the
    /// owner's name.
    #[must_use]
    pub fn asked_by(mut self, client: ClientKey, standing: Standing) -> Self {
        self.who.client = client;
        self.who.standing = standing;
        self
    }

    /// What else whoever asks may do with all of the database, without a caveat: clients name the one
    /// ability that a statement needs.
    #[must_use]
    pub fn held<'a>(mut self, abilities: impl IntoIterator<Item = &'a Ability>) -> Self {
        let names = ["tinycloud.sql/read", "tinycloud.sql/write"];
        let asked = names.map(|name| Ability::parse(name).map(|asked| (name, asked)));
        for held in abilities {
            for (name, asked) in asked.iter().flatten() {
                if held.covers(asked) {
                    self.holds = self.holds.or(Can::of(name));
                }
            }
        }
        self
    }

    /// Whoever asks owns the database.
    #[must_use]
    pub fn owned(mut self) -> Self {
        self.holds = self.holds.or(Can::of("tinycloud.sql/*"));
        self
    }

    /// Whether the database is made by the first request that would write it. Otherwise that finds
    /// no database ([`SqlError::NotFound`]).
    #[must_use]
    pub fn may_create(mut self, may: bool) -> Self {
        self.may_create = may;
        self
    }

    /// How large the database may become, in bytes, if that is less than any may.
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// What is asked before something that is written becomes durable.
    #[must_use]
    pub fn resting_on(mut self, stands: Option<Arc<dyn Stands>>) -> Self {
        self.rests = stands;
        self
    }

    /// The database.
    #[must_use]
    pub const fn database(&self) -> DatabaseId {
        self.database
    }

    /// Whether no request under it can write, so that nobody needs to be asked for room.
    #[must_use]
    pub const fn only_reads(&self) -> bool {
        self.can.only_reads()
    }

    /// What this request under it may do to the database, as far as its text tells: only a query that begins
    /// with `SELECT` or `VALUES`, and an export, certainly do not write.
    #[must_use]
    pub fn effect(&self, request: &Request) -> Effect {
        match request {
            Request::Export => Effect::Exports,
            _ if self.only_reads() => Effect::Reads,
            Request::Query(command, _) if only_selects(&command.sql) => Effect::Reads,
            Request::Query(..) => Effect::MayWrite,
            Request::Execute { .. } | Request::Batch(_) | Request::Named { .. } => Effect::Writes,
        }
    }
}

/// What a request may do to a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It writes nothing, and nothing is there for it to write with.
    Reads,
    /// It copies the database.
    Exports,
    /// It probably reads: room is looked for when it needs some.
    MayWrite,
    /// It probably writes: room is looked for before.
    Writes,
}

impl Effect {
    /// Whether the database may be another afterwards.
    #[must_use]
    pub const fn may_write(self) -> bool {
        matches!(self, Self::MayWrite | Self::Writes)
    }
}
