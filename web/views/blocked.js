// When this page cannot work at all: another address than its own, or a browser without passkeys.

import { h } from '../dom.js';
import { belongs } from '../origin.js';
import { notice } from '../ui.js';
import { supported } from '../webauthn.js';

/** @import { Beside } from '../anchor.js' */
/** @import { Config } from '../messages.js' */

/**
 * @param {Config} config
 * @param {() => Promise<Beside>} beside
 * @returns {Promise<HTMLElement | null>} what to show instead of everything else
 */
export async function blocker(config, beside) {
  if (location.origin !== config.origin) {
    const { anchor } = await beside();
    return belongs(config.origin, anchor) ? elsewhere(config.origin) : nowhere();
  }
  if (!supported()) {
    return h(
      'div',
      { class: 'stack' },
      h('h1', {}, 'This browser cannot use passkeys here'),
      notice(
        'bad',
        window.isSecureContext ? 'The browser does not know passkeys' : 'The connection is not secure',
        h('p', {}, window.isSecureContext ? 'Use a current version of Chrome, Edge, Firefox or Safari.' : 'Passkeys work only over HTTPS, or at localhost.'),
      ),
    );
  }
  return null;
}

/** @param {string} origin one of those that the page's anchor names */
function elsewhere(origin) {
  return h(
    'div',
    { class: 'stack' },
    h('h1', {}, 'This page is not at its own address'),
    notice(
      'bad',
      `It works only at ${origin}`,
      h('p', {}, `You opened it at ${location.origin}. Passkeys belong to one address, and the enclave refuses every other: that is what keeps look-alike pages out.`),
      h('p', {}, 'Open the address above. If a message or another site sent you here, be careful: type the address yourself.'),
    ),
    h('p', {}, h('a', { class: 'button primary', href: origin }, `Open ${origin}`)),
  );
}

/** The address is not repeated: it is of the host's choice. */
function nowhere() {
  return h(
    'div',
    { class: 'stack' },
    h('h1', {}, 'The host names an address that is not this page’s'),
    notice(
      'bad',
      'The page does not go on',
      h('p', {}, 'The host’s file config.json says that this page belongs to another address. The anchor of this page does not name that address, so this may be an attempt to lead you to a look-alike.'),
      h('p', {}, 'Do not sign in or sign up anywhere because of this. Open the address that you know, typed by yourself, and tell the operator.'),
    ),
  );
}
