// Composes a Sign-In with Ethereum message (EIP-4361) line by line. The enclave parses it again and
// says what it means; nothing here is trusted.

import { random, toHex } from '../bytes.js';
import { h } from '../dom.js';
import { field } from '../ui.js';

/** @import { Drafts } from '../drafts.js' */

/** @typedef {{ domain: string, address: string, statement: string, uri: string, chain: string, nonce: string, issued: Date, minutes: number }} SiweParts */

/**
 * @param {SiweParts} parts
 * @returns {string}
 */
export function siweMessage({ domain, address, statement, uri, chain, nonce, issued, minutes }) {
  const expires = new Date(issued.getTime() + minutes * 60_000);
  return [
    `${domain} wants you to sign in with your Ethereum account:`,
    address,
    '',
    ...(statement ? [statement, ''] : ['']),
    `URI: ${uri}`,
    'Version: 1',
    `Chain ID: ${chain}`,
    `Nonce: ${nonce}`,
    `Issued At: ${issued.toISOString()}`,
    `Expiration Time: ${expires.toISOString()}`,
  ].join('\n');
}

/**
 * A form within the form: fills the message from a few fields.
 * @param {Drafts} drafts
 * @param {() => string} address of the chosen key, EIP-55
 * @param {(message: string) => void} put
 */
export function siweHelper(drafts, address, put) {
  const domain = h('input', { type: 'text', value: location.host, autocomplete: 'off', spellcheck: 'false' });
  const uri = h('input', { type: 'text', value: `${location.origin}/`, autocomplete: 'off', spellcheck: 'false' });
  const statement = h('input', { type: 'text', value: 'Sign in to try this out.', autocomplete: 'off' });
  const chain = h('input', { type: 'text', inputmode: 'numeric', pattern: '[0-9]+', value: '1' });
  const minutes = h('input', { type: 'text', inputmode: 'numeric', pattern: '[0-9]+', value: '10' });
  for (const [name, field] of Object.entries({ domain, uri, statement, chain, minutes })) drafts.bind(`siwe-${name}`, field);
  const compose = () =>
    put(
      siweMessage({
        domain: domain.value.trim(),
        address: address(),
        statement: statement.value.trim(),
        uri: uri.value.trim(),
        chain: chain.value.trim(),
        nonce: toHex(random(8)),
        issued: new Date(),
        minutes: Number(minutes.value) || 10,
      }),
    );
  return h(
    'details',
    {},
    h('summary', {}, 'Compose one'),
    h(
      'div',
      { class: 'inside stack' },
      h(
        'div',
        { class: 'grid-2' },
        field('Who asks (domain)', domain),
        field('Where (URI)', uri),
        field('Statement', statement),
        field('Chain ID', chain),
        field('Good for (minutes)', minutes),
      ),
      h('button', { type: 'button', class: 'small', onclick: compose }, 'Put it in the field'),
    ),
  );
}
