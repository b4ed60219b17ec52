// Session keys as DIDs: did:key of an Ed25519 public key (the did:key method of W3C CCG).

/** The alphabet of base58btc. */
const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
/** Multicodec `ed25519-pub`, as an unsigned varint. */
const ED25519 = [0xed, 0x01];
/** Bytes of an Ed25519 public key. */
const KEY_LENGTH = 32;

/**
 * Bytes in base58btc, without a multibase prefix.
 * @param {Uint8Array} bytes
 */
export function base58(bytes) {
  const zeros = bytes.findIndex((byte) => byte !== 0);
  const leading = zeros < 0 ? bytes.length : zeros;
  let number = 0n;
  for (const byte of bytes) number = number * 256n + BigInt(byte);
  let digits = '';
  for (; number > 0n; number /= 58n) digits = ALPHABET.charAt(Number(number % 58n)) + digits;
  return ALPHABET.charAt(0).repeat(leading) + digits;
}

/**
 * The DID of an Ed25519 public key.
 * @param {Uint8Array} key 32 bytes
 * @throws {RangeError} for another length
 */
export function didOf(key) {
  if (key.length !== KEY_LENGTH) throw new RangeError(`an Ed25519 key has ${KEY_LENGTH} bytes`);
  return `did:key:z${base58(Uint8Array.from([...ED25519, ...key]))}`;
}

/**
 * The DID URL of the key itself, as tokens name their issuer.
 * @param {string} did
 */
export function didUrl(did) {
  return `${did}#${did.slice('did:key:'.length)}`;
}
