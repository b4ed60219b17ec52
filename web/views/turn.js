// Which of two passkeys is to be used now, where a new one is added.

import { h } from '../dom.js';
import { notice } from '../ui.js';

/** @import { Possession } from '../consent.js' */

/** @param {Possession} possession */
export function turn({ assertion }) {
  return assertion ? second() : first();
}

function first() {
  return notice(
    'plain',
    'First of two: the new passkey',
    h('p', {}, 'Use the new passkey once, so that the enclave knows that you hold it.'),
    h('p', { class: 'quiet small' }, 'If this browser cannot use it, cancel. The passkey is then not added and opens nothing: delete it where your passkeys are kept, and add one on another device.'),
  );
}

function second() {
  return notice('plain', 'Second of two: a passkey that you have', h('p', {}, 'The new passkey has answered. Approve now with a passkey that the account has already: only both together add it.'));
}
