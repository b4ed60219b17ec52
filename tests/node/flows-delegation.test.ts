// Delegating to others, in both modes, and by link.

import assert from 'node:assert/strict';
import { after } from 'node:test';
import { cacao, iso, type Token } from './client/cacao.js';
import { receiver, share, unlink, type Share } from './client/delegations.js';
import { delegate, Invoker, type Delegated } from './client/invoker.js';
import { Key } from './client/keys.js';
import { Kv } from './client/kv.js';
import { grants } from './client/recap.js';
import { host, signIn } from './client/session.js';
import { now } from './client/ucan.js';
import { Wallet } from './client/wallet.js';
import { Fleet } from './lib/fleet.js';
import { expect, expectMissing, scenario } from './lib/scenario.js';

const fleet = await Fleet.start();
after(() => fleet.stop());
const alice = await signIn(fleet, new Wallet());
const kv = alice.kv();
expect(await kv.put('docs/shared/a.txt', 'for bob'), 200);
expect(await kv.put('docs/private.txt', 'for alice'), 200);

const posted = async (token: Token): Promise<Token> => {
  assert.equal(expect(await delegate(fleet, token), 200).json<Delegated>().cid, token.cid);
  return token;
};

scenario('session-only: the recipient acts with its own key', async () => {
  const bob = Key.generate();
  const token = await posted(alice.delegation(bob.did, grants({ [kv.resource('docs/shared/')]: ['tinycloud.kv/get', 'tinycloud.kv/list'] })));
  const theirs = new Kv(new Invoker(fleet, bob, [token.cid]), kv.space);
  expect(await theirs.get('docs/shared/a.txt'), 200, 'for bob');
  assert.deepEqual(expect(await theirs.list('docs/shared/'), 200).json(), ['docs/shared/a.txt']);
  for (const path of ['docs/private.txt', 'docs/sharedX', 'docs/shared', 'docs/']) {
    expectMissing(await theirs.get(path), kv.resource(path), 'tinycloud.kv/get');
  }
  expectMissing(await theirs.put('docs/shared/a.txt', 'x'), kv.resource('docs/shared/a.txt'), 'tinycloud.kv/put');
  // a recipient may post what it was given once more
  await posted(token);
  expect(await theirs.get('docs/shared/a.txt'), 200, 'for bob');
});

scenario('wallet mode: the recipient signs in, citing what it was given', async () => {
  const bob = new Wallet();
  const given = await posted(alice.delegation(bob.did, grants({ [kv.resource('docs/shared/')]: ['tinycloud.kv/get'] })));
  const key = Key.generate();
  const att = grants({ [kv.resource('docs/shared/')]: ['tinycloud.kv/get'] });
  const own = await posted(await cacao(bob, { audience: key.url, att, proofs: [given.cid], expires: iso(Date.now() + 1800 * 1000) }));
  const theirs = new Kv(new Invoker(fleet, key, [own.cid]), kv.space);
  expect(await theirs.get('docs/shared/a.txt'), 200, 'for bob');
  expectMissing(await theirs.get('docs/private.txt'), kv.resource('docs/private.txt'), 'tinycloud.kv/get');

  // for another wallet, wider, or longer than what was given
  const mallory = new Wallet();
  expect(await delegate(fleet, await cacao(mallory, { audience: key.url, att, proofs: [given.cid], expires: iso(Date.now() + 60_000) })), 401, `Unauthorized Delegator: ${mallory.did}`);
  const wider = grants({ [kv.resource('docs/')]: ['tinycloud.kv/get'] });
  expect(await delegate(fleet, await cacao(bob, { audience: key.url, att: wider, proofs: [given.cid], expires: iso(Date.now() + 60_000) })), 401, `Unauthorized Capability: ${kv.resource('docs/')}, tinycloud.kv/get`);
  expect(await delegate(fleet, await cacao(bob, { audience: key.url, att, proofs: [given.cid], expires: iso(Date.now() + 7200 * 1000) })), 401, /Child delegation expiry exceeds parent expiry/);
  expect(await delegate(fleet, await cacao(bob, { audience: key.url, att, proofs: [given.cid] })), 401, /Child delegation expiry exceeds parent expiry/);
});

scenario('several resources, an absent path and a network in one delegation', async () => {
  const bob = Key.generate();
  const token = await posted(
    alice.delegation(bob.did, grants({
      [`${kv.space}/kv`]: ['tinycloud.kv/get'],
      [`${kv.space}/sql/shared`]: ['tinycloud.sql/read'],
      [alice.wallet.network()]: ['tinycloud.encryption/decrypt'],
    })),
  );
  const by = new Invoker(fleet, bob, [token.cid]);
  expect(await new Kv(by, kv.space).get('docs/private.txt'), 200, 'for alice');
  expect(await by.one(`${kv.space}/sql/shared`, 'tinycloud.sql/read', { body: JSON.stringify({ action: 'query', sql: 'SELECT 1', params: [] }) }), 200);
});

scenario('a delegation is passed on, narrower each time', async () => {
  const keys = [Key.generate(), Key.generate(), Key.generate()] as const;
  const paths = ['docs/', 'docs/shared/', 'docs/shared/a.txt'] as const;
  let by: Invoker = alice;
  let exp = Math.floor(now()) + 3600;
  for (const [i, key] of keys.entries()) {
    exp -= 1;
    const token = await posted(by.delegation(key.did, grants({ [kv.resource(paths[i] ?? '')]: ['tinycloud.kv/get'] }), { exp }));
    by = new Invoker(fleet, key, [token.cid]);
  }
  const last = new Kv(by, kv.space);
  expect(await last.get('docs/shared/a.txt'), 200, 'for bob');
  expectMissing(await last.get('docs/shared/b.txt'), kv.resource('docs/shared/b.txt'), 'tinycloud.kv/get');
  expect(await delegate(fleet, by.delegation(Key.generate().did, grants({ [kv.resource('docs/shared/')]: ['tinycloud.kv/get'] }), { exp: exp - 1 })), 401, /^Unauthorized Capability: /);
});

scenario('two delegations cited at once cover what neither does alone', async () => {
  const bob = Key.generate();
  const one = await posted(alice.delegation(bob.did, grants({ [kv.resource('docs/shared/')]: ['tinycloud.kv/get'] })));
  const two = await posted(alice.delegation(bob.did, grants({ [kv.resource('docs/private.txt')]: ['tinycloud.kv/get'] })));
  const both = new Kv(new Invoker(fleet, bob, [one.cid, two.cid]), kv.space);
  const answer = expect(await both.batchGet(['docs/private.txt', 'docs/shared/a.txt']), 200);
  assert.equal(answer.json<{ results: { ok: boolean }[] }>().results.filter(({ ok }) => ok).length, 2);
  expectMissing(await new Kv(new Invoker(fleet, bob, [one.cid]), kv.space).get('docs/private.txt'), kv.resource('docs/private.txt'), 'tinycloud.kv/get');
});

scenario('a space that is not hosted does not fail a delegation', async () => {
  const token = alice.delegation(Key.generate().did, grants({ [`${alice.wallet.space('account')}/kv/x`]: ['tinycloud.kv/get'] }));
  const answer = expect(await delegate(fleet, token), 200);
  assert.deepEqual(answer.json<Delegated>().activated, []);
  if (!answer.again) assert.deepEqual(answer.json<Delegated>().skipped, [alice.wallet.space('account')]);
});

scenario('a sharing link carries a key, and whoever has it may read', async () => {
  const made = share(alice, kv.space, 'docs/shared/', ['tinycloud.kv/get', 'tinycloud.kv/list'], fleet.url);
  await posted(made.token);
  assert.match(made.text, /^tc1:[A-Za-z0-9_-]+$/);
  const held = unlink(made.text);
  assert.equal(held.version, 1);
  expect(await fleet.send(() => ({ method: 'POST', path: '/delegate', headers: held.delegation.delegationHeader })), 200);
  const theirs = new Kv(receiver(fleet, held), held.spaceId);
  expect(await theirs.get('docs/shared/a.txt'), 200, 'for bob');
  expectMissing(await theirs.put('docs/shared/a.txt', 'x'), kv.resource('docs/shared/a.txt'), 'tinycloud.kv/put');
});

scenario('a link that outlives the session is signed by the wallet', async () => {
  const key = Key.generate();
  const month = 30 * 24 * 3600;
  const expires = Math.floor(now()) + month;
  const att = grants({ [kv.resource('docs/shared/')]: ['tinycloud.kv/get'] });
  expect(await delegate(fleet, alice.delegation(key.did, att, { exp: expires })), 401, /Child delegation expiry exceeds parent expiry/);
  const token = await posted(await cacao(alice.wallet, { audience: key.did, att, expires: iso(expires * 1000) }));
  const held: Share = {
    key: key.privateJwk(), keyDid: key.did, path: 'docs/shared/', host: fleet.url, spaceId: kv.space, version: 1,
    delegation: { cid: token.cid, delegationHeader: { Authorization: token.header }, spaceId: kv.space, path: 'docs/shared/', actions: ['tinycloud.kv/get'], expiry: iso(expires * 1000), delegateDID: key.did },
  };
  expect(await new Kv(receiver(fleet, held), kv.space).get('docs/shared/a.txt'), 200, 'for bob');
});

scenario('an owner who is a key needs no wallet', async () => {
  const owner = Key.generate();
  const space = `tinycloud:${owner.did.slice('did:'.length)}:notes`;
  const by = new Invoker(fleet, owner, []);
  const hostKey = expect(await fleet.send(() => ({ method: 'GET', path: `/peer/generate/${encodeURIComponent(space)}` })), 200).text;
  const token = by.delegation(hostKey, grants({ [`${space}/space`]: ['tinycloud.space/host'] }));
  assert.deepEqual(expect(await delegate(fleet, token), 200).json<Delegated>().skipped, []);
  const own = new Kv(by, space);
  expect(await own.put('a', 'b'), 200);
  expect(await own.get('a'), 200, 'b');
});

scenario('an ability that no registry knows is kept, passed on, and does nothing', async () => {
  const bob = Key.generate();
  const resource = `${kv.space}/sql`;
  const token = await posted(alice.delegation(bob.did, grants({ [resource]: ['tinycloud.sql/export', 'tinycloud.sql/execute'] })));
  const by = new Invoker(fleet, bob, [token.cid]);
  const session = await signIn(fleet, alice.wallet, { att: grants({ [`${kv.space}/future`]: ['tinycloud.future/thing'] }) });
  const answer = expect(await session.one(`${kv.space}/future/x`, 'tinycloud.future/thing'), [200, 501]);
  if (answer.status === 200) assert.equal(answer.text, '');
  expectMissing(await by.one(`${kv.space}/future/x`, 'tinycloud.future/thing'), `${kv.space}/future/x`, 'tinycloud.future/thing');
});

scenario('names of other owners are nobody else\'s to give', async () => {
  const mallory = await signIn(fleet, new Wallet());
  expect(await host(fleet, mallory.wallet, mallory.wallet.space('public')), 200);
  const att = grants({ [kv.resource('docs/')]: ['tinycloud.kv/get'] });
  expect(await delegate(fleet, await cacao(mallory.wallet, { audience: mallory.key.url, att })), 401);
  expect(await delegate(fleet, mallory.delegation(mallory.key.did, att)), 401);
});
