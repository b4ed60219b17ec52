// The details of values: conditions, batches, lists in pages, headers.

import assert from 'node:assert/strict';
import { after } from 'node:test';
import { gzipSync } from 'node:zlib';
import { utf8 } from './client/bytes.js';
import { etagOf } from './client/cid.js';
import { delegate, Invoker } from './client/invoker.js';
import { Key } from './client/keys.js';
import { Kv, multipart, type BatchItem } from './client/kv.js';
import { grants } from './client/recap.js';
import { signIn } from './client/session.js';
import { Wallet } from './client/wallet.js';
import { Fleet } from './lib/fleet.js';
import { raw } from './lib/raw.js';
import { expect, expectPlainText, scenario } from './lib/scenario.js';

const fleet = await Fleet.start();
after(() => fleet.stop());
const session = await signIn(fleet, new Wallet());
const kv = session.kv();
const etag = (text: string): string => etagOf(utf8(text));

scenario('If-Match takes one strong tag of a value', async () => {
  expect(await kv.put('if', 'one'), 200);
  const refused = ['*', 'blake3-00', `W/${etag('one')}`, `${etag('one')}, ${etag('two')}`, '"md5-00"', '""', '"blake3-zz"', etag('one').toUpperCase(), etag('one').replace(/"/g, '')];
  for (const value of refused) {
    const answer = expect(await kv.put('if', 'two', { 'If-Match': value }), 400);
    assert.ok(answer.text.length > 0, value);
    expectPlainText(answer);
  }
  expect(await kv.get('if'), 200, 'one');
});

scenario('conditions are for one change at a time, one condition each', async () => {
  expect(await kv.put('one', 'x'), 200);
  expect(await kv.put('one', 'y', { 'If-Match': etag('x'), 'If-None-Match': '*' }), 400);
  expect(await kv.put('one', 'y', { 'x-tinycloud-expected-version': '1' }), 400);
  expect(await kv.put('one', 'y', { 'If-None-Match': etag('x') }), 400);
  const parts = [{ path: 'p', value: '1' }, { path: 'q', value: '2' }];
  for (const headers of [{ 'If-Match': etag('x') }, { 'If-None-Match': '*' }]) {
    expect(await kv.batch('tinycloud.kv/put', ['p', 'q'], { headers, body: multipart(parts) }), 400);
  }
  expect(await kv.get('one'), 200, 'x');
  expect(await kv.get('p'), 404);
});

scenario('a failed condition says so in one way', async () => {
  expect(await kv.put('fail', 'x'), 200);
  for (const answer of [
    await kv.put('fail', 'y', { 'If-Match': etag('other') }),
    await kv.put('fail', 'y', { 'If-None-Match': '*' }),
    await kv.put('absent', 'y', { 'If-Match': etag('x') }),
    await kv.del('fail', { 'If-Match': etag('other') }),
  ]) {
    expect(answer, 412, 'KV precondition failed');
  }
  expect(await kv.get('fail'), 200, 'x');
  expect(await kv.get('absent'), 404);
});

scenario('If-None-Match on a get: weak, lists, any', async () => {
  expect(await kv.put('get', 'x'), 200);
  for (const value of [etag('x'), `W/${etag('x')}`, `"a", ${etag('x')}`, `"a",W/${etag('x')}`, '*']) {
    const answer = expect(await kv.get('get', { 'If-None-Match': value }), 304, '');
    assert.equal(answer.header('etag'), etag('x'));
  }
  for (const value of ['"a"', etag('y'), `"a", ${etag('y')}`]) expect(await kv.get('get', { 'If-None-Match': value }), 200, 'x');
  expect(await kv.get('get-nothing', { 'If-None-Match': '*' }), 404);
});

scenario('the same bytes again have the same tag', async () => {
  const first = await kv.put('same', 'x');
  assert.equal((await kv.put('same', 'x')).header('etag'), first.header('etag'));
  expect(await kv.put('same', 'y', { 'If-Match': etag('x') }), 200);
  expect(await kv.put('same', 'x'), 200);
  expect(await kv.put('same', 'z', { 'If-Match': etag('x') }), 200);
});

scenario('a client that wants no more than so many bytes gets no more', async () => {
  expect(await kv.put('large', 'x'.repeat(1000)), 200);
  expect(await kv.get('large', { 'x-tinycloud-max-response-bytes': '999' }), 413);
  expect(await kv.get('large', { 'x-tinycloud-max-response-bytes': '1000' }), 200);
  for (const odd of ['-1', 'many', '1.5']) expect(await kv.get('large', { 'x-tinycloud-max-response-bytes': odd }), 400);
});

scenario('an encoding is kept and not undone', async () => {
  const zipped = gzipSync('plain text');
  expect(await kv.put('zipped', zipped, { 'Content-Encoding': 'gzip', 'Content-Type': 'text/plain' }), 200);
  const token = session.token(grants({ [kv.resource('zipped')]: ['tinycloud.kv/get'] }));
  const answer = await raw(fleet.url, ['POST /invoke HTTP/1.1', `Authorization: ${token.header}`, 'Content-Length: 0']);
  assert.equal(answer.status, 200);
  assert.ok(Buffer.from(answer.body, 'latin1').equals(zipped));
  // a client that knows the encoding undoes it
  const got = expect(await kv.get('zipped'), 200, 'plain text');
  assert.equal(got.header('etag'), etagOf(zipped));
});

scenario('metadata headers are replaced by the next put, and only so', async () => {
  expect(await kv.put('meta', 'x', { 'x-tinycloud-meta-a': '1', 'X-TinyCloud-Meta-B': '2', 'Content-Type': 'text/plain' }), 200);
  const head = expect(await kv.head('meta'), 200);
  assert.deepEqual([head.header('x-tinycloud-meta-a'), head.header('x-tinycloud-meta-b')], ['1', '2']);
  expect(await kv.put('meta', 'x', { 'x-tinycloud-meta-a': '3' }), 200);
  const next = expect(await kv.head('meta'), 200);
  assert.deepEqual([next.header('x-tinycloud-meta-a'), next.header('x-tinycloud-meta-b')], ['3', undefined]);
});

scenario('a batch put is refused whole, saying which part is wrong', async () => {
  const put = (paths: readonly string[], body: FormData | string, headers = {}) => kv.batch('tinycloud.kv/put', paths, { body, headers });
  const part = (path: string) => ({ path, value: path });
  expect(await put(['w/a', 'w/b'], 'no multipart'), 400, /KV batch put requires multipart\/form-data/);
  expect(await put(['w/a', 'w/b'], multipart([part('w/a')])), 400, /w\/b/);
  expect(await put(['w/a', 'w/b'], multipart([part('w/a'), part('w/b'), part('w/c')])), 400, /w(\/|%2F)c/);
  expect(await put(['w/a', 'w/b'], multipart([part('w/a'), part('w/b'), part('w/b')])), 400, /w\/b/);
  expect(await put(['w/a', 'w/b'], '--x\r\nbroken', { 'Content-Type': 'multipart/form-data; boundary=x' }), 400);
  expect(await put(['w/a', 'w/b'], 'a', { 'Content-Type': 'multipart/form-data' }), 400);
  const mixed = grants({ [kv.resource('w/a')]: ['tinycloud.kv/put'], [kv.resource('w/b')]: ['tinycloud.kv/del'] });
  expect(await session.invoke(mixed, { body: multipart([part('w/a'), part('w/b')]) }), 400);
  assert.deepEqual(expect(await kv.list('w/'), 200).json(), []);
});

scenario('a batch put of which one key is not allowed writes nothing', async () => {
  const key = Key.generate();
  const token = session.delegation(key.did, grants({ [kv.resource('mine/')]: ['tinycloud.kv/put'] }));
  expect(await delegate(fleet, token), 200);
  const theirs = new Kv(new Invoker(fleet, key, [token.cid]), kv.space);
  expect(await theirs.batchPut([{ path: 'mine/a', value: '1' }, { path: 'other/a', value: '2' }]), 401, /^Unauthorized Action: /);
  expect(await kv.get('mine/a'), 404);
});

scenario('the name of a part is a key that was escaped once', async () => {
  const keys = ['esc-a%20b', 'esc-a%2520b', 'esc-a+b'];
  expect(await kv.batchPut(keys.map((path) => ({ path, value: path }))), 200);
  for (const key of keys) expect(await kv.get(key), 200, key);
});

scenario('one part of a batch is a batch', async () => {
  const answer = expect(await kv.batchPut([{ path: 'single', value: 'x' }]), 200);
  assert.deepEqual(answer.json(), { written: ['single'], count: 1 });
  expect(await kv.get('single'), 200, 'x');
});

scenario('a batch read takes a thousand keys, of one kind', async () => {
  const keys = Array.from({ length: 1001 }, (_, i) => `r/${String(i).padStart(3, '0')}`);
  expect(await kv.put('r/000', 'x'), 200);
  const read = expect(await kv.batchGet(keys.slice(0, 1000)), 200).json<{ results: BatchItem[] }>();
  assert.deepEqual(read.results.map(({ key }) => key), keys.slice(0, 1000));
  assert.equal(read.results.filter(({ ok }) => ok).length, 1);
  expect(await kv.batchGet(keys), 413);
  const mixed = grants({ [kv.resource('r/000')]: ['tinycloud.kv/get'], [kv.resource('r/001')]: ['tinycloud.kv/metadata'] });
  expect(await session.invoke(mixed), [400, 501]);
});

scenario('a list in pages loses and repeats nothing, with inserts in between', async () => {
  const keys = Array.from({ length: 10 }, (_, i) => `page/${i}`);
  for (const key of keys) expect(await kv.put(key, 'x'), 200);
  const limit = { 'x-tinycloud-limit': '6' };
  const first = expect(await kv.list('page/', limit), 200);
  assert.deepEqual(first.json(), keys.slice(0, 6));
  assert.equal(first.header('x-tinycloud-truncated'), 'true');
  const cursor = first.header('x-tinycloud-next-cursor') ?? '';
  assert.ok(cursor.length > 0 && cursor.length <= 4096);

  // before, at and after the end of the first page
  for (const key of ['page/00', 'page/5', 'page/50', 'page/77']) expect(await kv.put(key, 'y'), 200);
  expect(await kv.del('page/6'), 200);
  const second = expect(await kv.list('page/', { ...limit, 'x-tinycloud-cursor': cursor }), 200);
  assert.deepEqual(second.json(), ['page/50', 'page/7', 'page/77', 'page/8', 'page/9']);
  assert.equal(second.header('x-tinycloud-truncated'), 'false');
  assert.equal(second.header('x-tinycloud-next-cursor'), undefined);
  // the first page once more, and its cursor once more
  assert.deepEqual(expect(await kv.list('page/', limit), 200).json<string[]>()[1], 'page/00');
  assert.deepEqual(expect(await kv.list('page/', { ...limit, 'x-tinycloud-cursor': cursor }), 200).json(), second.json());
});

scenario('a list in pages goes on behind the longest keys', async () => {
  // as long as a resource may be
  const keys = ['a', 'b', 'c'].map((name) => `longest/${name.repeat(4096 - kv.resource('longest/').length)}`);
  for (const key of keys) expect(await kv.put(key, 'x'), 200);
  const limit = { 'x-tinycloud-limit': '1' };
  const listed: string[] = [];
  let cursor: string | undefined;
  do {
    const page = expect(await kv.list('longest/', cursor === undefined ? limit : { ...limit, 'x-tinycloud-cursor': cursor }), 200);
    listed.push(...page.json<string[]>());
    cursor = page.header('x-tinycloud-next-cursor');
  } while (cursor !== undefined && listed.length < 10);
  assert.deepEqual(listed, keys);
});

scenario('a list without a limit is whole, however long', async () => {
  const keys = Array.from({ length: 4100 }, (_, i) => `long/${String(i).padStart(5, '0')}`);
  for (let i = 0; i < keys.length; i += 250) {
    expect(await kv.batchPut(keys.slice(i, i + 250).map((path) => ({ path, value: '' }))), 200);
  }
  const answer = expect(await kv.list('long/'), 200);
  assert.deepEqual(answer.json(), keys);
  assert.equal(answer.header('x-tinycloud-truncated'), 'false');
});

scenario('a page that ends with the last key is not truncated', async () => {
  for (const key of ['exact/a', 'exact/b']) expect(await kv.put(key, 'x'), 200);
  const answer = expect(await kv.list('exact/', { 'x-tinycloud-limit': '2' }), 200);
  assert.deepEqual([answer.json(), answer.header('x-tinycloud-truncated'), answer.header('x-tinycloud-next-cursor')], [['exact/a', 'exact/b'], 'false', undefined]);
});

scenario('a cursor is good for its caller, space, prefix and limit', async () => {
  for (const key of ['cur/a', 'cur/b', 'cur/c', 'curl']) expect(await kv.put(key, 'x'), 200);
  const limit = { 'x-tinycloud-limit': '1' };
  const cursor = expect(await kv.list('cur/', limit), 200).header('x-tinycloud-next-cursor') ?? '';
  const bad = (answer: Parameters<typeof expect>[0]) => expect(answer, 400, /Invalid KV list cursor/);
  bad(await kv.list('cur', { ...limit, 'x-tinycloud-cursor': cursor }));
  bad(await kv.list('cur/', { 'x-tinycloud-limit': '2', 'x-tinycloud-cursor': cursor }));
  bad(await kv.list('cur/', { 'x-tinycloud-cursor': cursor }));
  bad(await kv.list('cur/', { ...limit, 'x-tinycloud-cursor': 'nonsense' }));
  bad(await kv.list('cur/', { ...limit, 'x-tinycloud-cursor': 'x'.repeat(8000) }));
  const middle = Math.floor(cursor.length / 2);
  bad(await kv.list('cur/', { ...limit, 'x-tinycloud-cursor': cursor.slice(0, middle) + (cursor[middle] === 'A' ? 'B' : 'A') + cursor.slice(middle + 1) }));
  const other = await signIn(fleet, session.wallet);
  bad(await other.kv().list('cur/', { ...limit, 'x-tinycloud-cursor': cursor }));
  expect(await kv.list('cur/', { ...limit, 'x-tinycloud-cursor': cursor }), 200);
  for (const odd of ['0', '1001', '-1', 'x', '1.5']) expect(await kv.list('cur/', { 'x-tinycloud-limit': odd }), 400);
});

scenario('a prefix is plain text: no pattern has a meaning', async () => {
  for (const key of ['pattern/a_b', 'pattern/axb', 'pattern/A_b', 'pattern/a*b']) expect(await kv.put(key, 'x'), 200);
  assert.deepEqual(expect(await kv.list('pattern/a_'), 200).json(), ['pattern/a_b']);
  assert.deepEqual(expect(await kv.list('pattern/a*'), 200).json(), ['pattern/a*b']);
  assert.deepEqual(expect(await kv.list('pattern/A'), 200).json(), ['pattern/A_b']);
});

scenario('spaces of one owner, and equal keys of two owners, do not mix', async () => {
  const other = await signIn(fleet, new Wallet());
  expect(await kv.put('mixed', 'mine'), 200);
  expect(await other.kv().get('mixed'), 404);
  expect(await other.kv().put('mixed', 'theirs'), 200);
  expect(await kv.get('mixed'), 200, 'mine');
  assert.deepEqual(expect(await other.kv().list(''), 200).json(), ['mixed']);
});

scenario('a batch of too many keys is refused with how many may be', async () => {
  const parts = (count: number) => Array.from({ length: count }, (_, i) => ({ path: `m/${i}`, value: 'x' }));
  expect(await kv.batchPut(parts(1001)), 413, /at most 1000 keys/);
  assert.deepEqual(expect(await kv.list('m/'), 200).json(), []);
  assert.equal(expect(await kv.batchPut(parts(1000)), 200).json<{ count: number }>().count, 1000);
});

scenario('a put without a path is refused', async () => {
  for (const resource of [`${kv.space}/kv`, `${kv.space}/kv/`]) {
    const answer = await session.one(resource, 'tinycloud.kv/put', { body: 'x' });
    assert.ok(answer.status >= 400 || (answer.status === 200 && resource.endsWith('kv') && answer.text === ''), answer.toString());
    assert.ok(answer.header('etag') === undefined);
  }
});
