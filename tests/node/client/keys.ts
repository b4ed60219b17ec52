// Ed25519 keys of sessions and of sharing links, as JWK and as did:key.

import { createPrivateKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { base58btc } from 'multiformats/bases/base58';
import { fromBase64url } from './bytes.js';

/** A public key in the member order that clients write. */
export interface PublicJwk {
  alg: 'EdDSA';
  kty: 'OKP';
  crv: 'Ed25519';
  x: string;
}

/** A key pair, as a sharing link carries it. */
export interface PrivateJwk extends PublicJwk {
  d: string;
}

/** What precedes a seed in PKCS #8 (RFC 8410). */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
/** The multicodec prefix of Ed25519 public keys. */
const MULTICODEC = [0xed, 0x01];

/** A key pair that signs tokens. */
export class Key {
  readonly jwk: PublicJwk;
  /** `did:key:z…` */
  readonly did: string;
  /** `did:key:z…#z…`, the verification method. */
  readonly url: string;
  readonly #key: KeyObject;

  private constructor(key: KeyObject) {
    const x = key.export({ format: 'jwk' }).x ?? '';
    const id = base58btc.encode(Uint8Array.from([...MULTICODEC, ...fromBase64url(x)]));
    this.#key = key;
    this.jwk = { alg: 'EdDSA', kty: 'OKP', crv: 'Ed25519', x };
    this.did = `did:key:${id}`;
    this.url = `${this.did}#${id}`;
  }

  /** A new one. */
  static generate(): Key {
    return new Key(generateKeyPairSync('ed25519').privateKey);
  }

  /** The one of this seed, of 32 bytes. */
  static fromSeed(seed: Uint8Array): Key {
    return new Key(createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' }));
  }

  /** The one in a sharing link. */
  static fromJwk({ kty, crv, x, d }: PrivateJwk): Key {
    return new Key(createPrivateKey({ key: { kty, crv, x, d }, format: 'jwk' }));
  }

  /** With the private part, for a sharing link. */
  privateJwk(): PrivateJwk {
    return { ...this.jwk, d: this.#key.export({ format: 'jwk' }).d ?? '' };
  }

  /** An Ed25519 signature. */
  sign(bytes: Uint8Array): Uint8Array {
    return new Uint8Array(sign(null, bytes, this.#key));
  }
}
