// Values as a client reads and writes them, and the gates that nodes are held to.

import assert from 'node:assert/strict';
import { after } from 'node:test';
import { etagOf } from './client/cid.js';
import { utf8 } from './client/bytes.js';
import { delegate, Invoker } from './client/invoker.js';
import { Key } from './client/keys.js';
import { Kv, type BatchItem } from './client/kv.js';
import { grants } from './client/recap.js';
import { signIn } from './client/session.js';
import { Wallet } from './client/wallet.js';
import { Fleet } from './lib/fleet.js';
import { expect, expectMissing, expectOnce, expectPlainText, scenario } from './lib/scenario.js';

const fleet = await Fleet.start();
after(() => fleet.stop());
const session = await signIn(fleet, new Wallet());
const kv = session.kv();

scenario('the gate: put, get, list, delegated reader, delete, replay', async () => {
  const value = 'hello gate';
  const put = expect(await kv.put('gate/a.txt', value), 200, '');
  const got = expect(await kv.get('gate/a.txt'), 200, value);
  assert.equal(put.header('etag'), etagOf(utf8(value)));
  assert.equal(got.header('etag'), put.header('etag'));

  const listed = expect(await kv.list('gate/'), 200);
  assert.deepEqual(listed.json(), ['gate/a.txt']);
  assert.equal(listed.header('x-tinycloud-truncated'), 'false');

  const reader = Key.generate();
  const token = session.delegation(reader.did, grants({ [kv.resource('gate/')]: ['tinycloud.kv/get', 'tinycloud.kv/list'] }));
  expect(await delegate(fleet, token), 200);
  const theirs = new Kv(new Invoker(fleet, reader, [token.cid]), kv.space);
  expect(await theirs.get('gate/a.txt'), 200, value);
  expect(await theirs.list('gate/'), 200);
  const refused = await theirs.put('gate/a.txt', 'theirs');
  expectMissing(refused, kv.resource('gate/a.txt'), 'tinycloud.kv/put');
  expectPlainText(refused);
  expectMissing(await theirs.get('other'), kv.resource('other'), 'tinycloud.kv/get');
  expect(await kv.get('gate/a.txt'), 200, value);

  expectOnce(await kv.del('gate/a.txt'), 200, 404);
  const gone = expect(await kv.get('gate/a.txt'), 404);
  assert.doesNotMatch(gone.text, /space not found/i);

  await fleet.calm(async () => {
    const once = session.token(grants({ [kv.resource('gate/b.txt')]: ['tinycloud.kv/put'] }));
    expect(await session.present(once, { body: 'first' }), 200);
    for (let i = 0; i < 3; i += 1) expect(await session.present(once, { body: 'second' }), 409, /duplicate/);
    expect(await kv.get('gate/b.txt'), 200, 'first');
  });
});

scenario('a value comes back with the headers it was put with', async () => {
  const headers = {
    'Content-Type': 'application/json',
    'Content-Language': 'de',
    'Content-Disposition': 'attachment; filename="a.json"',
    'x-tinycloud-meta-author': 'somebody',
    'x-other': 'dropped',
  };
  expect(await kv.put('headers', '{"a":1}', headers), 200);
  for (const answer of [await kv.get('headers'), await kv.head('headers')]) {
    expect(answer, 200);
    for (const [name, value] of Object.entries(headers)) assert.equal(answer.header(name), name === 'x-other' ? undefined : value, name);
    assert.equal(answer.header('etag'), etagOf(utf8('{"a":1}')));
  }
  assert.deepEqual(expect(await kv.get('headers'), 200).json(), { a: 1 });
  assert.equal((await kv.get('headers')).header('cache-control'), 'private, no-cache');
  assert.equal((await kv.get('headers')).header('content-length'), '7');
  assert.equal((await kv.head('headers')).bytes.length, 0);
});

scenario('keys are kept byte for byte', async () => {
  const keys = ['a', '/a', 'a/', 'a//b', 'a/b', 'a%20b', 'a%2Fb', "a'b(c)", 'A', 'a.b', '.hidden/x', 'ünicode'.replace('ü', '%C3%BC'), 'a:b@c', 'a+b', 'a~b'];
  const own = session.kv();
  for (const key of keys) expect(await own.put(`bytes/${key}`, key), 200);
  for (const key of keys) expect(await own.get(`bytes/${key}`), 200, key);
  const listed = expect(await own.list('bytes/'), 200).json<string[]>();
  assert.deepEqual(listed, keys.map((key) => `bytes/${key}`).sort());
  // prefix views write paths that begin with a slash
  expect(await own.put('/app.example/x', 'view'), 200);
  expect(await own.get('/app.example/x'), 200, 'view');
  assert.deepEqual(expect(await own.list('/app.example/'), 200).json(), ['/app.example/x']);
});

scenario('a list is sorted and by string prefix', async () => {
  for (const key of ['prefix/b', 'prefix/a', 'prefixed', 'prefix/c/d']) expect(await kv.put(key, key), 200);
  assert.deepEqual(expect(await kv.list('prefix/'), 200).json(), ['prefix/a', 'prefix/b', 'prefix/c/d']);
  assert.deepEqual(expect(await kv.list('prefix'), 200).json(), ['prefix/a', 'prefix/b', 'prefix/c/d', 'prefixed']);
  assert.deepEqual(expect(await kv.list('prefix/nothing'), 200).json(), []);
  const all = expect(await kv.list(''), 200).json<string[]>();
  assert.ok(all.includes('prefixed') && all.includes('prefix/a'));
});

scenario('what was acknowledged is there at once, at every process', async () => {
  for (let i = 0; i < 40; i += 1) {
    const value = `value ${i}`;
    const put = expect(await kv.put('fresh', value), 200);
    assert.equal(put.header('etag'), etagOf(utf8(value)));
    expect(await kv.get('fresh'), 200, value);
  }
});

scenario('of many writers at once, the last acknowledged one of each key stays', async () => {
  const writer = async (n: number) => {
    for (let i = 0; i < 10; i += 1) expect(await kv.put(`many/${n}`, `${n} ${i}`), 200);
  };
  await Promise.all(Array.from({ length: 8 }, (_, n) => writer(n)));
  for (let n = 0; n < 8; n += 1) expect(await kv.get(`many/${n}`), 200, `${n} 9`);
  assert.equal(expect(await kv.list('many/'), 200).json<string[]>().length, 8);
});

scenario('a batch is written whole and read in the order of keys', async () => {
  const parts = [
    { path: 'batch/b', value: 'two', type: 'text/plain' },
    { path: 'batch/a%20x', value: 'one', type: 'application/json' },
  ];
  const written = expect(await kv.batchPut(parts), 200).json<{ written: string[]; count: number }>();
  assert.equal(written.count, 2);
  assert.deepEqual([...written.written].sort(), ['batch/a%20x', 'batch/b']);

  const read = expect(await kv.batchGet(['batch/a%20x', 'batch/b', 'batch/c']), 200).json<{ results: BatchItem[] }>();
  assert.deepEqual(read.results.map(({ key, ok }) => [key, ok]), [['batch/a%20x', true], ['batch/b', true], ['batch/c', false]]);
  const [one, , missing] = read.results;
  assert.equal(Buffer.from(one?.dataBase64 ?? '', 'base64').toString(), 'one');
  assert.equal(one?.headers?.['content-type'], 'application/json');
  assert.equal(one?.headers?.['etag'], etagOf(utf8('one')));
  assert.equal(one?.headers?.['content-length'], '3');
  assert.deepEqual(missing?.error, { code: 'KV_NOT_FOUND', message: 'Key not found: batch/c' });

  const heads = expect(await kv.batch('tinycloud.kv/metadata', ['batch/a%20x', 'batch/b']), 200).json<{ results: BatchItem[] }>();
  assert.ok(heads.results.every(({ ok, dataBase64, headers }) => ok && dataBase64 === undefined && headers?.['content-length'] === undefined));
});

scenario('a value of a batch has the type of its part, and nothing else that forms say', async () => {
  expect(await kv.batchPut([{ path: 'form/a', value: '{}', type: 'application/json' }, { path: 'form/b', value: 'b', type: 'text/plain' }]), 200);
  for (const answer of [await kv.get('form/a'), await kv.head('form/a')]) {
    assert.equal(expect(answer, 200).header('content-type'), 'application/json');
    assert.equal(answer.header('content-disposition'), undefined);
  }
  const read = expect(await kv.batchGet(['form/a', 'form/b']), 200).json<{ results: BatchItem[] }>();
  for (const item of read.results) assert.deepEqual(Object.keys(item.headers ?? {}).sort(), ['content-length', 'content-type', 'etag']);
});

scenario('a condition holds against what is there now', async () => {
  const etag = (text: string) => etagOf(utf8(text));
  expectOnce(await kv.put('if', 'one', { 'If-None-Match': '*' }), 200, 412);
  expect(await kv.put('if', 'two', { 'If-None-Match': '*' }), 412, /KV precondition failed/);
  expectOnce(await kv.put('if', 'two', { 'If-Match': etag('one') }), 200, 412);
  expect(await kv.put('if', 'three', { 'If-Match': etag('one') }), 412);
  expect(await kv.get('if'), 200, 'two');
  expect(await kv.get('if', { 'If-None-Match': etag('two') }), 304, '');
  expect(await kv.del('if', { 'If-Match': etag('one') }), 412);
  expectOnce(await kv.del('if', { 'If-Match': etag('two') }), 200, 412);
  expect(await kv.get('if'), 404);
  expectOnce(await kv.put('if', 'four', { 'If-None-Match': '*' }), 200, 412);
});

scenario('deleting says what was removed, and that nothing was', async () => {
  expect(await kv.put('del', 'x'), 200);
  const gone = expectOnce(await kv.del('del'), 200, 404);
  if (gone.status === 200) {
    assert.equal(gone.text, '');
    assert.equal(gone.header('etag'), etagOf(utf8('x')));
  }
  expect(await kv.del('del'), 404, /^No Such Key: del$/);
  expect(await kv.put('del', 'x'), 200);
  expectOnce(await session.one(kv.resource('del'), 'tinycloud.kv/delete'), 200, 404);
  expect(await kv.get('del'), 404);
  expect(await kv.head('del'), 404);
});

scenario('binary and empty values are values', async () => {
  const bytes = Uint8Array.from({ length: 70_000 }, (_, i) => (i * 31) % 256);
  expect(await kv.put('binary', bytes), 200);
  const got = expect(await kv.get('binary'), 200);
  assert.deepEqual(Buffer.from(got.bytes), Buffer.from(bytes));
  assert.equal(got.header('etag'), etagOf(bytes));
  expect(await kv.put('empty', ''), 200);
  const empty = expect(await kv.get('empty'), 200, '');
  assert.equal(empty.header('etag'), etagOf(new Uint8Array()));
});

scenario('secrets are values of their own space', async () => {
  const { host } = await import('./client/session.js');
  const person = await signIn(fleet, new Wallet());
  expect(await host(fleet, person.wallet, person.wallet.space('secrets')), 200);
  expect(await delegate(fleet, person.root), 200);
  const secrets = person.kv('secrets');
  expect(await secrets.put('vault/secrets/API_KEY', '{"v":1}', { 'Content-Type': 'application/json' }), 200);
  expect(await secrets.put('vault/secrets/scoped/app/API_KEY', '{"v":1}'), 200);
  assert.deepEqual(expect(await secrets.list('vault/secrets/'), 200).json(), ['vault/secrets/API_KEY', 'vault/secrets/scoped/app/API_KEY']);
  expectMissing(await secrets.get('elsewhere'), secrets.resource('elsewhere'), 'tinycloud.kv/get');
});

scenario('a list without a path lists nothing', async () => {
  const answer = expect(await session.one(`${kv.space}/kv`, 'tinycloud.kv/list'), [200, 400]);
  if (answer.status === 200) assert.equal(answer.text, '');
});
