// Bytes as text.

const encoder = new TextEncoder();

/** A text as UTF-8. */
export const utf8 = (text: string): Uint8Array => encoder.encode(text);

/** Base64url without padding (RFC 4648, section 5). */
export const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');

/** Base64url with padding, as CACAO headers have it. */
export const base64urlPadded = (bytes: Uint8Array): string => {
  const text = base64url(bytes);
  return text + '='.repeat((4 - (text.length % 4)) % 4);
};

/** Reads base64url, with or without padding. */
export const fromBase64url = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64url'));

/** Reads hexadecimal, with or without `0x`. */
export const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replace(/^0x/, ''), 'hex'));
