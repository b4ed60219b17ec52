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
      fill(place, earlier(app));
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
    heading('This account is not confirmed yet'),
    kept
      ? notice('warn', 'One step is left', h('p', {}, 'This browser checked the receipt. Confirm it with the passkey; until then the key signs nothing.'))
      : notice(
          'bad',
          'The receipt is not in this browser',
          h('p', {}, 'The account was begun elsewhere and never confirmed. Confirm it in the browser where you began, or create a new account: this one holds nothing.'),
        ),
    h(
      'div',
      { class: 'row' },
      kept
        ? h('button', { type: 'button', class: 'primary', onclick: confirm }, 'Confirm with passkey')
        : h('a', { class: 'button primary', href: '#/create' }, 'Create a new account'),
    ),
    place,
  );
}
