// Deterministic CBOR: what the page sends has one encoding, and only that one is read back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CborError, decode, encode } from '../../../web/cbor.js';
import { fromHex, toHex } from '../../../web/bytes.js';

test('keys are sorted by their encoding and integers are shortest', () => {
  assert.equal(toHex(encode({ bb: 1, a: 24, c: [true, null, 'ü', fromHex('00ff')] })), 'a36161181861638' + '4f5f662c3bc4200ff' + '62626201');
});

test('times up to 2^53 survive, larger integers are told apart from them', () => {
  const time = Number.MAX_SAFE_INTEGER;
  assert.equal(decode(encode(time)), time);
  assert.equal(typeof decode(fromHex('1bffffffffffffffff')), 'bigint');
});

test('what has no place in a message is not encoded', () => {
  for (const value of [undefined, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60, { a: undefined }]) {
    assert.throws(() => encode(value), CborError);
  }
});

test('every other encoding is refused', () => {
  const refused = {
    trailing_byte: '0000',
    truncated: '6261',
    long_integer: '1801',
    long_length: '580100',
    indefinite_array: '9fff',
    indefinite_text: '7f6161ff',
    unsorted_keys: 'a2616200616100',
    duplicate_key: 'a2616100616100',
    integer_key: 'a10000',
    float: 'f93c00',
    undefined_value: 'f7',
    tag: 'c000',
    broken_utf8: '61ff',
    empty: '',
  };
  for (const [name, hex] of Object.entries(refused)) assert.throws(() => decode(fromHex(hex)), CborError, name);
});

test('a key that JavaScript treats specially stays a plain member', () => {
  const value = /** @type {any} */ (decode(fromHex('a1695f5f70726f746f5f5fa1616101')));
  assert.equal(Object.getPrototypeOf(value), Object.prototype);
  assert.equal(value.a, undefined);
});

test('random messages come back as they were', () => {
  let seed = 7;
  const next = (/** @type {number} */ n) => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return seed % n;
  };
  /** @returns {any} */
  const make = (depth = 0) => {
    switch (next(depth > 3 ? 5 : 7)) {
      case 0: return next(2) === 1;
      case 1: return null;
      case 2: return next(2147483647) * (next(2) ? 1 : -1);
      case 3: return 'né\u{1f511}'.slice(next(3)).toWellFormed?.() ?? 'x';
      case 4: return Uint8Array.from({ length: next(40) }, () => next(256));
      case 5: return Array.from({ length: next(5) }, () => make(depth + 1));
      default: return Object.fromEntries(Array.from({ length: next(6) }, () => [`k${next(50)}`, make(depth + 1)]));
    }
  };
  for (let i = 0; i < 500; i += 1) {
    const value = make();
    const bytes = encode(value);
    assert.deepEqual(decode(bytes), value);
    assert.deepEqual(encode(decode(bytes)), bytes);
  }
});
