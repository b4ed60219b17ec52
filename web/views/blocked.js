// When this page cannot work at all: a program in between, another address than its own, or a browser without passkeys.

import { h } from '../dom.js';
import { belongs, continues } from '../origin.js';
import { notice } from '../ui.js';
import { supported } from '../webauthn.js';

/** @import { Beside } from '../anchor.js' */
/** @import { Config } from '../messages.js' */

/**
 * @param {Config} config
 * @param {() => Promise<Beside>} beside
 * @param {string[]} known what this browser remembers of the deployment
 * @returns {Promise<HTMLElement | null>} what to show instead of everything else
 */
export async function blocker(config, beside, known) {
  if (location.origin !== config.origin) {
    const { anchor } = await beside();
    if (anchor !== null && !known.every((one) => continues(anchor, one))) return changed();
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

/** Another program than this page's stood, or stands, between it and its address. */
export function taken() {
  return h(
    'div',
    { class: 'stack' },
    h('h1', {}, 'Another program stood between this page and its address'),
    notice(
      'bad',
      'The page does not go on',
      h('p', {}, 'A service worker was installed in this browser for this address. This page has none: whoever served this address earlier left it, and it can show another page in the place of this one, or change what this page reads. This page has removed it as far as a page can.'),
      h('p', {}, `Now clear what this browser keeps for this address: in its settings, under cookies and site data, remove everything of ${location.host}, cached files too. Close every tab of this address, and open it again. Your passkeys stay.`),
      h('p', {}, 'What was shown and approved here earlier may not have been what you saw. Compare passkeys and history on another device, and tell the operator.'),
      h('p', { class: 'quiet small' }, 'Reason: checked in this page · ', h('code', { class: 'mono' }, 'service_worker')),
    ),
  );
}

/** Without a link: the address is of the choice of whoever changed the anchor. */
function changed() {
  return h(
    'div',
    { class: 'stack' },
    h('h1', {}, 'This is another deployment than the one this browser remembers'),
    notice(
      'bad',
      'The page does not go on',
      h('p', {}, 'The host says that this page belongs to another address, and the page came with an anchor of another deployment than the one you used here. This may be an attempt to lead you to a look-alike.'),
      h('p', {}, 'Do not sign in or sign up anywhere because of this. Open the address that you know, typed by yourself, and tell the operator.'),
      h('p', { class: 'quiet small' }, 'Reason: checked in this page · ', h('code', { class: 'mono' }, 'deployment_changed')),
    ),
  );
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
