// Maintainers who sign releases: the deployment's own, whom the simulator plays, and strangers.

import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encode } from '../../../web/cbor.js';

/** PKCS #8 in front of an Ed25519 seed (RFC 8410). */
const SEED = Buffer.from('302e020100300506032b657004220420', 'hex');

export class Maintainer {
  /** @param {import('node:crypto').KeyObject} key */
  constructor(key) {
    this.key = key;
    const { x } = createPublicKey(key).export({ format: 'jwk' });
    this.public = Buffer.from(String(x), 'base64url').toString('hex');
  }

  /** Nobody whom anybody knows. */
  static stranger() {
    return new Maintainer(generateKeyPairSync('ed25519').privateKey);
  }

  /**
   * The deployment's, by their key files.
   * @param {string} dir of the simulation
   */
  static async all(dir) {
    const files = [1, 2, 3].map((number) => readFile(join(dir, 'operators', `maintainer-${number}.json`), 'utf8'));
    return (await Promise.all(files)).map((text) => new Maintainer(createPrivateKey({ key: Buffer.concat([SEED, Buffer.from(JSON.parse(text).seed, 'hex')]), format: 'der', type: 'pkcs8' })));
  }
}

/**
 * The list of releases of a simulation, with other manifests and signatures.
 * @param {any} list `/releases.json` as it is served
 * @param {(manifest: any) => any} change of the first release
 * @param {Maintainer[]} maintainers who sign it
 */
export function released(list, change, maintainers) {
  const manifest = change(structuredClone(list.releases[0].manifest));
  const input = Buffer.concat([Buffer.from('openkey/release/v1\0'), encode(manifest)]);
  const signatures = maintainers.map((one) => ({ key: one.public, signature: sign(null, input, one.key).toString('hex') }));
  return { manifest, signatures };
}

/** @param {string} text */
export const sha256 = (text) => createHash('sha256').update(text).digest('hex');
