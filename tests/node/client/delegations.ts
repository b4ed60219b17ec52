// What becomes of delegations: revoke, status, query, read, share.

import { base64url, fromBase64url, utf8 } from './bytes.js';
import { cacao, type Token } from './cacao.js';
import type { Answer, Transport } from './http.js';
import { fact, Invoker } from './invoker.js';
import type { Json } from './json.js';
import { Key, type PrivateJwk } from './keys.js';
import { grants } from './recap.js';
import type { Wallet } from './wallet.js';

/** What `/delegation/status` answers. */
export interface Status {
  cid: string;
  status: 'active' | 'revoked' | 'expired' | 'unavailable' | 'not_found';
  exists: boolean;
  active: boolean;
  revoked: boolean;
  expired: boolean;
}

/** A page of `/delegation/query`. */
export interface Page {
  schemaVersion: number;
  items: {
    cid: string;
    direction: string;
    delegatorDid: string;
    delegateDid: string;
    resources: { resource: string; actions: string[]; caveats: Json[] }[];
    parents: string[];
    issuedAt: string | null;
    notBefore: string | null;
    expiresAt: string | null;
    status: string;
    revokedAt?: string;
    revokedBy?: string;
    revokedAncestorCid?: string;
  }[];
  nextCursor?: string;
}

/** What `capabilities/read` answers, by CID. */
export type Capabilities = Record<
  string,
  { capabilities: { resource: string; ability: string; caveats: Json }[]; delegator: string; delegate: string; parents: string[]; raw: string; expiry?: string }
>;

/** Revokes as the owner: signed by the wallet. */
export const revokeByWallet = async (via: Transport, wallet: Wallet, cid: string): Promise<Answer> => {
  const token = await cacao(wallet, { audience: `ucan:${cid}` });
  return via.send(() => ({ method: 'POST', path: '/revoke', headers: { Authorization: token.header } }));
};

/** Revokes with a key. */
export const revoke = (by: Invoker, cid: string): Promise<Answer> =>
  by.one(`urn:cid:${cid}`, 'tinycloud.delegation/revoke', { path: '/revoke' });

/** Asks what became of a delegation. */
export const status = (by: Invoker, cid: string): Promise<Answer> =>
  by.one(`urn:cid:${cid}`, 'tinycloud.delegation/status', {
    path: '/delegation/status',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ cid }),
  });

/** Asks for a page of the delegations of an account. */
export const query = (by: Invoker, accountSpace: string, body: { [name: string]: Json }): Promise<Answer> =>
  by.one(`${accountSpace}/delegation/`, 'tinycloud.delegation/list', {
    path: '/delegation/query',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });

/** Reads the delegations of a space. */
export const capabilities = (by: Invoker, space: string, params?: { [name: string]: Json }): Promise<Answer> =>
  by.one(`${space}/capabilities/all`, 'tinycloud.capabilities/read', {
    claims: params === undefined ? {} : fact({ capabilitiesReadParams: params }),
  });

/** A delegation as it is handed over to the one it is for. */
export interface Portable {
  cid: string;
  delegationHeader: { Authorization: string };
  spaceId: string;
  path: string;
  actions: string[];
  expiry: string;
  delegateDID: string;
}

/** Wraps a delegation to hand it over. */
export const portable = (token: Token, delegateDID: string, spaceId: string, path: string, actions: string[], seconds = 3600): Portable => ({
  cid: token.cid,
  delegationHeader: { Authorization: token.header },
  spaceId,
  path,
  actions,
  expiry: new Date(Date.now() + seconds * 1000).toISOString(),
  delegateDID,
});

/** What is in a sharing link. */
export interface Share {
  key: PrivateJwk;
  keyDid: string;
  delegation: Portable;
  path: string;
  host: string;
  spaceId: string;
  version: 1;
}

/** Makes a link out of a share. */
export const link = (share: Share): string => `tc1:${base64url(utf8(JSON.stringify(share)))}`;

/** Reads a link. */
export const unlink = (text: string): Share => JSON.parse(new TextDecoder().decode(fromBase64url(text.slice('tc1:'.length)))) as Share;

/** Delegates to a new key that goes into a link; the token is not posted yet. */
export const share = (by: Invoker, space: string, path: string, actions: string[], hostUrl: string): { token: Token; text: string } => {
  const key = Key.generate();
  const token = by.delegation(key.did, grants({ [`${space}/kv/${path}`]: actions }));
  const delegation = portable(token, key.did, space, path, actions);
  return { token, text: link({ key: key.privateJwk(), keyDid: key.did, delegation, path, host: hostUrl, spaceId: space, version: 1 }) };
};

/** Whoever holds a link, acting with the key in it. */
export const receiver = (via: Transport, held: Share): Invoker => new Invoker(via, Key.fromJwk(held.key), [held.delegation.cid]);
