//! The layout of the file.

use openkey_edge::sqlite::Layout;

/// "OKND" in the file's header: a database of another program is not touched.
const APPLICATION_ID: i32 = 0x4f4b_4e44;

/// The file that says what was acknowledged.
pub(super) const MARK: &str = "node.mark";

/// Every layout there ever was, in order.
pub(super) const LAYOUT: Layout = Layout {
    file_name: "node.sqlite3",
    application_id: APPLICATION_ID,
    mark: Some(MARK),
    what: "node's store",
    migrations: &[
        // Tables with a row id grow at their end; what is looked up has an index. Principals, names
        // of spaces and keys are compared bytewise.
        "CREATE TABLE space (
            id             INTEGER PRIMARY KEY,
            name           TEXT NOT NULL UNIQUE,
            owner          TEXT NOT NULL,
            created_ms     INTEGER NOT NULL,
            value_bytes    INTEGER NOT NULL DEFAULT 0 CHECK (value_bytes >= 0),
            database_bytes INTEGER NOT NULL DEFAULT 0 CHECK (database_bytes >= 0)
         ) STRICT;
         CREATE INDEX space_owner ON space (owner, name);

         CREATE TABLE bound (space TEXT PRIMARY KEY, bytes INTEGER NOT NULL) STRICT, WITHOUT ROWID;

         CREATE TABLE delegation (
            id        INTEGER PRIMARY KEY,
            cid       BLOB NOT NULL UNIQUE CHECK (length(cid) = 32),
            statement BLOB NOT NULL CHECK (length(statement) = 32),
            token     BLOB NOT NULL
         ) STRICT;

         CREATE TABLE delegation_party (
            principal  TEXT NOT NULL,
            direction  INTEGER NOT NULL CHECK (direction IN (0, 1)),
            issued_ms  INTEGER NOT NULL,
            delegation INTEGER NOT NULL REFERENCES delegation (id),
            PRIMARY KEY (principal, issued_ms DESC, delegation DESC, direction)
         ) STRICT, WITHOUT ROWID;

         CREATE TABLE delegation_space (
            space      TEXT NOT NULL,
            delegation INTEGER NOT NULL REFERENCES delegation (id),
            PRIMARY KEY (space, delegation)
         ) STRICT, WITHOUT ROWID;

         CREATE TABLE revocation (
            target     BLOB PRIMARY KEY CHECK (length(target) = 32),
            revoker    TEXT NOT NULL,
            revoked_ms INTEGER NOT NULL,
            token      BLOB NOT NULL
         ) STRICT;

         CREATE TABLE invocation (
            statement BLOB PRIMARY KEY CHECK (length(statement) = 32),
            until_ms  INTEGER NOT NULL
         ) STRICT, WITHOUT ROWID;
         CREATE INDEX invocation_until ON invocation (until_ms);

         CREATE TABLE value (
            id      INTEGER PRIMARY KEY,
            space   INTEGER NOT NULL REFERENCES space (id),
            key     TEXT NOT NULL,
            hash    BLOB NOT NULL CHECK (length(hash) = 32),
            size    INTEGER NOT NULL CHECK (size >= 0),
            headers TEXT NOT NULL,
            blob    TEXT,
            inline  BLOB,
            changed_ms INTEGER NOT NULL,
            CHECK ((blob IS NULL) <> (inline IS NULL))
         ) STRICT;
         CREATE UNIQUE INDEX value_key ON value (space, key);
         CREATE UNIQUE INDEX value_blob ON value (blob) WHERE blob IS NOT NULL;

         CREATE TABLE garbage (blob TEXT PRIMARY KEY, since_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
         CREATE INDEX garbage_since ON garbage (since_ms);

         CREATE TABLE ticket (
            id       BLOB PRIMARY KEY CHECK (length(id) = 32),
            space    TEXT NOT NULL,
            key      TEXT NOT NULL,
            hash     BLOB NOT NULL CHECK (length(hash) = 32),
            until_ms INTEGER NOT NULL,
            chain    BLOB NOT NULL CHECK (length(chain) % 32 = 0)
         ) STRICT, WITHOUT ROWID;
         CREATE INDEX ticket_until ON ticket (until_ms);

         CREATE TABLE sql_database (
            space INTEGER NOT NULL REFERENCES space (id),
            name  TEXT NOT NULL,
            bytes INTEGER NOT NULL,
            PRIMARY KEY (space, name)
         ) STRICT, WITHOUT ROWID;",
        // Blobs that are part of no value count for their space. Those of before have no size, and are
        // removed within minutes.
        "ALTER TABLE garbage ADD COLUMN staged INTEGER NOT NULL DEFAULT 1 CHECK (staged IN (0, 1));
         ALTER TABLE garbage ADD COLUMN space INTEGER REFERENCES space (id);
         ALTER TABLE garbage ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0 CHECK (bytes >= 0);
         DROP INDEX garbage_since;
         CREATE INDEX garbage_since ON garbage (staged, since_ms);

         ALTER TABLE space ADD COLUMN pending_bytes INTEGER NOT NULL DEFAULT 0 CHECK (pending_bytes >= 0);

         CREATE TABLE tally (
            one          INTEGER PRIMARY KEY CHECK (one = 1),
            staged_bytes INTEGER NOT NULL CHECK (staged_bytes >= 0),
            forgotten_ms INTEGER NOT NULL
         ) STRICT;
         INSERT INTO tally VALUES (1, 0, -9223372036854775808);",
        // The node's time, which does not follow every clock.
        "CREATE TABLE clock (
            one       INTEGER PRIMARY KEY CHECK (one = 1),
            seen_ms   INTEGER NOT NULL,
            steady_ms INTEGER NOT NULL,
            boot      TEXT NOT NULL,
            accepted  INTEGER NOT NULL
         ) STRICT;",
        // Delegations end, count for a space, and hang under others. Of those of before neither is known
        // until their tokens are read.
        "ALTER TABLE delegation ADD COLUMN expires_ms INTEGER;
         ALTER TABLE delegation ADD COLUMN accepted_ms INTEGER;
         ALTER TABLE delegation ADD COLUMN space INTEGER REFERENCES space (id);
         ALTER TABLE delegation ADD COLUMN depth INTEGER NOT NULL DEFAULT 0 CHECK (depth >= 0);
         ALTER TABLE delegation ADD COLUMN below INTEGER NOT NULL DEFAULT 0 CHECK (below >= 0);
         ALTER TABLE delegation ADD COLUMN below_bytes INTEGER NOT NULL DEFAULT 0 CHECK (below_bytes >= 0);
         CREATE INDEX delegation_statement ON delegation (statement);
         CREATE INDEX delegation_expires ON delegation (expires_ms) WHERE expires_ms IS NOT NULL;
         CREATE INDEX delegation_home ON delegation (space);
         CREATE INDEX delegation_party_of ON delegation_party (delegation);
         ALTER TABLE delegation_space ADD COLUMN depth INTEGER NOT NULL DEFAULT 0;
         CREATE INDEX delegation_space_of ON delegation_space (delegation);
         CREATE INDEX delegation_space_depth ON delegation_space (space, depth, delegation);

         CREATE TABLE delegation_spelling (
            cid        BLOB PRIMARY KEY CHECK (length(cid) = 32),
            delegation INTEGER NOT NULL REFERENCES delegation (id),
            token      BLOB NOT NULL
         ) STRICT, WITHOUT ROWID;
         CREATE INDEX delegation_spelling_of ON delegation_spelling (delegation);

         CREATE TABLE delegation_above (
            ancestor   INTEGER NOT NULL REFERENCES delegation (id),
            delegation INTEGER NOT NULL REFERENCES delegation (id),
            PRIMARY KEY (delegation, ancestor)
         ) STRICT, WITHOUT ROWID;
         CREATE INDEX delegation_above_of ON delegation_above (ancestor, delegation);

         UPDATE delegation SET space = (
            SELECT min(space.id) FROM delegation_space AS s JOIN space ON space.name = s.space
            WHERE s.delegation = delegation.id);
         ALTER TABLE space ADD COLUMN delegation_bytes INTEGER NOT NULL DEFAULT 0 CHECK (delegation_bytes >= 0);
         UPDATE space SET delegation_bytes = (
            SELECT coalesce(sum(length(token)), 0) FROM delegation WHERE delegation.space = space.id);
         ALTER TABLE tally ADD COLUMN ended_ms INTEGER NOT NULL DEFAULT -9223372036854775808;

         CREATE TABLE revocation_ahead (
            cid        BLOB NOT NULL CHECK (length(cid) = 32),
            principal  TEXT NOT NULL,
            revoker    TEXT NOT NULL,
            revoked_ms INTEGER NOT NULL,
            until_ms   INTEGER NOT NULL,
            space      INTEGER NOT NULL REFERENCES space (id),
            token      BLOB NOT NULL,
            PRIMARY KEY (cid, principal)
         ) STRICT, WITHOUT ROWID;
         CREATE INDEX revocation_ahead_revoker ON revocation_ahead (revoker);
         CREATE INDEX revocation_ahead_space ON revocation_ahead (space);
         CREATE INDEX revocation_ahead_until ON revocation_ahead (until_ms);",
        // Keys and headers of values count. Tickets are bounded by who made them, and what requests of
        // databases may use is reserved.
        "UPDATE space SET value_bytes = (
            SELECT coalesce(sum(size + octet_length(key) + octet_length(headers)), 0)
            FROM value WHERE value.space = space.id);

         ALTER TABLE ticket ADD COLUMN invoker TEXT;
         CREATE INDEX ticket_of ON ticket (space, invoker);

         CREATE TABLE sql_reservation (
            id       INTEGER PRIMARY KEY AUTOINCREMENT,
            space    INTEGER NOT NULL REFERENCES space (id),
            name     TEXT NOT NULL,
            export   INTEGER NOT NULL CHECK (export IN (0, 1)),
            bytes    INTEGER NOT NULL CHECK (bytes >= 0),
            until_ms INTEGER NOT NULL
         ) STRICT;
         CREATE INDEX sql_reservation_space ON sql_reservation (space, name);
         CREATE INDEX sql_reservation_until ON sql_reservation (until_ms);
         CREATE INDEX sql_reservation_export ON sql_reservation (space) WHERE export = 1;",
        // Whoever revokes may know a delegation by a name under which nobody posted it.
        "CREATE TABLE delegation_name (
            cid        BLOB PRIMARY KEY CHECK (length(cid) = 32),
            delegation INTEGER NOT NULL REFERENCES delegation (id)
         ) STRICT, WITHOUT ROWID;
         CREATE INDEX delegation_name_of ON delegation_name (delegation);",
        // What is revoked ahead counts for whom its revoker hangs under. By what time things are forgotten.
        // Of delegations of before it is read later when they end, what they hang under, and their names.
        "CREATE TABLE revocation_ahead_under (
            holder    TEXT NOT NULL,
            cid       BLOB NOT NULL CHECK (length(cid) = 32),
            principal TEXT NOT NULL,
            PRIMARY KEY (holder, cid, principal)
         ) STRICT, WITHOUT ROWID;
         CREATE INDEX revocation_ahead_under_of ON revocation_ahead_under (cid, principal);
         CREATE INDEX revocation_ahead_principal ON revocation_ahead (principal, revoker);

         ALTER TABLE clock ADD COLUMN longest_ms INTEGER NOT NULL DEFAULT 300000;
         ALTER TABLE clock ADD COLUMN soon_ms INTEGER;
         ALTER TABLE clock ADD COLUMN soon_since_ms INTEGER;
         ALTER TABLE clock ADD COLUMN late_ms INTEGER;
         ALTER TABLE clock ADD COLUMN late_since_ms INTEGER;

         CREATE TABLE delegation_unread (
            delegation INTEGER PRIMARY KEY REFERENCES delegation (id)
         ) STRICT;
         INSERT INTO delegation_unread SELECT id FROM delegation;",
        // How many bytes of a space hang below what its owner's sessions shared. Which tickets of a space have
        // ended.
        "CREATE INDEX delegation_shared ON delegation (space, octet_length(token)) WHERE depth >= 2;
         CREATE INDEX ticket_space_until ON ticket (space, until_ms);",
    ],
};
