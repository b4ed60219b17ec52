// Deterministic CBOR (RFC 8949 §4.2) for the messages of an enclave: one encoding for every value,
// in both directions. Byte strings are Uint8Array, text keys only, no tags, no floats.

import {
  decode as decodeCbor,
  encode as encodeCbor,
  rfc8949EncodeOptions,
} from './vendor/cborg/cborg.js';

/** @typedef {null | boolean | number | bigint | string | Uint8Array | CborValue[] | { [key: string]: CborValue }} CborValue */

/** Bytes are not the deterministic CBOR of a message. */
export class CborError extends Error {}

const encoding = {
  ...rfc8949EncodeOptions,
  typeEncoders: {
    /** @returns {never} */
    undefined() {
      throw new CborError('undefined has no place in a message');
    },
    /**
     * Integers go on to the library; anything else would become a float.
     * @param {number} value
     * @returns {null}
     */
    number(value) {
      if (!Number.isSafeInteger(value)) throw new CborError(`${value} is not a safe integer`);
      return null;
    },
  },
};

/**
 * Encodes a message.
 * @param {unknown} value
 * @returns {Uint8Array<ArrayBuffer>}
 * @throws {CborError} for anything but null, booleans, integers, texts, bytes, arrays and plain objects
 */
export function encode(value) {
  try {
    return encodeCbor(value, encoding);
  } catch (cause) {
    throw new CborError(`cannot encode: ${text(cause)}`, { cause });
  }
}

/**
 * Decodes a message and refuses every other encoding of it: unsorted or repeated keys, longer
 * integers than needed, indefinite lengths, trailing bytes, floats, tags.
 * @param {Uint8Array} bytes
 * @returns {CborValue}
 * @throws {CborError}
 */
export function decode(bytes) {
  /** @type {CborValue} */
  let value;
  /** @type {Uint8Array} */
  let again;
  try {
    value = decodeCbor(bytes, {
      strict: true,
      allowIndefinite: false,
      allowUndefined: false,
      allowInfinity: false,
      allowNaN: false,
      rejectDuplicateMapKeys: true,
    });
    again = encodeCbor(value, encoding);
  } catch (cause) {
    throw new CborError(`cannot decode: ${text(cause)}`, { cause });
  }
  if (again.length !== bytes.length || again.some((byte, i) => byte !== bytes[i])) {
    throw new CborError('cannot decode: not the one deterministic encoding');
  }
  return value;
}

/** @param {unknown} cause */
function text(cause) {
  return cause instanceof Error ? cause.message : String(cause);
}
