// What became of a delegation: revoke, status, query, read; and the actions of spaces.

import assert from 'node:assert/strict';
import { after } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Token } from './client/cacao.js';
import { capabilities, query, revoke, revokeByWallet, status, type Capabilities, type Page, type Status } from './client/delegations.js';
import { delegate, Invoker } from './client/invoker.js';
import { Key } from './client/keys.js';
import { Kv } from './client/kv.js';
import { grants, type Attenuation } from './client/recap.js';
import { defaultGrants, host, signIn, type Session } from './client/session.js';
import { now } from './client/ucan.js';
import { Wallet } from './client/wallet.js';
import { Fleet } from './lib/fleet.js';
import { expect, expectMissing, scenario } from './lib/scenario.js';

const fleet = await Fleet.start();
after(() => fleet.stop());

/** Someone whose app asked for the right to revoke, with a value to share. */
const person = async (): Promise<Session> => {
  const wallet = new Wallet();
  const att: Attenuation = { ...defaultGrants(wallet), ...grants({ [`${wallet.space()}/delegation`]: ['tinycloud.delegation/revoke'], [`${wallet.space()}/space`]: ['list', 'info', 'create'].map((name) => `tinycloud.space/${name}`) }) };
  const session = await signIn(fleet, wallet, { att });
  expect(await session.kv().put('docs/a', 'shared'), 200);
  return session;
};

const reader = (space: string): Attenuation => grants({ [`${space}/kv/docs/`]: ['tinycloud.kv/get'] });

/** A delegation to a new key. */
const given = async (by: Invoker, space: string, key = Key.generate(), exp = Math.floor(now()) + 3600): Promise<{ token: Token; invoker: Invoker; kv: Kv }> => {
  const token = by.delegation(key.did, reader(space), { exp });
  expect(await delegate(fleet, token), 200);
  const invoker = new Invoker(fleet, key, [token.cid]);
  return { token, invoker, kv: new Kv(invoker, space) };
};

scenario('the owner revokes by wallet: the delegation and all below it are dead at once', async () => {
  const alice = await person();
  const bob = await given(alice, alice.space);
  const carol = await given(bob.invoker, alice.space, Key.generate(), Math.floor(now()) + 1800);
  expect(await carol.kv.get('docs/a'), 200, 'shared');

  assert.deepEqual(expect(await revokeByWallet(fleet, alice.wallet, bob.token.cid), 200).json(), { revoked: true, cid: bob.token.cid });
  for (let i = 0; i < 4; i += 1) {
    expect(await bob.kv.get('docs/a'), 401, /^delegation-revoked: /);
    expect(await carol.kv.get('docs/a'), 401, new RegExp(`^delegation-ancestor-revoked: ancestor=${bob.token.cid} invoked=${carol.token.cid}`));
  }
  expect(await delegate(fleet, bob.invoker.delegation(Key.generate().did, reader(alice.space))), 401, /^delegation-parent-revoked: /);
  expect(await delegate(fleet, carol.invoker.delegation(Key.generate().did, reader(alice.space), { exp: Math.floor(now()) + 900 })), 401, /^delegation-ancestor-revoked: /);
  // posting it once more does not bring it back
  await delegate(fleet, bob.token);
  expect(await bob.kv.get('docs/a'), 401, /^delegation-revoked: /);
  // once more is the same
  assert.deepEqual(expect(await revokeByWallet(fleet, alice.wallet, bob.token.cid), 200).json(), { revoked: true, cid: bob.token.cid });
  expect(await alice.kv().get('docs/a'), 200, 'shared');
});

scenario('a session revokes if its app asked for that, and not otherwise', async () => {
  const alice = await person();
  const bob = await given(alice, alice.space);
  assert.deepEqual(expect(await revoke(alice, bob.token.cid), 200).json(), { revoked: true, cid: bob.token.cid });
  expect(await bob.kv.get('docs/a'), 401, /^delegation-revoked: /);

  const plain = await signIn(fleet, alice.wallet);
  const other = await given(plain, alice.space);
  expect(await revoke(plain, other.token.cid), 403, /Unauthorized Revoker/);
  expect(await other.kv.get('docs/a'), 200, 'shared');
});

scenario('whoever gave or holds a delegation revokes it by its own key alone', async () => {
  const alice = await person();
  const bob = await given(alice, alice.space);
  expect(await revoke(new Invoker(fleet, alice.key, []), bob.token.cid), 200);
  expect(await bob.kv.get('docs/a'), 401);
  const carol = await given(alice, alice.space);
  expect(await revoke(new Invoker(fleet, carol.invoker.key, []), carol.token.cid), 200);
  expect(await carol.kv.get('docs/a'), 401);
  const dave = await given(alice, alice.space);
  expect(await revoke(new Invoker(fleet, Key.generate(), []), dave.token.cid), 403, /Unauthorized Revoker/);
  expect(await revokeByWallet(fleet, new Wallet(), dave.token.cid), 403, /Unauthorized Revoker/);
  expect(await dave.kv.get('docs/a'), 200, 'shared');
});

scenario('what is revoked before it came is refused when it comes', async () => {
  const alice = await person();
  for (const take of [(cid: string) => revoke(alice, cid), (cid: string) => revokeByWallet(fleet, alice.wallet, cid)]) {
    const unknown = alice.delegation(Key.generate().did, reader(alice.space));
    assert.deepEqual(expect(await take(unknown.cid), 200).json(), { revoked: true, cid: unknown.cid });
    expect(await delegate(fleet, unknown), 401);
  }
  // whom nobody here knows revokes nothing
  const unknown = alice.delegation(Key.generate().did, reader(alice.space));
  expect(await revokeByWallet(fleet, new Wallet(), unknown.cid), 404);
  expect(await delegate(fleet, unknown), 200);
});

scenario('a delegation is revoked by its path in the space, and never the session in its place', async () => {
  const alice = await person();
  const bob = await given(alice, alice.space);
  const body = JSON.stringify({ cid: bob.token.cid, spaceId: alice.space });
  const headers = { 'Content-Type': 'application/json' };
  assert.deepEqual(
    expect(await alice.one(`${alice.space}/delegation/${bob.token.cid}`, 'tinycloud.delegation/revoke', { path: '/revoke', headers, body }), 200).json(),
    { revoked: true, cid: bob.token.cid },
  );
  expect(await bob.kv.get('docs/a'), 401, /^delegation-revoked: /);
  for (const resource of [`${alice.space}/delegation`, `${alice.space}/delegation/nonsense`, `${alice.space}/kv/docs/a`]) {
    expect(await alice.one(resource, 'tinycloud.delegation/revoke', { path: '/revoke' }), [400, 401, 403, 404]);
  }
  expect(await alice.kv().get('docs/a'), 200, 'shared');
});

scenario('status: active, revoked, expired, unknown', async () => {
  const alice = await person();
  const of = async (by: Invoker, cid: string, expected: number): Promise<Status> => {
    const said = expect(await status(by, cid), expected).json<Status>();
    assert.deepEqual(Object.keys(said).sort(), ['active', 'cid', 'exists', 'expired', 'revoked', 'status']);
    assert.equal(said.cid, cid);
    return said;
  };
  const bob = await given(alice, alice.space);
  for (const by of [alice, bob.invoker]) assert.deepEqual(await of(by, bob.token.cid, 200), { cid: bob.token.cid, status: 'active', exists: true, active: true, revoked: false, expired: false });
  expect(await revokeByWallet(fleet, alice.wallet, bob.token.cid), 200);
  assert.deepEqual(await of(alice, bob.token.cid, 200), { cid: bob.token.cid, status: 'revoked', exists: true, active: false, revoked: true, expired: false });

  const brief = await given(alice, alice.space, Key.generate(), Math.floor(now()) + 6);
  await sleep(6500);
  assert.deepEqual(await of(alice, brief.token.cid, 200), { cid: brief.token.cid, status: 'expired', exists: true, active: false, revoked: false, expired: true });
  expect(await brief.kv.get('docs/a'), 401);

  const unknown = alice.delegation(Key.generate().did, reader(alice.space)).cid;
  const stranger = new Invoker(fleet, Key.generate(), []);
  for (const [by, cid] of [[alice, unknown], [stranger, alice.root.cid]] as const) {
    assert.deepEqual(await of(by, cid, 404), { cid, status: 'not_found', exists: false, active: false, revoked: false, expired: false });
  }
});

scenario('query: what was given and received, in pages', async () => {
  const alice = await person();
  const bob = await person();
  for (const who of [alice, bob]) expect(await host(fleet, who.wallet, who.wallet.space('account')), 200);
  const toBob = alice.delegation(bob.wallet.did, reader(alice.space));
  expect(await delegate(fleet, toBob), 200);

  const page = async (by: Session, body: Parameters<typeof query>[2]) => {
    const said = expect(await query(by, by.wallet.space('account'), body), 200).json<Page>();
    assert.equal(said.schemaVersion, 2);
    const allowed = ['cid', 'direction', 'delegatorDid', 'delegateDid', 'resources', 'parents', 'issuedAt', 'notBefore', 'expiresAt', 'status', 'revokedAt', 'revokedBy', 'revokedAncestorCid'];
    for (const item of said.items) for (const name of Object.keys(item)) assert.ok(allowed.includes(name), name);
    return said;
  };
  const granted = await page(alice, { direction: 'granted' });
  const session = granted.items.find(({ cid }) => cid === alice.root.cid);
  assert.ok(session, 'the sign-in is among what was granted');
  assert.deepEqual([session.delegatorDid, session.delegateDid, session.status], [alice.wallet.did, alice.key.did, 'active']);
  assert.ok(Date.parse(session.issuedAt ?? '') <= Date.now() && Date.parse(session.expiresAt ?? '') > Date.now());
  const resource = session.resources.find((one) => one.resource === `${alice.space}/kv`);
  assert.deepEqual(resource?.caveats, [{}]);
  assert.ok(resource.actions.includes('tinycloud.kv/get'));

  const open = { direction: null, status: null, space: null, limit: null, cursor: null };
  assert.deepEqual(await page(alice, open), await page(alice, {}));

  const received = await page(bob, { direction: 'received' });
  const item = received.items.find(({ cid }) => cid === toBob.cid);
  assert.deepEqual([item?.delegateDid, item?.parents, item?.issuedAt], [bob.wallet.did, [alice.root.cid], null]);

  const all: string[] = [];
  let cursor: string | undefined;
  do {
    const next: Page = await page(alice, { direction: 'all', limit: 1, ...(cursor === undefined ? {} : { cursor }) });
    assert.ok(next.items.length <= 1);
    all.push(...next.items.map(({ cid }) => cid));
    cursor = next.nextCursor;
  } while (cursor !== undefined && all.length < 50);
  assert.equal(new Set(all).size, all.length);
  assert.deepEqual(all, (await page(alice, { direction: 'all', limit: 100 })).items.map(({ cid }) => cid));

  expect(await revokeByWallet(fleet, alice.wallet, toBob.cid), 200);
  const revoked = (await page(bob, { direction: 'received', status: 'revoked' })).items.find(({ cid }) => cid === toBob.cid);
  assert.equal(revoked?.status, 'revoked');
  assert.ok(revoked.revokedAt !== undefined);
  assert.ok(!(await page(bob, { direction: 'received', status: 'active' })).items.some(({ cid }) => cid === toBob.cid));

  for (const body of [{ direction: 'all', unknown: 1 }, { direction: 'sideways' }, { direction: 'all', limit: 0 }, { direction: 'all', limit: 101 }, { direction: 'all', cursor: '!' }]) {
    expect(await query(alice, alice.wallet.space('account'), body), 400);
  }
  expect(await query(bob, alice.wallet.space('account'), { direction: 'all' }), 403, /Delegation query proof is not authorized/);
});

scenario('capabilities/read lists delegations as they were sent', async () => {
  const alice = await person();
  const bob = await given(alice, alice.space);
  const all = expect(await capabilities(alice, alice.space), 200).json<Capabilities>();
  assert.equal(all[alice.root.cid]?.raw, alice.root.header);
  const one = all[bob.token.cid];
  assert.equal(one?.raw, bob.token.header);
  assert.deepEqual([one.delegator.split('#')[0], one.delegate, one.parents], [alice.key.did, bob.invoker.key.did, [alice.root.cid]]);
  assert.ok(one.capabilities.some(({ resource, ability }) => resource === `${alice.space}/kv/docs/` && ability === 'tinycloud.kv/get'));
  assert.ok(Math.abs(Date.parse(one.expiry ?? '') - Date.now() - 3600_000) < 60_000);

  const created = expect(await capabilities(alice, alice.space, { type: 'list', filters: { direction: 'created' } }), 200).json<Capabilities>();
  // the account's, whichever of its keys signed
  assert.ok(bob.token.cid in created && alice.root.cid in created);
  const received = expect(await capabilities(alice, alice.space, { type: 'list', filters: { direction: 'received' } }), 200).json<Capabilities>();
  assert.ok(alice.root.cid in received && !(bob.token.cid in received));
  const narrow = expect(await capabilities(alice, alice.space, { type: 'list', filters: { path: 'docs/', actions: ['tinycloud.kv/get'] } }), 200).json<Capabilities>();
  assert.ok(bob.token.cid in narrow);
  // what a client leaves open may be written as null
  for (const filters of [null, {}, { direction: null, path: null, actions: null }]) {
    assert.deepEqual(expect(await capabilities(alice, alice.space, { type: 'list', filters }), 200).json(), all);
  }
  const chain = expect(await capabilities(alice, alice.space, { type: 'chain', delegation_cid: bob.token.cid }), 200).json<{ raw: string }[]>();
  assert.deepEqual(chain.map(({ raw }) => raw), [bob.token.header, alice.root.header]);

  expect(await revokeByWallet(fleet, alice.wallet, bob.token.cid), 200);
  assert.ok(!(bob.token.cid in expect(await capabilities(alice, alice.space), 200).json<Capabilities>()));
  const carol = await given(alice, alice.space);
  expectMissing(await capabilities(carol.invoker, alice.space), `${alice.space}/capabilities/all`, 'tinycloud.capabilities/read');
});

/** What a node says about a space it made. */
interface Made {
  id: string;
  name: string;
  owner: string;
}
const pick = ({ id, name, owner }: Made): Made => ({ id, name, owner });

scenario('spaces: list, info, create', async () => {
  const alice = await person();
  const list = expect(await alice.one(`${alice.space}/space/`, 'tinycloud.space/list'), 200).json<{ id: string; owner: string }[]>();
  assert.deepEqual(list.map(({ id, owner }) => [id, owner]), [[alice.space, alice.wallet.did]]);
  const info = (id: string) => alice.one(`${alice.space}/space/${id}`, 'tinycloud.space/info', { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ spaceId: id }) });
  assert.deepEqual(expect(await info(alice.space), 200).json(), { id: alice.space, name: 'default', owner: alice.wallet.did });
  expect(await info(alice.wallet.space('unhosted')), 404);
  const create = (name: string) => alice.one(`${alice.space}/space/${name}`, 'tinycloud.space/create', { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ name }) });
  expect(await create('default'), 409);
  const made = await create('notes');
  if (!made.again) assert.deepEqual(pick(expect(made, 200).json<Made>()), { id: alice.wallet.space('notes'), name: 'notes', owner: alice.wallet.did });
  expect(await info(alice.wallet.space('notes')), 200);
  expect(await create('notes'), 409);
});
