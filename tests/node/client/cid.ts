// Names of tokens and of values: BLAKE3-256, as a CIDv1 of raw bytes or as an entity tag.

import { blake3 } from '@noble/hashes/blake3.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { base32 } from 'multiformats/bases/base32';
import { base58btc } from 'multiformats/bases/base58';

/** CIDv1, codec raw, multihash BLAKE3-256 of 32 bytes. */
const PREFIX = [0x01, 0x55, 0x1e, 0x20];

/** The CID of these bytes, in binary. */
const binary = (bytes: Uint8Array): Uint8Array => Uint8Array.from([...PREFIX, ...blake3(bytes)]);

/** The CID of these bytes as it stands everywhere but in a ReCap. */
export const cidOf = (bytes: Uint8Array): string => base32.encode(binary(bytes));

/** A CID as the proofs of a ReCap have it: base58btc. */
export const base58Cid = (cid: string): string => base58btc.encode(base32.decode(cid));

/** The entity tag of a value. */
export const etagOf = (bytes: Uint8Array): string => `"blake3-${bytesToHex(blake3(bytes))}"`;
