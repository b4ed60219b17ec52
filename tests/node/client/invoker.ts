// Who acts: a key and the delegations it cites.

import type { Token } from './cacao.js';
import type { Answer, Request, Transport } from './http.js';
import type { Json } from './json.js';
import type { Key } from './keys.js';
import { grants, type Attenuation } from './recap.js';
import { now, ucan, uuid, type Claims } from './ucan.js';

/** How long an invocation lives, in seconds, as clients choose it. */
const LIFETIME = 60;

/** Everything about a request but its authority. */
export interface Ask {
  method?: string;
  path?: string;
  headers?: Record<string, string>;
  body?: Request['body'];
  /** Members of the token that differ from the usual ones. */
  claims?: Partial<Claims>;
}

/** What `/delegate` answers. */
export interface Delegated {
  cid: string;
  activated: string[];
  skipped: string[];
}

/** Posts a delegation, of a wallet or of a key. */
export const delegate = (via: Transport, token: Token): Promise<Answer> =>
  via.send(() => ({ method: 'POST', path: '/delegate', headers: { Authorization: token.header } }));

/** A key that invokes through delegations, at a node. */
export class Invoker {
  readonly via: Transport;
  readonly key: Key;
  readonly proofs: readonly string[];

  constructor(via: Transport, key: Key, proofs: readonly string[]) {
    this.via = via;
    this.key = key;
    this.proofs = proofs;
  }

  /** The same one, at another node. */
  at(via: Transport): Invoker {
    return new Invoker(via, this.key, this.proofs);
  }

  /** A fresh invocation of these abilities. */
  token(att: Attenuation, claims: Partial<Claims> = {}): Token {
    return ucan(this.key, { aud: this.key.did, exp: now() + LIFETIME, nnc: uuid(), prf: [...this.proofs], att, ...claims });
  }

  /** A request that carries this token. */
  request(token: Token, ask: Ask = {}): Request {
    const { method = 'POST', path = '/invoke', headers = {}, body } = ask;
    return { method, path, headers: { Authorization: token.header, ...headers }, ...(body === undefined ? {} : { body }) };
  }

  /** Invokes abilities on resources. */
  invoke(att: Attenuation, ask: Ask = {}): Promise<Answer> {
    return this.via.send(() => this.request(this.token(att, ask.claims), ask));
  }

  /** Invokes one ability on one resource. */
  one(resource: string, ability: string, ask: Ask = {}): Promise<Answer> {
    return this.invoke(grants({ [resource]: [ability] }), ask);
  }

  /** Sends a token that was made before. */
  present(token: Token, ask: Ask = {}): Promise<Answer> {
    return this.via.send(() => this.request(token, ask));
  }

  /** A delegation to another DID: one hour, unless said otherwise. */
  delegation(audience: string, att: Attenuation, claims: Partial<Claims> = {}): Token {
    return this.token(att, { aud: audience, exp: Math.floor(now()) + 3600, ...claims });
  }
}

/** A fact, as `fct` carries it. */
export const fact = (value: Json): Partial<Claims> => ({ fct: [value] });
