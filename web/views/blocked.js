// When this page cannot work at all: another address than its own, or a browser without passkeys.

import { h } from '../dom.js';
import { notice } from '../ui.js';
import { supported } from '../webauthn.js';

/** @import { Config } from '../messages.js' */

/**
 * @param {Config} config
 * @returns {HTMLElement | null} what to show instead of everything else
 */
export function blocker(config) {
  if (location.origin !== config.origin) {
    return h(
      'div',
      { class: 'stack' },
      h('h1', {}, 'This page is not at its own address'),
      notice(
        'bad',
        `It works only at ${config.origin}`,
        h('p', {}, `You opened it at ${location.origin}. Passkeys belong to one address, and the enclave refuses every other: that is what keeps look-alike pages out.`),
        h('p', {}, 'Open the address above. If a message or another site sent you here, be careful: type the address yourself.'),
      ),
      h('p', {}, h('a', { class: 'button primary', href: config.origin }, `Open ${config.origin}`)),
    );
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
