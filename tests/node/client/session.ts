// What a client does at sign-in: delegate to a session key, host the space if it is new.

import { setTimeout as sleep } from 'node:timers/promises';
import { cacao, iso, type SignIn, type Token } from './cacao.js';
import type { Answer, Transport } from './http.js';
import { delegate, Invoker, type Delegated } from './invoker.js';
import { Key } from './keys.js';
import { Kv } from './kv.js';
import { grants, type Attenuation } from './recap.js';
import { Sql } from './sql.js';
import type { Wallet } from './wallet.js';

/** How long a session lives, in milliseconds. */
export const SESSION = 7 * 24 * 3600 * 1000;
/** What a client waits between hosting and delegating once more, in milliseconds. */
const PAUSE = 100;

const kv = ['get', 'put', 'list', 'del', 'metadata'].map((name) => `tinycloud.kv/${name}`);
const sql = ['read', 'write', 'schema', 'admin', 'export', 'execute'].map((name) => `tinycloud.sql/${name}`);

/** What a client without a manifest asks for, names that no registry knows included. */
export const defaultGrants = (wallet: Wallet): Attenuation => {
  const space = wallet.space();
  const accounts = wallet.space('account');
  return grants({
    [`${space}/kv`]: kv,
    [`${space}/sql`]: sql,
    [`${space}/duckdb`]: ['read', 'write', 'admin', 'describe', 'execute', 'export', 'import'].map((name) => `tinycloud.duckdb/${name}`),
    [`${space}/capabilities`]: ['tinycloud.capabilities/read'],
    [`${space}/hooks`]: ['subscribe', 'register', 'list', 'unregister'].map((name) => `tinycloud.hooks/${name}`),
    [`${wallet.space('secrets')}/kv/vault/secrets/`]: kv,
    [`${accounts}/kv`]: kv,
    [`${accounts}/sql`]: sql,
    [`${accounts}/delegation/`]: ['tinycloud.delegation/list'],
    [wallet.network()]: ['tinycloud.encryption/decrypt', 'tinycloud.encryption/network.create'],
  });
};

/** Lets the wallet host a space: its delegation to the host key that the node names. */
export const hosting = async (via: Transport, wallet: Wallet, space: string, ask: Partial<SignIn> = {}): Promise<Token> => {
  const host = await via.send(() => ({ method: 'GET', path: `/peer/generate/${encodeURIComponent(space)}` }));
  if (host.status !== 200) throw new Error(`/peer/generate: ${host}`);
  return cacao(wallet, { audience: host.text, att: grants({ [`${space}/space`]: ['tinycloud.space/host'] }), ...ask });
};

/** Hosts a space. */
export const host = async (via: Transport, wallet: Wallet, space: string, ask: Partial<SignIn> = {}): Promise<Answer> =>
  delegate(via, await hosting(via, wallet, space, ask));

/** The token that lets a key act for a wallet. */
export const sessionToken = (wallet: Wallet, key: Key, ask: Partial<SignIn> = {}): Promise<Token> =>
  cacao(wallet, { audience: key.url, att: defaultGrants(wallet), expires: iso(Date.now() + SESSION), ...ask });

/** A person signed in at a node. */
export class Session extends Invoker {
  readonly wallet: Wallet;
  readonly root: Token;
  /** What the first `/delegate` said. */
  readonly first: Delegated;

  constructor(via: Transport, wallet: Wallet, key: Key, token: Token, first: Delegated) {
    super(via, key, [token.cid]);
    this.wallet = wallet;
    this.root = token;
    this.first = first;
  }

  /** The primary space. */
  get space(): string {
    return this.wallet.space();
  }

  /** Values of a space of this person. */
  kv(name = 'default'): Kv {
    return new Kv(this, this.wallet.space(name));
  }

  /** A database of a space of this person. */
  sql(database = 'default', name = 'default'): Sql {
    return new Sql(this, this.wallet.space(name), database);
  }
}

/** Refuses an answer that is not a success. */
const success = (answer: Answer, what: string): Answer => {
  if (answer.status !== 200) throw new Error(`${what}: ${answer}`);
  return answer;
};

/** Signs in as a client does, and hosts the primary space if the node does not yet. */
export const signIn = async (via: Transport, wallet: Wallet, ask: Partial<SignIn> = {}, key = Key.generate()): Promise<Session> => {
  const token = await sessionToken(wallet, key, ask);
  const info = success(await via.send(() => ({ method: 'GET', path: '/info' })), '/info');
  if (info.json<{ protocol: number }>().protocol !== 1) throw new Error('the node speaks another protocol');
  const answer = await delegate(via, token);
  const primary = wallet.space();
  const first = answer.status === 404 ? { cid: token.cid, activated: [], skipped: [primary] } : success(answer, '/delegate').json<Delegated>();
  if (first.skipped.includes(primary)) {
    success(await host(via, wallet, primary), 'hosting');
    await sleep(PAUSE);
    success(await delegate(via, token), '/delegate after hosting');
  }
  return new Session(via, wallet, key, token, first);
};
