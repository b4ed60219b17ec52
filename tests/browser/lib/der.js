// Just enough DER (X.690) to write certificates that no honest program would make.

/** @param {number} tag @param {...Uint8Array} parts */
export function tlv(tag, ...parts) {
  const body = Buffer.concat(parts);
  const length = body.length < 0x80 ? [body.length] : body.length < 0x100 ? [0x81, body.length] : [0x82, body.length >> 8, body.length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}

/** @param {...Uint8Array} parts */
export const sequence = (...parts) => tlv(0x30, ...parts);
/** @param {string} text such as `2.5.29.19` */
export function oid(text) {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const number of rest) {
    const digits = [number & 0x7f];
    for (let left = number >> 7; left > 0; left >>= 7) digits.unshift((left & 0x7f) | 0x80);
    bytes.push(...digits);
  }
  return tlv(6, Buffer.from(bytes));
}
/** @param {string} type @param {string} text */
const attribute = (type, text) => tlv(0x31, sequence(oid(type), tlv(0x0c, Buffer.from(text))));
/** @param {Date} date */
const time = (date) => tlv(0x17, Buffer.from(`${date.toISOString().slice(2, 19).replace(/[-T:]/g, '')}Z`));
/** @param {[string, string][]} names type and text */
const name = (names) => sequence(...names.map(([type, text]) => attribute(type, text)));
/** @param {string} type @param {boolean} critical @param {Uint8Array} content */
export const extension = (type, critical, content) => sequence(oid(type), ...(critical ? [tlv(1, Buffer.from([0xff]))] : []), tlv(4, content));

/** ecdsa-with-SHA384 */
const ALGORITHM = sequence(oid('1.2.840.10045.4.3.3'));

/**
 * @param {{ subject: [string, string][], issuer: [string, string][], from: Date, until: Date, publicKey: import('node:crypto').KeyObject, extensions: Uint8Array[], sign: (bytes: Uint8Array) => Uint8Array }} given
 */
export function certificate({ subject, issuer, from, until, publicKey, extensions, sign }) {
  const serial = tlv(2, Buffer.from([1, 2, 3, 4]));
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  const body = sequence(tlv(0xa0, tlv(2, Buffer.from([2]))), serial, ALGORITHM, name(issuer), sequence(time(from), time(until)), name(subject), spki, tlv(0xa3, sequence(...extensions)));
  return sequence(body, ALGORITHM, tlv(3, Buffer.from([0]), sign(body)));
}
