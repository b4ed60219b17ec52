// A sign-in with permissions as text to sign and, once signed, as the token a node takes (CAIP-74).

import { fromHex, toBase64 } from '../bytes.js';
import { encode } from '../cbor.js';
import { recapResource, recapStatement } from './recap.js';

/** @import { Grants } from './recap.js' */

/**
 * @typedef {object} SignIn
 * @property {string} domain who asks
 * @property {string} address of the key, EIP-55
 * @property {number} chain
 * @property {string} audience who gets the permissions
 * @property {string} nonce
 * @property {string} issued RFC 3339
 * @property {string} [expires] RFC 3339
 * @property {Grants} grants
 */

/**
 * The EIP-4361 text.
 * @param {SignIn} it
 */
export function signInText(it) {
  return [
    `${it.domain} wants you to sign in with your Ethereum account:`,
    it.address,
    '',
    recapStatement(it.grants),
    '',
    `URI: ${it.audience}`,
    'Version: 1',
    `Chain ID: ${it.chain}`,
    `Nonce: ${it.nonce}`,
    `Issued At: ${it.issued}`,
    ...(it.expires === undefined ? [] : [`Expiration Time: ${it.expires}`]),
    'Resources:',
    `- ${recapResource(it.grants)}`,
  ].join('\n');
}

/**
 * The token, as the `Authorization` header carries it: base64url of DAG-CBOR, padded.
 * @param {SignIn} it
 * @param {string} signature 65 bytes as hex
 */
export function cacaoHeader(it, signature) {
  const token = encode({
    h: { t: 'eip4361' },
    p: {
      aud: it.audience,
      domain: it.domain,
      ...(it.expires === undefined ? {} : { exp: it.expires }),
      iat: it.issued,
      iss: `did:pkh:eip155:${it.chain}:${it.address}`,
      nonce: it.nonce,
      resources: [recapResource(it.grants)],
      statement: recapStatement(it.grants),
      version: 1,
    },
    s: { s: fromHex(signature), t: 'eip191' },
  });
  return toBase64(token).replaceAll('+', '-').replaceAll('/', '_');
}
