// Every endpoint that wants a token: how it is asked rightly, and how each refuses.

import { revokeByWallet } from '../client/delegations.js';
import { delegate, Invoker, type Ask } from '../client/invoker.js';
import { Key } from '../client/keys.js';
import { multipart } from '../client/kv.js';
import { grants, type Attenuation } from '../client/recap.js';
import { defaultGrants, host, signIn, type Session } from '../client/session.js';
import { Wallet } from '../client/wallet.js';
import type { Token } from '../client/cacao.js';
import type { Fleet } from './fleet.js';
import { expect } from './scenario.js';

/** How an endpoint answers a refusal of one kind. */
export interface Refusal {
  status: number | readonly number[];
  text?: RegExp;
}

/** One endpoint, or one action of `/invoke`. */
export interface Endpoint {
  name: string;
  /** What is invoked by whoever may. */
  att: (world: World) => Attenuation;
  /** Everything else of the request. */
  ask: (world: World) => Ask;
  /** Statuses of a success; some are asked of things that are not there. */
  success: readonly number[];
  /** Whether a second use of the same token is refused. */
  once: boolean;
  outside: Refusal;
  forged: Refusal;
  stranger: Refusal;
  uncovered: Refusal;
  revoked: Refusal;
}

/** Somebody with values, a database and delegations, and somebody else. */
export interface World {
  fleet: Fleet;
  alice: Session;
  mallory: Session;
  space: string;
  account: string;
  /** A delegation of Alice's session that is there to be revoked or asked about. */
  target: Token;
}

/** Signs both in; Alice may revoke and list. */
export const world = async (fleet: Fleet): Promise<World> => {
  const wallet = new Wallet();
  const space = wallet.space();
  const more = grants({
    [`${space}/delegation`]: ['tinycloud.delegation/revoke'],
    [`${space}/space`]: ['list', 'info', 'create'].map((name) => `tinycloud.space/${name}`),
  });
  const alice = await signIn(fleet, wallet, { att: { ...defaultGrants(wallet), ...more } });
  for (const name of ['account', 'secrets']) expect(await host(fleet, wallet, wallet.space(name)), 200);
  expect(await delegate(fleet, alice.root), 200);
  expect(await alice.kv().put('docs/a', 'value'), 200);
  expect(await alice.sql('docs').execute('CREATE TABLE t (a)'), 200);
  const target = alice.delegation(Key.generate().did, grants({ [`${space}/kv/docs/`]: ['tinycloud.kv/get'] }));
  expect(await delegate(fleet, target), 200);
  return { fleet, alice, mallory: await signIn(fleet, new Wallet()), space, account: wallet.space('account'), target };
};

const json = { 'Content-Type': 'application/json' };
const outside: Refusal = { status: 401, text: /^Invocation expired or not yet valid$/ };
const forged: Refusal = { status: 401, text: /^Failed to verify signature$/ };
const stranger: Refusal = { status: 401, text: /^Unauthorized Invoker/ };
const uncovered: Refusal = { status: 401, text: /^Unauthorized Action: /m };
const revoked: Refusal = { status: 401, text: /^delegation-revoked: / };

/** An action of `/invoke` on one resource of Alice's primary space. */
const action = (name: string, tail: string, ability: string, body?: Ask['body'], success: readonly number[] = [200]): Endpoint => ({
  name: `invoke ${name}`,
  att: ({ space }) => grants({ [`${space}/${tail}`]: [ability] }),
  ask: () => (body === undefined ? {} : { body, ...(typeof body === 'string' && body.startsWith('{') ? { headers: json } : {}) }),
  success,
  once: true,
  outside,
  forged,
  stranger,
  uncovered,
  revoked,
});

const sql = (name: string, ability: string, body: object): Endpoint => action(name, 'sql/docs', ability, JSON.stringify(body));
const hidden: Refusal = { status: 404, text: /"not_found"/ };

/** All of them. */
export const endpoints: readonly Endpoint[] = [
  action('kv get', 'kv/docs/a', 'tinycloud.kv/get'),
  action('kv put', 'kv/docs/b', 'tinycloud.kv/put', 'x'),
  action('kv del', 'kv/docs/c', 'tinycloud.kv/del', undefined, [200, 404]),
  action('kv metadata', 'kv/docs/a', 'tinycloud.kv/metadata'),
  action('kv list', 'kv/docs/', 'tinycloud.kv/list'),
  {
    ...action('kv batch get', 'kv', 'tinycloud.kv/get'),
    att: ({ space }) => grants({ [`${space}/kv/docs/a`]: ['tinycloud.kv/get'], [`${space}/kv/docs/b`]: ['tinycloud.kv/get'] }),
  },
  {
    ...action('kv batch put', 'kv', 'tinycloud.kv/put'),
    att: ({ space }) => grants({ [`${space}/kv/docs/d`]: ['tinycloud.kv/put'], [`${space}/kv/docs/e`]: ['tinycloud.kv/put'] }),
    ask: () => ({ body: multipart([{ path: 'docs/d', value: '1' }, { path: 'docs/e', value: '2' }]) }),
  },
  sql('sql query', 'tinycloud.sql/read', { action: 'query', sql: 'SELECT 1', params: [] }),
  sql('sql execute', 'tinycloud.sql/write', { action: 'execute', sql: 'INSERT INTO t VALUES (1)', params: [] }),
  sql('sql batch', 'tinycloud.sql/write', { action: 'batch', statements: [{ sql: 'INSERT INTO t VALUES (1)', params: [] }] }),
  sql('sql export', 'tinycloud.sql/read', { action: 'export' }),
  action('capabilities read', 'capabilities/all', 'tinycloud.capabilities/read'),
  action('space list', 'space/', 'tinycloud.space/list'),
  {
    ...action('signed url', 'kv/docs/a', 'tinycloud.kv/get'),
    name: 'signed url',
    ask: ({ space }) => ({ path: '/signed/kv', headers: json, body: JSON.stringify({ space, path: 'docs/a' }) }),
    outside: { status: 401 },
    forged: { status: 401 },
    stranger: { status: [401, 403] },
    uncovered: { status: [401, 403] },
    revoked: { status: [401, 403] },
  },
  {
    name: 'delegation status',
    att: ({ target }) => grants({ [`urn:cid:${target.cid}`]: ['tinycloud.delegation/status'] }),
    ask: ({ target }) => ({ path: '/delegation/status', headers: json, body: JSON.stringify({ cid: target.cid }) }),
    success: [200],
    once: false,
    outside: { status: 401, text: /^Invalid status invocation/ },
    forged: { status: 401, text: /^Invalid status invocation/ },
    stranger: hidden,
    uncovered: { status: 403, text: /^Status invocation is not bound to the requested CID/ },
    revoked: { status: [401, 403, 404] },
  },
  {
    name: 'delegation query',
    att: ({ account }) => grants({ [`${account}/delegation/`]: ['tinycloud.delegation/list'] }),
    ask: () => ({ path: '/delegation/query', headers: json, body: JSON.stringify({ direction: 'all' }) }),
    success: [200],
    once: true,
    outside: { status: [401, 403] },
    forged: { status: [401, 403] },
    stranger: { status: 403, text: /^Delegation query proof is not authorized/ },
    uncovered: { status: 403 },
    revoked: { status: 403, text: /^Delegation query proof is not authorized/ },
  },
  {
    name: 'revoke',
    att: ({ target }) => grants({ [`urn:cid:${target.cid}`]: ['tinycloud.delegation/revoke'] }),
    ask: () => ({ path: '/revoke' }),
    success: [200],
    once: false,
    outside: { status: 403, text: /Revocation expired or not yet valid/ },
    forged: { status: 403, text: /Failed to verify signature/ },
    stranger: { status: 403, text: /Unauthorized Revoker/ },
    uncovered: { status: [400, 403] },
    revoked: { status: 403 },
  },
  {
    name: 'delegate',
    att: ({ space }) => grants({ [`${space}/kv/docs/`]: ['tinycloud.kv/get'] }),
    ask: () => ({ path: '/delegate', claims: { aud: Key.generate().did } }),
    success: [200],
    once: false,
    outside: { status: 401 },
    forged: { status: 401 },
    stranger: { status: 401, text: /^Unauthorized Delegator: / },
    uncovered: { status: 401, text: /^Unauthorized Capability: / },
    revoked: { status: 401, text: /^delegation-parent-revoked: / },
  },
];

/** A session of Alice that is revoked already. */
export const revokedSession = async ({ fleet, alice }: World): Promise<Session> => {
  const session = await signIn(fleet, alice.wallet, { att: { ...defaultGrants(alice.wallet), ...grants({ [`${alice.space}/delegation`]: ['tinycloud.delegation/revoke'], [`${alice.space}/space`]: ['tinycloud.space/list'] }) } });
  expect(await revokeByWallet(fleet, alice.wallet, session.root.cid), 200);
  return session;
};

/** Somebody else's key that cites Alice's session. */
export const thief = ({ fleet, alice }: World): Invoker => new Invoker(fleet, Key.generate(), [alice.root.cid]);
