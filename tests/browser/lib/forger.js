// Credentials of a stranger's own authenticator, made in software.

import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { encode as cbor } from 'cborg';

/**
 * A new credential over client data that somebody else's browser made: what a relay would register
 * in place of the person's.
 *
 * @param {{ clientData: Uint8Array, rpId: string, id?: Uint8Array }} given `id` to keep
 */
export function credential({ clientData, rpId, id = new Uint8Array(randomBytes(32)) }) {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { x, y } = publicKey.export({ format: 'jwk' });
  const cose = cbor(
    new Map(
      /** @type {[number, unknown][]} */ ([
        [1, 2],
        [3, -7],
        [-1, 1],
        [-2, new Uint8Array(Buffer.from(String(x), 'base64url'))],
        [-3, new Uint8Array(Buffer.from(String(y), 'base64url'))],
      ]),
    ),
  );
  const length = Buffer.alloc(2);
  length.writeUInt16BE(id.length);
  const USER_PRESENT_VERIFIED_ATTESTED = 0x45;
  const authData = Buffer.concat([createHash('sha256').update(rpId).digest(), Buffer.from([USER_PRESENT_VERIFIED_ATTESTED]), Buffer.alloc(4), Buffer.alloc(16), length, id, cose]);
  return {
    id: new Uint8Array(id),
    attestation_object: cbor({ fmt: 'none', attStmt: {}, authData: new Uint8Array(authData) }),
    client_data_json: clientData,
    transports: ['internal'],
  };
}
