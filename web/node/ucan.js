// One use of a permission: a UCAN 0.10 JWT, signed by the session key.

import { random, toBase64Url, toHex } from '../bytes.js';
import { didUrl } from './did.js';

/** How long an invocation holds, in seconds: enough for slow networks, and what clients use. */
const LIFE = 60;

/** @typedef {{ did: string, publicKey: Uint8Array<ArrayBuffer>, sign: (bytes: Uint8Array<ArrayBuffer>) => Promise<Uint8Array<ArrayBuffer>> }} Signer */
/** @typedef {{ audience: string, expires: number, nonce: string, proof: string, grants: Record<string, string[]> }} Claims `expires` in seconds since 1970 */

/**
 * @param {Signer} signer
 * @param {Claims} claims
 * @returns {Promise<string>} the compact token
 */
export async function ucan(signer, { audience, expires, nonce, proof, grants }) {
  const header = { alg: 'EdDSA', jwk: { alg: 'EdDSA', kty: 'OKP', crv: 'Ed25519', x: toBase64Url(signer.publicKey) }, typ: 'JWT', ucv: '0.10.0' };
  const att = Object.fromEntries(
    Object.entries(grants).map(([resource, abilities]) => [resource, Object.fromEntries(abilities.map((ability) => [ability, [{}]]))]),
  );
  const payload = { iss: didUrl(signer.did), aud: audience, exp: expires, nnc: nonce, prf: [proof], att };
  const encoder = new TextEncoder();
  const part = (/** @type {object} */ value) => toBase64Url(encoder.encode(JSON.stringify(value)));
  const signed = `${part(header)}.${part(payload)}`;
  return `${signed}.${toBase64Url(await signer.sign(encoder.encode(signed)))}`;
}

/**
 * An invocation of one ability on one resource, for a minute from now.
 * @param {Signer} signer
 * @param {string} proof CID of the session's delegation
 * @param {string} resource
 * @param {string} ability
 */
export function invocation(signer, proof, resource, ability) {
  return ucan(signer, {
    audience: signer.did,
    expires: Math.floor(Date.now() / 1000) + LIFE,
    nonce: `urn:uuid:${uuid()}`,
    proof,
    grants: { [resource]: [ability] },
  });
}

/** A random UUID (version 4). */
function uuid() {
  const bytes = random(16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = toHex(bytes);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
