// Somebody's own "hardware": a root, a leaf and documents of an NSM's shape, made in software.

import { generateKeyPairSync, sign } from 'node:crypto';
import { encode } from 'cborg';
import { encode as canonical } from '../../../web/cbor.js';
import { certificate, extension } from './der.js';

const REAL = { module: 'i-0123456789abcdef0-enc0199c8a1b2c3d4e5', place: 'eu-central-1.aws' };
/** As a simulator calls itself. */
const SIMULATED = { module: 'sim-0123456789abcdef0-enc0199c8a1b2c3d4e5', place: 'sim-local-1.sim' };
const NAMES = { country: '2.5.4.6', organization: '2.5.4.10', unit: '2.5.4.11', common: '2.5.4.3', state: '2.5.4.8', locality: '2.5.4.7' };
/** @type {[string, string][]} as the root of AWS is called */
const ROOT = [[NAMES.country, 'US'], [NAMES.organization, 'Amazon'], [NAMES.unit, 'AWS'], [NAMES.common, 'aws.nitro-enclaves']];
const HOUR = 3_600_000;

export class Hardware {
  /** @param {{ measurements: Record<number, string>, binding: Record<string, unknown>, simulator?: boolean }} given */
  constructor({ measurements, binding, simulator = false }) {
    this.measurements = measurements;
    this.called = simulator ? SIMULATED : REAL;
    const root = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    this.leafKey = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    this.identity = generateKeyPairSync('ed25519');
    const { x } = this.identity.publicKey.export({ format: 'jwk' });
    this.binding = { ...binding, identity: new Uint8Array(Buffer.from(String(x), 'base64url')) };
    const byRoot = (/** @type {Uint8Array} */ bytes) => sign('sha384', bytes, root.privateKey);
    const now = Date.now();
    const authority = [extension('2.5.29.19', true, Buffer.from([0x30, 3, 1, 1, 0xff])), extension('2.5.29.15', true, Buffer.from([3, 2, 1, 0x86]))];
    this.root = certificate({ subject: ROOT, issuer: ROOT, from: new Date(now - 24 * HOUR), until: new Date(now + 9000 * HOUR), publicKey: root.publicKey, extensions: authority, sign: byRoot });
    this.leaf = certificate({
      subject: [[NAMES.country, 'US'], [NAMES.state, 'Washington'], [NAMES.locality, 'Seattle'], [NAMES.organization, 'Amazon'], [NAMES.unit, 'AWS'], [NAMES.common, `${this.called.module}.${this.called.place}`]],
      issuer: ROOT,
      from: new Date(now - 60_000),
      until: new Date(now + 3 * HOUR),
      publicKey: this.leafKey.publicKey,
      extensions: [extension('2.5.29.19', true, Buffer.from([0x30, 0])), extension('2.5.29.15', true, Buffer.from([3, 2, 6, 0xc0]))],
      sign: byRoot,
    });
  }

  /** PEM of the root, as policies carry it. */
  get pem() {
    return `-----BEGIN CERTIFICATE-----\n${this.root.toString('base64').replace(/.{64}/g, '$&\n').trimEnd()}\n-----END CERTIFICATE-----\n`;
  }

  /**
   * An attestation document over a nonce, right in everything but its root.
   * @param {Uint8Array} nonce
   */
  document(nonce) {
    const pcrs = new Map();
    for (let index = 0; index < 16; index += 1) pcrs.set(index, new Uint8Array(Buffer.from(this.measurements[index] ?? '00'.repeat(48), 'hex')));
    const payload = encode(
      new Map(
        /** @type {[string, unknown][]} */ ([
          ['module_id', this.called.module],
          ['digest', 'SHA384'],
          ['timestamp', Date.now()],
          ['pcrs', this.#withSixteen(pcrs)],
          ['certificate', new Uint8Array(this.leaf)],
          ['cabundle', [new Uint8Array(this.root)]],
          ['public_key', null],
          ['user_data', canonical(this.binding)],
          ['nonce', new Uint8Array(nonce)],
        ]),
      ),
      { mapSorter: undefined },
    );
    const header = encode(new Map([[1, -35]]));
    const input = encode(['Signature1', header, new Uint8Array(0), payload]);
    const signature = new Uint8Array(sign('sha384', input, { key: this.leafKey.privateKey, dsaEncoding: 'ieee-p1363' }));
    return encode([header, new Map(), payload, signature]);
  }

  /** @param {Map<number, Uint8Array>} pcrs */
  #withSixteen(pcrs) {
    const sixteen = this.measurements[16];
    if (sixteen !== undefined) pcrs.set(16, new Uint8Array(Buffer.from(sixteen, 'hex')));
    return pcrs;
  }
}
