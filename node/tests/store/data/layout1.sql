PRAGMA application_id = 1330335300;
BEGIN TRANSACTION;
CREATE TABLE bound (space TEXT PRIMARY KEY, bytes INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO "bound" VALUES('SPACE',200000);
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
CREATE TABLE garbage (blob TEXT PRIMARY KEY, since_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO "garbage" VALUES('00000000000000000000000000000003',-9223372036854775808);
INSERT INTO "garbage" VALUES('00000000000000000000000000000002',1000);
CREATE TABLE invocation (
            statement BLOB PRIMARY KEY CHECK (length(statement) = 32),
            until_ms  INTEGER NOT NULL
         ) STRICT, WITHOUT ROWID;
INSERT INTO "invocation" VALUES(X'0707070707070707070707070707070707070707070707070707070707070707',1799999999999);
INSERT INTO "invocation" VALUES(X'0808080808080808080808080808080808080808080808080808080808080808',1800000300000);
CREATE TABLE migration (
        version INTEGER PRIMARY KEY, applied_at INTEGER NOT NULL
    ) STRICT;
INSERT INTO "migration" VALUES(1,1796048407946);
CREATE TABLE probe (
        one INTEGER PRIMARY KEY CHECK (one = 1), count INTEGER NOT NULL
    ) STRICT;
INSERT INTO "probe" VALUES(1,0);
CREATE TABLE revocation (
            target     BLOB PRIMARY KEY CHECK (length(target) = 32),
            revoker    TEXT NOT NULL,
            revoked_ms INTEGER NOT NULL,
            token      BLOB NOT NULL
         ) STRICT;
CREATE TABLE space (
            id             INTEGER PRIMARY KEY,
            name           TEXT NOT NULL UNIQUE,
            owner          TEXT NOT NULL,
            created_ms     INTEGER NOT NULL,
            value_bytes    INTEGER NOT NULL DEFAULT 0 CHECK (value_bytes >= 0),
            database_bytes INTEGER NOT NULL DEFAULT 0 CHECK (database_bytes >= 0)
         ) STRICT;
INSERT INTO "space" VALUES(1,'SPACE','OWNER',1000,70010,0);
CREATE TABLE sql_database (
            space INTEGER NOT NULL REFERENCES space (id),
            name  TEXT NOT NULL,
            bytes INTEGER NOT NULL,
            PRIMARY KEY (space, name)
         ) STRICT, WITHOUT ROWID;
CREATE TABLE ticket (
            id       BLOB PRIMARY KEY CHECK (length(id) = 32),
            space    TEXT NOT NULL,
            key      TEXT NOT NULL,
            hash     BLOB NOT NULL CHECK (length(hash) = 32),
            until_ms INTEGER NOT NULL,
            chain    BLOB NOT NULL CHECK (length(chain) % 32 = 0)
         ) STRICT, WITHOUT ROWID;
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
INSERT INTO "value" VALUES(1,1,'large',X'000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F',70000,'[]','00000000000000000000000000000001',NULL,1000);
INSERT INTO "value" VALUES(2,1,'small',X'000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F',10,'[]',NULL,X'30313233343536373839',1000);
CREATE INDEX space_owner ON space (owner, name);
CREATE INDEX invocation_until ON invocation (until_ms);
CREATE UNIQUE INDEX value_key ON value (space, key);
CREATE UNIQUE INDEX value_blob ON value (blob) WHERE blob IS NOT NULL;
CREATE INDEX garbage_since ON garbage (since_ms);
CREATE INDEX ticket_until ON ticket (until_ms);
COMMIT;
