// What is read without a token: signed URLs and public spaces.

import assert from 'node:assert/strict';
import { after } from 'node:test';
import { utf8 } from './client/bytes.js';
import { iso } from './client/cacao.js';
import { etagOf } from './client/cid.js';
import { delegate, Invoker } from './client/invoker.js';
import { Key } from './client/keys.js';
import { grants } from './client/recap.js';
import { host, SESSION, signIn } from './client/session.js';
import { get, publicPath, signUrl, type Signed } from './client/urls.js';
import { Wallet } from './client/wallet.js';
import { Fleet } from './lib/fleet.js';
import { expect, expectOnce, scenario } from './lib/scenario.js';

const fleet = await Fleet.start();
after(() => fleet.stop());
const alice = await signIn(fleet, new Wallet());
const kv = alice.kv();
const text = '0123456789';
expect(await kv.put('file.txt', text, { 'Content-Type': 'text/plain' }), 200);

const signed = async (more: Parameters<typeof signUrl>[3] = {}, path = 'file.txt'): Promise<Signed> =>
  expect(await signUrl(alice, alice.space, path, more), 200).json<Signed>();

scenario('a signed URL is read by anyone, until it ends', async () => {
  const { url, ticketId, expiresAt } = await signed();
  assert.match(url, /^\/signed\/kv\/[^/?]+$/);
  assert.ok(ticketId.length > 0);
  const left = Date.parse(expiresAt) - Date.now();
  assert.ok(left > 0 && left <= 301_000, String(left));
  for (let i = 0; i < 3; i += 1) {
    const answer = expect(await get(fleet, url), 200, text);
    assert.equal(answer.header('etag'), etagOf(utf8(text)));
    assert.equal(answer.header('cache-control'), 'private, no-store');
    assert.equal(answer.header('accept-ranges'), 'bytes');
    assert.equal(answer.header('content-type'), 'text/plain');
  }
  expect(await get(fleet, url, { 'If-None-Match': etagOf(utf8(text)) }), 304, '');
});

scenario('a part of a signed URL', async () => {
  const { url } = await signed();
  for (const [range, part, where] of [['bytes=2-4', '234', '2-4'], ['bytes=7-', '789', '7-9'], ['bytes=-2', '89', '8-9'], ['bytes=5-99', '56789', '5-9']] as const) {
    const answer = expect(await get(fleet, url, { Range: range }), 206, part);
    assert.equal(answer.header('content-range'), `bytes ${where}/10`);
  }
  assert.equal(expect(await get(fleet, url, { Range: 'bytes=10-' }), 416).header('content-range'), 'bytes */10');
  for (const odd of ['bytes=4-2', 'bytes=a-b', 'bytes=0-1,3-4', 'lines=1-2']) expect(await get(fleet, url, { Range: odd }), 200, text);
  expect(await get(fleet, url, { Range: 'bytes=0-1', 'If-Range': etagOf(utf8(text)) }), 206, '01');
  expect(await get(fleet, url, { Range: 'bytes=0-1', 'If-Range': etagOf(utf8('other')) }), 200, text);
});

scenario('both spellings of the members are understood', async () => {
  for (const more of [{ ttlSeconds: 30 }, { ttl_seconds: 30 }]) {
    const left = Date.parse((await signed(more)).expiresAt) - Date.now();
    assert.ok(left > 0 && left <= 31_000, JSON.stringify({ more, left }));
  }
  const hash = etagOf(utf8(text)).replace(/"|blake3-/g, '');
  for (const name of ['contentHash', 'content_hash']) {
    expect(await get(fleet, (await signed({ [name]: hash })).url), 200, text);
    const other = etagOf(utf8('other')).replace(/"|blake3-/g, '');
    expect(await signUrl(alice, alice.space, 'file.txt', { [name]: other }), [404, 412]);
    expect(await signUrl(alice, alice.space, 'file.txt', { [name]: 'nonsense' }), 400, /contentHash must be a blake3 hex digest/);
  }
});

scenario('a signed URL is for one value of one key', async () => {
  expect(await kv.put('changing', 'one'), 200);
  const { url } = await signed({}, 'changing');
  expect(await get(fleet, url), 200, 'one');
  expect(await kv.put('changing', 'two'), 200);
  expect(await get(fleet, url), 412);
});

scenario('what cannot be signed', async () => {
  expect(await signUrl(alice, alice.space, 'file.txt', { maxUses: 1 }), 400);
  expect(await signUrl(alice, alice.space, 'file.txt', { space: 'nonsense' }), 400, /Invalid space ID/);
  expect(await signUrl(alice, alice.space, 'file.txt', { path: '' }), 400, /Invalid path/);
  expect(await signUrl(alice, alice.space, 'file.txt', { path: 'other' }), 403, /signed URL scope is not authorized/);
  expect(await signUrl(alice, alice.space, 'nothing-here'), 404, /Key not found/);
  expect(await get(fleet, '/signed/kv/nonsense'), 401);
  const { url } = await signed();
  // not the last character: some of its bits may mean nothing
  const at = url.length - 4;
  expect(await get(fleet, url.slice(0, at) + (url[at] === 'A' ? 'B' : 'A') + url.slice(at + 1)), 401);
});

scenario('a signed URL ends with the delegation it was made under', async () => {
  const key = Key.generate();
  const token = alice.delegation(key.did, grants({ [kv.resource('file.txt')]: ['tinycloud.kv/get'] }), { exp: Math.floor(Date.now() / 1000) + 20 });
  expect(await delegate(fleet, token), 200);
  const answer = expect(await signUrl(new Invoker(fleet, key, [token.cid]), alice.space, 'file.txt', { ttlSeconds: 300 }), 200).json<Signed>();
  assert.ok(Date.parse(answer.expiresAt) - Date.now() <= 21_000);
});

/** A public space, hosted as clients do it: later, citing the session. */
const publish = async () => {
  const owner = await signIn(fleet, new Wallet());
  const space = owner.wallet.space('public');
  const hosted = await host(fleet, owner.wallet, space, { proofs: [owner.root.cid], expires: iso(Date.now() + SESSION / 2) });
  expect(hosted, 200);
  const session = await signIn(fleet, owner.wallet, { att: grants({ [`${space}/kv`]: ['get', 'put', 'del', 'list'].map((name) => `tinycloud.kv/${name}`) }) });
  return { session, space, kv: session.kv('public') };
};

scenario('a public space is read by anyone', async () => {
  const { space, kv: open } = await publish();
  expect(await open.put('.well-known/vault-pubkey', 'key', { 'Content-Type': 'text/plain', 'Content-Language': 'en', 'x-tinycloud-meta-a': 'b' }), 200);
  expect(await open.put('docs/a', 'a'), 200);
  const path = publicPath(space, '.well-known/vault-pubkey');
  const answer = expect(await get(fleet, path), 200, 'key');
  assert.equal(answer.header('etag'), etagOf(utf8('key')));
  assert.equal(answer.header('cache-control'), 'public, max-age=60');
  assert.equal(answer.header('access-control-allow-origin'), '*');
  assert.equal(answer.header('content-type'), 'text/plain');
  assert.equal(answer.header('content-language'), 'en');
  assert.equal(answer.header('x-tinycloud-meta-a'), undefined);
  expect(await get(fleet, path, { 'If-None-Match': etagOf(utf8('key')) }), 304, '');
  const head = expect(await get(fleet, path, {}, 'HEAD'), 200, '');
  assert.equal(head.header('etag'), etagOf(utf8('key')));
  assert.deepEqual(expect(await get(fleet, `/public/${encodeURIComponent(space)}/kv?prefix=docs/`), 200).json(), ['docs/a']);
  assert.deepEqual(expect(await get(fleet, `/public/${encodeURIComponent(space)}/kv`), 200).json(), ['.well-known/vault-pubkey', 'docs/a']);
  expect(await get(fleet, path, {}, 'OPTIONS'), 204);
  expect(await get(fleet, publicPath(space, 'nothing')), 404, /Key not found/);
  expectOnce(await open.del('docs/a'), 200, 404);
  expect(await get(fleet, publicPath(space, 'docs/a')), 404);
});

scenario('a public key is found however a client escapes it in its URL', async () => {
  const { space, kv: open } = await publish();
  const key = '.well-known/encryption/network/default';
  expect(await open.put(key, 'network'), 200);
  expect(await open.put('spaces/a:b@c', 'colon'), 200);
  for (const written of [key, encodeURIComponent(key), key.replaceAll('/', '%2f')]) expect(await get(fleet, publicPath(space, written)), 200, 'network');
  for (const written of ['spaces/a:b@c', 'spaces/a%3Ab%40c', encodeURIComponent('spaces/a:b@c')]) expect(await get(fleet, publicPath(space, written)), 200, 'colon');
  // what is there as it stands comes first
  expect(await open.put(encodeURIComponent('x/y'), 'one segment'), 200);
  expect(await open.put('x/y', 'two segments'), 200);
  expect(await get(fleet, publicPath(space, 'x%2Fy')), 200, 'one segment');
  expect(await get(fleet, publicPath(space, 'x/y')), 200, 'two segments');
});

scenario('nothing else is public', async () => {
  expect(await get(fleet, publicPath(alice.space, 'file.txt')), 403, /Not a public space/);
  expect(await get(fleet, `/public/${encodeURIComponent(alice.space)}/kv`), 403, /Not a public space/);
  expect(await get(fleet, publicPath(alice.wallet.space('Public'), 'file.txt')), 403);
  expect(await get(fleet, publicPath('nonsense', 'a')), 400, /Invalid space ID/);
  expect(await get(fleet, publicPath(new Wallet().space('public'), 'a')), 404);
});
