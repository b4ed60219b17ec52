// Tokens that a session key signs: UCAN 0.10 as a compact JWT, members in the order clients write.

import { randomUUID } from 'node:crypto';
import { base64url, utf8 } from './bytes.js';
import type { Token } from './cacao.js';
import { cidOf } from './cid.js';
import type { Json } from './json.js';
import type { Key } from './keys.js';
import type { Attenuation } from './recap.js';

/** What a token says; what is absent is not written. */
export interface Claims {
  iss?: string;
  aud: string;
  nbf?: number;
  exp: number;
  nnc?: string;
  fct?: Json[];
  prf: string[];
  att: Attenuation;
}

/** The header of a token by this key. */
export const jwtHeader = (key: Key): object => ({ alg: 'EdDSA', jwk: key.jwk, typ: 'JWT', ucv: '0.10.0' });

/** Unix time, in seconds. */
export const now = (): number => Date.now() / 1000;

/** A nonce as clients write it. */
export const uuid = (): string => `urn:uuid:${randomUUID()}`;

/** A compact JWT of any header and payload, so that tests can forge them. */
export const compact = (header: object, claims: object, sign: (bytes: Uint8Array) => Uint8Array): Token => {
  const signed = `${base64url(utf8(JSON.stringify(header)))}.${base64url(utf8(JSON.stringify(claims)))}`;
  const token = `${signed}.${base64url(sign(utf8(signed)))}`;
  return { header: token, cid: cidOf(utf8(token)) };
};

const sorted = <T>(map: Record<string, T>): Record<string, T> => Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));

/** The payload in the order of members that clients write; resources and abilities are sorted. */
export const ordered = (key: Key, claims: Claims): object => {
  const { iss = key.url, aud, nbf, exp, nnc, fct, prf } = claims;
  const att = sorted(Object.fromEntries(Object.entries(claims.att).map(([resource, abilities]) => [resource, sorted(abilities)])));
  // JSON leaves out what is undefined
  return { iss, aud, nbf, exp, nnc, fct, prf, att };
};

/** A token by this key. */
export const ucan = (key: Key, claims: Claims): Token => compact(jwtHeader(key), ordered(key, claims), (bytes) => key.sign(bytes));
