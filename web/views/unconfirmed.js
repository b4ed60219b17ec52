// An account whose first passkey has not confirmed the receipt: its key signs nothing yet.

import { propose } from '../consent.js';
import { fromHex } from '../bytes.js';
import { fill, h } from '../dom.js';
import { fail, heading, notice } from '../ui.js';
import { ask } from './prompt.js';
import { earlier } from './unsettled.js';

/** @import { App } from '../state.js' */

/**
 * @param {App} app
 * @param {AbortSignal} signal
 */
export function unconfirmed(app, signal) {
  const account = app.session?.account ?? '';
  const kept = app.store.receipt(account);
  const place = h('div', {});
  const confirm = async () => {
    const who = app.session;
    if (!kept || !who) return;
    const result = await ask(app, 'Confirm your account', () => propose(app, who, { confirm: { receipt: fromHex(kept.hash) } }), { signal });
    if (!result) {
      fill(place, earlier(app, account));
      return;
    }
    try {
      await app.refresh();
      app.dispatchEvent(new Event('session'));
    } catch (error) {
      fail(place, error);
    }
  };
  return h(
    'div',
    { class: 'stack' },
    heading(kept ? 'This account is not confirmed yet' : 'The enclave was shown an account that is not confirmed'),
    kept
      ? notice('warn', 'One step is left', h('p', {}, 'This browser checked the receipt. Confirm it with the passkey; until then the key signs nothing.'))
      : notice(
          'bad',
          'This browser cannot know whether this is all',
          h('p', {}, 'The enclave was shown an account that was not confirmed. The host’s storage decides what the enclave is shown, and this browser has neither the receipt nor an earlier state of this account.'),
          h('p', {}, 'If you have used this account, do not create another: tell the operator. An old copy may have been shown to you, and your key and history exist.'),
          h('p', {}, 'If you began it in another browser and never finished, confirm it there, or sign out and begin again.'),
        ),
    kept && h('div', { class: 'row' }, h('button', { type: 'button', class: 'primary', onclick: confirm }, 'Confirm with passkey')),
    place,
  );
}
