// Databases as a client uses them.

import assert from 'node:assert/strict';
import { after } from 'node:test';
import { delegate, fact, Invoker } from './client/invoker.js';
import { Key } from './client/keys.js';
import { grants } from './client/recap.js';
import { signIn } from './client/session.js';
import { Sql, type Changes, type Rows } from './client/sql.js';
import { Wallet } from './client/wallet.js';
import { Fleet } from './lib/fleet.js';
import { expect, expectMissing, scenario } from './lib/scenario.js';

const fleet = await Fleet.start();
after(() => fleet.stop());
const session = await signIn(fleet, new Wallet());

/** A table with two rows. */
const prepared = async (database: string): Promise<Sql> => {
  const sql = session.sql(database);
  expect(await sql.execute('CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, text TEXT)'), 200);
  for (const [id, text] of [[1, 'one'], [2, 'two']] as const) {
    expect(await sql.execute('INSERT OR REPLACE INTO notes (id, text) VALUES (?, ?)', [id, text]), 200);
  }
  return sql;
};

scenario('rows come back as arrays in column order', async () => {
  const sql = await prepared('rows');
  const { columns, rows, rowCount } = expect(await sql.query('SELECT id, text FROM notes ORDER BY id'), 200).json<Rows>();
  assert.deepEqual([columns, rows, rowCount], [['id', 'text'], [[1, 'one'], [2, 'two']], 2]);
  assert.deepEqual(expect(await sql.query('SELECT text FROM notes WHERE id = ?', [2]), 200).json<Rows>().rows, [['two']]);
  const select = await session.one(sql.resource, 'tinycloud.sql/select', { body: JSON.stringify({ action: 'query', sql: 'SELECT 1', params: [] }) });
  assert.deepEqual(expect(select, 200).json<Rows>().rows, [[1]]);
});

scenario('a change says how many rows and which id', async () => {
  const sql = await prepared('changes');
  const changed = expect(await sql.execute("UPDATE notes SET text = 'x'"), 200).json<Changes>();
  assert.equal(changed.changes, 2);
  const answer = expect(await sql.execute("INSERT INTO notes (text) VALUES ('three')"), 200);
  if (!answer.again) assert.deepEqual(answer.json(), { changes: 1, lastInsertRowId: 3 });
});

scenario('every value survives', async () => {
  const sql = session.sql('values');
  expect(await sql.execute('CREATE TABLE IF NOT EXISTS v (id INTEGER PRIMARY KEY, value)'), 200);
  const values = [null, 0, -1, 2 ** 53 - 1, 1.5, '', 'ünïcode', [0, 1, 255], []];
  for (const [id, value] of values.entries()) expect(await sql.execute('INSERT OR REPLACE INTO v VALUES (?, ?)', [id, value]), 200);
  assert.deepEqual(expect(await sql.query('SELECT value FROM v ORDER BY id'), 200).json<Rows>().rows, values.map((value) => [value]));
  assert.deepEqual(expect(await sql.query('SELECT ?, ?', [true, false]), 200).json<Rows>().rows, [[1, 0]]);
});

scenario('a schema goes before the statement', async () => {
  const sql = session.sql('schema');
  const schema = ['CREATE TABLE IF NOT EXISTS s (id INTEGER PRIMARY KEY)'];
  expect(await sql.execute('INSERT OR REPLACE INTO s VALUES (1)', [], { schema }), 200);
  assert.deepEqual(expect(await sql.query('SELECT id FROM s'), 200).json<Rows>().rows, [[1]]);
});

scenario('migrations: a table of what ran, and a batch for each', async () => {
  const sql = session.sql('migrated');
  expect(await sql.execute('CREATE TABLE IF NOT EXISTS __tinycloud_sql_migrations (id TEXT PRIMARY KEY, applied_at TEXT)'), 200);
  const migrate = (id: string, statements: string[]) =>
    sql.batch([...statements.map((one) => ({ sql: one })), { sql: 'INSERT OR REPLACE INTO __tinycloud_sql_migrations (id, applied_at) VALUES (?, ?)', params: [id, '2026-01-01'] }]);
  const first = expect(await migrate('001', ['CREATE TABLE IF NOT EXISTS t (a)', 'CREATE INDEX IF NOT EXISTS t_a ON t (a)']), 200);
  assert.equal(first.json<{ results: Changes[] }>().results.length, 3);
  expect(await migrate('002', ["INSERT INTO t VALUES ('x')"]), 200);
  assert.deepEqual(expect(await sql.query('SELECT id FROM __tinycloud_sql_migrations ORDER BY id'), 200).json<Rows>().rows, [['001'], ['002']]);
});

scenario('a batch that fails leaves nothing behind', async () => {
  const sql = await prepared('atomic');
  expect(await sql.batch([{ sql: 'INSERT INTO notes (id) VALUES (7)' }, { sql: 'INSERT INTO nowhere VALUES (1)' }]), 400);
  assert.deepEqual(expect(await sql.query('SELECT count(*) FROM notes WHERE id = 7'), 200).json<Rows>().rows, [[0]]);
});

scenario('named statements, in either spelling', async () => {
  const sql = await prepared('named');
  const claims = fact({ sqlCaveats: { statements: [{ name: 'byId', sql: 'SELECT text FROM notes WHERE id = ?' }] } });
  for (const spelling of ['execute_statement', 'executeStatement']) {
    assert.deepEqual(expect(await sql.statement('byId', [1], claims, spelling), 200).json<Rows>().rows, [['one']]);
  }
  expect(await sql.statement('unknown', [], claims), [400, 403]);
});

scenario('an export is a database', async () => {
  const sql = await prepared('exported');
  const answer = expect(await sql.export(), 200);
  assert.equal(answer.header('content-type'), 'application/x-sqlite3');
  assert.equal(Buffer.from(answer.bytes.slice(0, 15)).toString(), 'SQLite format 3');
  expect(await session.sql('never-written').export(), 404, /Database not found/);
});

scenario('a reader reads, and no more', async () => {
  const sql = await prepared('shared');
  const reader = Key.generate();
  const token = session.delegation(reader.did, grants({ [sql.resource]: ['tinycloud.sql/read'] }));
  expect(await delegate(fleet, token), 200);
  const theirs = new Sql(new Invoker(fleet, reader, [token.cid]), session.space, 'shared');
  assert.equal(expect(await theirs.query('SELECT * FROM notes'), 200).json<Rows>().rowCount, 2);
  expectMissing(await theirs.execute("INSERT INTO notes (text) VALUES ('x')"), sql.resource, 'tinycloud.sql/write');
  expect(await theirs.query("INSERT INTO notes (text) VALUES ('x')"), 403);
  expect(await theirs.query('DELETE FROM notes'), 403);
  assert.equal(expect(await theirs.query('SELECT * FROM notes'), 200).json<Rows>().rowCount, 2);
});

scenario('what was acknowledged is there at once, at every process', async () => {
  const sql = await prepared('fresh');
  for (let i = 0; i < 20; i += 1) {
    expect(await sql.execute('UPDATE notes SET text = ? WHERE id = 1', [String(i)]), 200);
    assert.deepEqual(expect(await sql.query('SELECT text FROM notes WHERE id = 1'), 200).json<Rows>().rows, [[String(i)]]);
  }
});

scenario('writers at once lose nothing', async () => {
  const sql = session.sql('counted');
  expect(await sql.execute('CREATE TABLE IF NOT EXISTS c (id TEXT PRIMARY KEY)'), 200);
  const writer = async (n: number) => {
    for (let i = 0; i < 8; i += 1) expect(await sql.execute('INSERT OR REPLACE INTO c VALUES (?)', [`${n}-${i}`]), 200);
  };
  await Promise.all(Array.from({ length: 6 }, (_, n) => writer(n)));
  assert.deepEqual(expect(await sql.query('SELECT count(*) FROM c'), 200).json<Rows>().rows, [[48]]);
});

scenario('duckdb is not here', async () => {
  const answer = await session.one(`${session.space}/duckdb/default`, 'tinycloud.duckdb/read', { body: JSON.stringify({ action: 'query', sql: 'SELECT 1', params: [] }) });
  expect(answer, 501, /DuckDB support is not enabled on this node/);
});
