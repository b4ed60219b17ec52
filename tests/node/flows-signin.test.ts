// Signing in as a client does: session, hosting, account bootstrap.

import assert from 'node:assert/strict';
import { after } from 'node:test';
import { base64url, fromBase64url } from './client/bytes.js';
import { cacao } from './client/cacao.js';
import { delegate, type Delegated } from './client/invoker.js';
import { Key } from './client/keys.js';
import { grants } from './client/recap.js';
import { defaultGrants, host, hosting, sessionToken, signIn } from './client/session.js';
import { get } from './client/urls.js';
import { Wallet } from './client/wallet.js';
import { Fleet } from './lib/fleet.js';
import { expect, expectOnce, scenario } from './lib/scenario.js';

const fleet = await Fleet.start();
after(() => fleet.stop());

scenario('the node says who it is, and that it is well', async () => {
  const info = expect(await get(fleet, '/info'), 200).json<{ protocol: number; version: string; features: string[]; nodeId: string; inTEE: boolean }>();
  assert.equal(info.protocol, 1);
  assert.equal(typeof info.version, 'string');
  assert.equal(typeof info.inTEE, 'boolean');
  assert.match(info.nodeId, /^did:key:z6Mk/);
  for (const feature of ['kv', 'delegation', 'sharing', 'sql', 'signed-urls']) assert.ok(info.features.includes(feature), feature);
  assert.ok(!info.features.includes('duckdb'));
  for (let i = 0; i < 4; i += 1) {
    assert.deepEqual(expect(await get(fleet, '/version'), 200).json(), info);
    expect(await get(fleet, '/healthz'), 200, '');
    expect(await get(fleet, '/health'), 200);
  }
  for (const own of fleet.processes) if (own.up) assert.equal(own.nodeId, info.nodeId);
});

scenario('what was never or is no longer served is not found', async () => {
  for (const path of ['/', '/share/v2/x', '/share/v3/x', '/invoke/x', '/encryption']) expect(await get(fleet, path), 404);
});

scenario('a browser may ask, and may read the headers that clients use', async () => {
  const answer = expect(await get(fleet, '/invoke', { Origin: 'https://app.example', 'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'authorization,content-type' }, 'OPTIONS'), [200, 204]);
  assert.equal(answer.header('access-control-allow-origin'), '*');
  assert.match(answer.header('access-control-allow-headers')?.toLowerCase() ?? '', /authorization/);
  const plain = await get(fleet, '/info', { Origin: 'https://app.example' });
  assert.equal(plain.header('access-control-allow-origin'), '*');
  const exposed = (plain.header('access-control-expose-headers') ?? '').toLowerCase();
  for (const name of ['etag', 'x-tinycloud-truncated', 'x-tinycloud-next-cursor']) assert.ok(exposed.includes(name), `${name} in ${exposed}`);
});

scenario('a host key is one DID for each space, the same at every process', async () => {
  const wallet = new Wallet();
  const of = async (space: string) => expect(await get(fleet, `/peer/generate/${encodeURIComponent(space)}`), 200).text;
  const first = await of(wallet.space());
  assert.match(first, /^did:key:z6Mk[1-9A-HJ-NP-Za-km-z]+$/);
  for (let i = 0; i < 3; i += 1) assert.equal(await of(wallet.space()), first);
  assert.notEqual(await of(wallet.space('account')), first);
  assert.equal(await of(wallet.space().replace(wallet.address, wallet.address.toLowerCase())), first);
  for (const odd of ['nothing', 'tinycloud:', `${wallet.space()}/kv`, 'https://app.example']) {
    expect(await get(fleet, `/peer/generate/${encodeURIComponent(odd)}`), 400, /Invalid space ID/);
  }
});

scenario('a fresh account signs in: the space is skipped, hosted, and then there', async () => {
  const wallet = new Wallet();
  const key = Key.generate();
  const token = await sessionToken(wallet, key);

  const first = expect(await delegate(fleet, token), 200).json<Delegated>();
  assert.deepEqual(Object.keys(first).sort(), ['activated', 'cid', 'skipped']);
  assert.equal(first.cid, token.cid);
  assert.deepEqual(first.activated, []);
  if (fleet.mode !== 'killed') assert.deepEqual([...first.skipped].sort(), ['account', 'default', 'secrets'].map((name) => wallet.space(name)).sort());

  const hosted = await hosting(fleet, wallet, wallet.space());
  const answer = expect(await delegate(fleet, hosted), 200);
  const second = answer.json<Delegated>();
  assert.equal(second.cid, hosted.cid);
  assert.deepEqual(second.skipped, []);
  if (!answer.again) assert.deepEqual(second.activated, [wallet.space()]);

  const third = expect(await delegate(fleet, token), 200).json<Delegated>();
  assert.equal(third.cid, token.cid);
  assert.ok(!third.skipped.includes(wallet.space()));
  assert.ok(Array.isArray(third.activated));
});

scenario('a known account signs in with another key: its space is activated', async () => {
  const wallet = new Wallet();
  await signIn(fleet, wallet);
  const again = await signIn(fleet, wallet);
  assert.ok(!again.first.skipped.includes(wallet.space()));
  if (fleet.mode !== 'killed') assert.deepEqual(again.first.activated, [wallet.space()]);
  expect(await again.kv().put('a', 'b'), 200, '');
});

scenario('delegating the same bytes twice, or at once, is one delegation', async () => {
  const wallet = new Wallet();
  const session = await signIn(fleet, wallet);
  const answers = await Promise.all(Array.from({ length: 8 }, () => delegate(fleet, session.root)));
  for (const answer of answers) {
    const said = expect(answer, 200).json<Delegated>();
    assert.equal(said.cid, session.root.cid);
    assert.ok(Array.isArray(said.activated) && !said.skipped.includes(wallet.space()));
  }
  const fresh = await sessionToken(wallet, Key.generate());
  for (const answer of await Promise.all(Array.from({ length: 8 }, () => delegate(fleet, fresh)))) {
    assert.equal(expect(answer, 200).json<Delegated>().cid, fresh.cid);
  }
});

scenario('the token may come with a scheme word, without padding, or in the standard alphabet', async () => {
  const wallet = new Wallet();
  const { root } = await signIn(fleet, wallet);
  const bytes = fromBase64url(root.header);
  for (const header of [`Bearer ${root.header}`, base64url(bytes), Buffer.from(bytes).toString('base64')]) {
    assert.equal(expect(await delegate(fleet, { ...root, header }), 200).json<Delegated>().cid, root.cid, header.slice(0, 20));
  }
});

scenario('addresses come back in checksum case, however they were written', async () => {
  const wallet = new Wallet();
  await signIn(fleet, wallet);
  const key = Key.generate();
  const att = grants({ [`${wallet.space().toLowerCase()}/kv`]: ['tinycloud.kv/get', 'tinycloud.kv/put'], [`${wallet.space('x').toLowerCase()}/kv`]: ['tinycloud.kv/get'] });
  const token = await sessionToken(wallet, key, { att });
  const answer = expect(await delegate(fleet, token), 200);
  const said = answer.json<Delegated>();
  if (!answer.again) {
    assert.deepEqual(said.activated, [wallet.space()]);
    assert.deepEqual(said.skipped, [wallet.space('x')]);
  }
});

scenario('an account in lower case still signs in', async () => {
  const wallet = new Wallet();
  await signIn(fleet, wallet);
  const { payload, signCacao } = await import('./client/cacao.js');
  const fields = payload(wallet, { audience: Key.generate().url, att: defaultGrants(wallet) });
  expect(await delegate(fleet, await signCacao(wallet, fields, { iss: wallet.did.toLowerCase() })), 200);
});

scenario('text before the generated sentence is allowed', async () => {
  const wallet = new Wallet();
  const token = await sessionToken(wallet, Key.generate(), { preface: 'Welcome to the app.' });
  expect(await delegate(fleet, token), 200);
});

scenario('a large sign-in fits into the header', async () => {
  const wallet = new Wallet();
  const session = await signIn(fleet, wallet);
  const att = grants(Object.fromEntries(Array.from({ length: 120 }, (_, i) => [`${wallet.space()}/kv/some/rather/long/prefix/${i}/`, ['tinycloud.kv/get', 'tinycloud.kv/put']])));
  const token = await cacao(wallet, { audience: session.key.url, att });
  assert.ok(token.header.length > 32_000 && token.header.length < 64_000, String(token.header.length));
  expect(await delegate(fleet, token), 200);
});

scenario('what belongs to a space that is not hosted is answered with the text that clients look for', async () => {
  const wallet = new Wallet();
  const session = await signIn(fleet, wallet);
  for (const answer of [await session.kv('account').get('system/bootstrap/complete'), await session.kv('account').put('a', 'b'), await session.sql('default', 'account').query('SELECT 1')]) {
    expect(answer, 404, /space not found/i);
  }
});

scenario('an account is bootstrapped: five spaces, tables, records', async () => {
  const wallet = new Wallet();
  const session = await signIn(fleet, wallet);
  expect(await session.kv('account').get('system/bootstrap/complete'), 404, /space not found/i);
  const names = ['default', 'applications', 'account', 'secrets', 'public'];
  for (const name of names) {
    const space = wallet.space(name);
    expect(await host(fleet, wallet, space), 200);
    const token = await sessionToken(wallet, Key.generate(), { att: grants({ [`${space}/kv`]: ['tinycloud.kv/put'] }) });
    assert.ok(!expect(await delegate(fleet, token), 200).json<Delegated>().skipped.includes(space));
  }
  assert.deepEqual(expect(await delegate(fleet, session.root), 200).json<Delegated>().skipped, []);

  const tables = ['applications', 'application_state', 'spaces', 'delegations', 'sync_state'];
  const made = await session.sql('default', 'account').batch(tables.map((table) => ({ sql: `CREATE TABLE IF NOT EXISTS ${table} (id TEXT PRIMARY KEY, value TEXT)` })));
  assert.equal(expect(made, 200).json<{ results: unknown[] }>().results.length, tables.length);

  const parts = names.map((name) => ({ path: `spaces/${wallet.space(name)}`, value: JSON.stringify({ name }), type: 'application/json' }));
  const written = expect(await session.kv('account').batchPut([...parts, { path: 'applications/com.example.app', value: '{}', type: 'application/json' }]), 200);
  assert.equal(written.json<{ count: number }>().count, names.length + 1);
  expect(await session.kv('account').put('system/bootstrap/complete', '{"done":true}', { 'Content-Type': 'application/json' }), 200);
  assert.deepEqual(expect(await session.kv('account').get('system/bootstrap/complete'), 200).json(), { done: true });
  assert.equal(expect(await session.kv('account').list('spaces/'), 200).json<string[]>().length, names.length);
});

scenario('a stored session acts without signing in again', async () => {
  const wallet = new Wallet();
  const session = await signIn(fleet, wallet);
  expect(await session.kv().put('kept', 'yes'), 200);
  expect(await delegate(fleet, session.root), 200);
  expect(await session.kv().get('kept'), 200, 'yes');
  expectOnce(await session.kv().del('kept'), 200, 404);
});
