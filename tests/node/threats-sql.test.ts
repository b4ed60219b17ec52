// Statements that want more than their database: threat H4, and H8, where others would have less.

import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { delegate, fact, Invoker } from './client/invoker.js';
import { Key } from './client/keys.js';
import { grants } from './client/recap.js';
import { signIn } from './client/session.js';
import { Sql, type Rows } from './client/sql.js';
import { Wallet } from './client/wallet.js';
import { Fleet } from './lib/fleet.js';
import { expect, scenario } from './lib/scenario.js';

/** Longest time that one statement may take, in milliseconds. */
const PATIENCE = 60_000;

const fleet = await Fleet.start();
after(() => fleet.stop());
const outside = await mkdtemp(join(tmpdir(), 'openkey-outside-'));
after(() => rm(outside, { recursive: true, force: true }));
const alice = await signIn(fleet, new Wallet());
const bob = await signIn(fleet, new Wallet());
expect(await bob.sql('private').execute("CREATE TABLE t AS SELECT 'of bob' AS a"), 200);
const sql = alice.sql('own');
expect(await sql.execute("CREATE TABLE t AS SELECT 'of alice' AS a"), 200);

/** Every ability there is, on one database. */
const all = ['read', 'write', 'schema', 'admin', '*'].map((name) => `tinycloud.sql/${name}`);
const each = async (statement: string, work: (answer: Awaited<ReturnType<Sql['action']>>) => void): Promise<void> => {
  for (const abilities of [['tinycloud.sql/read'], ['tinycloud.sql/write'], ['tinycloud.sql/schema'], ['tinycloud.sql/admin'], all]) {
    const session = alice;
    const by = abilities.includes('tinycloud.sql/*') ? await everything() : session;
    const own = new Sql(by, alice.space, 'own');
    work(await own.action(abilities, { action: 'query', sql: statement, params: [] }));
    work(await own.action(abilities, { action: 'execute', sql: statement, params: [] }));
    work(await own.action(abilities, { action: 'batch', statements: [{ sql: statement, params: [] }] }));
  }
};
let star: Invoker | undefined;
const everything = async (): Promise<Invoker> => (star ??= await signIn(fleet, alice.wallet, { att: grants({ [`${alice.space}/sql`]: all }) }));

scenario('h4_no_other_file_is_opened', async () => {
  const file = join(outside, 'made.db');
  for (const statement of [
    `ATTACH '${file}' AS other`, `attach database '${file}' as other`, `/* */ ATTACH '${file}' AS other`, `-- a\nATTACH '${file}' AS other`, `ATTACH ':memory:' AS other`, `ATTACH 'file:${file}?mode=rwc' AS other`, 'DETACH main',
    `VACUUM INTO '${file}'`, `SELECT load_extension('${outside}/x.so')`, `SELECT writefile('${file}', 'x')`, "SELECT readfile('/etc/passwd')", "SELECT edit('x', 'cat')", "SELECT fts3_tokenizer('simple')", `SELECT sqlite_rename_table('a','b','c','d','e','f',1)`,
    `CREATE VIRTUAL TABLE v USING csv(filename='/etc/passwd')`, `CREATE VIRTUAL TABLE v USING fsdir`, `CREATE VIRTUAL TABLE v USING nothing`, `PRAGMA temp_store_directory = '${outside}'`, `PRAGMA data_store_directory = '${outside}'`,
  ]) {
    await each(statement, (answer) => void assert.ok([400, 401, 403].includes(answer.status), `${statement}: ${answer}`));
  }
  assert.deepEqual(readdirSync(outside), []);
  assert.ok(!existsSync(file));
  assert.deepEqual(expect(await sql.query('SELECT a FROM t'), 200).json<Rows>().rows, [['of alice']]);
});

scenario('h4_pragmas_do_not_loosen_anything', async () => {
  for (const statement of ['PRAGMA writable_schema = 1', 'PRAGMA writable_schema(1)', 'PRAGMA journal_mode = OFF', 'PRAGMA journal_mode = DELETE', 'PRAGMA synchronous = OFF', 'PRAGMA locking_mode = EXCLUSIVE', 'PRAGMA trusted_schema = 1', 'PRAGMA mmap_size = 1000000000000', 'PRAGMA cache_size = -100000000', 'PRAGMA max_page_count = 4000000000', 'PRAGMA key = 1', 'PRAGMA query_only = 0', 'PRAGMA wal_autocheckpoint = 0', 'PRAGMA module_list', 'PRAGMA database_list']) {
    for (const answer of [await sql.action(['tinycloud.sql/admin'], { action: 'query', sql: statement, params: [] }), await sql.action(['tinycloud.sql/admin'], { action: 'execute', sql: statement, params: [] })]) {
      // refused, or without effect and without a path in the answer
      assert.ok([200, 400, 401, 403].includes(answer.status), `${statement}: ${answer}`);
      assert.ok(!answer.text.includes(fleet.dir), `${statement}: ${answer}`);
    }
  }
  expect(await sql.query('PRAGMA table_info(t)'), 401, /^Unauthorized Action: .* \/ tinycloud\.sql\/admin$/m);
  expect(await sql.execute("UPDATE sqlite_master SET sql = 'x'"), [400, 403]);
  expect(await sql.execute('DELETE FROM sqlite_schema'), [400, 403]);
  assert.deepEqual(expect(await sql.query('SELECT a FROM t'), 200).json<Rows>().rows, [['of alice']]);
});

scenario('h4_one_statement_at_a_time_and_no_open_transaction', async () => {
  for (const statement of ['SELECT 1; SELECT 2', "SELECT 1; DROP TABLE t", '; SELECT 1; SELECT 2', '', ';', '--', '/* */', 'SELECT', 'nonsense']) {
    expect(await sql.query(statement), [400, 403]);
    expect(await sql.execute(statement), [400, 403]);
  }
  for (const statement of ['BEGIN', 'BEGIN EXCLUSIVE', 'COMMIT', 'ROLLBACK', 'SAVEPOINT a', 'RELEASE a', 'END']) {
    expect(await sql.execute(statement), [400, 403]);
    expect(await sql.batch([{ sql: 'INSERT INTO t VALUES (1)' }, { sql: statement }]), [400, 403]);
  }
  assert.deepEqual(expect(await sql.query('SELECT a FROM t'), 200).json<Rows>().rows, [['of alice']]);
});

scenario('h4_reading_does_not_write', async () => {
  // without an index there is nothing to reindex
  expect(await sql.execute('CREATE INDEX IF NOT EXISTS t_a ON t (a)'), 200);
  for (const statement of ["INSERT INTO t VALUES (1)", "UPDATE t SET a = 1", 'DELETE FROM t', 'REPLACE INTO t VALUES (1)', 'WITH x AS (SELECT 1) DELETE FROM t', "INSERT INTO t VALUES (1) RETURNING a", 'DROP TABLE t', 'CREATE TABLE u (a)', 'ALTER TABLE t ADD b', 'REINDEX', 'ANALYZE', 'VACUUM', 'CREATE TEMP TABLE u (a)', 'EXPLAIN DELETE FROM t']) {
    const answer = await sql.query(statement);
    assert.ok([400, 401, 403].includes(answer.status) || statement.startsWith('EXPLAIN'), `${statement}: ${answer}`);
  }
  assert.deepEqual(expect(await sql.query('SELECT a FROM t'), 200).json<Rows>().rows, [['of alice']]);
  // writing does not change tables, changing tables does not write
  expect(await sql.action(['tinycloud.sql/schema'], { action: 'execute', sql: 'DELETE FROM t', params: [] }), 403);
  assert.deepEqual(expect(await sql.query('SELECT a FROM t'), 200).json<Rows>().rows, [['of alice']]);
});

scenario('h4_a_statement_without_end_is_ended', async () => {
  const endless = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)';
  const start = Date.now();
  for (const statement of [`${endless} SELECT count(*) FROM n`, `${endless} SELECT max(i) FROM n`, `${endless} SELECT i FROM n`]) {
    const answer = await sql.query(statement);
    assert.ok(answer.status >= 400 && answer.status < 600 && answer.status !== 500, `${statement}: ${answer}`);
  }
  assert.ok(Date.now() - start < PATIENCE);
  assert.deepEqual(expect(await bob.sql('private').query('SELECT a FROM t'), 200).json<Rows>().rows, [['of bob']]);
});

scenario('h4_others_are_served_while_a_statement_does_not_end', async () => {
  const endless = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n';
  const hogs = Array.from({ length: 8 }, (_, i) => alice.sql(`hog${i}`).query(endless));
  const start = Date.now();
  for (let i = 0; i < 5; i += 1) {
    expect(await bob.sql('private').query('SELECT a FROM t'), 200);
    expect(await bob.kv().put('a', 'b'), 200);
  }
  const took = Date.now() - start;
  for (const answer of await Promise.all(hogs)) assert.notEqual(answer.status, 200);
  assert.ok(took < 20_000, `${took} ms`);
});

scenario('h4_memory_is_bounded', async () => {
  for (const statement of ['SELECT zeroblob(2000000000)', 'SELECT randomblob(2000000000)', "SELECT printf('%.*c', 2000000000, 'x')", "SELECT replace(hex(zeroblob(100000000)), '0', 'xxxxxxxxxxxxxxxxxxxx')", "WITH RECURSIVE s(a) AS (SELECT 'x' UNION ALL SELECT a || a FROM s) SELECT a FROM s LIMIT 40", `SELECT ${'('.repeat(5000)}1${')'.repeat(5000)}`, `SELECT ${Array.from({ length: 3000 }, () => '1').join(',')}`, "SELECT 'x' LIKE '%' || replace(hex(zeroblob(60000)), '0', '%a') || '%'", `SELECT group_concat(a.x) FROM (${Array.from({ length: 600 }, (_, i) => `SELECT ${i} AS x`).join(' UNION ALL ')}) a`]) {
    const answer = await sql.query(statement);
    assert.ok(answer.status !== 500 && answer.bytes.length < 11 * 1024 * 1024, `${statement.slice(0, 60)}: ${answer}`);
  }
  expect(await sql.query('WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 200) SELECT zeroblob(100000) FROM n'), 413);
  assert.deepEqual(expect(await sql.query('SELECT a FROM t'), 200).json<Rows>().rows, [['of alice']]);
});

scenario('h4_a_caller_gets_no_more_rows_and_bytes_than_it_asked_for', async () => {
  const rows = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 10) SELECT i FROM n';
  expect(await sql.query(rows, [], { maxRows: 10 }), 200);
  expect(await sql.query(rows, [], { maxRows: 9 }), 413);
  expect(await sql.query("SELECT printf('%.2000c', 'x')", [], { maxBytes: 1000 }), 413);
  for (const more of [{ maxRows: 0 }, { maxRows: 1001 }, { maxRows: -1 }, { maxBytes: 0 }, { maxBytes: 4 * 1024 * 1024 + 1 }]) expect(await sql.query(rows, [], more), 400);
});

scenario('h4_numbers_and_bodies_that_do_not_fit_are_refused', async () => {
  const raw = (body: string) => alice.one(sql.resource, 'tinycloud.sql/read', { body });
  for (const body of ['{"action":"query","sql":"SELECT ?","params":[9223372036854775808]}', '{"action":"query","sql":"SELECT ?","params":[-9223372036854775809]}', '{"action":"query","sql":"SELECT ?","params":[[256]]}', '{"action":"query","sql":"SELECT ?","params":[{}]}', '{"action":"query","sql":"SELECT ?, ?","params":[1,2,3]}', '{"action":"unknown"}', '{"action":"query"}', '{"sql":"SELECT 1"}', '[]', 'null']) {
    expect(await raw(body), 400);
  }
  const largest = await raw('{"action":"query","sql":"SELECT CAST(? AS TEXT)","params":[9223372036854775807]}');
  assert.deepEqual(expect(largest, 200).json<Rows>().rows, [['9223372036854775807']]);
});

scenario('h4_several_spaces_or_databases_in_one_invocation_are_ambiguous', async () => {
  const body = JSON.stringify({ action: 'query', sql: 'SELECT 1', params: [] });
  expect(await alice.invoke(grants({ [`${alice.space}/sql/a`]: ['tinycloud.sql/read'], [`${alice.wallet.space('account')}/sql/a`]: ['tinycloud.sql/read'] }), { body }), 400, /^Ambiguous sql capabilities span multiple spaces/);
  expect(await alice.invoke(grants({ [`${alice.space}/sql/a`]: ['tinycloud.sql/read'], [`${alice.space}/sql/b`]: ['tinycloud.sql/read'] }), { body }), 400, /^Ambiguous sql capabilities/);
});

scenario('h4_a_caveat_leaves_only_the_statements_it_names', async () => {
  const key = Key.generate();
  const resource = sql.resource;
  const statements = [{ name: 'one', sql: 'SELECT a, ? AS n FROM t', fixedParams: [{ index: 0, value: 7 }] }, { name: 'write', sql: 'DELETE FROM t', fixedParams: [] }];
  const star = await everything();
  const token = star.delegation(key.did, { [resource]: { 'tinycloud.sql/*': [{ mode: 'constrained-statements', readOnly: true, statements }] } });
  expect(await delegate(fleet, token), 200);
  const theirs = new Sql(new Invoker(fleet, key, [token.cid]), alice.space, 'own');
  const act = (body: Parameters<Sql['action']>[1], claims = {}) => theirs.action(['tinycloud.sql/read'], body, claims);
  expect(await act({ action: 'query', sql: 'SELECT a FROM t', params: [] }), 403, /sql-raw-query-blocked/);
  expect(await theirs.action(['tinycloud.sql/write'], { action: 'execute', sql: 'DELETE FROM t', params: [] }), 403, /sql-raw-execute-blocked/);
  expect(await theirs.action(['tinycloud.sql/write'], { action: 'batch', statements: [] }), 403, /sql-batch-blocked/);
  expect(await act({ action: 'export' }), 403, /sql-export-blocked/);
  expect(await act({ action: 'execute_statement', name: 'other', params: [] }), 403, /sql-statement-not-allowed/);
  expect(await theirs.action(['tinycloud.sql/write'], { action: 'execute_statement', name: 'write', params: [] }), 403, /sql-write-blocked/);
  // naming statements of one's own changes nothing
  expect(await act({ action: 'execute_statement', name: 'mine', params: [] }, fact({ sqlCaveats: { statements: [{ name: 'mine', sql: 'SELECT a FROM t' }] } })), 403);
  const answer = await act({ action: 'execute_statement', name: 'one', params: [] });
  assert.deepEqual(expect(answer, 200).json<Rows>().rows, [['of alice', 7]]);
});

scenario('h8_endless_statements_of_one_owner_leave_values_and_databases_to_others', async () => {
  const endless = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n';
  let over = false;
  const asked = Array.from({ length: 12 }, (_, i) => alice.sql(`endless/${i}`).query(endless));
  const attack = Promise.all(asked).finally(() => (over = true));
  const kv = bob.kv();
  while (!over) {
    expect(await kv.put('mine', 'yes'), 200);
    expect(await kv.get('mine'), 200, 'yes');
    expect(await bob.sql('private').query('SELECT a FROM t'), 200);
    await sleep(50);
  }
  for (const answer of await attack) assert.ok([400, 503].includes(answer.status), `${answer}`);
});
